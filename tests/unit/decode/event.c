// SPDX-License-Identifier: GPL-2.0-only
/* Records whose sizes and counts are right, one byte short, and absurd. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/event.h"

/* A copy that ends where the record ends, so that a read beyond is caught. */
static int decode_exactly(const void *record, size_t size, struct event *event)
{
	void *exact = malloc(size ? size : 1);
	int error;

	memcpy(exact, record, size);
	error = event_decode(exact, size, event);
	free(exact);
	return error;
}

Test(event, a_sample_needs_the_frames_it_counts)
{
	struct record_sample sample = { .header.kind = RECORD_SAMPLE, .frame_count = 3 };
	const size_t whole =
		offsetof(struct record_sample, frames) + 3 * sizeof(struct record_frame);
	struct event event;

	cr_expect_eq(decode_exactly(&sample, whole, &event), 0);
	cr_expect_eq(event.kind, RECORD_SAMPLE);
	/* The ring rounds sizes up: more bytes than needed are fine. */
	cr_expect_eq(decode_exactly(&sample, whole + 4, &event), 0);
	cr_expect_eq(decode_exactly(&sample, whole - 1, &event), -EBADMSG);
	sample.frame_count = ABI_STACK_FRAMES + 1;
	cr_expect_eq(decode_exactly(&sample, sizeof(sample), &event), -EBADMSG);
	sample.frame_count = 0;
	sample.status = DROP_COUNT;
	cr_expect_eq(decode_exactly(&sample, whole, &event), -EBADMSG);
}

struct code_case {
	const char *what;
	uint32_t table_bytes, table_length;
	struct record_text name;
	int error;
};

Test(event, a_code_record_needs_lengths_that_fit)
{
	static const struct code_case CASES[] = {
		{ "sound", 8, 8, { 3, 3, 1, 1 }, 0 },
		{ "table cut", 8, 9000, { 3, 3, 1, 1 }, 0 },
		{ "more table than there is", 9, 8, { 3, 3, 1, 1 }, -EBADMSG },
		{ "table beyond the record",
		  ABI_LINETABLE_BYTES + 1,
		  1u << 30,
		  { 3, 3, 1, 1 },
		  -EBADMSG },
		{ "table beyond the bytes", 4096, 4096, { 3, 3, 1, 1 }, -EBADMSG },
		{ "name beyond its room", 8, 8, { 300, 300, 1, 1 }, -EBADMSG },
		{ "a kind there is not", 8, 8, { 3, 3, 3, 0 }, -EBADMSG },
		{ "bytes of nothing", 8, 8, { 3, 3, 0, 0 }, -EBADMSG },
	};
	struct record_code *code = calloc(1, sizeof(*code));
	struct event event;

	code->header.kind = RECORD_CODE;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		code->linetable_bytes = CASES[i].table_bytes;
		code->linetable_length = CASES[i].table_length;
		code->name_text = CASES[i].name;
		cr_expect_eq(decode_exactly(code, offsetof(struct record_code, texts) + 11, &event),
			     CASES[i].error, "%s", CASES[i].what);
	}
	free(code);
}

Test(event, a_native_record_needs_the_stack_it_counts)
{
	struct record_native *native = calloc(1, sizeof(*native));
	const size_t fixed = offsetof(struct record_native, stack);
	struct event event;

	native->header.kind = RECORD_NATIVE;
	native->stack_bytes = 64;
	cr_expect_eq(decode_exactly(native, fixed + 64, &event), 0);
	cr_expect_eq(decode_exactly(native, fixed + 63, &event), -EBADMSG);
	native->kernel_count = ABI_KERNEL_FRAMES + 1;
	cr_expect_eq(decode_exactly(native, fixed + 64, &event), -EBADMSG);
	free(native);
}

Test(event, short_and_unknown_records_are_told_apart)
{
	struct record_process record = { .header.kind = RECORD_PROCESS_EXIT };
	struct event event;

	cr_expect_eq(decode_exactly(&record, sizeof(record), &event), 0);
	cr_expect_eq(decode_exactly(&record, sizeof(record) - 1, &event), -EBADMSG);
	cr_expect_eq(decode_exactly(&record, 7, &event), -EBADMSG);
	cr_expect_eq(decode_exactly(&record, 0, &event), -EBADMSG);
	record.header.kind = RECORD_KIND_COUNT;
	cr_expect_eq(decode_exactly(&record, sizeof(record), &event), -ENOTSUP);
	record.header.kind = RECORD_NONE;
	cr_expect_eq(decode_exactly(&record, sizeof(record), &event), -ENOTSUP);
}

Test(event, a_calls_record_needs_the_events_it_counts)
{
	struct record_calls calls = { .header.kind = RECORD_CALLS, .event_count = 5 };
	const size_t whole = offsetof(struct record_calls, events) + 5 * sizeof(struct call_event);
	struct event event;

	cr_expect_eq(decode_exactly(&calls, whole, &event), 0);
	cr_expect_eq(decode_exactly(&calls, whole - 1, &event), -EBADMSG);
	calls.event_count = ABI_CALL_EVENTS + 1;
	cr_expect_eq(decode_exactly(&calls, sizeof(calls), &event), -EBADMSG);
}

Test(event, a_call_stack_needs_the_frames_it_counts)
{
	struct record_call_stack stack = { .header.kind = RECORD_CALL_STACK, .frame_count = 2 };
	const size_t whole =
		offsetof(struct record_call_stack, frames) + 2 * sizeof(struct call_stack_frame);
	struct event event;

	cr_expect_eq(decode_exactly(&stack, whole, &event), 0);
	cr_expect_eq(decode_exactly(&stack, whole - 1, &event), -EBADMSG);
	stack.status = DROP_COUNT;
	cr_expect_eq(decode_exactly(&stack, whole, &event), -EBADMSG);
	stack.status = DROP_NONE;
	stack.frame_count = ABI_STACK_FRAMES + 1;
	cr_expect_eq(decode_exactly(&stack, sizeof(stack), &event), -EBADMSG);
}

Test(event, a_proof_names_a_site_there_can_be)
{
	struct record_call_proof proof = { .header.kind = RECORD_CALL_PROOF, .site = 3 };
	struct event event;

	cr_expect_eq(decode_exactly(&proof, sizeof(proof), &event), 0);
	cr_expect_eq(decode_exactly(&proof, sizeof(proof) - 1, &event), -EBADMSG);
	proof.site = ABI_CALL_SITES;
	cr_expect_eq(decode_exactly(&proof, sizeof(proof), &event), -EBADMSG);
	proof.site = 3;
	proof.kind = CALL_EVENT_KIND_COUNT;
	cr_expect_eq(decode_exactly(&proof, sizeof(proof), &event), -EBADMSG);
}

Test(event, a_memory_record_is_of_a_kind_there_is)
{
	struct record_memory memory = { .header.kind = RECORD_MEMORY, .size = UINT64_MAX };
	struct event event;

	for (unsigned int kind = 0; kind < MEMORY_EVENT_KIND_COUNT; kind++) {
		memory.kind = kind;
		cr_expect_eq(decode_exactly(&memory, sizeof(memory), &event), 0, "%u", kind);
	}
	cr_expect_eq(event.kind, RECORD_MEMORY);
	cr_expect_eq(decode_exactly(&memory, sizeof(memory) - 1, &event), -EBADMSG);
	cr_expect_eq(decode_exactly(&memory, sizeof(memory.header), &event), -EBADMSG);
	memory.kind = MEMORY_EVENT_KIND_COUNT;
	cr_expect_eq(decode_exactly(&memory, sizeof(memory), &event), -EBADMSG);
	memory.kind = UINT16_MAX;
	cr_expect_eq(decode_exactly(&memory, sizeof(memory), &event), -EBADMSG);
}

Test(event, a_stack_of_memory_needs_the_frames_it_counts)
{
	struct record_sample stack = { .header.kind = RECORD_MEMORY_STACK,
				       .frame_count = 2,
				       .stack_id = 5 };
	const size_t whole =
		offsetof(struct record_sample, frames) + 2 * sizeof(struct record_frame);
	struct event event;

	cr_expect_eq(decode_exactly(&stack, whole, &event), 0);
	cr_expect_eq(event.kind, RECORD_MEMORY_STACK);
	cr_expect_eq(decode_exactly(&stack, whole - 1, &event), -EBADMSG);
	cr_expect_eq(decode_exactly(&stack, offsetof(struct record_sample, frames) - 1, &event),
		     -EBADMSG);
	stack.status = DROP_COUNT;
	cr_expect_eq(decode_exactly(&stack, whole, &event), -EBADMSG);
	stack.status = DROP_NONE;
	stack.frame_count = ABI_STACK_FRAMES + 1;
	cr_expect_eq(decode_exactly(&stack, sizeof(stack), &event), -EBADMSG);
}

Test(event, a_choice_of_the_oom_killer_is_a_record_of_a_process)
{
	struct record_process record = { .header.kind = RECORD_PROCESS_OOM };
	struct event event;

	cr_expect_eq(decode_exactly(&record, sizeof(record), &event), 0);
	cr_expect_eq(event.kind, RECORD_PROCESS_OOM);
	cr_expect_eq(decode_exactly(&record, sizeof(record) - 1, &event), -EBADMSG);
}

Test(event, a_class_has_a_number)
{
	struct record_class class = { .header.kind = RECORD_CLASS, .class_id = 1 };
	struct event event;

	for (int end = 0; end < 2; end++) {
		class.header.kind = end ? RECORD_CLASS_END : RECORD_CLASS;
		cr_expect_eq(decode_exactly(&class, sizeof(class), &event), 0);
		cr_expect_eq(decode_exactly(&class, sizeof(class) - 1, &event), -EBADMSG);
	}
	class.class_id = 0;
	cr_expect_eq(decode_exactly(&class, sizeof(class), &event), -EBADMSG);
}

Test(event, a_life_is_whole)
{
	struct record_lifetime lifetime = { .header.kind = RECORD_LIFETIME };
	struct event event;

	cr_expect_eq(decode_exactly(&lifetime, sizeof(lifetime), &event), 0);
	cr_expect_eq(decode_exactly(&lifetime, sizeof(lifetime) - 1, &event), -EBADMSG);
}

Test(event, a_collection_ends_after_it_began_and_has_a_generation)
{
	struct record_gc gc = { .header = { .kind = RECORD_GC, .time_ns = 2 }, .start_ns = 1 };
	struct event event;

	cr_expect_eq(decode_exactly(&gc, sizeof(gc), &event), 0);
	cr_expect_eq(decode_exactly(&gc, sizeof(gc) - 1, &event), -EBADMSG);
	gc.start_ns = 3;
	cr_expect_eq(decode_exactly(&gc, sizeof(gc), &event), -EBADMSG);
	gc.start_ns = 1;
	gc.generation = ABI_GC_GENERATIONS;
	cr_expect_eq(decode_exactly(&gc, sizeof(gc), &event), -EBADMSG);
	/* Its beginning was not seen. */
	gc.generation = GC_GENERATION_UNKNOWN;
	gc.start_ns = 0;
	cr_expect_eq(decode_exactly(&gc, sizeof(gc), &event), 0);
}
