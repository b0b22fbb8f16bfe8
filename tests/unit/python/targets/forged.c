// SPDX-License-Identifier: GPL-2.0-only
/*
 * No CPython, but to a reader from outside it looks like one: it exports CPython's symbols, with
 * structures behind them that HOW says. The offsets are those of 3.12.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	INTERPRETERS_HEAD = 40,
	INTERPRETER_NEXT = 0,
	THREADS_HEAD = 72,
	STATE_NEXT = 8,
	STATE_INTERPRETER = 16,
	STATE_STATUS = 24,
	STATE_CFRAME = 56,
	STATE_THREAD_ID = 136,
	FRAME_CODE = 0,
	FRAME_BACK = 8,
	OBJECT_BYTES = 512,
	LONG_LIST = 200000,
	BOUND = 1 | 2 | 8 | 16,
};

char _PyRuntime[200000] __attribute__((aligned(16))) = { 0 };
char PyCode_Type[512] = { 0 };

static int is(const char *how)
{
	return strcmp(HOW, how) == 0;
}

#define VERSION_IS(how, version)                                                                   \
	(__builtin_strcmp(HOW, how) == 0 ? (version) :

const unsigned int Py_Version =
	VERSION_IS("future", 0x031000f0)
	VERSION_IS("next-major", 0x040000f0)
	VERSION_IS("beta", 0x030c00b1)
	VERSION_IS("no-debug-offsets", 0x030d00f0)
	VERSION_IS("free-threaded", 0x030d00f0)
	VERSION_IS("absurd-debug-offsets", 0x030d00f0)
	0x030c01f0))))));

void PyEval_EvalCode(void);
void PyEval_EvalCode(void)
{
}
void Py_BytesMain(void);
void Py_BytesMain(void)
{
}

static void put(char *object, size_t offset, const void *pointer)
{
	memcpy(object + offset, &pointer, sizeof(pointer));
}

static char *state_new(char *interpreter, char *next)
{
	const int status = BOUND;
	char *state = calloc(1, OBJECT_BYTES);

	put(state, STATE_NEXT, next);
	put(state, STATE_INTERPRETER, interpreter);
	memcpy(state + STATE_STATUS, &status, sizeof(status));
	put(state, STATE_THREAD_ID, (void *)pthread_self());
	return state;
}

static void debug_offsets_forge(uint64_t *words)
{
	memcpy(words, "xdebugpy", 8);
	words[1] = Py_Version;
	words[2] = is("free-threaded");
	for (int i = 3; i < 100; i++)
		words[i] = 0xffffffffffffff00;
}

static void forge(void)
{
	char *interpreter = calloc(1, 4096);
	char *state = state_new(interpreter, NULL);
	char *last = state;

	if (is("idle"))
		return;
	if (is("free-threaded") || is("absurd-debug-offsets"))
		debug_offsets_forge((uint64_t *)_PyRuntime);
	else
		put(_PyRuntime, INTERPRETERS_HEAD, interpreter);
	if (is("long-list")) {
		for (int i = 0; i < LONG_LIST; i++)
			state = state_new(interpreter, state);
	}
	put(interpreter, THREADS_HEAD, state);
	if (is("thread-cycle"))
		put(last, STATE_NEXT, state_new(interpreter, state));
	if (is("interpreter-cycle"))
		put(interpreter, INTERPRETER_NEXT, interpreter);
	if (is("wild"))
		put(interpreter, THREADS_HEAD, (void *)0x6666666666666000);
	if (is("other-interpreter"))
		put(state, STATE_INTERPRETER, state);
	if (is("no-threads"))
		put(state, STATE_THREAD_ID, state);
	if (is("frame-cycle") || is("no-threads")) {
		char *frame = calloc(1, OBJECT_BYTES), *code = calloc(1, OBJECT_BYTES);
		char *cframe = calloc(1, OBJECT_BYTES);

		put(state, STATE_CFRAME, cframe);
		put(cframe, 0, frame);
		put(frame, FRAME_CODE, code);
		put(frame, FRAME_BACK, frame);
		if (is("no-threads"))
			put(code, 8, PyCode_Type);
	}
}

int main(void)
{
	char byte;

	forge();
	puts("ready");
	fflush(stdout);
	return read(0, &byte, 1) < 0;
}
