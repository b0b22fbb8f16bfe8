// SPDX-License-Identifier: GPL-2.0-only
/* See event.h. */
#include "decode/event.h"

#include <errno.h>
#include <stdbool.h>

static bool sample_sound(const struct record_sample *sample, size_t size)
{
	const size_t fixed = offsetof(struct record_sample, frames);

	return size >= fixed && sample->frame_count <= ABI_STACK_FRAMES &&
	       size >= fixed + sample->frame_count * sizeof(struct record_frame) &&
	       sample->status < DROP_COUNT;
}

static bool text_sound(const struct record_text *text, size_t room)
{
	bool kind_known = text->kind == 0 || text->kind == 1 || text->kind == 2 || text->kind == 4;

	return kind_known && text->bytes <= room && (text->kind || !text->bytes);
}

static bool code_sound(const struct record_code *code, size_t size)
{
	const size_t fixed = offsetof(struct record_code, texts);

	return size >= fixed && code->linetable_bytes <= ABI_LINETABLE_BYTES &&
	       code->linetable_bytes <= code->linetable_length &&
	       text_sound(&code->name_text, ABI_NAME_BYTES) &&
	       text_sound(&code->qualname_text, ABI_QUALNAME_BYTES) &&
	       text_sound(&code->filename_text, ABI_FILENAME_BYTES) &&
	       size >= fixed + code->name_text.bytes + code->qualname_text.bytes +
			       code->filename_text.bytes + code->linetable_bytes;
}

static bool native_sound(const struct record_native *native, size_t size)
{
	const size_t fixed = offsetof(struct record_native, stack);

	return size >= fixed && native->kernel_count <= ABI_KERNEL_FRAMES &&
	       native->stack_bytes <= ABI_USER_STACK_BYTES && size >= fixed + native->stack_bytes;
}

static bool calls_sound(const struct record_calls *calls, size_t size)
{
	const size_t fixed = offsetof(struct record_calls, events);

	return size >= fixed && calls->event_count <= ABI_CALL_EVENTS &&
	       size >= fixed + calls->event_count * sizeof(struct call_event);
}

static bool call_stack_sound(const struct record_call_stack *stack, size_t size)
{
	const size_t fixed = offsetof(struct record_call_stack, frames);

	return size >= fixed && stack->frame_count <= ABI_STACK_FRAMES &&
	       size >= fixed + stack->frame_count * sizeof(struct call_stack_frame) &&
	       stack->status < DROP_COUNT;
}

static bool call_proof_sound(const struct record_call_proof *proof, size_t size)
{
	return size >= sizeof(*proof) && proof->site < ABI_CALL_SITES &&
	       proof->kind < CALL_EVENT_KIND_COUNT;
}

static bool memory_sound(const struct record_memory *memory, size_t size)
{
	return size >= sizeof(*memory) && memory->kind < MEMORY_EVENT_KIND_COUNT;
}

static bool class_sound(const struct record_class *class, size_t size)
{
	return size >= sizeof(*class) && class->class_id;
}

static bool gc_sound(const struct record_gc *gc, size_t size)
{
	return size >= sizeof(*gc) && gc->start_ns <= gc->header.time_ns &&
	       (gc->generation < ABI_GC_GENERATIONS ||
		(gc->generation == GC_GENERATION_UNKNOWN && !gc->start_ns));
}

int event_decode(const void *record, size_t size, struct event *event)
{
	const struct record_header *header = record;
	bool sound;

	if (size < sizeof(*header))
		return -EBADMSG;
	event->header = header;
	event->kind = header->kind;
	event->sample = record;
	switch (event->kind) {
	case RECORD_SAMPLE:
	case RECORD_MEMORY_STACK:
		sound = sample_sound(record, size);
		break;
	case RECORD_CODE:
		sound = code_sound(record, size);
		break;
	case RECORD_NATIVE:
		sound = native_sound(record, size);
		break;
	case RECORD_PROCESS_NEW:
	case RECORD_PROCESS_FORK:
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
	case RECORD_THREAD_EXIT:
	case RECORD_THREAD_FREE:
	case RECORD_PROCESS_FOUND:
	case RECORD_PROCESS_OOM:
		sound = size >= sizeof(struct record_process);
		break;
	case RECORD_CALLS:
		sound = calls_sound(record, size);
		break;
	case RECORD_CALL_STACK:
		sound = call_stack_sound(record, size);
		break;
	case RECORD_CALL_PROOF:
		sound = call_proof_sound(record, size);
		break;
	case RECORD_MEMORY:
		sound = memory_sound(record, size);
		break;
	case RECORD_CLASS:
	case RECORD_CLASS_END:
		sound = class_sound(record, size);
		break;
	case RECORD_LIFETIME:
		sound = size >= sizeof(struct record_lifetime);
		break;
	case RECORD_GC:
		sound = gc_sound(record, size);
		break;
	default:
		return -ENOTSUP;
	}
	return sound ? 0 : -EBADMSG;
}
