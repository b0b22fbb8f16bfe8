// SPDX-License-Identifier: GPL-2.0-only
/*
 * 3.11, 3.12: which frame called the C that is just entering the interpreter, while the new
 * _PyCFrame is not filled. The C stack is laid out by hand.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "unit/walk/memory.h"

#include "python/thread.h"

enum { STACK_BYTES = 0x8000, STATE_BYTES = 0x1000 };

#define STACK 0x7fff00000000ull
#define STATE 0x555500000000ull
#define HEAP_FRAME 0x7f1200000040ull

#define NEWEST (STACK + 0x400) /* the _PyCFrame that is not filled */
#define BEFORE (STACK + 0xc00)
#define OLDER (STACK + 0x1400)
#define SP (NEWEST - 0x80)

static const struct python_target TARGET = {
	.layout = { .cframe_current_frame = 8, .tstate_frame = 56, .tstate_thread_id = 152 },
};

static struct memory memory;

static void cframe_put(uint64_t address, uint64_t frame, uint64_t previous)
{
	memory_put64(&memory, address + 8, frame);
	memory_put64(&memory, address + 16, previous);
}

static void setup(void)
{
	memory = (struct memory){ .count = 2 };
	memory.regions[0] = (struct region){ STACK, STACK_BYTES, calloc(1, STACK_BYTES) };
	memory.regions[1] = (struct region){ STATE, STATE_BYTES, calloc(1, STATE_BYTES) };
	memory_current = &memory;
	cframe_put(NEWEST, 0x1234567, 0x89);
	cframe_put(BEFORE, HEAP_FRAME, OLDER);
	cframe_put(OLDER, HEAP_FRAME + 0x800, STATE + 336);
}

static void teardown(void)
{
	free(memory.regions[0].memory);
	free(memory.regions[1].memory);
}

TestSuite(cframe, .init = setup, .fini = teardown);

static uint64_t recover(uint64_t sp, uint64_t first, uint64_t second)
{
	const struct thread_state state = { .address = STATE, .cframe = NEWEST };
	/* The thread state and the stack are in registers whatever happens. */
	const struct thread_registers registers = {
		.sp = sp,
		.general = { STATE, NEWEST, sp, 7, first, ~0ull, second, HEAP_FRAME },
	};
	uint64_t *words = malloc(THREAD_SCAN_WORDS * sizeof(*words));
	uint64_t frame = thread_cframe_recover(&TARGET, &state, &registers, (__u64 *)words);

	free(words);
	return frame;
}

struct recover_case {
	const char *what;
	uint64_t sp, first, second;
	uint64_t frame; /* 0: cannot be known */
};

Test(cframe, is_told_by_a_register_or_not_at_all)
{
	static const struct recover_case CASES[] = {
		{ "in a register", SP, BEFORE, 0, HEAP_FRAME },
		{ "in two registers", SP, BEFORE, BEFORE, HEAP_FRAME },
		{ "in none", SP, 1, 2, 0 },
		{ "an older one, that one between comes from", SP, OLDER, 0, 0 },
		{ "two of them: which?", SP, BEFORE, OLDER, 0 },
		{ "the stack pointer is in a callee of the evaluation", NEWEST - 0x800, BEFORE, 0,
		  0 },
		{ "the stack pointer is above", NEWEST + 8, BEFORE, 0, 0 },
		{ "not a _PyCFrame's address", SP, BEFORE + 4, 0, 0 },
		{ "empty memory is none", SP, STACK + 0x2000, 0, 0 },
		{ "too far away to look at all between", SP, STACK + 0x6000, 0, 0 },
		{ "beyond what is mapped", SP, STACK + STACK_BYTES, 0, 0 },
	};

	cframe_put(STACK + 0x6000, HEAP_FRAME, STATE + 336);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		const struct recover_case *test = &CASES[i];

		cr_expect_eq(recover(test->sp, test->first, test->second), test->frame, "%s: %lx",
			     test->what, recover(test->sp, test->first, test->second));
	}
}

Test(cframe, what_the_evaluation_keeps_beside_it_is_no_other)
{
	/* 3.12's entry frame: it looks like one while it holds what lay there before. */
	cframe_put(NEWEST + 0x70, HEAP_FRAME + 0x80, OLDER);
	cr_expect_eq(recover(SP, NEWEST + 0x70, BEFORE), HEAP_FRAME);
}

Test(cframe, all_that_lies_between_is_looked_at)
{
	const uint64_t far = NEWEST + THREAD_SCAN_PIECES * THREAD_SCAN_WORDS * 8;

	cframe_put(far, HEAP_FRAME, STATE + 336);
	cframe_put(BEFORE, 0, 0);
	cr_expect_eq(recover(SP, far, 0), HEAP_FRAME);
	for (uint64_t at = NEWEST + 24; at < far; at += THREAD_SCAN_WORDS * 8 - 8) {
		memory_put64(&memory, at, far);
		cr_expect_eq(recover(SP, far, 0), 0, "at +%lx", at - NEWEST);
		memory_put64(&memory, at, 0);
	}
	memory_put64(&memory, far - 8, far);
	cr_expect_eq(recover(SP, far, 0), 0, "right below");
}

struct previous_case {
	const char *what;
	uint64_t previous;
	uint32_t error;
};

Test(cframe, one_that_cannot_be_is_no_stack)
{
	static const struct previous_case CASES[] = {
		{ "the one before", BEFORE, DROP_NONE },
		{ "in the thread state", STATE + 336, DROP_NONE },
		{ "below", NEWEST - 64, DROP_THREAD_STATE_UNREADABLE },
		{ "odd", BEFORE + 1, DROP_THREAD_STATE_UNREADABLE },
		{ "none", 0, DROP_THREAD_STATE_UNREADABLE },
		{ "unmapped", STACK + STACK_BYTES + 0x1000, DROP_THREAD_STATE_UNREADABLE },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		struct thread_state state = { .address = STATE };

		cframe_put(NEWEST, HEAP_FRAME + 0x100, CASES[i].previous);
		thread_cframe_read(&TARGET, &state, NEWEST);
		cr_expect_eq(state.error, CASES[i].error, "%s: %u", CASES[i].what, state.error);
		cr_expect_eq(state.cframe, NEWEST);
	}
}
