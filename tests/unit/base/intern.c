// SPDX-License-Identifier: GPL-2.0-only
/* Strings by number. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"

Test(intern, id_0_is_the_empty_string)
{
	struct intern *intern = intern_new();

	cr_assert_eq(intern_string(intern, NULL), 0);
	cr_assert_eq(intern_string(intern, ""), 0);
	cr_assert_eq(intern_add(intern, "x", 0), 0);
	cr_assert_eq(intern_count(intern), 1);
	cr_assert_str_eq(intern_get(intern, 0), "");
	intern_free(intern);
	intern_free(NULL);
}

Test(intern, strings_may_hold_nul)
{
	struct intern *intern = intern_new();
	uint32_t one = intern_add(intern, "a\0b", 3), other = intern_add(intern, "a\0c", 3);

	cr_assert_neq(one, other);
	cr_assert_neq(one, intern_string(intern, "a"));
	cr_assert_eq(intern_length(intern, one), 3);
	cr_assert_arr_eq(intern_get(intern, other), "a\0c\0", 4);
	intern_free(intern);
}

Test(intern, borrowed_strings_never_move)
{
	struct intern *intern = intern_new();
	const char *first = intern_get(intern, intern_string(intern, "first"));
	char *large = malloc(100000);
	char name[32];

	memset(large, 'x', 100000);
	cr_assert_eq(intern_length(intern, intern_add(intern, large, 100000)), 100000);
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		cr_assert_eq(intern_string(intern, name), (uint32_t)i + 3);
	}
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		cr_assert_eq(intern_string(intern, name), (uint32_t)i + 3);
		cr_assert_str_eq(intern_get(intern, i + 3), name);
	}
	cr_assert_str_eq(first, "first");
	cr_assert_eq(first, intern_get(intern, 1));
	free(large);
	intern_free(intern);
}

Test(intern, unknown_id_is_empty)
{
	struct intern *intern = intern_new();

	cr_assert_str_eq(intern_get(intern, 77), "");
	cr_assert_eq(intern_length(intern, UINT32_MAX), 0);
	intern_free(intern);
}
