// SPDX-License-Identifier: GPL-2.0-only
/* What -F keeps of classes and sites, and which classes are rows at all. */
#include <criterion/criterion.h>

#include "model/lifetime_rollup.h"

static struct profile *profile;

static void make_profile(void)
{
	struct lifetimes *lifetimes = lifetimes_new();
	struct profile_function function = { 0 };
	uint32_t stack, site;

	profile = profile_new("lifetime", UNIT_SAMPLES);
	profile->lifetimes = lifetimes;
	profile_add_thread(profile, profile_add_process(profile, 1, 100), 100);
	function.name = profile_string(profile, "load");
	function.module = profile_string(profile, "app.io");
	stack = profile_add_stack(
		profile, 0,
		profile_add_frame(profile, profile_add_function(profile, &function), 7));
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "Row", "Row", "Idle" };
		static const char *const modules[] = { "app.db", "app.ui", "app.ui" };
		uint32_t id = lifetimes_class_of(lifetimes, profile_string(profile, modules[i]),
						 profile_string(profile, names[i]));

		if (i == 2)
			continue;
		lifetimes->classes[id].births = LIFETIME_BIRTHS_PROBED;
		lifetimes->classes[id].created = 5 + i;
		site = lifetimes_site_of(lifetimes, id, 0, i ? 0 : stack);
		lifetimes->sites[site].created = 5 + i;
	}
}

static void drop_profile(void)
{
	profile_free(profile);
}

TestSuite(lifetime_rollup, .init = make_profile, .fini = drop_profile);

Test(lifetime_rollup, a_glob_names_classes_and_functions)
{
	static const struct {
		const char *glob;
		uint32_t rows;
		uint64_t created;
		bool whole; /* of the first row */
	} cases[] = {
		{ "Row", 2, 11, true },	      { "app.db:Row", 1, 5, true },
		{ "app.ui.Row", 1, 6, true }, { "app.*", 2, 11, true },
		{ "load", 1, 5, false },      { "app.io:load", 1, 5, false },
		{ "Idle", 0, 0, false },      { "ui", 0, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lifetime_rollup rollup;

		cr_assert_eq(lifetime_rollup_build(profile, ROLLUP_CLASS, LIFETIME_SORT_CREATED,
						   false, &cases[i].glob, 1, &rollup),
			     0);
		cr_expect_eq(rollup.row_count, cases[i].rows, "%s", cases[i].glob);
		cr_expect_eq(rollup.created, cases[i].created, "%s", cases[i].glob);
		if (rollup.row_count)
			cr_expect_eq(rollup.rows[0].whole, cases[i].whole, "%s", cases[i].glob);
		lifetime_rollup_release(&rollup);
	}
}

Test(lifetime_rollup, classes_of_one_name_in_two_modules_are_two_rows)
{
	struct lifetime_rollup rollup;

	cr_assert_eq(lifetime_rollup_build(profile, ROLLUP_CLASS, LIFETIME_SORT_NAME, false, NULL,
					   0, &rollup),
		     0);
	cr_assert_eq(rollup.row_count, 2);
	cr_expect_eq(rollup.rows[0].created, 5);
	cr_expect_eq(rollup.rows[1].created, 6);
	lifetime_rollup_release(&rollup);
	lifetime_rollup_release(NULL);
}

Test(lifetime_rollup, what_has_no_stack_has_a_row)
{
	struct lifetime_rollup rollup;

	cr_assert_eq(lifetime_rollup_build(profile, ROLLUP_LINE, LIFETIME_SORT_CREATED, false, NULL,
					   0, &rollup),
		     0);
	cr_assert_eq(rollup.row_count, 2);
	cr_expect_eq(rollup.rows[0].created, 6);
	cr_expect_eq(rollup.rows[0].function, PROFILE_NONE);
	cr_expect_eq(rollup.rows[1].line, 7);
	lifetime_rollup_release(&rollup);
}
