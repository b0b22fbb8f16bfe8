// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts by step. A value's step is its place in a row of all steps there are: the first 32 are of
 * one value each, each octave behind has 16. Steps are kept by whole octaves, 32 bits a count; what
 * does not fit goes into a second array that hardly any octave ever needs.
 */
#include "model/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct histogram_octave {
	uint32_t *high; /* counts above 32 bits; NULL: none are */
	uint32_t low[HISTOGRAM_STEPS];
};

static unsigned int histogram_step(uint64_t value)
{
	unsigned int shift = 59 - __builtin_clzll(value | HISTOGRAM_STEPS);

	return shift * HISTOGRAM_STEPS + (value >> shift);
}

/* The middle of a step, rounded down. */
static uint64_t histogram_middle(unsigned int step)
{
	unsigned int shift = step < 2 * HISTOGRAM_STEPS ? 0 : step / HISTOGRAM_STEPS - 1;
	uint64_t lowest = (uint64_t)(step - shift * HISTOGRAM_STEPS) << shift;

	return lowest + ((1ull << shift) - 1) / 2;
}

static uint64_t octave_count(const struct histogram_octave *octave, unsigned int place)
{
	return octave->low[place] | (octave->high ? (uint64_t)octave->high[place] << 32 : 0);
}

static int octave_add(struct histogram_octave *octave, unsigned int place, uint64_t count)
{
	uint64_t sum = octave_count(octave, place) + count;

	if (sum >> 32 && !octave->high) {
		octave->high = calloc(HISTOGRAM_STEPS, sizeof(*octave->high));
		if (!octave->high)
			return -ENOMEM;
	}
	octave->low[place] = (uint32_t)sum;
	if (octave->high)
		octave->high[place] = sum >> 32;
	return 0;
}

/* Makes room so that octave `wanted` is kept. */
static int histogram_reach(struct histogram *histogram, unsigned int wanted)
{
	unsigned int first = histogram->first, end = first + histogram->count;
	unsigned int new_first, new_end, count;
	struct histogram_octave *octaves;

	if (!histogram->count)
		first = end = wanted;
	new_first = wanted < first ? wanted : first;
	new_end = wanted >= end ? wanted + 1 : end;
	count = new_end - new_first;
	if (count == histogram->count)
		return 0;
	octaves = realloc(histogram->octaves, count * sizeof(*octaves));
	if (!octaves)
		return -ENOMEM;
	memmove(octaves + (first - new_first), octaves, histogram->count * sizeof(*octaves));
	memset(octaves, 0, (first - new_first) * sizeof(*octaves));
	memset(octaves + (end - new_first), 0, (new_end - end) * sizeof(*octaves));
	histogram->octaves = octaves;
	histogram->first = new_first;
	histogram->count = count;
	return 0;
}

static int histogram_add_steps(struct histogram *histogram, unsigned int step, uint64_t count)
{
	int err = histogram_reach(histogram, step / HISTOGRAM_STEPS);

	if (err)
		return err;
	return octave_add(&histogram->octaves[step / HISTOGRAM_STEPS - histogram->first],
			  step % HISTOGRAM_STEPS, count);
}

/* From a single step to octaves. A count of 32 bits in an empty octave cannot fail halfway. */
static int histogram_spread(struct histogram *histogram)
{
	int err = histogram_add_steps(histogram, histogram->only_step, histogram->only_count);

	if (!err)
		histogram->only_count = 0;
	return err;
}

static int histogram_add_count(struct histogram *histogram, unsigned int step, uint64_t count)
{
	if (!histogram->octaves) {
		if (!histogram->only_count)
			histogram->only_step = step;
		if (histogram->only_step == step && count <= UINT32_MAX - histogram->only_count) {
			histogram->only_count += count;
			return 0;
		}
		if (histogram_spread(histogram))
			return -ENOMEM;
	}
	return histogram_add_steps(histogram, step, count);
}

int histogram_add(struct histogram *histogram, uint64_t value)
{
	unsigned int step = histogram_step(value);
	unsigned int octave = step / HISTOGRAM_STEPS - histogram->first;

	/* Nearly always; without octaves `count` is 0. */
	if (octave < histogram->count) {
		uint32_t *low = &histogram->octaves[octave].low[step % HISTOGRAM_STEPS];

		if (*low != UINT32_MAX) {
			++*low;
			return 0;
		}
	}
	return histogram_add_count(histogram, step, 1);
}

int histogram_merge(struct histogram *into, const struct histogram *from)
{
	unsigned int step_count = from->count * HISTOGRAM_STEPS;
	int err = 0;

	if (!from->octaves)
		return from->only_count ?
			       histogram_add_count(into, from->only_step, from->only_count) :
			       0;
	for (unsigned int i = 0; i < step_count && !err; i++) {
		uint64_t count =
			octave_count(&from->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);

		if (count)
			err = histogram_add_count(into, from->first * HISTOGRAM_STEPS + i, count);
	}
	return err;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = histogram->only_count;

	for (unsigned int i = 0; i < histogram->count * HISTOGRAM_STEPS; i++)
		count +=
			octave_count(&histogram->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);
	return count;
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
	uint64_t count = histogram_count(histogram), seen = 0, rank;
	unsigned int step = 0;

	if (!count)
		return 0;
	if (!histogram->octaves)
		return histogram_middle(histogram->only_step);
	rank = ceil(fraction * count);
	for (unsigned int i = 0; i < histogram->count * HISTOGRAM_STEPS; i++) {
		uint64_t here =
			octave_count(&histogram->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);

		if (!here)
			continue;
		seen += here;
		step = histogram->first * HISTOGRAM_STEPS + i;
		if (seen >= rank)
			break;
	}
	return histogram_middle(step);
}

void histogram_release(struct histogram *histogram)
{
	if (!histogram)
		return;
	for (unsigned int i = 0; i < histogram->count; i++)
		free(histogram->octaves[i].high);
	free(histogram->octaves);
	memset(histogram, 0, sizeof(*histogram));
}
