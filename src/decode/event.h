/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the bytes of one record to an event whose every count and length has been checked against
 * the bytes that are there. What passes here can be read without further checks.
 */
#ifndef PYBPFPROF_DECODE_EVENT_H
#define PYBPFPROF_DECODE_EVENT_H

#include <stddef.h>

#include "pybpfprof/abi.h"

struct event {
	enum record_kind kind;
	const struct record_header *header; /* all pointers are borrowed from the record's bytes */
	union {
		const struct record_sample *sample; /* also RECORD_MEMORY_STACK */
		const struct record_code *code;
		const struct record_native *native;
		const struct record_calls *calls;
		const struct record_call_stack *call_stack;
		const struct record_call_proof *call_proof;
		const struct record_memory *memory;
		const struct record_class *class;
		const struct record_lifetime *lifetime;
		const struct record_gc *gc;
		const struct record_process *process; /* the other kinds */
	};
};

/* The parts of a RECORD_CODE that passed, as long as its record_texts tell; not NUL-terminated. */
static inline const char *event_code_name(const struct record_code *code)
{
	return code->texts;
}

static inline const char *event_code_qualname(const struct record_code *code)
{
	return code->texts + code->name_text.bytes;
}

static inline const char *event_code_filename(const struct record_code *code)
{
	return event_code_qualname(code) + code->qualname_text.bytes;
}

/* Of `linetable_bytes`. */
static inline const char *event_code_table(const struct record_code *code)
{
	return event_code_filename(code) + code->filename_text.bytes;
}

/* 0; -EBADMSG: sizes or counts make no sense; -ENOTSUP: a kind we do not know. */
int event_decode(const void *record, size_t size, struct event *event);

#endif
