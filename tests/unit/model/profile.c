// SPDX-License-Identifier: GPL-2.0-only
/* The profile finds what is there, adds what is not. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "model/drops.h"
#include "model/profile.h"

static struct profile_function function_of(struct profile *profile, const char *name)
{
	return (struct profile_function){
		.name = profile_string(profile, name),
		.module = profile_string(profile, "app"),
		.file = profile_string(profile, "/srv/app.py"),
		.line = 7,
	};
}

Test(profile, starts_with_the_empty_stack_alone)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);

	cr_assert_str_eq(profile_text(profile, profile->mode), "cpu");
	cr_assert_eq(profile->stack_count, 1);
	cr_assert_eq(profile->stacks[0].depth, 0);
	cr_assert_eq(profile->stacks[0].frame, PROFILE_NONE);
	profile_free(profile);
	profile_free(NULL);
}

Test(profile, functions_are_one_when_every_field_is_equal)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct profile_function function = function_of(profile, "work"), other;
	uint32_t id = profile_add_function(profile, &function);

	cr_assert_eq(profile_add_function(profile, &function), id);
	other = function_of(profile, "play");
	cr_assert_neq(profile_add_function(profile, &other), id);
	other = function;
	other.class_name = profile_string(profile, "Worker");
	cr_assert_neq(profile_add_function(profile, &other), id);
	other = function;
	other.module = profile_string(profile, "app2");
	cr_assert_neq(profile_add_function(profile, &other), id);
	other = function;
	other.file = profile_string(profile, "/srv/app2.py");
	cr_assert_neq(profile_add_function(profile, &other), id);
	other = function;
	other.line = 8;
	cr_assert_neq(profile_add_function(profile, &other), id);
	other = function;
	other.kind = FRAME_NATIVE;
	cr_assert_neq(profile_add_function(profile, &other), id);
	cr_assert_eq(profile->function_count, 7);
	profile_free(profile);
}

Test(profile, stacks_share_their_roots)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct profile_function function = function_of(profile, "work");
	uint32_t work = profile_add_function(profile, &function);
	uint32_t outer = profile_add_frame(profile, work, 10);
	uint32_t inner = profile_add_frame(profile, work, 11);
	uint32_t root = profile_add_stack(profile, 0, outer);
	uint32_t leaf = profile_add_stack(profile, root, inner);

	cr_assert_neq(outer, inner);
	cr_assert_eq(profile_add_frame(profile, work, 10), outer);
	cr_assert_eq(profile_add_stack(profile, 0, outer), root);
	cr_assert_eq(profile_add_stack(profile, root, inner), leaf);
	cr_assert_neq(profile_add_stack(profile, leaf, inner), leaf);
	cr_assert_neq(profile_add_stack(profile, 0, inner), leaf);
	cr_assert_eq(profile->stacks[leaf].parent, root);
	cr_assert_eq(profile->stacks[leaf].depth, 2);
	cr_assert_eq(profile->stack_count, 5);
	profile_free(profile);
}

Test(profile, processes_are_known_by_serial_or_else_by_pid)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	uint32_t first = profile_add_process(profile, 1, 100);
	uint32_t reused = profile_add_process(profile, 2, 100);
	uint32_t other = profile_add_process(profile, 0, 100);
	uint32_t another = profile_add_process(profile, 0, 101);

	cr_assert_neq(first, reused);
	cr_assert_neq(other, another);
	cr_assert_eq(profile_add_process(profile, 1, 100), first);
	cr_assert_eq(profile_add_process(profile, 0, 101), another);
	cr_assert_eq(profile->process_count, 4);
	cr_assert_neq(profile_add_thread(profile, first, 5),
		      profile_add_thread(profile, reused, 5));
	cr_assert_eq(profile_add_thread(profile, reused, 5), 1);
	profile_free(profile);
}

Test(profile, samples_of_one_thread_and_stack_add_up)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	uint32_t process = profile_add_process(profile, 1, 100);
	uint32_t one = profile_add_thread(profile, process, 100);
	uint32_t other = profile_add_thread(profile, process, 101);

	cr_assert_eq(profile_add_sample(profile, one, 0, 2, 20), 0);
	cr_assert_eq(profile_add_sample(profile, other, 0, 1, 10), 0);
	cr_assert_eq(profile_add_sample(profile, one, 0, 3, 30), 0);
	cr_assert_eq(profile->sum_count, 2);
	cr_assert_eq(profile->sums[0].samples, 5);
	cr_assert_eq(profile->sums[0].value, 50);
	cr_assert_eq(profile->sums[1].value, 10);
	cr_assert_eq(profile->sample_count, 6);
	profile_free(profile);
}

Test(profile, totals_keep_lost_and_partial_apart)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);

	profile->lost[DROP_RING_FULL] = 3;
	profile->lost[DROP_RECORD_MALFORMED] = 4;
	profile->partial[DROP_STACK_CUT] = 50;
	profile->partial[DROP_NAME_LOST] = 60;
	cr_assert_eq(profile_lost_total(profile), 7);
	cr_assert_eq(profile_partial_total(profile), 110);
	cr_assert_str_eq(drop_key(DROP_RING_FULL), "ring_full");
	cr_assert_str_eq(drop_words(DROP_RING_FULL), "the ring buffer was full");
	cr_assert(drop_is_lost(DROP_RING_FULL));
	cr_assert_not(drop_is_lost(DROP_STACK_CUT));
	cr_assert_null(drop_key(DROP_NONE));
	profile_free(profile);
}

/* 10,000 functions in 100,000 stacks of their own, all found again in the second round. */
Test(profile, large_profiles_find_what_they_hold)
{
	enum { FUNCTIONS = 10000, STACKS = 100000 };
	struct profile *profile = profile_new("cpu", UNIT_NS);
	uint32_t process = profile_add_process(profile, 1, 1);
	uint32_t thread = profile_add_thread(profile, process, 1);
	char name[64];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < STACKS; i++) {
			struct profile_function function;
			uint32_t frame, stack;

			snprintf(name, sizeof(name), "package.module.Class.method_%u",
				 i % FUNCTIONS);
			function = function_of(profile, name);
			frame = profile_add_frame(profile, profile_add_function(profile, &function),
						  9);
			stack = profile_add_stack(profile, i / 3, frame);
			cr_assert_eq(stack, i + 1);
			cr_assert_eq(profile_add_sample(profile, thread, stack, 1, 10), 0);
		}
	}
	cr_assert_eq(profile->function_count, FUNCTIONS);
	cr_assert_eq(profile->frame_count, FUNCTIONS);
	cr_assert_eq(profile->stack_count, STACKS + 1);
	cr_assert_eq(profile->sum_count, STACKS);
	cr_assert_eq(profile->sums[STACKS - 1].samples, 2);
	profile_free(profile);
}
