// SPDX-License-Identifier: GPL-2.0-only
/* Lives told one by one; what is expected was worked out by hand. */
#include <criterion/criterion.h>
#include <errno.h>

#include "meter/lifetimes.h"

#define START 1000000000000ull
#define MS(count) ((count)*1000000ull)

static struct lifetimes *lifetimes;
static struct lifetime_meter *meter;
static uint32_t class_index, site;

static void setup(void)
{
	lifetimes = lifetimes_new();
	meter = lifetime_meter_new(lifetimes, START);
	class_index = lifetimes_class_of(lifetimes, 1, 2);
	lifetimes->classes[class_index].births = LIFETIME_BIRTHS_PROBED;
	site = lifetimes_site_of(lifetimes, class_index, 0, 7);
}

static void teardown(void)
{
	lifetime_meter_free(meter);
	lifetimes_free(lifetimes);
}

TestSuite(lifetime_meter, .init = setup, .fini = teardown);

static void end(uint64_t born_ns, uint64_t died_ns, bool by_collector)
{
	lifetime_meter_ended(meter, &(struct lifetime_end){
					    .born_ns = born_ns,
					    .died_ns = died_ns,
					    .bytes = 64,
					    .class_index = class_index,
					    .site = born_ns ? site : UINT32_MAX,
					    .by_collector = by_collector,
				    });
}

static void alive(uint32_t of_class, uint32_t of_site, uint64_t born_ns, uint64_t until_ns,
		  uint64_t bytes)
{
	lifetime_meter_alive(meter, &(struct lifetime_end){
					    .born_ns = born_ns,
					    .died_ns = until_ns,
					    .bytes = bytes,
					    .class_index = of_class,
					    .site = of_site,
				    });
}

static const struct lifetime_class *finish(uint64_t run_ns)
{
	cr_assert_eq(lifetime_meter_finish(meter, START + run_ns), 0);
	return &lifetimes->classes[class_index];
}

Test(lifetime_meter, a_life_has_its_class_its_site_and_its_age)
{
	const struct lifetime_class *row;

	end(START + MS(10), START + MS(30), false);
	end(START + MS(10), START + MS(14), true);
	alive(class_index, site, START + MS(40), START + MS(100), 100);
	row = finish(MS(100));
	cr_expect_eq(row->created, 3);
	cr_expect_eq(row->destroyed, 2);
	cr_expect_eq(row->by_collector, 1);
	cr_expect_eq(row->created_bytes, 228);
	cr_expect_eq(row->destroyed_bytes, 128);
	cr_expect_eq(row->age_min_ns, MS(4));
	cr_expect_eq(row->age_max_ns, MS(20));
	cr_expect_eq(row->age_sum_ns, MS(24));
	cr_expect_eq(histogram_count(&row->ages), 2);
	cr_expect_eq(row->live_age_sum_ns, MS(60));
	cr_expect_eq(row->live_age_max_ns, MS(60));
	cr_expect_eq(lifetimes->sites[site].created, 3);
	cr_expect_eq(lifetimes->sites[site].destroyed, 2);
	cr_expect_eq(lifetimes->sites[site].age_sum_ns, MS(24));
	cr_expect_eq(lifetimes->sites[site].live_age_sum_ns, MS(60));
	cr_expect_eq(lifetimes->created, 3);
	cr_expect_eq(lifetimes->destroyed, 2);
	cr_expect_eq(lifetimes->by_collector, 1);
}

Test(lifetime_meter, what_was_there_before_is_apart_and_its_age_a_bound)
{
	const struct lifetime_class *row;

	end(0, START + MS(50), true);
	end(0, START + MS(20), false);
	row = finish(MS(100));
	cr_expect_eq(row->created, 0);
	cr_expect_eq(row->destroyed, 0);
	cr_expect_eq(row->destroyed_before, 2);
	cr_expect_eq(row->by_collector, 1);
	cr_expect_eq(row->before_age_min_ns, MS(20));
	cr_expect_eq(row->before_age_max_ns, MS(50));
	cr_expect_eq(row->age_min_ns, UINT64_MAX);
	cr_expect(histogram_is_empty(&row->ages));
	cr_expect_eq(lifetimes->destroyed_before, 2);
}

Test(lifetime_meter, times_before_the_start_are_the_start)
{
	const struct lifetime_class *row;

	end(START - MS(5), START + MS(7), false);
	end(START - MS(5), START - MS(3), false);
	/* Two CPUs' clocks: it ends before it was made. */
	end(START + MS(9), START + MS(8), false);
	row = finish(MS(10));
	cr_expect_eq(row->age_max_ns, MS(7));
	cr_expect_eq(row->age_min_ns, 0);
	cr_expect_eq(row->age_sum_ns, MS(7));
}

Test(lifetime_meter, a_making_whose_stack_was_lost_counts_for_its_class)
{
	site = UINT32_MAX;
	end(START + 1, START + 2, false);
	alive(class_index, UINT32_MAX, START + 1, START + 10, 64);
	cr_expect_eq(finish(10)->created, 2);
	cr_expect_eq(lifetimes->sites[0].created, 0);
}

Test(lifetime_meter, the_living_are_sorted_by_age)
{
	static const uint64_t ages_ms[] = {
		0, 999, 1000, 9999, 10000, 59999, 60000, 599999, 600000
	};
	static const uint64_t want[LIFETIME_AGES] = { 2, 2, 2, 2, 1 };
	const uint64_t run_ms = 700000;
	const struct lifetime_class *row;

	for (size_t i = 0; i < sizeof(ages_ms) / sizeof(ages_ms[0]); i++)
		alive(class_index, site, START + MS(run_ms - ages_ms[i]), START + MS(run_ms), 1);
	row = finish(MS(run_ms));
	for (int i = 0; i < LIFETIME_AGES; i++)
		cr_expect_eq(row->live_by_age[i], want[i], "age %d: %zu", i,
			     (size_t)row->live_by_age[i]);
	cr_expect_eq(row->live_age_max_ns, MS(600000));
}

/* By a long sum, whatever the spans have become. */
static void expect_sums(const struct lifetime_class *row, uint64_t created, uint64_t destroyed)
{
	for (int i = 0; i < LIFETIME_SPANS; i++) {
		created -= row->spans[i].created;
		destroyed -= row->spans[i].destroyed;
	}
	cr_expect_eq(created, 0);
	cr_expect_eq(destroyed, 0);
}

Test(lifetime_meter, the_timeline_grows_with_the_run_and_loses_nothing)
{
	const struct lifetime_class *row;
	uint64_t last_ns = 0;

	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t born_ns = i * i * 100000, died_ns = born_ns + MS(i % 7 * 300);

		end(START + born_ns, START + died_ns, false);
		last_ns = died_ns > last_ns ? died_ns : last_ns;
	}
	row = finish(last_ns);
	expect_sums(row, 5000, 5000);
	cr_expect_leq(lifetimes->span_count, LIFETIME_SPANS);
	cr_expect_gt(lifetimes->span_count, LIFETIME_SPANS / 2);
	cr_expect_eq(last_ns / lifetimes->span_ns + 1, lifetimes->span_count);
	for (uint32_t i = 0; i < lifetimes->span_count; i++) {
		uint64_t from_ns = i * lifetimes->span_ns, to_ns = from_ns + lifetimes->span_ns;
		uint32_t created = 0;

		for (uint64_t j = 0; j < 5000; j++)
			created += j * j * 100000 >= from_ns && j * j * 100000 < to_ns;
		cr_expect_eq(row->spans[i].created, created, "span %u", i);
	}
}

Test(lifetime_meter, a_class_met_late_has_the_spans_of_the_others)
{
	uint32_t late;

	end(START + MS(1), START + MS(10000), false);
	late = lifetimes_class_of(lifetimes, 1, 3);
	lifetimes->classes[late].births = LIFETIME_BIRTHS_PROBED;
	alive(late, UINT32_MAX, START + MS(9990), START + MS(10000), 1);
	finish(MS(10000));
	cr_expect_eq(lifetimes->classes[late].spans[MS(9990) / lifetimes->span_ns].created, 1);
}

Test(lifetime_meter, without_a_probe_the_censuses_tell_what_was_made)
{
	static const struct {
		uint64_t start, end, ended, created, destroyed, before;
	} cases[] = {
		{ 10, 14, 20, 24, 20, 0 },
		{ 10, 4, 6, 0, 0, 6 },
		{ 10, 4, 8, 2, 2, 6 },
		{ 0, 5, 0, 5, 0, 0 },
		{ 5, 0, 3, 0, 0, 3 },
		{ LIFETIME_UNKNOWN, 4, 8, 0, 0, 8 },
		{ 3, LIFETIME_UNKNOWN, 8, 0, 0, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lifetime_class *row;

		teardown();
		setup();
		row = &lifetimes->classes[class_index];
		row->births = LIFETIME_BIRTHS_NONE;
		row->census_start = cases[i].start;
		row->census_end = cases[i].end;
		for (uint64_t j = 0; j < cases[i].ended; j++)
			end(0, START + MS(j), false);
		finish(MS(100));
		cr_expect_eq(row->created, cases[i].created, "case %zu", i);
		cr_expect_eq(row->destroyed, cases[i].destroyed, "case %zu", i);
		cr_expect_eq(row->destroyed_before, cases[i].before, "case %zu", i);
		/* Made when? Nobody knows, so a bound would be a lie. */
		cr_expect_eq(row->before_age_min_ns, UINT64_MAX);
		/* What no census can explain stays to be seen. */
		cr_expect_eq(lifetime_imbalance(row), i == 4 ? 2 : 0, "case %zu", i);
	}
}

Test(lifetime_meter, a_sampled_life_stands_for_many)
{
	const struct lifetime_class *row;

	lifetimes->sample_one_in = 64;
	lifetimes->classes[class_index].sampled = true;
	end(START + MS(1), START + MS(3), true);
	end(0, START + MS(3), false);
	alive(class_index, site, START + MS(1), START + MS(11), 10);
	lifetime_meter_again(meter, class_index);
	row = finish(MS(11));
	cr_expect_eq(row->created, 128);
	cr_expect_eq(row->destroyed, 64);
	cr_expect_eq(row->destroyed_before, 64);
	cr_expect_eq(row->by_collector, 64);
	cr_expect_eq(row->again, 64);
	cr_expect_eq(row->created_bytes, 64 * 74);
	cr_expect_eq(row->live_by_age[0], 64);
	cr_expect_eq(histogram_count(&row->ages), 1);
	cr_expect_eq(lifetime_mean_ns(row->age_sum_ns, row->destroyed, &row->ages), MS(2));
	cr_expect_eq(lifetimes->sites[site].created, 128);
	expect_sums(row, 128, 128);
}

Test(lifetime_meter, what_is_not_sampled_stands_for_itself)
{
	lifetimes->sample_one_in = 64;
	end(START + MS(1), START + MS(3), false);
	cr_expect_eq(finish(MS(11))->created, 1);
}

Test(lifetime_meter, ages_beyond_counting_stay_there_and_still_have_a_mean)
{
	const struct lifetime_class *row;
	uint64_t mean_ns;

	for (int i = 0; i < 5; i++)
		end(START, START + (1ull << 62) + i, false);
	row = finish(1ull << 63);
	cr_expect_eq(row->age_sum_ns, UINT64_MAX);
	mean_ns = lifetime_mean_ns(row->age_sum_ns, row->destroyed, &row->ages);
	cr_expect_geq(mean_ns, 1ull << 62);
	cr_expect_lt(mean_ns, 1ull << 63);
}

Test(lifetime_meter, a_run_in_which_nothing_happened_is_one)
{
	cr_assert_eq(lifetime_meter_finish(meter, START + MS(5)), 0);
	cr_expect_eq(lifetimes->created, 0);
	cr_expect_geq(lifetimes->span_count, 1);
	lifetime_meter_free(NULL);
}
