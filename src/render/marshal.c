// SPDX-License-Identifier: GPL-2.0-only
/* Writes CPython's marshal format: Python/marshal.c, the r_object() of 3.8 to 3.15. */
#include "render/marshal.h"

#include <string.h>

enum {
	MARSHAL_KEPT = 0x80,	/* with a type: the object gets the next number */
	MARSHAL_DIGIT_BITS = 15 /* of a long integer */
};

void marshal_init(struct marshal *marshal, struct buffer *out)
{
	*marshal = (struct marshal){ .out = out };
}

/* The format is little-endian everywhere. */
static void marshal_bytes(struct marshal *marshal, uint64_t value, unsigned int count)
{
	for (; count; count--, value >>= 8)
		buffer_byte(marshal->out, (char)(value & 0xff));
}

void marshal_dict_start(struct marshal *marshal)
{
	buffer_byte(marshal->out, '{');
}

void marshal_dict_end(struct marshal *marshal)
{
	buffer_byte(marshal->out, '0');
}

void marshal_tuple(struct marshal *marshal, uint32_t count)
{
	buffer_byte(marshal->out, '(');
	marshal_bytes(marshal, count, 4);
}

uint32_t marshal_kept_tuple(struct marshal *marshal, uint32_t count)
{
	buffer_byte(marshal->out, (char)('(' | MARSHAL_KEPT));
	marshal_bytes(marshal, count, 4);
	/* Readers number a tuple before what is in it. */
	return marshal->kept_count++;
}

void marshal_again(struct marshal *marshal, uint32_t number)
{
	buffer_byte(marshal->out, 'r');
	marshal_bytes(marshal, number, 4);
}

void marshal_string(struct marshal *marshal, const char *utf8, size_t length)
{
	buffer_byte(marshal->out, 'u');
	marshal_bytes(marshal, length, 4);
	buffer_append(marshal->out, utf8, length);
}

uint32_t marshal_kept_string(struct marshal *marshal, const char *utf8, size_t length)
{
	buffer_byte(marshal->out, (char)('u' | MARSHAL_KEPT));
	marshal_bytes(marshal, length, 4);
	buffer_append(marshal->out, utf8, length);
	return marshal->kept_count++;
}

void marshal_uint(struct marshal *marshal, uint64_t value)
{
	unsigned int digit_count = 0;

	if (value <= INT32_MAX) {
		buffer_byte(marshal->out, 'i');
		marshal_bytes(marshal, value, 4);
		return;
	}
	for (uint64_t rest = value; rest; rest >>= MARSHAL_DIGIT_BITS)
		digit_count++;
	buffer_byte(marshal->out, 'l');
	marshal_bytes(marshal, digit_count, 4);
	for (; value; value >>= MARSHAL_DIGIT_BITS)
		marshal_bytes(marshal, value & ((1u << MARSHAL_DIGIT_BITS) - 1), 2);
}

void marshal_float(struct marshal *marshal, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	buffer_byte(marshal->out, 'g');
	marshal_bytes(marshal, bits, 8);
}
