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
		const struct record_sample *sample;
		const struct record_code *code;
		const struct record_native *native;
		const struct record_process *process; /* the other kinds */
	};
};

/* 0; -EBADMSG: sizes or counts make no sense; -ENOTSUP: a kind we do not know. */
int event_decode(const void *record, size_t size, struct event *event);

#endif
