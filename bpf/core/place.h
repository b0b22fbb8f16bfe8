/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a thread is, when that alone is asked for and often: the innermost frame's code object and instruction
 * lead to the number of the stack that was walked when the thread was there before. Two or three short
 * reads, where a walk makes several long ones.
 *
 * Only for probes that the interpreter comes to by a call: there the thread's state names the frame that
 * runs. An interrupt may come while it is just being changed.
 */
#ifndef PYBPFPROF_BPF_PLACE_H
#define PYBPFPROF_BPF_PLACE_H

#include "core/memory.h"

enum {
	PLACE_SLOTS = 32, /* a power of two */
};

/* A place the thread was at lately. */
struct place {
	__u64 code;
	__u64 ip;    /* as it lies in the frame */
	__u64 epoch; /* the code object has not ended since */
	__u32 serial;
	__u32 stack_id;
};

struct place_memo {
	struct place places[PLACE_SLOTS];
	struct memory_memo stacks[MEMORY_MEMO_SLOTS];
	__u64 state;  /* address of the thread's PyThreadState */
	__u64 fsbase; /* the thread that it was the state of; 0: none is known */
};

/* Of `bytes`, on the stack: the verifier has to see that the word lies in it, and at a word's place. */
#define PLACE_WORD(bytes, offset)                                                                  \
	({                                                                                         \
		__u64 at = (offset);                                                               \
		BOUND(at, sizeof(bytes) - 8);                                                      \
		*(const __u64 *)((bytes) + (at & ~7ull));                                          \
	})

/*
 * The innermost frame, where the thread's state is still the one it was. A state that has been freed since
 * runs no frame, and what is put in its place has not this thread's number where a state has it.
 *
 * Read onto the stack, by functions of their own for the room there: what is read into memory that
 * maps have, the kernel first looks up whose it is, which takes as long as to read it.
 */
static __noinline __u64 place_innermost(const struct python_target *target, struct place_memo *memo)
{
	const struct python_layout *layout = &target->layout;
	__u64 fsbase = task_fsbase(), frame;
	char state[THREAD_STATE_READ_BYTES];

	if (memo->fsbase != fsbase) {
		memo->state = thread_state_chain(target, fsbase);
		memo->fsbase = memo->state ? fsbase : 0;
	}
	if (!memo->fsbase || read_user(state, sizeof(state), memo->state) ||
	    PLACE_WORD(state, layout->tstate_thread_id) != fsbase) {
		memo->fsbase = 0;
		return 0;
	}
	frame = PLACE_WORD(state, layout->tstate_frame);
	if (frame && layout->cframe_current_frame != ABI_NO_OFFSET &&
	    read_user(&frame, 8, frame + layout->cframe_current_frame))
		return 0;
	return frame;
}

/* What the frame is at, into *here. False: it cannot be had so. */
static __noinline bool place_read(const struct python_layout *layout, __u64 frame,
				  struct place *here)
{
	char bytes[WALK_FRAME_BYTES];

	if (read_user(bytes, sizeof(bytes), frame))
		return false;
	/* Not a Python frame, but what stands between C and Python. */
	if (layout->frame_owner != ABI_NO_OFFSET) {
		__u64 at = layout->frame_owner;

		BOUND(at, sizeof(bytes) - 1);
		if ((__u8)bytes[at] >= layout->owner_sentinel)
			return false;
	}
	here->code = PLACE_WORD(bytes, layout->frame_code);
	here->ip = PLACE_WORD(bytes, layout->frame_ip);
	if (layout->ip_kind != PYTHON_IP_POINTER)
		here->ip = (__u32)here->ip;
	return true;
}

/* The innermost frame of the current thread. 0: it cannot be had so. */
static __always_inline __u64 place_frame(const struct python_target *target,
					 struct place_memo *memo, struct place *here)
{
	__u64 frame = target->locator.steps ? place_innermost(target, memo) : 0;

	if (!frame)
		return 0;
	if (!place_read(&target->layout, frame, here)) {
		memo->fsbase = 0;
		return 0;
	}
	return frame;
}

/* Where the walk that was just made begins at that frame and is not more than it: it is known from now on. */
static __always_inline void place_keep(const struct memory_scratch *scratch, __u64 frame,
				       struct place *place, const struct place *here)
{
	if (scratch->stack.walk.frame == frame && scratch->stack.count == 1 &&
	    !scratch->stack.status && here->stack_id)
		*place = *here;
}

/* The number of the stack, of one frame. 0: it got lost. */
static __always_inline __u32 place_stack_id(const struct python_target *target,
					    struct place_memo *memo)
{
	struct place here = { .epoch = *(volatile __u64 *)&code_epoch, .serial = target->serial };
	struct memory_scratch *scratch;
	struct place *place;
	__u64 frame = 0;

	if (stack_frames_max == 1 && target->flags & PYTHON_TARGET_DEATHS_SEEN)
		frame = place_frame(target, memo, &here);
	place = &memo->places[((here.code >> 4) + here.ip * 5) & (PLACE_SLOTS - 1)];
	if (frame && place->code == here.code && place->ip == here.ip &&
	    place->epoch == here.epoch && place->serial == here.serial)
		return place->stack_id;
	scratch = scratch_take(&memory_scratches);
	if (!scratch)
		return 0;
	here.stack_id = memory_stack_id_memo(target, scratch, memo->stacks);
	if (frame)
		place_keep(scratch, frame, place, &here);
	scratch_give(scratch);
	return here.stack_id;
}

#endif
