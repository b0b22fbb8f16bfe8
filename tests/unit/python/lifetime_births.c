// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an instance has just been given its type, in the functions of targets/births.S: what is found,
 * and what must not be. Whether instances pass there lifetime_plan.c asks real Pythons.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "pybpfprof/abi.h"
#include "python/lifetime_births.h"
#include "unit/python/library.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R12 = 12, R13, R14, NONE = ABI_NO_REGISTER };

/* ---- found ---- */

/* At place_<where>. */
struct place {
	const char *where;
	uint8_t object, object_offset, type, items;
};

static const struct {
	const char *function;
	struct place places[LIFETIME_BIRTHS_MAX];
} FOUND[] = {
	{ "proper", { { "proper", RAX, 0, RBX, RBP } } },
	{ "two_ways", { { "two_ways", RAX, 16, RBX, RBP }, { "two_ways_2", R14, 0, R12, R13 } } },
	{ "four_ways",
	  { { "four_ways_1", RAX, 0, RBX, RBP },
	    { "four_ways_2", RAX, 0, RBX, RBP },
	    { "four_ways_3", RAX, 0, RBX, RBP },
	    { "four_ways_4", RAX, 0, RBX, RBP } } },
	{ "behind_16", { { "behind_16", RAX, 16, RBX, RBP } } },
	{ "behind_32", { { "behind_32", RAX, 32, RBX, RBP } } },
	{ "pushed", { { "pushed", RAX, 0, RBX, RBP } } },
	{ "far", { { "far", RAX, 0, RBX, RBP } } },
	{ "overwritten", { { "overwritten", RAX, 0, R12, R13 } } },
	{ "no_items", { { "no_items", RAX, 0, RBX, NONE } } },
	{ "cleared_items", { { "cleared_items", RAX, 0, RBX, NONE } } },
	{ "moved_items", { { "moved_items", RAX, 0, RBX, NONE } } },
	{ "memory_called", { { "memory_called", RAX, 0, RBX, RBP } } },
	{ "memory_middle", { { "memory_middle", RAX, 0, RBX, RBP } } },
	{ "memory_middle_called", { { "memory_middle_called", RAX, 0, RBX, RBP } } },
	{ "memory_linked", { { "memory_linked", RAX, 0, RBX, RBP } } },
	{ "memory_linked_jump", { { "memory_linked_jump", RAX, 0, RBX, RBP } } },
	{ "stack", { { "stack", R12, 0, RBX, RBP } } },
	{ "itself", { { "itself", R12, 0, RBX, RBP } } },
	{ "meeting_in_third", { { "meeting_in_third", RAX, 0, R13, NONE } } },
	{ "around", { { "around", RAX, 0, R12, NONE } } },
	{ "large", { { "large", RAX, 0, RBX, RBP } } },
};

static const struct lifetime_birth *birth_at(const struct lifetime_births *births, uint64_t address)
{
	for (size_t i = 0; i < births->count; i++) {
		if (births->places[i].address == address)
			return &births->places[i];
	}
	return NULL;
}

static void expect_place(const struct module *module, const struct lifetime_births *births,
			 const struct place *place)
{
	const struct lifetime_birth *birth;
	char symbol[64];

	snprintf(symbol, sizeof(symbol), "place_%s", place->where);
	birth = birth_at(births, library_address(module, symbol));
	cr_expect_not_null(birth, "%s", place->where);
	if (!birth)
		return;
	cr_expect_eq(birth->object, place->object, "%s: %d", place->where, birth->object);
	cr_expect_eq(birth->object_offset, place->object_offset, "%s: %d", place->where,
		     birth->object_offset);
	cr_expect_eq(birth->type, place->type, "%s: %d", place->where, birth->type);
	cr_expect_eq(birth->items, place->items, "%s: %d", place->where, birth->items);
}

Test(lifetime_births, places_are_found_with_what_lies_in_which_register)
{
	struct module module;

	library_open("births", 0, &module);
	for (size_t i = 0; i < sizeof(FOUND) / sizeof(FOUND[0]); i++) {
		const char *name = FOUND[i].function;
		struct lifetime_births births;
		size_t count = 0;

		cr_expect_eq(lifetime_births_find(&module, library_address(&module, name), &births),
			     0, "%s", name);
		for (; count < LIFETIME_BIRTHS_MAX && FOUND[i].places[count].where; count++)
			expect_place(&module, &births, &FOUND[i].places[count]);
		cr_expect_eq(births.count, count, "%s: %zu", name, births.count);
	}
	module_close(&module);
}

/* ---- not found ---- */

/* Each has stores or ways that make it impossible to say that one place is passed, once. */
static const char *const NOT_FOUND[] = {
	/* how many items there are to be matters, and is not known any more */
	"lost_items",
	"lost_address",
	"stacked_items",
	"meeting_items",
	"late_items",
	/* a way out goes around the store */
	"avoided",
	"avoided_by_call",
	"avoided_by_jump",
	"avoided_indirectly",
	/* one instance passes two of them, or one twice */
	"twice",
	"again",
	"landed",
	"landed_on_place",
	"five_ways",
	/* what lies between the store and the place */
	"lost_object",
	"torn_object",
	"lost_type",
	"branching",
	"too_far",
	"no_place",
	/* no store of the type into an object */
	"half",
	"indexed",
	"before_type",
	"unaligned",
	"too_far_behind",
	"another",
	"read",
	/* the type is not known to be there */
	"half_moved",
	"in_argument",
	"meeting",
	/* as it should be, but for its size */
	"too_large",
	/* makes nothing */
	"get",
};

Test(lifetime_births, nothing_is_found_that_cannot_be_shown)
{
	struct module module;

	library_open("births", 0, &module);
	for (size_t i = 0; i < sizeof(NOT_FOUND) / sizeof(NOT_FOUND[0]); i++) {
		struct lifetime_births births;

		cr_expect_eq(lifetime_births_find(&module, library_address(&module, NOT_FOUND[i]),
						  &births),
			     -ENOTSUP, "%s", NOT_FOUND[i]);
		cr_expect_eq(births.count, 0u, "%s: %zu", NOT_FOUND[i], births.count);
	}
	module_close(&module);
}

Test(lifetime_births, without_the_name_of_the_one_way_out_nothing_is_known)
{
	struct lifetime_births births;
	struct module module;

	library_open("births", 1, &module);
	cr_expect_eq(lifetime_births_find(&module, library_address(&module, "proper"), &births),
		     -ENOTSUP);
	cr_expect_eq(births.count, 0u);
	module_close(&module);
}

/* As a torn read may give. */
Test(lifetime_births, addresses_outside_the_file_are_nothing_to_read)
{
	static const uint64_t ADDRESSES[] = { 0, 8, 1ull << 40, UINT64_MAX };
	struct module module;

	library_open("births", 0, &module);
	for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++) {
		struct lifetime_births births;

		cr_expect_eq(lifetime_births_find(&module, ADDRESSES[i], &births), -ENOTSUP, "%zu",
			     i);
		cr_expect_eq(births.count, 0u, "%zu", i);
	}
	module_close(&module);
}
