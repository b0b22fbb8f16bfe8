/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading DWARF's encodings from bytes in memory, never past their end: a read that does not fit
 * gives 0 and sets `failed`, so that a run of reads needs one check at its end.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_SPAN_H
#define PYBPFPROF_RESOLVE_NATIVE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct native_span {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t span_left(const struct native_span *span)
{
	return (size_t)(span->end - span->at);
}

/* The next `bytes` little-endian ones, at most 8. */
static inline uint64_t span_uint(struct native_span *span, size_t bytes)
{
	uint64_t value = 0;

	if (span_left(span) < bytes || bytes > 8) {
		span->failed = true;
		span->at = span->end;
		return 0;
	}
	memcpy(&value, span->at, bytes);
	span->at += bytes;
	return value;
}

static inline int64_t span_int(struct native_span *span, size_t bytes)
{
	unsigned int shift = 64 - 8 * (unsigned int)bytes;

	return bytes ? (int64_t)(span_uint(span, bytes) << shift) >> shift : 0;
}

static inline uint64_t span_uleb(struct native_span *span)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)span_uint(span, 1);

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

static inline int64_t span_sleb(struct native_span *span)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)span_uint(span, 1);

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte & 0x40 && shift + 7 < 64)
			value |= ~(uint64_t)0 << (shift + 7);
		return (int64_t)value;
	}
}

/* A part of it; what was left of `span` begins behind. */
static inline struct native_span span_take(struct native_span *span, uint64_t bytes)
{
	struct native_span part = { span->at, span->at, false };

	if (bytes > span_left(span)) {
		span->failed = true;
		part.failed = true;
		span->at = span->end;
		part.at = part.end = span->end;
		return part;
	}
	span->at += bytes;
	part.end = span->at;
	return part;
}

/* A NUL-terminated string; "" when its end is missing. */
static inline const char *span_string(struct native_span *span)
{
	const char *string = (const char *)span->at;
	const uint8_t *nul = span_left(span) ? memchr(span->at, 0, span_left(span)) : NULL;

	if (!nul) {
		span->failed = true;
		span->at = span->end;
		return "";
	}
	span->at = nul + 1;
	return string;
}

#endif
