/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stream with its first error kept: a report is a thousand writes and one check. After an error
 * nothing more is written. The errno is taken where it happens, for stdio forgets it.
 */
#ifndef PYBPFPROF_RENDER_WRITER_H
#define PYBPFPROF_RENDER_WRITER_H

#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"

struct writer {
	FILE *stream;	       /* borrowed */
	int error;	       /* 0 or the first -errno */
	struct buffer pending; /* not written yet: stdio is slow in small pieces */
	struct buffer scratch; /* for whoever makes a piece of text before it is written */
};

void writer_init(struct writer *writer, FILE *stream);
void writer_bytes(struct writer *writer, const void *bytes, size_t length);
void writer_string(struct writer *writer, const char *string);
void writer_uint(struct writer *writer, uint64_t value);
/* Writes what `scratch` holds and empties it; its -ENOMEM becomes the writer's error. */
void writer_scratch(struct writer *writer);
void writer_fail(struct writer *writer, int error); /* -errno; the first one stays */
/* Flushes, frees. 0 or the first -errno. The stream stays open. */
int writer_finish(struct writer *writer);

#endif
