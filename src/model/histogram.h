/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long things took or how large they were, as counts by nanoseconds or bytes: 16 steps an octave,
 * so that a quantile read from it is at most 3.2 % off (the middle of a step is given). Octaves
 * nobody needed cost nothing.
 */
#ifndef PYBPFPROF_MODEL_HISTOGRAM_H
#define PYBPFPROF_MODEL_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum { HISTOGRAM_OCTAVES = 64, HISTOGRAM_STEPS = 16 };

struct histogram_octave; /* private */

enum { HISTOGRAM_PENDING = 10 };

struct histogram {
	struct histogram_octave *octaves; /* only those in use, owned; else NULL */
	uint8_t first, count;		  /* of the octaves kept; a gap between two is kept too */
	uint8_t pending_count;
	/* The newest values, as steps: counted by tens, as octaves are far away in memory. */
	uint16_t pending[HISTOGRAM_PENDING];
};

static inline bool histogram_is_empty(const struct histogram *histogram)
{
	return !histogram->octaves && !histogram->pending_count;
}

/* A zeroed histogram is empty. 0 or -ENOMEM. */
int histogram_add(struct histogram *histogram, uint64_t value);
int histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t count);
int histogram_merge(struct histogram *into, const struct histogram *from);
uint64_t histogram_count(const struct histogram *histogram);
/* Adds to counts[i] how many values are from 2^i on and below 2^(i+1), 0 with those of 1. */
void histogram_octaves(const struct histogram *histogram, uint64_t counts[HISTOGRAM_OCTAVES]);
/* `fraction` 0.5, 0.9, 0.99, 0.999: the value that so many are not above. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);
/* The same, not beyond the smallest and the largest value where these are known. */
uint64_t histogram_quantile_within(const struct histogram *histogram, double fraction, uint64_t min,
				   uint64_t max);
void histogram_release(struct histogram *histogram);

#endif
