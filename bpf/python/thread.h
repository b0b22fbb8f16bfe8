/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding the current thread's PyThreadState, whether or not it holds the GIL.
 * Source: `thread_id` is pthread_self(), which on x86_64 is the thread pointer (fsbase) on glibc
 * and musl; every answer is checked against it, so that a stale slot never names another thread.
 */
#ifndef PYBPFPROF_BPF_THREAD_H
#define PYBPFPROF_BPF_THREAD_H

#include "python/read.h"

enum {
	THREAD_LIST_MAX = 128, /* threads looked at where only the list leads to the state */
	THREAD_STATE_BYTES = 256,
	THREAD_STATE_READ_BYTES = 200, /* of them: every field looked at ends before */
	THREAD_STATE_SPAN = 4096,      /* a PyThreadState is no larger */
	THREAD_STACK_SPAN = 256 << 20, /* from one evaluation to the next */
	THREAD_REGISTERS = 15,	       /* all but the stack pointer */
	THREAD_EVALUATION_SPAN = 1024, /* of the stack, an evaluation's own is no more */
	THREAD_EVALUATION_LEAST = 256, /* nor less */
	THREAD_SCAN_WORDS = 256,       /* of the stack, looked at in one piece */
	THREAD_SCAN_PIECES = 4,
};

struct thread_registers {
	__u64 sp;
	__u64 general[THREAD_REGISTERS];
};

struct thread_state {
	__u64 address; /* 0: the thread has none */
	__u64 frame;   /* innermost frame, 0: none running */
	__u64 outer;   /* 3.11, 3.12: the frame that called C which entered the interpreter last */
	__u64 cframe;  /* 3.11, 3.12: the _PyCFrame, 0 none */
	__u32 error;   /* enum drop_reason */
	__u32 has_outer;
	char bytes[THREAD_STATE_BYTES];
};

static __always_inline __u64 thread_field(const struct thread_state *state, __u32 offset)
{
	if (offset > THREAD_STATE_BYTES - 8)
		return 0;
	return *(const __u64 *)(state->bytes + offset);
}

/* Reads the state at `address`; true when it is the one of the thread at `fsbase`. */
static __always_inline bool thread_state_read(const struct python_target *target,
					      struct thread_state *state, __u64 address,
					      __u64 fsbase)
{
	if (read_user(state->bytes, THREAD_STATE_READ_BYTES, address))
		return false;
	return thread_field(state, target->layout.tstate_thread_id) == fsbase;
}

static __always_inline __u64 thread_state_chain(const struct python_target *target, __u64 fsbase)
{
	__u64 address = fsbase;

	for (__u32 step = 0; step < ABI_LOCATOR_STEPS; step++) {
		if (step >= target->locator.steps)
			break;
		if (read_user(&address, sizeof(address),
			      address + (__s64)target->locator.offset[step]))
			return 0;
		if (!address)
			return 0;
	}
	return address;
}

/*
 * The thread list of the first interpreter, newest thread first. <= 3.11 a new thread's state may
 * carry its parent's thread_id for a moment, but has no frame yet: keep searching.
 */
static __always_inline __u64 thread_state_search(const struct python_target *target,
						 struct thread_state *state, __u64 fsbase)
{
	__u64 address = 0;

	if (read_user(&address, 8, target->runtime + target->layout.runtime_interpreters_head))
		return 0;
	if (read_user(&address, 8, address + target->layout.interp_threads_head))
		return 0;
	for (__u32 i = 0; i < THREAD_LIST_MAX && address; i++) {
		if (read_user(state->bytes, THREAD_STATE_READ_BYTES, address))
			return 0;
		if (thread_field(state, target->layout.tstate_thread_id) == fsbase &&
		    thread_field(state, target->layout.tstate_frame))
			return address;
		address = thread_field(state, target->layout.tstate_next);
	}
	return 0;
}

struct thread_cframe {
	__u64 current_frame;
	__u64 previous;
};

/* The first one lies in the thread state, the others on the C stack, newer ones below older ones. */
static __always_inline bool thread_cframe_plausible(const struct thread_state *state, __u64 address,
						    __u64 previous)
{
	if (address - state->address < THREAD_STATE_SPAN)
		return true;
	if (previous & 7)
		return false;
	if (previous - state->address < THREAD_STATE_SPAN)
		return true;
	return previous > address && previous - address < THREAD_STACK_SPAN;
}

/*
 * 3.11, 3.12: a _PyCFrame lies between the thread state and the frame. A call from C makes its own
 * known before it has filled it (ceval.c, _PyEval_EvalFrameDefault): what is there for some ten
 * instructions is what the C stack held before, be it an older _PyCFrame that looks right. So the
 * one before it tells which frame the new one must lead to; where it does not, see
 * thread_cframe_recover().
 */
static __always_inline void thread_cframe_read(const struct python_target *target,
					       struct thread_state *state, __u64 address)
{
	struct thread_cframe cframe;

	state->frame = 0;
	state->cframe = address;
	if (read_user(&cframe, sizeof(cframe), address + target->layout.cframe_current_frame)) {
		state->error = DROP_THREAD_STATE_UNREADABLE;
		return;
	}
	if (!thread_cframe_plausible(state, address, cframe.previous)) {
		state->error = DROP_THREAD_STATE_UNREADABLE;
		return;
	}
	state->frame = cframe.current_frame;
	if (cframe.previous) {
		if (read_user(&state->outer, 8,
			      cframe.previous + target->layout.cframe_current_frame))
			state->error = DROP_THREAD_STATE_UNREADABLE;
		state->has_outer = 1;
	}
}

/* The frame of what may be an outer evaluation's _PyCFrame, not far from the newest; 0: it is none. */
static __always_inline __u64 thread_cframe_frame(const struct python_target *target,
						 const struct thread_state *state, __u64 address)
{
	struct thread_cframe cframe;

	if (address & 7 || address < state->cframe + THREAD_EVALUATION_LEAST ||
	    address - state->cframe > THREAD_SCAN_PIECES * THREAD_SCAN_WORDS * 8)
		return 0;
	if (read_user(&cframe, sizeof(cframe), address + target->layout.cframe_current_frame))
		return 0;
	if (cframe.current_frame & 7 || !thread_cframe_plausible(state, address, cframe.previous))
		return 0;
	return cframe.current_frame;
}

/* Whether `word` lies on the stack between the newest _PyCFrame and itself, or that is unknown. */
static __always_inline bool thread_stack_holds(const struct thread_state *state, __u64 *words,
					       __u64 word)
{
	__u64 start = state->cframe + 24, bytes;

	for (__u32 piece = 0; piece < THREAD_SCAN_PIECES && start < word; piece++) {
		bytes = word - start;
		BOUND(bytes, THREAD_SCAN_WORDS * 8);
		if (read_user(words, bytes, start))
			return true;
		for (__u32 i = 0; i < THREAD_SCAN_WORDS; i++) {
			if (i * 8 >= bytes)
				break;
			if (words[i] == word)
				return true;
		}
		start += bytes;
	}
	return false;
}

/*
 * The frame that called the C which is just entering the interpreter, while the new _PyCFrame is
 * not filled: 0 where it cannot be known. The evaluation has just read the address of the one
 * before from the thread state, and needs it again to fill its own: it is in a register. It is not
 * that of a still older evaluation if nothing between says that it is the one before itself.
 */
static __always_inline __u64 thread_cframe_recover(const struct python_target *target,
						   const struct thread_state *state,
						   const struct thread_registers *registers,
						   __u64 *words)
{
	__u64 found = 0, frame = 0;

	/* Elsewhere than in the evaluation itself the registers have nothing to do with it. */
	if (state->cframe - registers->sp >= THREAD_EVALUATION_SPAN)
		return 0;
	for (__u32 i = 0; i < THREAD_REGISTERS; i++) {
		__u64 address = registers->general[i], candidate;

		if (address == found)
			continue;
		candidate = thread_cframe_frame(target, state, address);
		if (!candidate)
			continue;
		if (found)
			return 0; /* which of the two? */
		found = address;
		frame = candidate;
	}
	if (!found || thread_stack_holds(state, words, found))
		return 0;
	return frame;
}

/* Fills address, frame and error. A thread unknown to Python has address 0 and no error. */
static __always_inline void thread_state_find(const struct python_target *target,
					      struct thread_state *state, __u64 fsbase)
{
	__u64 address;

	state->address = 0;
	state->frame = 0;
	state->outer = 0;
	state->cframe = 0;
	state->has_outer = 0;
	state->error = DROP_NONE;
	if (target->locator.steps) {
		address = thread_state_chain(target, fsbase);
		if (!address || !thread_state_read(target, state, address, fsbase))
			return;
	} else {
		address = thread_state_search(target, state, fsbase);
		if (!address)
			return;
	}
	state->address = address;
	state->frame = thread_field(state, target->layout.tstate_frame);
	if (state->frame && target->layout.cframe_current_frame != ABI_NO_OFFSET)
		thread_cframe_read(target, state, state->frame);
}

#endif
