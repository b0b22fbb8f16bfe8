// SPDX-License-Identifier: GPL-2.0-only
/* Sets of addresses against what is in them by construction. */
#include <criterion/criterion.h>
#include <errno.h>

#include "python/objects_marks.h"

enum { MANY = 5000, LIMIT_BYTES = 64 << 20 };

static uint64_t address_at(uint64_t i)
{
	/* In three places far apart, at odd multiples of 8. */
	return (i % 3) * 0x7f0000000000ull + 0x10000 + i * 24;
}

struct walked {
	uint64_t count, last;
	bool ascending;
};

static int walk(uint64_t address, void *arg)
{
	struct walked *walked = arg;

	if (walked->count && address <= walked->last)
		walked->ascending = false;
	walked->last = address;
	walked->count++;
	return 0;
}

Test(objects_marks, keep_what_was_added_and_nothing_else)
{
	struct objects_marks *marks = objects_marks_new(LIMIT_BYTES);

	for (uint64_t i = 0; i < MANY; i++)
		cr_assert_eq(objects_marks_add(marks, address_at(i)), 1);
	for (uint64_t i = 0; i < MANY; i++) {
		cr_assert_eq(objects_marks_add(marks, address_at(i)), 0);
		cr_assert(objects_marks_has(marks, address_at(i)));
		cr_assert_not(objects_marks_has(marks, address_at(i) + 8));
	}
	cr_assert_eq(objects_marks_count(marks), MANY);
	objects_marks_free(marks);
}

Test(objects_marks, are_told_in_ascending_order)
{
	struct objects_marks *marks = objects_marks_new(LIMIT_BYTES);
	struct walked walked = { .ascending = true };

	for (uint64_t i = MANY; i-- > 0;)
		objects_marks_add(marks, address_at(i));
	cr_assert_eq(objects_marks_each(marks, walk, &walked), 0);
	cr_assert_eq(walked.count, MANY);
	cr_assert(walked.ascending);
	objects_marks_free(marks);
}

Test(objects_marks, stop_at_their_limit)
{
	struct objects_marks *marks = objects_marks_new(1 << 16);
	int err = 1;

	for (uint64_t i = 1; err == 1 && i < 1000; i++)
		err = objects_marks_add(marks, i << 20);
	cr_assert_eq(err, -ENOSPC);
	cr_assert_leq(objects_marks_count(marks), 4);
	objects_marks_free(marks);
}

Test(objects_marks, are_empty_after_being_cleared)
{
	struct objects_marks *marks = objects_marks_new(LIMIT_BYTES);
	struct walked walked = { .ascending = true };

	objects_marks_add(marks, 0x1000);
	objects_marks_clear(marks);
	cr_assert_not(objects_marks_has(marks, 0x1000));
	cr_assert_eq(objects_marks_each(marks, walk, &walked), 0);
	cr_assert_eq(walked.count, 0);
	objects_marks_free(marks);
}
