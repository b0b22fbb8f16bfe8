// SPDX-License-Identifier: GPL-2.0-only
/* A census of few objects, summed by hand. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "model/census.h"

static struct census census;

static void type(const char *module, const char *name, uint64_t count, uint64_t bytes)
{
	uint32_t row = census_type_add(&census, module, name);

	census.types[row].count += count;
	census.types[row].bytes += bytes;
	census.types[row].tracked += count / 2;
}

static void fill(void)
{
	cr_assert_eq(census_init(&census), 0);
	type("app", "Row", 10, 1000);
	type("builtins", "str", 50, 500);
	type("app", "Cell", 20, 100);
	type("other", "Row", 1, 5000);
}

static void empty(void)
{
	census_release(&census);
}

TestSuite(census, .init = fill, .fini = empty);

Test(census, types_of_one_name_in_two_modules_are_two)
{
	cr_assert_neq(census_type_add(&census, "app", "Row"),
		      census_type_add(&census, "other", "Row"));
	cr_assert_eq(census.type_count, 4);
}

Test(census, types_of_one_name_and_module_are_one)
{
	type("app", "Row", 5, 50);
	cr_assert_eq(census.type_count, 4);
	cr_assert_eq(census.types[0].count, 15);
}

Test(census, sums)
{
	census_finish(&census);
	cr_assert_eq(census.objects, 81);
	cr_assert_eq(census.bytes, 6600);
	cr_assert_eq(census.tracked, 5 + 25 + 10);
}

Test(census, modules_are_sums_of_their_types)
{
	struct census_type *modules;
	uint32_t count;

	cr_assert_eq(census_modules(&census, &modules, &count), 0);
	census_sort(&census, modules, count, CENSUS_SORT_NAME);
	cr_assert_eq(count, 3);
	cr_assert_str_eq(census_text(&census, modules[0].module), "app");
	cr_assert_eq(modules[0].count, 30);
	cr_assert_eq(modules[0].bytes, 1100);
	free(modules);
}

Test(census, is_sorted_by_each_column)
{
	static const struct {
		enum census_sort sort;
		const char *first;
	} table[] = {
		{ CENSUS_SORT_BYTES, "other" },
		{ CENSUS_SORT_COUNT, "builtins" },
		{ CENSUS_SORT_NAME, "app" },
		{ CENSUS_SORT_GROWTH, "builtins" },
	};

	census.types[3].bytes_before = 9000; /* shrank */
	census.types[0].bytes_before = 900;
	census.types[2].bytes_before = 90;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct census_type rows[4];

		memcpy(rows, census.types, sizeof(rows));
		census_sort(&census, rows, 4, table[i].sort);
		cr_expect_str_eq(census_text(&census, rows[0].module), table[i].first);
	}
}

Test(census, the_largest_come_first)
{
	struct census_object objects[] = { { .bytes = 5 }, { .bytes = 50 }, { .bytes = 7 } };

	census.largest = malloc(sizeof(objects));
	memcpy(census.largest, objects, sizeof(objects));
	census.largest_count = 3;
	census_finish(&census);
	cr_assert_eq(census.largest[0].bytes, 50);
	cr_assert_eq(census.largest[2].bytes, 5);
}
