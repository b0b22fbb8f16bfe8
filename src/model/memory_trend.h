/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether something grows: equally spaced readings of how much there is become a slope and how sure it
 * is that they grow and have not stopped to. Pure statistics, knows nothing of sites.
 */
#ifndef PYBPFPROF_MODEL_MEMORY_TREND_H
#define PYBPFPROF_MODEL_MEMORY_TREND_H

#include <stdint.h>

#include "model/memory.h"

enum {
	MEMORY_TREND_READINGS = 32, /* at most */
	MEMORY_TREND_ENOUGH = 8,    /* fewer give a slope, and no confidence */
};

/*
 * The slope is Theil and Sen's: the median of the slopes between any two readings. The confidence is
 * the probability by Mann and Kendall's test that so much order is not chance, the smaller one of
 *
 * - all readings, their variance enlarged where neighbours are alike beside the slope: what fills
 *   and is emptied in turn, or wanders slowly as a queue does, would else look like growth, and
 * - the last half of the readings, as it is: what filled up and then stays is no leak.
 *
 * A cache that is only ever seen filling cannot be told from a leak.
 */
void memory_trend_make(const double *readings, uint32_t count, double seconds_apart,
		       struct memory_trend *out);

#endif
