/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The current thread's Python stack into record_frames, naming each code object once: the first
 * time it is seen, its names go to user space ahead of the frame that needs them, read at that
 * very moment, when the object is alive for sure because a frame on this stack holds it.
 */
#ifndef PYBPFPROF_BPF_STACK_H
#define PYBPFPROF_BPF_STACK_H

#include "core/emit.h"
#include "core/task.h"
#include "python/thread.h"
#include "python/walk.h"

enum {
	STACK_MEMO_SLOTS = 1024, /* per CPU, by code address; a power of two */
	STACK_RUN_FRAMES = 24,	 /* in one go, at most */
};

struct stack_memo {
	__u64 code;
	__u64 proof; /* that it still holds: the identity, or the epoch where deaths are seen */
	__u32 serial;
	__u32 code_id;
	__s32 first_bytes;
	__u32 deaths_seen;
};

/* One per CPU and probe family: too large for the BPF stack. */
struct stack_scratch {
	__u32 busy;
	__u32 status; /* enum drop_reason */
	__u32 count;
	__u32 unproven; /* 3.11, 3.12: not yet seen to lead to thread.outer */
	struct thread_state thread;
	struct record_sample record; /* the frames are found right where they are sent from */
	struct walk walk;
	struct stack_memo memo[STACK_MEMO_SLOTS];
	/* What is seldom used. */
	struct thread_registers registers;
	struct code_head head;
	struct record_code code;
};

__u32 next_code_id __weak;

/* Innermost frames that are wanted. */
const volatile __u32 stack_frames_max __weak = ABI_STACK_FRAMES;

/* Before 3.11 only the first argument tells which class a method is of. */
static __always_inline void code_self_read(const struct python_target *target,
					   struct stack_scratch *scratch,
					   struct record_code *record)
{
	const struct python_layout *layout = &target->layout;
	__u64 value = 0;

	record->self = 0;
	record->self_type = 0;
	if (layout->code_qualname != ABI_NO_OFFSET ||
	    code_field32(&scratch->head, layout->code_argcount) <= 0)
		return;
	if (read_user(&value, 8, scratch->walk.frame + layout->frame_localsplus) || !value)
		return;
	record->self = value;
	if (!read_user(&value, 8, value + layout->object_type))
		record->self_type = value;
}

enum { CODE_NAMES_BYTES = ABI_NAME_BYTES + ABI_QUALNAME_BYTES + ABI_FILENAME_BYTES };

/* The three texts, one behind the other; *end is where the last one ends. */
static __always_inline __u32 code_texts_read(const struct python_target *target,
					     const struct code_head *head,
					     struct record_code *record, __u64 *end)
{
	const struct python_layout *layout = &target->layout;
	__u64 offset;
	__u32 error;

	error = code_text_read(target, code_field(head, layout->code_name), &record->name_text,
			       record->texts, ABI_NAME_BYTES);
	if (error)
		return error;
	offset = record->name_text.bytes;
	__builtin_memset(&record->qualname_text, 0, sizeof(record->qualname_text));
	if (layout->code_qualname != ABI_NO_OFFSET) {
		BOUND(offset, ABI_NAME_BYTES);
		error = code_text_read(target, code_field(head, layout->code_qualname),
				       &record->qualname_text, record->texts + offset,
				       ABI_QUALNAME_BYTES);
		if (error)
			return error;
		offset += record->qualname_text.bytes;
	}
	BOUND(offset, ABI_NAME_BYTES + ABI_QUALNAME_BYTES);
	error = code_text_read(target, code_field(head, layout->code_filename),
			       &record->filename_text, record->texts + offset, ABI_FILENAME_BYTES);
	*end = offset + record->filename_text.bytes;
	return error;
}

/*
 * Sends the names of the code object in scratch->head. 0 or the reason it could not be; *code_id is
 * then meaningless.
 */
static __always_inline __u32 code_send(const struct python_target *target,
				       struct stack_scratch *scratch, __u64 identity,
				       __u32 *code_id)
{
	const struct python_layout *layout = &target->layout;
	struct code_head *head = &scratch->head;
	struct record_code *record = &scratch->code;
	__u64 table = code_field(head, layout->code_linetable);
	__u64 length = 0, offset = 0, bytes;
	__u32 error;

	header_fill(&record->header, RECORD_CODE, bpf_ktime_get_ns(), target->serial);
	record->code = head->address;
	record->identity = identity;
	record->globals = scratch->walk.globals;
	record->firstlineno = code_field32(head, layout->code_firstlineno);
	record->flags = code_field32(head, layout->code_flags);
	record->reserved = 0;
	error = code_texts_read(target, head, record, &offset);
	if (error)
		return error;
	code_self_read(target, scratch, record);
	record->linetable = table + layout->bytes_data;
	if (read_user(&length, 8, table + layout->bytes_size))
		return DROP_NAME_UNREADABLE;
	record->linetable_length = length > 0x7fffffff ? 0x7fffffff : (__u32)length;
	bytes = length;
	BOUND(bytes, ABI_LINETABLE_BYTES);
	BOUND(offset, CODE_NAMES_BYTES);
	if (bytes && read_user(record->texts + offset, bytes, record->linetable))
		return DROP_NAME_UNREADABLE;
	record->linetable_bytes = bytes;
	record->code_id = __sync_fetch_and_add(&next_code_id, 1) + 1;
	bytes += offset;
	BOUND(bytes, ABI_CODE_TEXT_BYTES);
	if (emit(record, __builtin_offsetof(struct record_code, texts) + bytes))
		return DROP_NAME_LOST;
	*code_id = record->code_id;
	return DROP_NONE;
}

static __always_inline struct code_key code_key_of(const struct python_target *target, __u64 code)
{
	return (struct code_key){
		.code = code,
		.serial = target->serial,
		.deaths_seen = target->flags & PYTHON_TARGET_DEATHS_SEEN,
	};
}

static __always_inline __u32 memo_slot(__u64 code)
{
	return (code >> 4 ^ code >> 14) & (STACK_MEMO_SLOTS - 1);
}

static __always_inline bool memo_holds(const struct stack_memo *memo, const struct code_key *key,
				       __u64 proof)
{
	return memo->code == key->code && memo->serial == key->serial && memo->proof == proof &&
	       memo->deaths_seen == key->deaths_seen;
}

/* Reads the head of walk.code and names it if it never was. The answer goes to *value. */
static __always_inline __u32 code_learn(const struct python_target *target,
					struct stack_scratch *scratch, struct code_value *value)
{
	struct code_key key = code_key_of(target, scratch->walk.code);
	struct code_value *known;
	__u32 error = code_head_read(target, &scratch->head, key.code);

	if (error)
		return error;
	value->identity = 0;
	if (!(target->flags & PYTHON_TARGET_DEATHS_SEEN))
		value->identity = code_identity(target, &scratch->head);
	value->first_bytes = 0;
	if (target->layout.code_firsttraceable != ABI_NO_OFFSET)
		value->first_bytes =
			2 * code_field32(&scratch->head, target->layout.code_firsttraceable);
	known = bpf_map_lookup_elem(&codes, &key);
	if (known && known->identity == value->identity) {
		value->code_id = known->code_id;
		return DROP_NONE;
	}
	error = code_send(target, scratch, value->identity, &value->code_id);
	if (!error)
		bpf_map_update_elem(&codes, &key, value, BPF_ANY);
	return error;
}

/*
 * The code object of the current frame, from the cheapest source that still holds: this CPU's memo,
 * the map, the object itself. Where deaths are not seen the object's head is read each time.
 */
static __always_inline __u32 code_find(const struct python_target *target,
				       struct stack_scratch *scratch, struct code_value *value)
{
	struct code_key key = code_key_of(target, scratch->walk.code);
	struct stack_memo *memo = &scratch->memo[memo_slot(key.code)];
	__u64 proof = *(volatile __u64 *)&code_epoch;
	struct code_value *known = NULL;
	__u32 error;

	if (!key.deaths_seen) {
		error = code_head_read(target, &scratch->head, key.code);
		if (error)
			return error;
		proof = code_identity(target, &scratch->head);
	}
	if (memo_holds(memo, &key, proof)) {
		value->code_id = memo->code_id;
		value->first_bytes = memo->first_bytes;
		return DROP_NONE;
	}
	if (key.deaths_seen)
		known = bpf_map_lookup_elem(&codes, &key);
	if (known) {
		*value = *known;
	} else {
		error = code_learn(target, scratch, value);
		if (error)
			return error;
	}
	memo->code = key.code;
	memo->serial = key.serial;
	memo->deaths_seen = key.deaths_seen;
	memo->proof = proof;
	memo->code_id = value->code_id;
	memo->first_bytes = value->first_bytes;
	return DROP_NONE;
}

/* The frames seen so far end where C entered; do they lead to the frame that called C? */
static __always_inline bool stack_disproved(struct stack_scratch *scratch)
{
	if (scratch->walk.next != scratch->thread.outer)
		return true;
	scratch->unproven = 0;
	return false;
}

/*
 * The newest _PyCFrame is not filled: a call from C is just being made, and the stack is its
 * caller's. 0: the walk begins there; 1: it cannot be known.
 */
__weak __noinline int stack_recover(const struct python_target *target,
				    struct stack_scratch *scratch)
{
	__u64 frame;

	if (!target || !scratch)
		return 1;
	scratch->unproven = 0;
	scratch->count = 0;
	task_registers(&scratch->registers);
	frame = thread_cframe_recover(target, &scratch->thread, &scratch->registers,
				      (__u64 *)scratch->walk.pages.room);
	scratch->status = frame ? DROP_NONE : DROP_THREAD_STATE_UNREADABLE;
	walk_start(&scratch->walk, frame);
	return !frame;
}

/*
 * The walk cannot go on. Where its beginning was never proven it was no stack at all. Else it ends
 * here, for that reason.
 */
static __always_inline int stack_restart(const struct python_target *target,
					 struct stack_scratch *scratch, __u32 reason)
{
	if (scratch->unproven)
		return stack_recover(target, scratch);
	scratch->status = reason;
	return 1;
}

/* The root was reached: whatever went wrong with single names, the stack is whole. */
static __always_inline int stack_end(const struct python_target *target,
				     struct stack_scratch *scratch)
{
	return scratch->unproven ? stack_recover(target, scratch) : 1;
}

/* One raw frame into scratch->record.frames. 0: go on; 1: the walk is over. */
static __always_inline int stack_step_any(const struct python_target *target,
					  struct stack_scratch *scratch)
{
	struct record_frame frame = {};
	struct code_value value = {};
	__u32 error;

	switch (walk_step(target, &scratch->walk)) {
	case WALK_END:
		return stack_end(target, scratch);
	case WALK_UNREADABLE:
		return stack_restart(target, scratch, DROP_FRAME_UNREADABLE);
	case WALK_SENTINEL:
		/* 3.12+: C entered the interpreter at the frame seen just before. */
		if (scratch->count && scratch->count <= ABI_STACK_FRAMES)
			scratch->record.frames[scratch->count - 1].code_id |= FRAME_ENTRY_BIT;
		return scratch->unproven && stack_disproved(scratch) ?
			       stack_restart(target, scratch, DROP_NONE) :
			       0;
	case WALK_FRAME:
		break;
	}
	/* 3.11: the frame itself says that C entered there. */
	if (scratch->unproven && scratch->walk.is_entry && stack_disproved(scratch))
		return stack_restart(target, scratch, DROP_NONE);
	error = code_find(target, scratch, &value);
	/* A name that could not be sent is one frame unresolved; what is no code object ends it. */
	if (error == DROP_CODE_UNREADABLE || error == DROP_CODE_FORGED)
		return stack_restart(target, scratch, error);
	if (error)
		scratch->status = error;
	if (!walk_lasti(target, &scratch->walk, value.first_bytes, &frame.lasti))
		return 0;
	frame.code_id = value.code_id;
	if (scratch->walk.is_entry)
		frame.code_id |= FRAME_ENTRY_BIT;
	if (scratch->count < ABI_STACK_FRAMES)
		scratch->record.frames[scratch->count++] = frame;
	return 0;
}

/*
 * Not inline: the verifier then checks it once, not once for each of the hundreds of rounds of the
 * loop that calls it.
 */
__weak __noinline int stack_step(const struct python_target *target, struct stack_scratch *scratch)
{
	return target && scratch ? stack_step_any(target, scratch) : 1;
}

/*
 * The next frame, where it is as most are: read already with another one, of a code object that
 * this CPU knows, and nothing to be proven by it. False: it is not, and nothing has been done.
 */
static __always_inline bool stack_step_near(const struct python_target *target,
					    struct stack_scratch *scratch, __u64 epoch, bool apart)
{
	struct walk_frame seen;
	struct stack_memo *memo;
	struct record_frame frame;
	__u64 count = scratch->count;

	if (count >= ABI_STACK_FRAMES || (count >= stack_frames_max && !scratch->unproven) ||
	    !walk_near(target, &scratch->walk, apart, &seen) ||
	    (!apart && seen.is_entry && scratch->unproven))
		return false;
	memo = &scratch->memo[memo_slot(seen.code)];
	if (memo->code != seen.code || memo->proof != epoch || memo->serial != target->serial ||
	    !memo->deaths_seen || !walk_frame_lasti(target, &seen, memo->first_bytes, &frame.lasti))
		return false;
	walk_near_pass(target, &scratch->walk, apart, &seen);
	frame.code_id = memo->code_id | (seen.is_entry ? FRAME_ENTRY_BIT : 0);
	scratch->count = count + 1;
	BOUND(count, ABI_STACK_FRAMES - 1);
	scratch->record.frames[count] = frame;
	return true;
}

/*
 * As stack_step(), and after it the steps that are near: a call for each frame costs as much as to
 * look at it. Where the ends of code objects are not seen each one must be looked at.
 */
__weak __noinline int stack_advance(const struct python_target *target,
				    struct stack_scratch *scratch)
{
	__u64 epoch = *(volatile __u64 *)&code_epoch;

	if (!target || !scratch)
		return 1;
	if (stack_step_any(target, scratch))
		return 1;
	if (!(target->flags & PYTHON_TARGET_DEATHS_SEEN))
		return 0;
	if (walk_frames_apart(target)) {
		for (__u32 i = 0; i < STACK_RUN_FRAMES; i++) {
			if (!stack_step_near(target, scratch, epoch, true))
				break;
		}
	} else {
		for (__u32 i = 0; i < STACK_RUN_FRAMES; i++) {
			if (!stack_step_near(target, scratch, epoch, false))
				break;
		}
	}
	return 0;
}

/*
 * Fills scratch->record.frames[0..count), innermost first, and scratch->status. False: this thread is
 * none of Python's.
 */
static __always_inline bool stack_walk(const struct python_target *target,
				       struct stack_scratch *scratch)
{
	scratch->count = 0;
	scratch->status = DROP_NONE;
	thread_state_find(target, &scratch->thread, task_fsbase());
	if (!scratch->thread.address)
		return false;
	scratch->status = scratch->thread.error;
	/* Who asks for the innermost alone comes by a call of the interpreter's: nothing is half done. */
	scratch->unproven = scratch->thread.has_outer && stack_frames_max > 1;
	walk_start(&scratch->walk, scratch->thread.frame);
	if (scratch->status && scratch->thread.cframe && stack_recover(target, scratch))
		return true;
	for (__u32 i = 0; i < ABI_WALK_FRAMES; i++) {
		if (scratch->count >= ABI_STACK_FRAMES)
			break;
		/* As many as are asked for, once the beginning is proven. */
		if (scratch->count >= stack_frames_max && !scratch->unproven)
			return true;
		if (stack_advance(target, scratch))
			return true;
	}
	if (scratch->walk.next)
		scratch->status = DROP_STACK_CUT;
	return true;
}

#endif
