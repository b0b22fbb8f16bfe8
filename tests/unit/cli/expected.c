// SPDX-License-Identifier: GPL-2.0-only
#include <criterion/criterion.h>
#include <stdint.h>

#include "cli/expected.h"

#define SECOND_NS 1000000000ull

struct looks {
	enum expected_look answer;
	unsigned int count;
	pid_t last;
	uint64_t last_cpu_base_ns;
};

static enum expected_look look(void *arg, const struct expected *expected)
{
	struct looks *looks = arg;

	looks->count++;
	looks->last = expected->pid;
	looks->last_cpu_base_ns = expected->cpu_base_ns;
	return looks->answer;
}

/* Looks as often as it asks to be called, until nothing is expected. When that was. */
static uint64_t retry_until_over(struct expected_list *list, struct looks *looks)
{
	uint64_t now_ns = SECOND_NS;
	int next_ms;

	while ((next_ms = expected_retry(list, now_ns, look, looks)) >= 0 &&
	       now_ns < 1000 * SECOND_NS)
		now_ns += next_ms * 1000000ull;
	return now_ns - SECOND_NS;
}

Test(expected, nobody_is_looked_at_when_nobody_is_expected)
{
	struct expected_list list = { 0 };
	struct looks looks = { .answer = EXPECTED_NOT_YET };

	cr_expect_eq(expected_retry(&list, SECOND_NS, look, &looks), -1);
	cr_expect_eq(looks.count, 0);
}

struct patience_case {
	const char *what;
	enum expected_look answer;
	uint64_t patience_ns;
	uint64_t least_ns, most_ns;
	unsigned int least_looks, most_looks;
};

Test(expected, is_looked_at_for_as_long_as_there_is_hope)
{
	static const struct patience_case CASES[] = {
		{ "found", EXPECTED_OVER, 3 * SECOND_NS, 0, 0, 1, 1 },
		{ "one look", EXPECTED_NOT_YET, 0, 0, 0, 1, 1 },
		{ "no Python", EXPECTED_NOT_YET, 3 * SECOND_NS, 3 * SECOND_NS,
		  3 * SECOND_NS + 200000000, 30, 60 },
		{ "starting", EXPECTED_STARTING, 0, 60 * SECOND_NS, 61 * SECOND_NS, 500, 700 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		const struct patience_case *test = &CASES[i];
		struct expected_list list = { 0 };
		struct looks looks = { .answer = test->answer };
		uint64_t took_ns;

		cr_assert_eq(expected_add(&list, 7, UINT64_MAX, test->patience_ns, SECOND_NS), 0);
		took_ns = retry_until_over(&list, &looks);
		cr_expect_geq(took_ns, test->least_ns, "%s: %lu", test->what, took_ns);
		cr_expect_leq(took_ns, test->most_ns, "%s: %lu", test->what, took_ns);
		cr_expect_geq(looks.count, test->least_looks, "%s: %u", test->what, looks.count);
		cr_expect_leq(looks.count, test->most_looks, "%s: %u", test->what, looks.count);
		cr_expect_null(expected_find(&list, 7), "%s", test->what);
		expected_release(&list);
	}
}

Test(expected, an_exec_begins_anew_with_the_cpu_time_it_was_told)
{
	struct expected_list list = { 0 };
	struct looks looks = { .answer = EXPECTED_NOT_YET };

	expected_add(&list, 7, 1234, SECOND_NS, SECOND_NS);
	expected_add(&list, 7, UINT64_MAX, SECOND_NS, 2 * SECOND_NS);
	cr_expect_eq(list.count, 1);
	/* Its first second is over, its second one is not. */
	cr_expect_gt(expected_retry(&list, 2 * SECOND_NS + 1, look, &looks), 0);
	cr_expect_eq(looks.last_cpu_base_ns, 1234);
	expected_add(&list, 7, 5678, SECOND_NS, 2 * SECOND_NS);
	expected_retry(&list, 2 * SECOND_NS + 1, look, &looks);
	cr_expect_eq(looks.last_cpu_base_ns, 5678);
	expected_release(&list);
}

Test(expected, others_stay_when_one_is_over)
{
	struct expected_list list = { 0 };
	struct looks looks = { .answer = EXPECTED_OVER };

	expected_add(&list, 7, 0, SECOND_NS, SECOND_NS);
	expected_add(&list, 8, 0, SECOND_NS, 3 * SECOND_NS);
	cr_expect_gt(expected_retry(&list, SECOND_NS, look, &looks), 1999);
	cr_expect_eq(looks.last, 7);
	cr_expect_null(expected_find(&list, 7));
	cr_expect_not_null(expected_find(&list, 8));
	expected_release(&list);
}
