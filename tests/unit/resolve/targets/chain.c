// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program whose stack is known: chain MODE. It traps (int3) when it has come to where it is to be
 * looked at, and again when it leaves. Functions are named after their place in the chain.
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__
#define LINK __attribute__((noinline))
#else
#define LINK __attribute__((noipa))
#endif
/* Something after the call, so that it is no tail call. */
#define AFTER __asm__ volatile("" ::: "memory")
#define TRAP __asm__ volatile("int3" ::: "memory")

static volatile int total;

LINK void leaf(void)
{
	TRAP;
	for (int i = 0; i < 10; i++)
		total += i;
	TRAP;
}

LINK int many_registers(int a, int b, int c, int d, int e, int f)
{
	int sum = a * b + c;

	leaf();
	for (int i = 0; i < a; i++)
		sum += (a ^ i) * (b + i) + (c ^ i) * (d + i) - (e ^ i) * (f + i);
	return sum + a + b + c + d + e + f;
}

LINK int big_frame(int n)
{
	char block[3000];

	memset(block, n, sizeof(block));
	total += many_registers(n, 2, 3, 4, 5, 6);
	return block[n];
}

LINK int variable_frame(int n)
{
	char *block = alloca((size_t)n * 17);

	memset(block, n, (size_t)n * 17);
	total += big_frame(n);
	return block[n];
}

LINK int aligned_frame(int n)
{
	__attribute__((aligned(64))) char block[128];
	char *more = alloca((size_t)n * 9);

	memset(block, n, sizeof(block));
	memset(more, n, (size_t)n * 9);
	total += variable_frame(n);
	return block[n] + more[n] + ((uintptr_t)block % 64 != 0);
}

LINK void run_frames(void)
{
	total += aligned_frame(20);
	AFTER;
}

LINK int compare(const void *left, const void *right)
{
	const int *a = left, *b = right;
	char text[32];

	snprintf(text, sizeof(text), "%d", *a);
	return (*a > *b) - (*a < *b) + (text[0] == 'x');
}

/* Through procedure linkage, the lazy resolver, and a callback out of libc. */
LINK void run_library(void)
{
	int numbers[] = { 5, 3, 9, 1 };

	TRAP;
	qsort(numbers, 4, sizeof(numbers[0]), compare);
	total += (int)strtol("42", NULL, 10);
	free(malloc((size_t)total));
	TRAP;
}

LINK void handler(int signal)
{
	(void)signal;
	leaf();
	AFTER;
}

LINK void run_signal(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	AFTER;
}

/* Interrupted at its very first instruction: the byte before is no code of its own. */
__asm__(".text\n"
	".globl faulty\n.type faulty, @function\nfaulty:\n.cfi_startproc\nud2\nret\n.cfi_endproc\n"
	".size faulty, .-faulty\n");
void faulty(void);

LINK void run_ill(void)
{
	signal(SIGILL, handler);
	faulty();
	AFTER;
}

static void *thread_main(void *arg)
{
	run_frames();
	return arg;
}

LINK void run_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
}

LINK int recurse(int n)
{
	int sum = n ? recurse(n - 1) : 0;

	if (!n)
		leaf();
	return sum + total;
}

LINK void run_deep(void)
{
	total += recurse(100);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {
		{ "frames", run_frames }, { "library", run_library }, { "signal", run_signal },
		{ "ill", run_ill },	  { "thread", run_thread },   { "deep", run_deep },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0)
			modes[i].run();
	}
	return 0;
}
