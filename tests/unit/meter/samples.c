// SPDX-License-Identifier: GPL-2.0-only
/* Counting samples: by thread, by stack, one period each. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "meter/samples.h"

static struct profile *profile;
static struct meter_stack *stack;

static void setup(void)
{
	profile = profile_new("cpu", UNIT_NS);
	profile->period_ns = 1000000;
	stack = calloc(1, sizeof(*stack));
}

static void teardown(void)
{
	profile_free(profile);
	free(stack);
}

TestSuite(samples, .init = setup, .fini = teardown);

static uint32_t frame_named(const char *name)
{
	struct profile_function function = { .name = profile_string(profile, name), .line = 1 };

	return profile_add_frame(profile, profile_add_function(profile, &function), 1);
}

static void add(uint32_t thread, const char *innermost, const char *outermost)
{
	stack->count = 0;
	if (innermost)
		cr_assert(meter_stack_push(stack, frame_named(innermost)));
	if (outermost)
		cr_assert(meter_stack_push(stack, frame_named(outermost)));
	cr_assert_eq(samples_add(profile, thread, stack), 0);
}

Test(samples, equal_stacks_of_a_thread_are_one_sum)
{
	add(0, "leaf", "main");
	add(0, "leaf", "main");
	add(0, "other", "main");
	add(1, "leaf", "main");
	cr_expect_eq(profile->sample_count, 4);
	cr_expect_eq(profile->sum_count, 3);
	cr_expect_eq(profile->sums[0].samples, 2);
	cr_expect_eq(profile->sums[0].value, 2000000);
	/* The root, main, leaf below it, other below it. */
	cr_expect_eq(profile->stack_count, 4);
}

Test(samples, the_outermost_frame_is_nearest_the_root)
{
	const struct profile_stack *leaf;

	add(0, "leaf", "main");
	leaf = &profile->stacks[profile->sums[0].stack];
	cr_expect_eq(leaf->frame, frame_named("leaf"));
	cr_expect_eq(profile->stacks[leaf->parent].frame, frame_named("main"));
	cr_expect_eq(profile->stacks[leaf->parent].parent, 0);
}

Test(samples, an_empty_stack_counts_for_its_thread)
{
	add(3, NULL, NULL);
	cr_assert_eq(profile->sum_count, 1);
	cr_expect_eq(profile->sums[0].stack, 0);
	cr_expect_eq(profile->sums[0].thread, 3);
}

Test(samples, a_full_stack_takes_no_more)
{
	for (uint32_t i = 0; i < METER_STACK_FRAMES; i++)
		cr_assert(meter_stack_push(stack, i));
	cr_expect_not(meter_stack_push(stack, 0));
	cr_expect_eq(stack->count, METER_STACK_FRAMES);
}
