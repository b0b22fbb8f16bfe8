/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A growing run of bytes. Grows by doubling; on -ENOMEM the buffer keeps what it had and remembers
 * the failure, so that a long run of appends needs one check at its end (buffer_error()).
 * Always NUL-terminated behind `length`, so `bytes` can be used as a C string.
 */
#ifndef PYBPFPROF_BASE_BUFFER_H
#define PYBPFPROF_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *bytes; /* owned; NULL while empty */
	size_t length;
	size_t capacity;
	int error; /* 0, or the first -ENOMEM met */
};

void buffer_init(struct buffer *buffer);
void buffer_release(struct buffer *buffer); /* frees, and leaves it as after buffer_init() */
void buffer_clear(struct buffer *buffer);   /* empties, keeps the memory */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_string(struct buffer *buffer, const char *string);
void buffer_byte(struct buffer *buffer, char byte);
void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int buffer_error(const struct buffer *buffer); /* 0 or -ENOMEM */

#endif
