// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts by step. A value's step is its place in a row of all steps there are: the first 32 are of
 * one value each, each octave behind has 16. Steps are kept by whole octaves, 32 bits a count; what
 * does not fit goes into a second array that hardly any octave ever needs.
 *
 * Each distinct pair of caller and callee has its octaves somewhere in memory, and where a program
 * calls ten thousand functions in turn, fetching them would be most of the work of a call. Therefore
 * the newest values wait in the histogram itself.
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

static int histogram_flush(struct histogram *histogram)
{
	while (histogram->pending_count) {
		unsigned int step = histogram->pending[histogram->pending_count - 1];
		int err = histogram_add_steps(histogram, step, 1);

		if (err)
			return err;
		histogram->pending_count--;
	}
	return 0;
}

int histogram_add(struct histogram *histogram, uint64_t value)
{
	if (histogram->pending_count == HISTOGRAM_PENDING) {
		int err = histogram_flush(histogram);

		if (err)
			return err;
	}
	histogram->pending[histogram->pending_count++] = histogram_step(value);
	return 0;
}

int histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t count)
{
	return count ? histogram_add_steps(histogram, histogram_step(value), count) : 0;
}

int histogram_merge(struct histogram *into, const struct histogram *from)
{
	unsigned int step_count = from->count * HISTOGRAM_STEPS;
	int err = 0;

	for (unsigned int i = 0; i < step_count && !err; i++) {
		uint64_t count =
			octave_count(&from->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);

		if (count)
			err = histogram_add_steps(into, from->first * HISTOGRAM_STEPS + i, count);
	}
	for (unsigned int i = 0; i < from->pending_count && !err; i++)
		err = histogram_add_steps(into, from->pending[i], 1);
	return err;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = histogram->pending_count;

	for (unsigned int i = 0; i < histogram->count * HISTOGRAM_STEPS; i++)
		count +=
			octave_count(&histogram->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);
	return count;
}

static unsigned int histogram_octave_of(unsigned int step)
{
	uint64_t value = histogram_middle(step);

	return value ? 63 - __builtin_clzll(value) : 0;
}

void histogram_octaves(const struct histogram *histogram, uint64_t counts[HISTOGRAM_OCTAVES])
{
	for (unsigned int i = 0; i < histogram->count * HISTOGRAM_STEPS; i++)
		counts[histogram_octave_of(histogram->first * HISTOGRAM_STEPS + i)] +=
			octave_count(&histogram->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);
	for (unsigned int i = 0; i < histogram->pending_count; i++)
		counts[histogram_octave_of(histogram->pending[i])]++;
}

static void histogram_sort_pending(const struct histogram *histogram, uint16_t *sorted)
{
	for (unsigned int i = 0; i < histogram->pending_count; i++) {
		unsigned int at = i;

		for (; at && sorted[at - 1] > histogram->pending[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = histogram->pending[i];
	}
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
	uint64_t count = histogram_count(histogram), seen = 0, rank = ceil(fraction * count);
	uint16_t sorted[HISTOGRAM_PENDING];
	unsigned int pending = 0;

	if (!count)
		return 0;
	rank = rank < 1 ? 1 : rank > count ? count : rank;
	histogram_sort_pending(histogram, sorted);
	for (unsigned int i = 0; i < histogram->count * HISTOGRAM_STEPS; i++) {
		unsigned int step = histogram->first * HISTOGRAM_STEPS + i;

		while (pending < histogram->pending_count && sorted[pending] < step) {
			if (++seen == rank)
				return histogram_middle(sorted[pending]);
			pending++;
		}
		seen += octave_count(&histogram->octaves[i / HISTOGRAM_STEPS], i % HISTOGRAM_STEPS);
		if (seen >= rank)
			return histogram_middle(step);
	}
	return histogram_middle(sorted[pending + (rank - seen) - 1]);
}

uint64_t histogram_quantile_within(const struct histogram *histogram, double fraction, uint64_t min,
				   uint64_t max)
{
	uint64_t value = histogram_quantile(histogram, fraction);

	/* The middle of an outermost step may lie beyond what there was. */
	value = value < min ? min : value;
	return value > max ? max : value;
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
