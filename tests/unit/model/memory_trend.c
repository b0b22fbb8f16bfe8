// SPDX-License-Identifier: GPL-2.0-only
/* Slopes and how sure they are: worked by hand, and for kinds of series whose nature is known. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "model/memory_trend.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Rising ten times: of all, 45 pairs rise, variance 10 * 9 * 25 / 18 = 125, z = 44 / sqrt(125) = 3.935;
 * of the last five, 10 pairs, variance 5 * 4 * 15 / 18, z = 9 / 4.082 = 2.205, two-sided 0.9725.
 * With pairs of ties: of the last five (2 3 3 4 4) 8 pairs rise, and the variance is
 * (300 - 2 * 18) / 18 = 14.67, z = 7 / 3.830 = 1.828, two-sided 0.9324.
 * With one fall among sixteen: of the last eight 27 pairs rise and 1 falls, variance 8 * 7 * 21 / 18
 * = 65.33, z = 25 / 8.083 = 3.093, two-sided 0.9980.
 * With a spike: of the last six 15 pairs rise, variance 6 * 5 * 17 / 18 = 28.33, z = 14 / 5.323 = 2.630.
 */
static const struct {
	const char *what;
	double readings[MEMORY_TREND_READINGS];
	uint32_t count;
	double slope, confidence;
} BY_HAND[] = {
	{ "nothing", { 0 }, 0, 0, 0 },
	{ "one", { 5 }, 1, 0, 0 },
	{ "two", { 5, 8 }, 2, 3, 0 },
	{ "too few", { 1, 2, 3, 4, 5, 6, 7 }, 7, 1, 0 },
	{ "constant", { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 }, 10, 0, 0 },
	{ "falling", { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 }, 10, -1, 0 },
	{ "rising", { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 }, 10, 2, 0.97251 },
	{ "in steps", { 0, 0, 1, 1, 2, 2, 3, 3, 4, 4 }, 10, 0.5, 0.93243 },
	{ "one fall", { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11, 13, 14, 15 }, 16, 1, 0.99802 },
	{ "a spike", { 0, 1, 2, 3, 900, 5, 6, 7, 8, 9, 10 }, 11, 1, 0.99147 },
	{ "it has stopped", { 0, 10, 20, 30, 40, 50, 60, 60, 60, 60, 60, 60 }, 12, NAN, 0 },
};

Test(memory_trend, as_worked_by_hand)
{
	for (size_t i = 0; i < COUNT_OF(BY_HAND); i++) {
		struct memory_trend trend;

		memory_trend_make(BY_HAND[i].readings, BY_HAND[i].count, 0.5, &trend);
		cr_expect_eq(trend.points, BY_HAND[i].count, "%s", BY_HAND[i].what);
		if (!isnan(BY_HAND[i].slope))
			cr_expect_lt(fabs(trend.bytes_per_second - 2 * BY_HAND[i].slope), 1e-9,
				     "%s: %g", BY_HAND[i].what, trend.bytes_per_second);
		cr_expect_lt(fabs(trend.confidence - BY_HAND[i].confidence), 1e-4, "%s: %g",
			     BY_HAND[i].what, trend.confidence);
	}
}

/* ---- at random ---- */

static uint64_t random_state;

static double random_fraction(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return ((random_state >> 11) + 0.5) * 0x1p-53;
}

static double random_normal(void)
{
	return sqrt(-2 * log(random_fraction())) * cos(2 * M_PI * random_fraction());
}

static int compare(const void *left, const void *right)
{
	double one = *(const double *)left, other = *(const double *)right;

	return (one > other) - (one < other);
}

static double slow_slope(const double *readings, uint32_t count)
{
	double slopes[MEMORY_TREND_READINGS * MEMORY_TREND_READINGS];
	size_t pairs = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++)
			slopes[pairs++] = (readings[j] - readings[i]) / (j - i);
	}
	qsort(slopes, pairs, sizeof(*slopes), compare);
	return (slopes[(pairs - 1) / 2] + slopes[pairs / 2]) / 2;
}

Test(memory_trend, the_slope_is_the_median_of_all)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		double readings[MEMORY_TREND_READINGS];
		uint32_t count = 2 + seed % (MEMORY_TREND_READINGS - 1);
		struct memory_trend trend;

		random_state = seed;
		for (uint32_t i = 0; i < count; i++)
			readings[i] = floor(random_fraction() * (seed % 3 ? 1000 : 3));
		memory_trend_make(readings, count, 1, &trend);
		cr_expect_lt(fabs(trend.bytes_per_second - slow_slope(readings, count)), 1e-9,
			     "seed %lu", seed);
	}
}

/*
 * Kinds of series over `time` 0..1, `parameter` to be read with each; what has a state keeps it in *state,
 * which is random at the start, 0..1.
 */
typedef double series(double time, double parameter, double *state);

static double noise(double time, double parameter, double *state)
{
	(void)time;
	(void)state;
	return 1000 + parameter * random_normal();
}

/* What hangs together with the reading before by `parameter`. */
static double lingering(double time, double parameter, double *state)
{
	(void)time;
	*state = *state * parameter + random_normal();
	return *state;
}

/* Filled and emptied in `parameter` of the run, begun anywhere. */
static double saw_tooth(double time, double parameter, double *state)
{
	return 100 * fmod(time / parameter + *state, 1) + random_normal();
}

static double warm_up(double time, double parameter, double *state)
{
	(void)state;
	return 100 * (1 - exp(-time / parameter)) + random_normal();
}

/* Jumps up once, before `parameter` of the run. */
static double jump(double time, double parameter, double *state)
{
	return (time > *state * parameter ? 100 : 0) + random_normal();
}

static double jump_late(double time, double parameter, double *state)
{
	return jump(time, 1, &(double){ parameter + *state * (1 - parameter) });
}

/* Rises by `parameter` times the noise. */
static double leak(double time, double parameter, double *state)
{
	(void)state;
	return parameter * time + random_normal();
}

/* The noise is only upward, as the least of a span has it. */
static double leak_below(double time, double parameter, double *state)
{
	(void)state;
	return parameter * time - log(random_fraction());
}

static double leak_in_steps(double time, double parameter, double *state)
{
	return floor(time * parameter + *state);
}

static double leak_at_random(double time, double parameter, double *state)
{
	(void)time;
	while (random_fraction() < parameter)
		*state += 1;
	return *state;
}

/* Share of series in which growth is found at 0.95. */
static const struct {
	const char *what;
	series *series;
	double parameter;
	double least, most;
} KINDS[] = {
	{ "noise", noise, 10, 0, 0.005 },
	{ "neighbours a little alike", lingering, 0.3, 0, 0.01 },
	{ "neighbours alike", lingering, 0.6, 0, 0.02 },
	{ "neighbours very much alike", lingering, 0.9, 0, 0.08 },
	{ "a random walk", lingering, 1, 0, 0.15 },
	{ "20 teeth", saw_tooth, 0.05, 0, 0.005 },
	{ "8 teeth", saw_tooth, 0.13, 0, 0.005 },
	{ "4 teeth", saw_tooth, 0.25, 0, 0.005 },
	{ "3 teeth", saw_tooth, 0.34, 0, 0.005 },
	{ "2 teeth", saw_tooth, 0.5, 0, 0.005 },
	{ "1.5 teeth", saw_tooth, 0.67, 0, 0.005 },
	{ "1.3 teeth", saw_tooth, 0.75, 0, 0.005 },
	{ "1.1 teeth", saw_tooth, 0.9, 0, 0.2 },
	{ "a short warm-up", warm_up, 0.02, 0, 0.03 },
	{ "a long warm-up", warm_up, 0.1, 0, 0.05 },
	{ "a jump", jump, 0.4, 0, 0.03 },
	{ "a late jump", jump_late, 0.5, 0, 0.03 },
	{ "a leak of 8 times the noise", leak, 8, 0.75, 1 },
	{ "a leak of 16 times the noise", leak, 16, 0.99, 1 },
	{ "a leak of 6 times what comes and goes", leak_below, 6, 0.75, 1 },
	{ "a leak of 12 times what comes and goes", leak_below, 12, 0.95, 1 },
	{ "a leak in 5 steps", leak_in_steps, 5, 0.99, 1 },
	{ "a leak in 20 steps", leak_in_steps, 20, 0.99, 1 },
	{ "a leak now and then", leak_at_random, 0.5, 0.9, 1 },
};

static bool is_found(series *series, double parameter, uint32_t count)
{
	double readings[MEMORY_TREND_READINGS], state = random_fraction();
	struct memory_trend trend;

	for (uint32_t i = 0; i < count; i++)
		readings[i] = series((double)i / count, parameter, &state);
	memory_trend_make(readings, count, 1, &trend);
	return trend.confidence >= 0.95;
}

Test(memory_trend, growth_is_found_where_it_is_and_nowhere_else)
{
	enum { RUNS = 1000 };
	/* As many as there can be after and before spans were joined, and in between. */
	static const uint32_t COUNTS[] = { 16, 23, 31 };

	for (size_t i = 0; i < COUNT_OF(KINDS); i++) {
		double found = 0;

		random_state = i;
		for (uint32_t run = 0; run < RUNS; run++)
			found += is_found(KINDS[i].series, KINDS[i].parameter, COUNTS[run % 3]);
		found /= RUNS;
		cr_expect(found >= KINDS[i].least && found <= KINDS[i].most,
			  "%s: found in %g, not %g to %g", KINDS[i].what, found, KINDS[i].least,
			  KINDS[i].most);
	}
}
