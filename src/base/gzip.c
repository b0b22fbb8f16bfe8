// SPDX-License-Identifier: GPL-2.0-only
/* Compresses with zlib. */
#include "base/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	GZIP_PIECE_BYTES = 16 * 1024,
	GZIP_WINDOW_BITS = MAX_WBITS + 16, /* zlib's way to ask for gzip's header and trailer */
	GZIP_MEMORY_LEVEL = 8,		   /* zlib's own default */
};

struct gzip {
	z_stream stream;
	unsigned char piece[GZIP_PIECE_BYTES];
};

struct gzip *gzip_new(void)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return NULL;
	if (deflateInit2(&gzip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS,
			 GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void gzip_free(struct gzip *gzip)
{
	if (!gzip)
		return;
	deflateEnd(&gzip->stream);
	free(gzip);
}

/* Whatever zlib has ready goes out; it has no more when it leaves room in the piece. */
static void gzip_deflate(struct gzip *gzip, int flush, struct buffer *out)
{
	z_stream *stream = &gzip->stream;

	do {
		stream->next_out = gzip->piece;
		stream->avail_out = sizeof(gzip->piece);
		deflate(stream, flush);
		buffer_append(out, gzip->piece, sizeof(gzip->piece) - stream->avail_out);
	} while (!stream->avail_out);
}

void gzip_write(struct gzip *gzip, const void *bytes, size_t length, struct buffer *out)
{
	const unsigned char *from = bytes;

	/* zlib counts in unsigned int. */
	while (length) {
		unsigned int part = length < UINT_MAX ? (unsigned int)length : UINT_MAX;

		gzip->stream.next_in = (unsigned char *)from;
		gzip->stream.avail_in = part;
		gzip_deflate(gzip, Z_NO_FLUSH, out);
		from += part;
		length -= part;
	}
}

void gzip_finish(struct gzip *gzip, struct buffer *out)
{
	gzip->stream.next_in = NULL;
	gzip->stream.avail_in = 0;
	gzip_deflate(gzip, Z_FINISH, out);
}
