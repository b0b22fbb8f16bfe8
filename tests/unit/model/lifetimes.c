// SPDX-License-Identifier: GPL-2.0-only
/* Classes, sites, what follows from their numbers, and how they become stacks. */
#include <criterion/criterion.h>
#include <string.h>

#include "model/lifetimes.h"
#include "model/profile.h"

Test(lifetimes, a_class_is_a_module_and_a_name)
{
	struct lifetimes *lifetimes = lifetimes_new();
	uint32_t one = lifetimes_class_of(lifetimes, 1, 2);

	cr_expect_eq(lifetimes_class_of(lifetimes, 1, 2), one);
	cr_expect_neq(lifetimes_class_of(lifetimes, 2, 1), one);
	cr_expect_neq(lifetimes_class_of(lifetimes, 0, 2), one);
	cr_expect_eq(lifetimes->class_count, 3);
	cr_expect_eq(lifetimes->classes[one].census_start, LIFETIME_UNKNOWN);
	cr_expect_eq(lifetimes->classes[one].age_min_ns, UINT64_MAX);
	lifetimes_free(lifetimes);
	lifetimes_free(NULL);
}

Test(lifetimes, a_site_is_a_class_a_thread_and_a_stack)
{
	struct lifetimes *lifetimes = lifetimes_new();
	uint32_t ids[4000];

	for (uint32_t i = 0; i < 4000; i++)
		ids[i] = lifetimes_site_of(lifetimes, i % 10, i / 10 % 20, i / 200);
	cr_expect_eq(lifetimes->site_count, 4000);
	for (uint32_t i = 0; i < 4000; i++) {
		cr_expect_eq(lifetimes_site_of(lifetimes, i % 10, i / 10 % 20, i / 200), ids[i]);
		cr_expect_eq(lifetimes->sites[ids[i]].class_index, i % 10);
		cr_expect_eq(lifetimes->sites[ids[i]].thread, i / 10 % 20);
		cr_expect_eq(lifetimes->sites[ids[i]].stack, i / 200);
	}
	cr_expect_eq(lifetimes->site_count, 4000);
	lifetimes_free(lifetimes);
}

Test(lifetimes, the_balance_needs_two_censuses)
{
	struct lifetime_class row = {
		.births = LIFETIME_BIRTHS_PROBED,
		.created = 100,
		.destroyed = 60,
		.destroyed_before = 10,
		.census_start = 20,
		.census_end = 50,
	};
	int64_t growth = 0;

	cr_expect_eq(lifetime_imbalance(&row), 0);
	cr_expect(lifetime_growth(&row, &growth));
	cr_expect_eq(growth, 30);
	row.census_end = 55;
	cr_expect_eq(lifetime_imbalance(&row), -5);
	row.census_start = LIFETIME_UNKNOWN;
	cr_expect_eq(lifetime_imbalance(&row), 0);
	row.destroyed_before = 50;
	cr_expect(lifetime_growth(&row, &growth));
	cr_expect_eq(growth, -10);
	row.births = LIFETIME_BIRTHS_NONE;
	cr_expect_not(lifetime_growth(&row, &growth));
}

/* ---- stacks ---- */

static struct profile *profile;
static uint32_t place;

static void make_profile(void)
{
	struct profile_function function = { 0 };
	struct lifetimes *lifetimes = lifetimes_new();

	profile = profile_new("lifetime", UNIT_SAMPLES);
	profile->lifetimes = lifetimes;
	profile_add_thread(profile, profile_add_process(profile, 1, 100), 100);
	function.name = profile_string(profile, "make");
	place = profile_add_stack(
		profile, 0,
		profile_add_frame(profile, profile_add_function(profile, &function), 7));
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t id = lifetimes_class_of(lifetimes, profile_string(profile, "app"),
						 profile_string(profile, i ? "Row" : "Cell"));
		uint32_t site = lifetimes_site_of(lifetimes, id, 0, place);

		lifetimes->sites[site] = (struct lifetime_site){
			.class_index = id,
			.stack = place,
			.created = i ? 10 : 4,
			.destroyed = i ? 7 : 4,
			.created_bytes = i ? 1000 : 40,
			.destroyed_bytes = i ? 700 : 40,
			.age_sum_ns = i ? 5000 : 44,
			.live_age_sum_ns = i ? 600 : 0,
		};
	}
}

static void drop_profile(void)
{
	profile_free(profile);
}

TestSuite(lifetime_stacks, .init = make_profile, .fini = drop_profile);

static const struct profile_sum *sum_of(const char *name)
{
	for (uint32_t i = 0; i < profile->sum_count; i++) {
		const struct profile_stack *stack = &profile->stacks[profile->sums[i].stack];
		const struct profile_function *function =
			&profile->functions[profile->frames[stack->frame].function];

		if (!strcmp(profile_text(profile, function->name), name)) {
			cr_expect_eq(stack->parent, place);
			cr_expect_eq(function->kind, FRAME_NOTE);
			cr_expect_str_eq(profile_text(profile, function->module), "app");
			return &profile->sums[i];
		}
	}
	return NULL;
}

Test(lifetime_stacks, a_class_stands_below_the_line_that_makes_it)
{
	static const struct {
		enum lifetime_view view;
		enum profile_unit unit;
		uint64_t row_value, row_objects, cell_value;
	} cases[] = {
		{ LIFETIME_VIEW_CREATED, UNIT_SAMPLES, 10, 10, 4 },
		{ LIFETIME_VIEW_LIVE, UNIT_SAMPLES, 3, 3, 0 },
		{ LIFETIME_VIEW_BYTES, UNIT_BYTES, 300, 3, 0 },
		{ LIFETIME_VIEW_AGE, UNIT_NS, 5600, 10, 44 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct profile_sum *row, *cell;

		cr_assert_eq(lifetimes_to_stacks(profile->lifetimes, profile, cases[i].view), 0);
		cr_expect_eq(profile->unit, cases[i].unit);
		row = sum_of("Row");
		cell = sum_of("Cell");
		cr_assert_not_null(row);
		cr_expect_eq(row->value, cases[i].row_value);
		cr_expect_eq(row->samples, cases[i].row_objects);
		cr_expect_eq(cell ? cell->value : 0, cases[i].cell_value);
		/* Also of what has nothing in this view, for those that show another one. */
		cr_expect_neq(profile->lifetimes->sites[0].leaf, 0);
		cr_expect_neq(profile->lifetimes->sites[0].leaf, profile->lifetimes->sites[1].leaf);
	}
}
