/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gzip file as it is written, piece by piece, into a buffer that whoever owns it empties at will. The
 * same bytes in give the same bytes out: no name, no time.
 */
#ifndef PYBPFPROF_BASE_GZIP_H
#define PYBPFPROF_BASE_GZIP_H

#include <stddef.h>

#include "base/buffer.h"

struct gzip;

struct gzip *gzip_new(void);	   /* NULL: out of memory */
void gzip_free(struct gzip *gzip); /* takes NULL */
/* Appends to `out` what is compressed so far; an error is left in `out`. */
void gzip_write(struct gzip *gzip, const void *bytes, size_t length, struct buffer *out);
void gzip_finish(struct gzip *gzip, struct buffer *out); /* nothing may be written after it */

#endif
