// SPDX-License-Identifier: GPL-2.0-only
/*
 * See memory_trend.h. There are at most 32 readings, so everything is done by pairs, 496 at most.
 *
 * H. B. Mann 1945 and M. G. Kendall 1975 for the test and its variance with ties, P. K. Sen 1968
 * for the slope, K. H. Hamed and A. R. Rao 1998 for counting fewer readings where they depend on
 * one another; of their autocorrelation, that of neighbours is kept, as of an AR(1) process.
 */
#include "model/memory_trend.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { TREND_PAIRS = MEMORY_TREND_READINGS * (MEMORY_TREND_READINGS - 1) / 2 };

/* What is at `rank` of the ascending values, which get another order. */
static double select_rank(double *values, uint32_t count, uint32_t rank)
{
	uint32_t low = 0, high = count - 1;

	while (low < high) {
		double pivot = values[low + (high - low) / 2];
		uint32_t left = low, right = high;

		while (left <= right) {
			while (values[left] < pivot)
				left++;
			while (values[right] > pivot)
				right--;
			if (left <= right) {
				double swapped = values[left];

				values[left++] = values[right];
				values[right] = swapped;
				if (!right)
					break;
				right--;
			}
		}
		if (rank <= right)
			high = right;
		else if (rank >= left)
			low = left;
		else
			break;
	}
	return values[rank];
}

static double trend_slope(const double *readings, uint32_t count)
{
	double slopes[TREND_PAIRS];
	uint32_t pairs = 0;
	double middle;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++)
			slopes[pairs++] = (readings[j] - readings[i]) / (j - i);
	}
	middle = select_rank(slopes, pairs, pairs / 2);
	if (pairs % 2)
		return middle;
	return (middle + select_rank(slopes, pairs, pairs / 2 - 1)) / 2;
}

/* Twice the rank of each value among all, equal ones sharing the middle of theirs. */
static void trend_ranks(const double *values, uint32_t count, double *ranks)
{
	for (uint32_t i = 0; i < count; i++) {
		ranks[i] = 0;
		for (uint32_t j = 0; j < count; j++)
			ranks[i] += (values[j] < values[i]) + (values[j] <= values[i]);
	}
}

/* How alike neighbours are once the slope is taken out: -1..1, without the bias of few readings. */
static double trend_likeness(const double *readings, uint32_t count, double slope)
{
	double rest[MEMORY_TREND_READINGS], ranks[MEMORY_TREND_READINGS];
	double mean = count, together = 0, alone = 0;

	for (uint32_t i = 0; i < count; i++)
		rest[i] = readings[i] - slope * i;
	trend_ranks(rest, count, ranks);
	for (uint32_t i = 0; i < count; i++) {
		alone += (ranks[i] - mean) * (ranks[i] - mean);
		if (i)
			together += (ranks[i] - mean) * (ranks[i - 1] - mean);
	}
	if (alone <= 0)
		return 0;
	return (together / alone * count + 1) / (count - 3.0);
}

/* By how much the variance of a sum of such readings is larger than that of independent ones. */
static double trend_inflation(const double *readings, uint32_t count, double slope)
{
	const double likeness_max = 0.95;
	double likeness, power = 1, inflation = 1;
	bool falls = false;

	for (uint32_t i = 1; i < count; i++)
		falls = falls || readings[i] < readings[i - 1];
	/* What never falls does not wander, however unevenly it grows. */
	if (!falls)
		return 1;
	likeness = fmin(trend_likeness(readings, count, slope), likeness_max);
	if (likeness <= 0)
		return 1;
	for (uint32_t lag = 1; lag < count; lag++) {
		power *= likeness;
		inflation += 2 * (1 - (double)lag / count) * power;
	}
	return inflation;
}

/* Mann and Kendall's variance of the score, ties taken out. */
static double score_variance(const double *readings, uint32_t count)
{
	double variance = count * (count - 1.0) * (2.0 * count + 5);

	for (uint32_t i = 0; i < count; i++) {
		double tied = 1;
		bool first = true;

		for (uint32_t j = 0; j < count; j++) {
			if (j == i || readings[j] != readings[i])
				continue;
			tied++;
			first = first && j > i;
		}
		if (first)
			variance -= tied * (tied - 1) * (2 * tied + 5);
	}
	return variance / 18;
}

/* Two-sided: how improbable it is that readings without a trend rise or fall so often. */
static double growth_confidence(const double *readings, uint32_t count, double inflation)
{
	double variance = score_variance(readings, count) * inflation;
	int32_t score = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++)
			score += (readings[j] > readings[i]) - (readings[j] < readings[i]);
	}
	if (score <= 0 || variance <= 0)
		return 0;
	return erf((score - 1) / sqrt(2 * variance));
}

void memory_trend_make(const double *readings, uint32_t count, double seconds_apart,
		       struct memory_trend *out)
{
	uint32_t half = count / 2;
	double slope, all, last;

	memset(out, 0, sizeof(*out));
	out->points = count;
	if (count < 2 || seconds_apart <= 0)
		return;
	slope = trend_slope(readings, count);
	out->bytes_per_second = slope / seconds_apart;
	if (count < MEMORY_TREND_ENOUGH)
		return;
	all = growth_confidence(readings, count, trend_inflation(readings, count, slope));
	last = growth_confidence(readings + half, count - half, 1);
	out->confidence = fmin(all, last);
}
