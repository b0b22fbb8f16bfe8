/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walking the Python frames of one thread, innermost first, one step a call.
 *
 * 3.11+ keeps frames side by side in a chunk of memory, the outer ones below: one read brings a
 * window with many of them, since a read's price hardly depends on its size. Before that a frame
 * is an object of its own, see pages.h. Generators' frames lie in their generators, in every
 * version.
 *
 * The walk looks at a bounded number of raw frames, so that a forged cycle ends it.
 */
#ifndef PYBPFPROF_BPF_WALK_H
#define PYBPFPROF_BPF_WALK_H

#include "python/code.h"
#include "python/pages.h"
#include "python/read.h"

enum {
	WALK_WINDOW_BYTES = 2048,
	/* Every field the walker reads ends before, in any version. From 113 on a read takes longer. */
	WALK_FRAME_BYTES = 112,
};

struct walk {
	__u64 next;	    /* address of the frame to look at */
	__u64 window_start; /* address the window's first byte was read from */
	__u64 window_bytes; /* of them, readable */
	__u64 frame;	    /* what the last step found: */
	__u64 code;
	__u64 ip; /* the word at frame_ip, as it lies there */
	__u64 globals;
	__u32 owner;
	__u32 is_entry; /* C entered the interpreter at this frame */
	struct pages pages;
};

enum walk_step {
	WALK_FRAME,    /* a frame lies in walk->frame, code, ip */
	WALK_SENTINEL, /* the interpreter's own marker between C and Python */
	WALK_END,
	WALK_UNREADABLE,
};

static __always_inline void walk_start(struct walk *walk, __u64 frame)
{
	walk->next = frame;
	walk->window_start = 0;
	walk->window_bytes = 0;
	pages_visit(&walk->pages);
}

/*
 * Makes the whole frame at `address` readable. The window reaches down from the frame's end to the
 * outer frames, but not below the page the frame starts in: what lies there need not be mapped, and
 * a read that fails costs more than ten that do not.
 */
static __always_inline long walk_window_fill(const struct python_target *target, struct walk *walk,
					     __u64 address)
{
	__u64 bytes = target->layout.frame_localsplus;
	__u64 start, end;

	/* <= 3.10 a frame object has its block stack before the locals: not needed. */
	if (bytes > WALK_FRAME_BYTES)
		bytes = WALK_FRAME_BYTES;
	end = address + bytes;
	if (end < address)
		return -1; /* forged: no frame lies across the end of the address space */
	if (target->layout.frame_owner == ABI_NO_OFFSET)
		return pages_fill(&walk->pages, address, bytes);
	if (address >= walk->window_start && end <= walk->window_start + walk->window_bytes)
		return 0;
	start = address & ~(__u64)(PAGES_BYTES - 1);
	if (start < end - WALK_WINDOW_BYTES)
		start = end - WALK_WINDOW_BYTES;
	bytes = end - start;
	BOUND(bytes, WALK_WINDOW_BYTES);
	walk->window_start = start;
	walk->window_bytes = bytes;
	return pages_read(&walk->pages, start, bytes);
}

static __always_inline enum walk_step walk_step(const struct python_target *target,
						struct walk *walk)
{
	const struct python_layout *layout = &target->layout;
	__u64 frame = walk->next;

	if (!frame)
		return WALK_END;
	if (walk_window_fill(target, walk, frame))
		return WALK_UNREADABLE;
	walk->frame = frame;
	walk->next = pages_word(&walk->pages, frame + layout->frame_back);
	walk->owner = 0;
	/* <= 3.10 every frame is a C call of its own. */
	walk->is_entry = 1;
	if (layout->frame_owner != ABI_NO_OFFSET) {
		walk->owner = pages_byte(&walk->pages, frame + layout->frame_owner);
		if (walk->owner >= layout->owner_sentinel)
			return WALK_SENTINEL;
		walk->is_entry = layout->frame_is_entry != ABI_NO_OFFSET ?
					 pages_byte(&walk->pages, frame + layout->frame_is_entry) :
					 0;
	}
	walk->code = pages_word(&walk->pages, frame + layout->frame_code) &
		     ~(__u64)layout->pointer_tag_mask;
	walk->ip = pages_word(&walk->pages, frame + layout->frame_ip);
	walk->globals = layout->frame_globals != ABI_NO_OFFSET ?
				pages_word(&walk->pages, frame + layout->frame_globals) :
				0;
	return WALK_FRAME;
}

/*
 * The instruction's offset in bytes. `first_bytes` is the code object's first instruction that
 * counts as started. False: the frame is not complete yet (3.11+: it is being made, or is a shim
 * CPython hides from its own tracebacks).
 */
static __always_inline bool walk_lasti(const struct python_target *target, const struct walk *walk,
				       __s32 first_bytes, __s32 *lasti)
{
	const struct python_layout *layout = &target->layout;
	__s64 offset;

	if (layout->ip_kind == PYTHON_IP_POINTER) {
		offset = (__s64)(walk->ip - (walk->code + layout->code_adaptive));
		if (walk->owner != layout->owner_generator && offset < first_bytes)
			return false;
	} else {
		offset = (__s32)walk->ip;
		if (layout->ip_kind == PYTHON_IP_LASTI_UNITS)
			offset *= 2;
	}
	if (offset > 0x7fffffff)
		offset = 0x7fffffff;
	if (offset < -1)
		offset = -1;
	*lasti = offset;
	return true;
}

#endif
