// SPDX-License-Identifier: GPL-2.0-only
/* Writes to a stream, keeping the first error. */
#include "render/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { WRITER_PENDING_BYTES = 32 * 1024 };

void writer_init(struct writer *writer, FILE *stream)
{
	memset(writer, 0, sizeof(*writer));
	writer->stream = stream;
	buffer_init(&writer->pending);
	buffer_init(&writer->scratch);
}

void writer_fail(struct writer *writer, int error)
{
	if (!writer->error)
		writer->error = error;
}

static void writer_flush(struct writer *writer)
{
	struct buffer *pending = &writer->pending;

	if (buffer_error(pending))
		writer_fail(writer, buffer_error(pending));
	errno = 0;
	if (!writer->error && pending->length &&
	    fwrite(pending->bytes, 1, pending->length, writer->stream) != pending->length)
		writer->error = errno ? -errno : -EIO;
	buffer_clear(pending);
}

void writer_bytes(struct writer *writer, const void *bytes, size_t length)
{
	buffer_append(&writer->pending, bytes, length);
	if (writer->pending.length >= WRITER_PENDING_BYTES)
		writer_flush(writer);
}

void writer_string(struct writer *writer, const char *string)
{
	writer_bytes(writer, string, strlen(string));
}

void writer_uint(struct writer *writer, uint64_t value)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);

	writer_bytes(writer, digits, length);
}

void writer_scratch(struct writer *writer)
{
	if (buffer_error(&writer->scratch))
		writer_fail(writer, buffer_error(&writer->scratch));
	writer_bytes(writer, writer->scratch.bytes, writer->scratch.length);
	buffer_clear(&writer->scratch);
}

int writer_finish(struct writer *writer)
{
	writer_flush(writer);
	errno = 0;
	if (!writer->error && fflush(writer->stream))
		writer->error = errno ? -errno : -EIO;
	if (!writer->error && ferror(writer->stream))
		writer->error = -EIO;
	buffer_release(&writer->pending);
	buffer_release(&writer->scratch);
	return writer->error;
}
