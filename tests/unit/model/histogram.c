// SPDX-License-Identifier: GPL-2.0-only
/* Durations counted by step, against the sorted values themselves. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "model/histogram.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const double FRACTIONS[] = { 0, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };

static int compare(const void *left, const void *right)
{
	uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;

	return one < other ? -1 : one > other;
}

/* The value that as many are not above, straight from its definition. */
static uint64_t quantile_of(const uint64_t *sorted, size_t count, double fraction)
{
	size_t rank = ceil(fraction * count);

	return sorted[rank ? rank - 1 : 0];
}

static void expect_quantiles(const struct histogram *histogram, uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	cr_expect_eq(histogram_count(histogram), count);
	for (size_t i = 0; i < COUNT_OF(FRACTIONS); i++) {
		uint64_t want = quantile_of(values, count, FRACTIONS[i]);
		uint64_t got = histogram_quantile(histogram, FRACTIONS[i]);
		double off = fabs((double)got - (double)want);

		cr_expect_leq(off, want * 0.032, "%g of %zu: %lu, not %lu", FRACTIONS[i], count,
			      got, want);
	}
}

static void add_all(struct histogram *histogram, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(histogram_add(histogram, values[i]), 0);
}

Test(histogram, nothing_has_no_quantiles)
{
	struct histogram histogram = { 0 };

	cr_expect(histogram_is_empty(&histogram));
	cr_expect_eq(histogram_count(&histogram), 0);
	cr_expect_eq(histogram_quantile(&histogram, 0.5), 0);
	histogram_release(&histogram);
	histogram_release(NULL);
}

/* One value is its own quantile, to half a step; what is below 32 is exact. */
Test(histogram, a_value_comes_back_within_half_a_step)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t base = 1ull << bit;
		uint64_t values[] = { base - 1, base, base + base / 3, base + (base - 1) };

		for (size_t i = 0; i < COUNT_OF(values); i++) {
			struct histogram histogram = { 0 };

			cr_assert_eq(histogram_add(&histogram, values[i]), 0);
			cr_expect_not(histogram_is_empty(&histogram));
			if (values[i] < 32)
				cr_expect_eq(histogram_quantile(&histogram, 1), values[i]);
			expect_quantiles(&histogram, &values[i], 1);
			histogram_release(&histogram);
		}
	}
}

Test(histogram, quantiles_are_those_of_the_values)
{
	enum { MANY = 5000 };
	uint64_t *values = calloc(MANY, sizeof(*values));
	static const size_t COUNTS[] = { 1, 2, 9, 10, 11, 20, 21, 100, 1000, MANY };
	uint64_t seed = 1;

	for (size_t i = 0; i < COUNT_OF(COUNTS); i++) {
		/* From dense to spread over all magnitudes. */
		for (unsigned int spread = 1; spread <= 60; spread += 7) {
			struct histogram histogram = { 0 };

			for (size_t j = 0; j < COUNTS[i]; j++) {
				seed = seed * 6364136223846793005ull + 1442695040888963407ull;
				values[j] = (seed >> 3) >> (60 - (seed >> 40) % spread);
			}
			add_all(&histogram, values, COUNTS[i]);
			expect_quantiles(&histogram, values, COUNTS[i]);
			histogram_release(&histogram);
		}
	}
	free(values);
}

Test(histogram, merging_counts_both)
{
	static const size_t COUNTS[] = { 0, 1, 10, 11, 500 };
	uint64_t values[1000];

	for (size_t i = 0; i < COUNT_OF(COUNTS); i++) {
		for (size_t j = 0; j < COUNT_OF(COUNTS); j++) {
			struct histogram one = { 0 }, other = { 0 };
			size_t count = COUNTS[i] + COUNTS[j];

			/* The second lies below the first, with a gap between. */
			for (size_t k = 0; k < count; k++)
				values[k] = k < COUNTS[i] ? 1000000 + 1000 * k : 40 + k;
			add_all(&one, values, COUNTS[i]);
			add_all(&other, values + COUNTS[i], COUNTS[j]);
			cr_assert_eq(histogram_merge(&one, &other), 0);
			cr_expect_eq(histogram_count(&other), COUNTS[j]);
			if (count)
				expect_quantiles(&one, values, count);
			else
				cr_expect(histogram_is_empty(&one));
			histogram_release(&one);
			histogram_release(&other);
		}
	}
}

/* A thousand calls a microsecond for an hour would not fit into 32 bits: doubled until it does not. */
Test(histogram, counts_go_beyond_32_bits)
{
	struct histogram histogram = { 0 };

	for (unsigned int i = 0; i < 3; i++)
		cr_assert_eq(histogram_add(&histogram, 100), 0);
	cr_assert_eq(histogram_add(&histogram, 5000), 0);
	for (unsigned int i = 0; i < 40; i++)
		cr_assert_eq(histogram_merge(&histogram, &histogram), 0);
	cr_expect_eq(histogram_count(&histogram), 4ull << 40);
	cr_expect_lt(histogram_quantile(&histogram, 0.75), 110);
	cr_expect_gt(histogram_quantile(&histogram, 0.7500001), 4800);
	histogram_release(&histogram);
}

/* The octaves of a copy move when others are put in front of them. */
Test(histogram, high_counts_move_with_their_octave)
{
	struct histogram histogram = { 0 };

	for (unsigned int i = 0; i < 16; i++)
		cr_assert_eq(histogram_add(&histogram, 1000), 0);
	for (unsigned int i = 0; i < 30; i++)
		cr_assert_eq(histogram_merge(&histogram, &histogram), 0);
	for (unsigned int i = 0; i < 20; i++)
		cr_assert_eq(histogram_add(&histogram, i % 2 ? 1 : 1000000), 0);
	cr_expect_eq(histogram_count(&histogram), (16ull << 30) + 20);
	cr_expect_eq(histogram_quantile(&histogram, 0), 1);
	cr_expect_gt(histogram_quantile(&histogram, 0.5), 960);
	cr_expect_lt(histogram_quantile(&histogram, 0.5), 1040);
	cr_expect_gt(histogram_quantile(&histogram, 1), 900000);
	histogram_release(&histogram);
}

/* Most pairs of caller and callee of a large program are called a few times. */
Test(histogram, a_few_values_take_no_memory)
{
	struct histogram histogram = { 0 };

	for (unsigned int i = 0; i < HISTOGRAM_PENDING; i++)
		cr_assert_eq(histogram_add(&histogram, 1ull << 6 * i), 0);
	cr_expect_null(histogram.octaves);
	histogram_release(&histogram);
}
