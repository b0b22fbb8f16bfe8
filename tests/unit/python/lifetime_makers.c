// SPDX-License-Identifier: GPL-2.0-only
/*
 * What compilers make of a comparison of tp_alloc in code that may lie anywhere, as in libraries.
 * The Pythons of lifetime_plan.c compare with constants, or not at all.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "python/lifetime_makers.h"
#include "unit/python/library.h"

static bool has(const struct lifetime_makers *makers, uint64_t address)
{
	for (size_t i = 0; i < makers->count; i++) {
		if (makers->addresses[i] == address)
			return true;
	}
	return false;
}

static const struct {
	const char *what;
	int form;
	const char *copy; /* found besides the exported one */
	size_t calling, inlined, other;
} CASES[] = {
	{ "relative", 1, "copy", 1, 0, 0 },
	{ "loaded before", 2, "copy", 1, 0, 0 },
	{ "loaded from the table", 3, "copy", 1, 0, 0 },
	{ "compared in the table", 4, "copy", 1, 0, 0 },
	{ "jumped to", 5, "copy", 1, 0, 0 },
	{ "by a jump", 6, "copy", 1, 0, 0 },
	{ "by the linkage table", 7, NULL, 1, 0, 0 },
	{ "another function", 8, NULL, 0, 0, 1 },
	{ "inlined", 9, NULL, 0, 1, 0 },
	{ "compared with another", 10, NULL, 0, 0, 0 },
	{ "by way of the stack", 11, "spelled_out", 1, 0, 0 },
	{ "of another argument", 12, NULL, 0, 0, 1 },
};

Test(lifetime_makers, copies_are_found_where_comparisons_lead_to)
{
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct lifetime_makers makers;
		struct module module;
		uint64_t generic;

		library_open("makers", CASES[i].form, &module);
		generic = library_address(&module, "PyType_GenericAlloc");
		cr_assert_eq(lifetime_makers_find(&module, generic, 0, &makers), 0, "%s",
			     CASES[i].what);
		cr_expect(has(&makers, generic), "%s", CASES[i].what);
		if (CASES[i].copy)
			cr_expect(has(&makers, library_address(&module, CASES[i].copy)), "%s",
				  CASES[i].what);
		cr_expect_eq(makers.count, CASES[i].copy ? 2u : 1u, "%s: %zu", CASES[i].what,
			     makers.count);
		cr_expect_eq(makers.calling, CASES[i].calling, "%s: %zu", CASES[i].what,
			     makers.calling);
		cr_expect_eq(makers.inlined, CASES[i].inlined, "%s: %zu", CASES[i].what,
			     makers.inlined);
		cr_expect_eq(makers.other, CASES[i].other, "%s: %zu", CASES[i].what, makers.other);
		module_close(&module);
	}
}

Test(lifetime_makers, what_makes_modules_is_followed_to_who_does_the_work)
{
	struct lifetime_makers makers;
	struct module module;
	uint64_t generic;

	library_open("makers", 0, &module);
	generic = library_address(&module, "PyType_GenericAlloc");
	cr_assert_eq(lifetime_makers_find(&module, generic, library_address(&module, "module_new"),
					  &makers),
		     0);
	cr_expect_eq(makers.count, 2u, "%zu", makers.count);
	cr_expect(has(&makers, generic));
	cr_expect(has(&makers, library_address(&module, "copy")));
	module_close(&module);
}

/* It may be none that is known to do the work: then it is a maker by its name alone. */
Test(lifetime_makers, a_function_that_leads_on_is_none_itself)
{
	struct lifetime_makers makers;
	struct module module;
	uint64_t generic;

	library_open("makers", 0, &module);
	generic = library_address(&module, "leading");
	cr_assert_eq(lifetime_makers_find(&module, generic, 0, &makers), 0);
	cr_expect_eq(makers.count, 1u, "%zu", makers.count);
	cr_expect(has(&makers, library_address(&module, "copy")));
	generic = library_address(&module, "get");
	cr_assert_eq(lifetime_makers_find(&module, generic, 0, &makers), 0);
	cr_expect_eq(makers.count, 1u, "%zu", makers.count);
	cr_expect(has(&makers, generic));
	module_close(&module);
}

/* Addresses that are nowhere, as a torn read may give. */
Test(lifetime_makers, addresses_outside_the_file_are_nothing_to_read)
{
	struct lifetime_makers makers;
	struct module module;

	library_open("makers", 1, &module);
	cr_assert_eq(lifetime_makers_find(&module, UINT64_MAX - 3, UINT64_MAX, &makers), 0);
	cr_expect_eq(makers.count, 1u);
	cr_expect_eq(makers.calling, 0u);
	module_close(&module);
}
