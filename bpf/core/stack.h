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
};

struct stack_memo {
	__u64 code;
	__u64 identity;
	__u32 serial;
	__u32 code_id;
};

/* One per CPU and probe family: too large for the BPF stack. */
struct stack_scratch {
	__u32 busy;
	__u32 status; /* enum drop_reason */
	__u32 count;
	__u32 entry_pending; /* the next outer frame... was entered from C by what was just seen */
	struct thread_state thread;
	struct code_head head;
	struct walk walk;
	struct record_code code;
	struct stack_memo memo[STACK_MEMO_SLOTS];
	/* Last: a family appends its own record behind. */
};

__u32 next_code_id __weak;

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
	__u64 length = 0;
	__u32 error;

	header_fill(&record->header, RECORD_CODE, bpf_ktime_get_ns(), target->serial);
	record->code = head->address;
	record->identity = identity;
	record->globals = scratch->walk.globals;
	record->firstlineno = code_field32(head, layout->code_firstlineno);
	record->flags = code_field32(head, layout->code_flags);
	record->reserved = 0;
	error = code_text_read(target, code_field(head, layout->code_name), &record->name_text,
			       record->name, sizeof(record->name));
	if (error)
		return error;
	error = code_text_read(target, code_field(head, layout->code_filename),
			       &record->filename_text, record->filename, sizeof(record->filename));
	if (error)
		return error;
	__builtin_memset(&record->qualname_text, 0, sizeof(record->qualname_text));
	if (layout->code_qualname != ABI_NO_OFFSET) {
		error = code_text_read(target, code_field(head, layout->code_qualname),
				       &record->qualname_text, record->qualname,
				       sizeof(record->qualname));
		if (error)
			return error;
	}
	record->linetable = table + layout->bytes_data;
	if (read_user(&length, 8, table + layout->bytes_size))
		return DROP_NAME_UNREADABLE;
	record->linetable_length = length > 0x7fffffff ? 0x7fffffff : (__u32)length;
	if (length > ABI_LINETABLE_BYTES)
		length = ABI_LINETABLE_BYTES;
	if (length && read_user(record->table, length, record->linetable))
		return DROP_NAME_UNREADABLE;
	record->linetable_bytes = length;
	record->code_id = __sync_fetch_and_add(&next_code_id, 1) + 1;
	if (emit(record, __builtin_offsetof(struct record_code, table) + length))
		return DROP_NAME_LOST;
	*code_id = record->code_id;
	return DROP_NONE;
}

static __always_inline __u32 memo_slot(__u64 code)
{
	return (code >> 4 ^ code >> 14) & (STACK_MEMO_SLOTS - 1);
}

/* The id of the code object in scratch->head, named now if it never was. 0 with *error set. */
static __always_inline __u32 code_id_of(const struct python_target *target,
					struct stack_scratch *scratch, __u32 *error)
{
	struct code_key key = { .code = scratch->head.address, .serial = target->serial };
	struct stack_memo *memo = &scratch->memo[memo_slot(key.code)];
	__u64 identity = code_identity(target, &scratch->head);
	struct code_value value = { .identity = identity };
	struct code_value *known;

	if (memo->code == key.code && memo->serial == key.serial && memo->identity == identity)
		return memo->code_id;
	known = bpf_map_lookup_elem(&codes, &key);
	if (known && known->identity == identity) {
		value.code_id = known->code_id;
	} else {
		*error = code_send(target, scratch, identity, &value.code_id);
		if (*error)
			return 0;
		bpf_map_update_elem(&codes, &key, &value, BPF_ANY);
	}
	memo->code = key.code;
	memo->serial = key.serial;
	memo->identity = identity;
	memo->code_id = value.code_id;
	return value.code_id;
}

/*
 * One raw frame into `frames`. Not inline: the verifier then checks it once, not once for each of
 * the hundreds of rounds of the loop that calls it. 0: go on; 1: the walk is over.
 */
__noinline int stack_step(const struct python_target *target, struct stack_scratch *scratch,
			  struct record_frame *frame)
{
	__u32 error = DROP_NONE;
	__s32 lasti = 0;

	if (!target || !scratch || !frame)
		return 1;
	switch (walk_step(target, &scratch->walk)) {
	case WALK_END:
		return 1;
	case WALK_UNREADABLE:
		scratch->status = DROP_FRAME_UNREADABLE;
		return 1;
	case WALK_SENTINEL:
		scratch->entry_pending = 1;
		return 0;
	case WALK_FRAME:
		break;
	}
	error = code_head_read(target, &scratch->head, scratch->walk.code);
	if (error) {
		scratch->status = error;
		return 1;
	}
	if (!walk_lasti(target, &scratch->walk, &scratch->head, &lasti))
		return 0;
	frame->code_id = code_id_of(target, scratch, &error);
	frame->lasti = lasti;
	if (error)
		scratch->status = error;
	if (scratch->walk.is_entry)
		frame->code_id |= FRAME_ENTRY_BIT;
	scratch->count++;
	return 0;
}

/*
 * Fills frames[0..scratch->count), innermost first, and scratch->status. False: this thread is
 * none of Python's.
 */
static __always_inline bool stack_walk(const struct python_target *target,
				       struct stack_scratch *scratch, struct record_frame *frames)
{
	scratch->count = 0;
	scratch->status = DROP_NONE;
	thread_state_find(target, &scratch->thread, task_fsbase());
	if (!scratch->thread.address)
		return false;
	scratch->status = scratch->thread.error;
	walk_start(&scratch->walk, scratch->thread.frame);
	for (__u32 i = 0; i < ABI_WALK_FRAMES; i++) {
		__u32 count = scratch->count;

		if (count >= ABI_STACK_FRAMES) {
			if (scratch->walk.next)
				scratch->status = DROP_STACK_CUT;
			break;
		}
		if (stack_step(target, scratch, &frames[count]))
			break;
		if (i == ABI_WALK_FRAMES - 1 && scratch->walk.next)
			scratch->status = DROP_STACK_CUT;
	}
	return true;
}

#endif
