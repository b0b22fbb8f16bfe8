/* SPDX-License-Identifier: GPL-2.0-only */
/* How reports for people speak of collections. Pure; all of it appends safe text to a buffer. */
#ifndef PYBPFPROF_RENDER_GC_WORDS_H
#define PYBPFPROF_RENDER_GC_WORDS_H

#include "base/buffer.h"
#include "model/collections_rollup.h"

/*
 * "generation 0"; of an incremental collector "young"; where there are processes of both kinds, "generation
 * 0 or young". Borrowed.
 */
const char *gc_words_generation(const struct collections *collections, unsigned int generation);
/* The same of a collection, by the process it was in. */
const char *gc_words_of(const struct profile *profile, const struct gc_collection *collection);
/* "work (app.py:12)"; "[no Python frame]". */
void gc_words_append_frame(struct buffer *out, const struct profile *profile, uint32_t frame);
/* "work (app.py:12) < main (app.py:40) < ...": innermost first, at most so many. */
void gc_words_append_stack(struct buffer *out, const struct profile *profile, uint32_t stack,
			   uint32_t limit);

#endif
