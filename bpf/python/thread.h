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
	THREAD_STATE_SPAN = 4096,      /* a PyThreadState is no larger */
	THREAD_STACK_SPAN = 256 << 20, /* from one evaluation to the next */
};

struct thread_state {
	__u64 address; /* 0: the thread has none */
	__u64 frame;   /* innermost frame, 0: none running */
	__u64 outer;   /* 3.11, 3.12: the frame that called C which entered the interpreter last */
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
	if (read_user(state->bytes, 200, address))
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
		if (read_user(state->bytes, 200, address))
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
	if (previous - state->address < THREAD_STATE_SPAN)
		return true;
	return previous > address && previous - address < THREAD_STACK_SPAN;
}

/*
 * 3.11, 3.12: a _PyCFrame lies between the thread state and the frame. A call from C makes its own
 * known before it has filled it (ceval.c, _PyEval_EvalFrameDefault; in which order is the compiler's
 * choice): what is there for some instructions is what the C stack held before. The one before it
 * is always right, and tells which frame the new one must lead to. Where even the way to that one
 * is not there yet, the sample says that its stack is missing.
 */
static __always_inline void thread_cframe_read(const struct python_target *target,
					       struct thread_state *state, __u64 address)
{
	struct thread_cframe cframe;

	state->frame = 0;
	if (read_user(&cframe, sizeof(cframe), address + target->layout.cframe_current_frame) ||
	    !thread_cframe_plausible(state, address, cframe.previous)) {
		state->error = DROP_THREAD_STATE_UNREADABLE;
		return;
	}
	state->frame = cframe.current_frame;
	if (cframe.previous &&
	    !read_user(&state->outer, 8, cframe.previous + target->layout.cframe_current_frame))
		state->has_outer = 1;
}

/* Fills address, frame and error. A thread unknown to Python has address 0 and no error. */
static __always_inline void thread_state_find(const struct python_target *target,
					      struct thread_state *state, __u64 fsbase)
{
	__u64 address;

	state->address = 0;
	state->frame = 0;
	state->outer = 0;
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
