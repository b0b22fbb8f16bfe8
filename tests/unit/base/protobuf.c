// SPDX-License-Identifier: GPL-2.0-only
/* The wire format: bytes as its specification gives them (protobuf.dev, "Encoding"). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "base/protobuf.h"

static void expect_bytes(struct buffer *got, const char *want, size_t length)
{
	cr_assert_eq(got->length, length, "%zu bytes", got->length);
	for (size_t i = 0; i < length; i++)
		cr_expect_eq(got->bytes[i], want[i], "byte %zu: %02x", i, (uint8_t)got->bytes[i]);
	buffer_release(got);
}

#define EXPECT_BYTES(got, want) expect_bytes(got, want, sizeof(want) - 1)

Test(protobuf, numbers_have_seven_bits_a_byte)
{
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t length;
	} CASES[] = {
		{ 1, "\x08\x01", 2 },
		{ 127, "\x08\x7f", 2 },
		{ 128, "\x08\x80\x01", 3 },
		{ 150, "\x08\x96\x01", 3 },
		{ UINT64_MAX, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct buffer out;

		buffer_init(&out);
		protobuf_uint(&out, 1, CASES[i].value);
		expect_bytes(&out, CASES[i].bytes, CASES[i].length);
	}
}

Test(protobuf, a_number_that_is_zero_is_not_written)
{
	struct buffer out;

	buffer_init(&out);
	protobuf_uint(&out, 1, 0);
	protobuf_packed(&out, 2, NULL, 0);
	cr_assert_eq(out.length, 0);
	buffer_release(&out);
}

Test(protobuf, field_numbers_above_15_take_two_bytes)
{
	struct buffer out;

	buffer_init(&out);
	protobuf_uint(&out, 15, 1);
	protobuf_uint(&out, 16, 1);
	EXPECT_BYTES(&out, "\x78\x01\x80\x01\x01");
}

Test(protobuf, strings_have_their_length_in_front)
{
	struct buffer out;

	buffer_init(&out);
	protobuf_string(&out, 2, "testing", 7);
	protobuf_string(&out, 2, "", 0);
	EXPECT_BYTES(&out, "\x12\x07testing\x12\x00");
}

Test(protobuf, a_message_lies_in_another_one)
{
	struct buffer inner, out;

	buffer_init(&inner);
	buffer_init(&out);
	protobuf_uint(&inner, 1, 150);
	protobuf_message(&out, 3, &inner);
	buffer_release(&inner);
	protobuf_message(&out, 3, &inner);
	EXPECT_BYTES(&out, "\x1a\x03\x08\x96\x01\x1a\x00");
}

/* Zeros count where numbers repeat. */
Test(protobuf, repeated_numbers_are_packed)
{
	static const uint64_t VALUES[] = { 3, 270, 86942, 0 };
	struct buffer out;

	buffer_init(&out);
	protobuf_packed(&out, 6, VALUES, 4);
	EXPECT_BYTES(&out, "\x32\x07\x03\x8e\x02\x9e\xa7\x05\x00");
}

Test(protobuf, a_message_that_had_no_memory_is_not_taken_for_whole)
{
	struct buffer inner = { .error = -ENOMEM }, out;

	buffer_init(&out);
	protobuf_message(&out, 1, &inner);
	cr_assert_eq(buffer_error(&out), -ENOMEM);
	buffer_release(&out);
}
