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
	__u64 next;  /* address of the frame to look at */
	__u64 frame; /* what the last step found: */
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
	pages_visit(&walk->pages);
}

/* What is read of a frame. <= 3.10 its block stack comes before the locals: not needed. */
static __always_inline __u64 walk_frame_bytes(const struct python_target *target)
{
	return target->layout.frame_localsplus > WALK_FRAME_BYTES ? WALK_FRAME_BYTES :
								    target->layout.frame_localsplus;
}

/* <= 3.10: frames are objects of their own. */
static __always_inline bool walk_frames_apart(const struct python_target *target)
{
	return target->layout.frame_owner == ABI_NO_OFFSET;
}

/*
 * Makes the whole frame at `address` readable. The window reaches down from the frame's end to the
 * outer frames, but not below the page the frame starts in: what lies there need not be mapped, and
 * a read that fails costs more than ten that do not.
 */
static __always_inline long walk_window_fill(const struct python_target *target, struct walk *walk,
					     __u64 address)
{
	__u64 bytes = walk_frame_bytes(target);
	__u64 start, end;

	end = address + bytes;
	if (end < address)
		return -1; /* forged: no frame lies across the end of the address space */
	if (walk_frames_apart(target))
		return pages_fill(&walk->pages, address, bytes);
	if (pages_near(&walk->pages, address))
		return 0;
	start = address & ~(__u64)(PAGES_BYTES - 1);
	if (start < end - WALK_WINDOW_BYTES)
		start = end - WALK_WINDOW_BYTES;
	pages_part(&walk->pages);
	bytes = end - start;
	BOUND(bytes, WALK_WINDOW_BYTES);
	if (pages_read(&walk->pages, start, bytes))
		return -1;
	walk->pages.near_start = start;
	walk->pages.near_span = address - start;
	return 0;
}

/* What a frame says that is readable. */
struct walk_frame {
	__u64 back;
	__u64 code;
	__u64 ip; /* the word at frame_ip, as it lies there */
	__u32 owner;
	__u32 is_entry; /* C entered the interpreter at this frame */
};

/* False: it is the interpreter's own marker between C and Python, and has but a frame behind it. */
static __always_inline bool walk_look(const struct python_target *target, const struct pages *pages,
				      __u64 frame, bool apart, struct walk_frame *seen)
{
	const struct python_layout *layout = &target->layout;

	seen->back = pages_word(pages, frame + layout->frame_back);
	seen->owner = 0;
	/* <= 3.10 every frame is a C call of its own. */
	seen->is_entry = 1;
	if (!apart) {
		seen->owner = pages_byte(pages, frame + layout->frame_owner);
		if (seen->owner >= layout->owner_sentinel)
			return false;
		seen->is_entry = layout->frame_is_entry != ABI_NO_OFFSET ?
					 pages_byte(pages, frame + layout->frame_is_entry) :
					 0;
	}
	seen->code =
		pages_word(pages, frame + layout->frame_code) & ~(__u64)layout->pointer_tag_mask;
	seen->ip = pages_word(pages, frame + layout->frame_ip);
	return true;
}

static __always_inline enum walk_step walk_step(const struct python_target *target,
						struct walk *walk)
{
	const struct python_layout *layout = &target->layout;
	__u64 frame = walk->next;
	struct walk_frame seen;
	bool is_frame;

	if (!frame)
		return WALK_END;
	if (walk_window_fill(target, walk, frame))
		return WALK_UNREADABLE;
	is_frame = walk_look(target, &walk->pages, frame, walk_frames_apart(target), &seen);
	walk->frame = frame;
	walk->next = seen.back;
	walk->owner = seen.owner;
	walk->is_entry = seen.is_entry;
	if (!is_frame)
		return WALK_SENTINEL;
	walk->code = seen.code;
	walk->ip = seen.ip;
	walk->globals = layout->frame_globals != ABI_NO_OFFSET ?
				pages_word(&walk->pages, frame + layout->frame_globals) :
				0;
	return WALK_FRAME;
}

/*
 * Where the next frame lies in what is read already, and is no marker: what it says. The step is
 * not done by that, but by walk_near_pass().
 */
static __always_inline bool walk_near(const struct python_target *target, const struct walk *walk,
				      bool apart, struct walk_frame *seen)
{
	return pages_near(&walk->pages, walk->next) &&
	       walk_look(target, &walk->pages, walk->next, apart, seen);
}

static __always_inline void walk_near_pass(const struct python_target *target, struct walk *walk,
					   bool apart, const struct walk_frame *seen)
{
	if (apart)
		pages_want_near(&walk->pages, walk->next, walk_frame_bytes(target));
	walk->frame = walk->next;
	walk->next = seen->back;
}

/* See walk_lasti(). */
static __always_inline bool walk_frame_lasti(const struct python_target *target,
					     const struct walk_frame *frame, __s32 first_bytes,
					     __s32 *lasti)
{
	const struct python_layout *layout = &target->layout;
	__s64 offset;

	if (layout->ip_kind == PYTHON_IP_POINTER) {
		offset = (__s64)(frame->ip - (frame->code + layout->code_adaptive));
		if (frame->owner != layout->owner_generator && offset < first_bytes)
			return false;
	} else {
		offset = (__s32)frame->ip;
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

/*
 * The instruction's offset in bytes. `first_bytes` is the code object's first instruction that
 * counts as started. False: the frame is not complete yet (3.11+: it is being made, or is a shim
 * CPython hides from its own tracebacks).
 */
static __always_inline bool walk_lasti(const struct python_target *target, const struct walk *walk,
				       __s32 first_bytes, __s32 *lasti)
{
	struct walk_frame frame = { .code = walk->code, .ip = walk->ip, .owner = walk->owner };

	return walk_frame_lasti(target, &frame, first_bytes, lasti);
}

#endif
