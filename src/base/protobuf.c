// SPDX-License-Identifier: GPL-2.0-only
/* Writes the wire format of Protocol Buffers: protobuf.dev/programming-guides/encoding. */
#include "base/protobuf.h"

enum protobuf_wire {
	PROTOBUF_VARINT = 0,
	PROTOBUF_BYTES = 2, /* a length and so many bytes */
};

enum {
	PROTOBUF_WIRE_BITS = 3,		/* of a tag; the rest is the field's number */
	PROTOBUF_VARINT_BYTES_MAX = 10, /* 64 bits, 7 a byte */
};

/* Seven bits a byte, the lowest first; all bytes but the last have the top bit. */
static size_t protobuf_varint(uint64_t value, char bytes[PROTOBUF_VARINT_BYTES_MAX])
{
	size_t length = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[length++] = (char)(value | 0x80);
	bytes[length++] = (char)value;
	return length;
}

static void protobuf_append(struct buffer *out, uint64_t value)
{
	char bytes[PROTOBUF_VARINT_BYTES_MAX];

	buffer_append(out, bytes, protobuf_varint(value, bytes));
}

static void protobuf_tag(struct buffer *out, uint32_t field, enum protobuf_wire wire)
{
	protobuf_append(out, (uint64_t)field << PROTOBUF_WIRE_BITS | wire);
}

void protobuf_uint(struct buffer *out, uint32_t field, uint64_t value)
{
	if (!value)
		return;
	protobuf_tag(out, field, PROTOBUF_VARINT);
	protobuf_append(out, value);
}

void protobuf_string(struct buffer *out, uint32_t field, const char *bytes, size_t length)
{
	protobuf_tag(out, field, PROTOBUF_BYTES);
	protobuf_append(out, length);
	buffer_append(out, bytes, length);
}

void protobuf_message(struct buffer *out, uint32_t field, const struct buffer *message)
{
	if (message->error && !out->error)
		out->error = message->error;
	protobuf_string(out, field, message->bytes, message->length);
}

void protobuf_packed(struct buffer *out, uint32_t field, const uint64_t *values, size_t count)
{
	char bytes[PROTOBUF_VARINT_BYTES_MAX];
	size_t length = 0;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		length += protobuf_varint(values[i], bytes);
	protobuf_tag(out, field, PROTOBUF_BYTES);
	protobuf_append(out, length);
	for (size_t i = 0; i < count; i++)
		protobuf_append(out, values[i]);
}
