// SPDX-License-Identifier: GPL-2.0-only
/* The growing run of bytes. Owns nothing but the buffer's memory. */
#include "base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST_BYTES = 64 };

void buffer_init(struct buffer *buffer)
{
	memset(buffer, 0, sizeof(*buffer));
}

void buffer_release(struct buffer *buffer)
{
	if (!buffer)
		return;
	free(buffer->bytes);
	buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->error = 0;
	if (buffer->bytes)
		buffer->bytes[0] = '\0';
}

/* Makes room for `more` bytes and the NUL behind them. */
static int buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_BYTES;
	size_t needed;
	char *bytes;

	if (buffer->error)
		return buffer->error;
	if (__builtin_add_overflow(buffer->length, more, &needed) ||
	    __builtin_add_overflow(needed, 1, &needed) || needed > SIZE_MAX / 2)
		goto fail;
	if (needed <= buffer->capacity)
		return 0;
	while (capacity < needed)
		capacity *= 2;
	bytes = realloc(buffer->bytes, capacity);
	if (!bytes)
		goto fail;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;

fail:
	buffer->error = -ENOMEM;
	return -ENOMEM;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (buffer_reserve(buffer, length))
		return;
	if (length)
		memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
	buffer->bytes[buffer->length] = '\0';
}

void buffer_string(struct buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void buffer_byte(struct buffer *buffer, char byte)
{
	buffer_append(buffer, &byte, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args, again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0) {
		/* Only a format or a size that no caller of ours has can fail here. */
		if (!buffer->error)
			buffer->error = -ENOMEM;
	} else if (!buffer_reserve(buffer, length)) {
		vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
		buffer->length += length;
	}
	va_end(again);
}

int buffer_error(const struct buffer *buffer)
{
	return buffer->error;
}
