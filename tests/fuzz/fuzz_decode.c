/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records as a broken or overrun kernel side could send them, and code objects as a hostile
 * process could forge them: whatever event_decode() lets pass is used as the program uses it.
 *
 * Input: a list of records. Each is one byte for the kind, one for the version, one for how much
 * is cut off, one for the number of patches, then the patches: two bytes where in the record, one how many bytes,
 * the bytes. They go over a record that is sound, because most of a record's ten kilobytes is text
 * and tables that are not worth guessing. What is left of the input becomes text and line table.
 */
#include <stdlib.h>
#include <string.h>

#include "decode/event.h"
#include "model/profile.h"
#include "resolve/codes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

union any_record {
	struct record_header header;
	struct record_sample sample;
	struct record_code code;
	struct record_native native;
	struct record_process process;
	struct record_calls calls;
	struct record_call_stack call_stack;
	struct record_call_proof call_proof;
	struct record_memory memory;
	struct record_gc gc;
	struct record_class class;
	struct record_lifetime lifetime;
};

struct input {
	const uint8_t *bytes;
	size_t length;
};

static unsigned int input_byte(struct input *input)
{
	if (!input->length)
		return 0;
	input->length--;
	return *input->bytes++;
}

static void text_make(struct record_text *text, char *to, size_t room, const struct input *input)
{
	size_t bytes = input->length < room ? input->length : room;

	text->kind = 1;
	text->ascii = 1;
	text->bytes = (uint16_t)bytes;
	text->length = (uint32_t)bytes;
	if (bytes)
		memcpy(to, input->bytes, bytes);
}

static size_t record_make(union any_record *record, unsigned int kind, const struct input *input)
{
	char *text = record->code.texts;

	memset(record, 0, sizeof(*record));
	record->header.kind = (uint16_t)kind;
	switch (kind) {
	case RECORD_SAMPLE:
	case RECORD_MEMORY_STACK:
		record->sample.frame_count = 3;
		return offsetof(struct record_sample, frames) + 3 * sizeof(struct record_frame);
	case RECORD_CODE:
		record->code.code_id = 1;
		record->code.firstlineno = 1;
		text_make(&record->code.name_text, text, ABI_NAME_BYTES, input);
		text += record->code.name_text.bytes;
		text_make(&record->code.qualname_text, text, ABI_QUALNAME_BYTES, input);
		text += record->code.qualname_text.bytes;
		text_make(&record->code.filename_text, text, ABI_FILENAME_BYTES, input);
		text += record->code.filename_text.bytes;
		record->code.linetable_bytes = record->code.name_text.bytes;
		record->code.linetable_length = record->code.name_text.bytes;
		if (input->length)
			memcpy(text, input->bytes, record->code.linetable_bytes);
		return (size_t)(text - (char *)record) + record->code.linetable_bytes;
	case RECORD_NATIVE:
		record->native.kernel_count = 2;
		record->native.stack_bytes = 64;
		return offsetof(struct record_native, stack) + 64;
	case RECORD_CALLS:
		record->calls.event_count = 3;
		return offsetof(struct record_calls, events) + 3 * sizeof(struct call_event);
	case RECORD_CALL_STACK:
		record->call_stack.frame_count = 3;
		return offsetof(struct record_call_stack, frames) +
		       3 * sizeof(struct call_stack_frame);
	case RECORD_CALL_PROOF:
		return sizeof(struct record_call_proof);
	case RECORD_MEMORY:
		return sizeof(struct record_memory);
	case RECORD_GC:
		return sizeof(struct record_gc);
	case RECORD_CLASS:
	case RECORD_CLASS_END:
		record->class.class_id = 1;
		return sizeof(struct record_class);
	case RECORD_LIFETIME:
		return sizeof(struct record_lifetime);
	default:
		return sizeof(struct record_process);
	}
}

static void record_patch(union any_record *record, struct input *input)
{
	for (unsigned int count = input_byte(input) % 16; count; count--) {
		size_t offset = input_byte(input);
		unsigned int patch_bytes;

		offset = (offset << 8 | input_byte(input)) % sizeof(*record);
		for (patch_bytes = input_byte(input) % 9; patch_bytes; patch_bytes--) {
			if (offset < sizeof(*record))
				((uint8_t *)record)[offset++] = (uint8_t)input_byte(input);
		}
	}
}

/* Reads all that a sound record claims to hold, for the sanitizer to see. */
static void bytes_touch(const void *from, size_t count)
{
	const volatile uint8_t *bytes = from;

	for (size_t i = 0; i < count; i++)
		(void)bytes[i];
}

static void sample_use(const struct record_sample *sample, struct codes *codes)
{
	bool known;

	for (uint32_t i = 0; i < sample->frame_count; i++)
		codes_frame(codes, sample->frames[i].code_id & ~FRAME_ENTRY_BIT,
			    sample->frames[i].lasti, &known);
}

static void event_use(const struct event *event, struct codes *codes, unsigned int minor)
{
	/* No such process: what a record does not hold cannot be read from anywhere. */
	const struct codes_process process = { .pid = -1, .minor = minor };
	bool known;

	switch (event->kind) {
	case RECORD_SAMPLE:
	case RECORD_MEMORY_STACK:
		sample_use(event->sample, codes);
		break;
	case RECORD_CODE:
		if (codes_add(codes, event->code, &process))
			break;
		for (int32_t lasti = -2; lasti < 64; lasti += 2)
			codes_frame(codes, event->code->code_id, lasti, &known);
		break;
	case RECORD_NATIVE:
		bytes_touch(event->native->kernel, event->native->kernel_count * sizeof(uint64_t));
		bytes_touch(event->native->stack, event->native->stack_bytes);
		break;
	case RECORD_CALLS:
		for (uint32_t i = 0; i < event->calls->event_count; i++)
			codes_function(codes, event->calls->events[i].code_id);
		break;
	case RECORD_CALL_STACK:
		for (uint32_t i = 0; i < event->call_stack->frame_count; i++)
			codes_function(codes, event->call_stack->frames[i].code_id);
		break;
	case RECORD_CALL_PROOF:
		bytes_touch(event->call_proof, sizeof(*event->call_proof));
		codes_function(codes, event->call_proof->code_id);
		break;
	case RECORD_MEMORY:
		bytes_touch(event->memory, sizeof(*event->memory));
		break;
	case RECORD_GC:
		bytes_touch(event->gc, sizeof(*event->gc));
		break;
	case RECORD_CLASS:
	case RECORD_CLASS_END:
		bytes_touch(event->class, sizeof(*event->class));
		break;
	case RECORD_LIFETIME:
		bytes_touch(event->lifetime, sizeof(*event->lifetime));
		break;
	default:
		bytes_touch(event->process, sizeof(*event->process));
		break;
	}
}

static void record_try(struct input *input, struct codes *codes)
{
	union any_record record;
	unsigned int kind = input_byte(input) % (RECORD_KIND_COUNT + 1);
	unsigned int minor = 8 + input_byte(input) % 8;
	size_t cut = input_byte(input);
	size_t size;
	struct event event;
	void *copy;

	size = record_make(&record, kind, input);
	record_patch(&record, input);
	size -= cut % 8 ? 0 : (cut < size ? cut : size);
	/* Of exactly the record's size, so that one byte too many is seen. */
	copy = malloc(size ? size : 1);
	if (!copy)
		return;
	memcpy(copy, &record, size);
	if (!event_decode(copy, size, &event))
		event_use(&event, codes, minor);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input input = { bytes, length };
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct codes *codes = profile ? codes_new(profile) : NULL;

	while (codes && input.length)
		record_try(&input, codes);
	codes_free(codes);
	profile_free(profile);
	return 0;
}
