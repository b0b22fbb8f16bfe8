// SPDX-License-Identifier: GPL-2.0-only
/* What zlib itself unpacks again. */
#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

#include "base/gzip.h"

/* Unpacks a whole gzip file, with its header and its check sum. */
static void unpack(const struct buffer *packed, struct buffer *out)
{
	z_stream stream = { .next_in = (Bytef *)packed->bytes, .avail_in = (uInt)packed->length };
	char piece[4096];
	int status;

	cr_assert_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
	buffer_init(out);
	do {
		stream.next_out = (Bytef *)piece;
		stream.avail_out = sizeof(piece);
		status = inflate(&stream, Z_NO_FLUSH);
		cr_assert(status == Z_OK || status == Z_STREAM_END, "%d", status);
		buffer_append(out, piece, sizeof(piece) - stream.avail_out);
	} while (status != Z_STREAM_END);
	cr_expect_eq(stream.avail_in, 0);
	inflateEnd(&stream);
}

static void expect_same_again(const struct buffer *plain, size_t piece_bytes)
{
	struct gzip *gzip = gzip_new();
	struct buffer packed, again;

	buffer_init(&packed);
	for (size_t at = 0; at < plain->length; at += piece_bytes)
		gzip_write(gzip, plain->bytes + at,
			   plain->length - at < piece_bytes ? plain->length - at : piece_bytes,
			   &packed);
	gzip_finish(gzip, &packed);
	gzip_free(gzip);
	unpack(&packed, &again);
	cr_assert_eq(again.length, plain->length);
	if (plain->length)
		cr_expect_eq(memcmp(again.bytes, plain->bytes, plain->length), 0);
	buffer_release(&packed);
	buffer_release(&again);
}

Test(gzip, nothing_at_all_is_a_file_too)
{
	struct buffer plain;

	buffer_init(&plain);
	expect_same_again(&plain, 1);
}

Test(gzip, pieces_of_any_size_are_one_file)
{
	static const size_t PIECES[] = { 1, 1000, 1 << 20, SIZE_MAX / 2 };
	struct buffer plain;
	uint32_t noise = 1;

	buffer_init(&plain);
	/* What hardly compresses, so that much comes out. */
	for (int i = 0; i < 300000; i++) {
		noise = noise * 1664525 + 1013904223;
		buffer_byte(&plain, (char)(noise >> 24));
	}
	for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++)
		expect_same_again(&plain, PIECES[i]);
	buffer_release(&plain);
}

Test(gzip, text_becomes_smaller)
{
	struct gzip *gzip = gzip_new();
	struct buffer packed;

	buffer_init(&packed);
	for (int i = 0; i < 10000; i++)
		gzip_write(gzip, "the same again. ", 16, &packed);
	gzip_finish(gzip, &packed);
	cr_expect_lt(packed.length, 2000);
	gzip_free(gzip);
	gzip_free(NULL);
	buffer_release(&packed);
}
