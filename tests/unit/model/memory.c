// SPDX-License-Identifier: GPL-2.0-only
/* Sites, processes, the timeline, sums and stacks. */
#include <criterion/criterion.h>
#include <string.h>

#include "model/memory.h"
#include "model/profile.h"

static struct memory *memory;

static void setup(void)
{
	memory = memory_new();
}

static void teardown(void)
{
	memory_free(memory);
}

TestSuite(memory, .init = setup, .fini = teardown);

Test(memory, a_thread_and_a_stack_are_one_site)
{
	uint32_t ids[1000];

	for (uint32_t i = 0; i < 1000; i++)
		ids[i] = memory_site_of(memory, i % 7, i / 7);
	cr_expect_eq(memory->site_count, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		cr_expect_eq(memory_site_of(memory, i % 7, i / 7), ids[i]);
		cr_expect_eq(memory->sites[ids[i]].thread, i % 7);
		cr_expect_eq(memory->sites[ids[i]].stack, i / 7);
	}
	cr_expect_eq(memory->site_count, 1000);
	cr_expect_neq(memory_site_of(memory, 0, 1), memory_site_of(memory, 1, 0));
	memory_free(NULL);
}

Test(memory, processes_are_rows_by_index)
{
	cr_assert_not_null(memory_process_of(memory, 3));
	memory_process_of(memory, 3)->watched = true;
	cr_expect_eq(memory->process_count, 4);
	cr_expect_not(memory_process_of(memory, 2)->watched);
	cr_expect(memory_process_of(memory, 3)->watched);
	for (uint32_t i = 0; i < 200; i++)
		cr_assert_not_null(memory_process_of(memory, i));
	cr_expect(memory->processes[3].watched);
	cr_expect_eq(memory->process_count, 200);
}

/* ---- the timeline ---- */

static uint64_t live_at(uint64_t i)
{
	return i * 37 % 1000;
}

static uint64_t resident_at(uint64_t i)
{
	return 5000 + i * 91 % 1000;
}

static void add_points(uint64_t count, uint64_t apart_ns)
{
	for (uint64_t i = 0; i < count; i++) {
		struct memory_point point = {
			.time_ns = i * apart_ns,
			.live_bytes = live_at(i),
			.resident_bytes = resident_at(i),
			.peak_bytes = live_at(i) + (i == 777 ? 100000 : 10),
		};

		memory_add_point(memory, &point);
	}
}

/* Each point is what the readings between it and the one before say. */
static void expect_points(uint64_t count, uint64_t apart_ns)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < memory->point_count; i++) {
		const struct memory_point *point = &memory->points[i];
		uint64_t last = point->time_ns / apart_ns, resident = 0, peak = 0;

		for (; next <= last; next++) {
			uint64_t one_peak = live_at(next) + (next == 777 ? 100000 : 10);

			resident = resident_at(next) > resident ? resident_at(next) : resident;
			peak = one_peak > peak ? one_peak : peak;
		}
		cr_assert_eq(point->time_ns, last * apart_ns);
		cr_expect_eq(point->live_bytes, live_at(last));
		cr_expect_eq(point->resident_bytes, resident);
		cr_expect_eq(point->peak_bytes, peak);
	}
	cr_expect_eq(next, count);
}

Test(memory, each_reading_is_a_point_while_there_is_room)
{
	add_points(MEMORY_POINTS_MAX, 100000000);
	cr_expect_eq(memory->point_count, MEMORY_POINTS_MAX);
	expect_points(MEMORY_POINTS_MAX, 100000000);
}

Test(memory, a_long_timeline_keeps_its_maxima)
{
	static const uint64_t COUNTS[] = { 1025, 1500, 2049, 5000, 100000 };

	for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
		teardown();
		setup();
		add_points(COUNTS[i], 100000000);
		cr_expect_leq(memory->point_count, MEMORY_POINTS_MAX);
		cr_expect_geq(memory->point_count, MEMORY_POINTS_MAX / 2);
		expect_points(COUNTS[i], 100000000);
		for (uint32_t j = 1; j < memory->point_count; j++)
			cr_expect_gt(memory->points[j].time_ns / memory->point_ns,
				     memory->points[j - 1].time_ns / memory->point_ns);
	}
}

Test(memory, readings_close_together_are_one_point)
{
	add_points(1000, 1000);
	cr_expect_eq(memory->point_count, 1);
	expect_points(1000, 1000);
}

/* A pause of a day right before the end does not cost what was before. */
Test(memory, a_pause_is_no_points)
{
	struct memory_point late = { .time_ns = 86400000000000, .live_bytes = 5 };

	add_points(MEMORY_POINTS_MAX, 100000000);
	memory_add_point(memory, &late);
	cr_expect_gt(memory->point_count, MEMORY_POINTS_MAX / 4);
	cr_expect_eq(memory->points[memory->point_count - 1].live_bytes, 5);
}

/* ---- sums ---- */

static void fill_sites(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct memory_site *site;

		memory_site_of(memory, i, 1);
		site = &memory->sites[i];
		for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++)
			site->amounts[view] = (struct memory_amount){ i + view, (i + view) * 100 };
		site->freed = (struct memory_amount){ 1, 10 };
		site->resized = i;
		site->failed = 2 * i;
		cr_assert_eq(histogram_add(&site->sizes, 1 << i), 0);
	}
}

Test(memory, sums_are_over_sites_however_often)
{
	fill_sites();
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(memory_sum(memory), 0);
		for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++) {
			cr_expect_eq(memory->amounts[view].blocks, 3 + 3 * view);
			cr_expect_eq(memory->amounts[view].bytes, 300 + 300 * view);
		}
		cr_expect_eq(memory->freed.blocks, 3);
		cr_expect_eq(memory->freed.bytes, 30);
		cr_expect_eq(memory->resized, 3);
		cr_expect_eq(memory->failed, 6);
		cr_expect_eq(histogram_count(&memory->sizes), 3);
		cr_expect_eq(histogram_quantile(&memory->sizes, 1), 4);
	}
}

static struct profile *profile_of_threads(void)
{
	struct profile *profile = profile_new("memory", UNIT_BYTES);
	uint32_t one = profile_add_process(profile, 1, 100);
	uint32_t other = profile_add_process(profile, 2, 200);

	profile_add_thread(profile, one, 100);
	profile_add_thread(profile, other, 200);
	profile_add_thread(profile, other, 201);
	return profile;
}

Test(memory, processes_have_what_their_threads_have)
{
	struct profile *profile = profile_of_threads();

	fill_sites();
	/* A site of a thread nobody knows is nobody's. */
	memory_site_of(memory, 77, 1);
	memory_process_of(memory, 1)->watched = true;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(memory_sum_processes(memory, profile), 0);
		cr_assert_eq(memory->process_count, 2);
		/* Amounts are of site + view: live is view 1, allocated 2. */
		cr_expect_eq(memory->processes[0].live.bytes, 100);
		cr_expect_eq(memory->processes[0].allocated.blocks, 2);
		cr_expect_eq(memory->processes[1].live.bytes, 200 + 300);
		cr_expect_eq(memory->processes[1].allocated.bytes, 300 + 400);
		cr_expect(memory->processes[1].watched);
	}
	profile_free(profile);
}

/* ---- stacks ---- */

static const struct profile_sum *sum_of(const struct profile *profile, uint32_t thread)
{
	for (uint32_t i = 0; i < profile->sum_count; i++) {
		if (profile->sums[i].thread == thread)
			return &profile->sums[i];
	}
	return NULL;
}

Test(memory, a_view_becomes_the_sums_and_then_another)
{
	struct profile *profile = profile_of_threads();

	fill_sites();
	cr_assert_eq(memory_to_stacks(memory, profile, MEMORY_VIEW_ALLOCATED), 0);
	cr_assert_eq(profile->sum_count, 3);
	cr_expect_eq(profile->sample_count, 2 + 3 + 4);
	cr_expect_eq(sum_of(profile, 1)->samples, 3);
	cr_expect_eq(sum_of(profile, 1)->value, 300);
	cr_expect_eq(sum_of(profile, 1)->stack, 1);
	/* At the peak the first had nothing. */
	cr_assert_eq(memory_to_stacks(memory, profile, MEMORY_VIEW_PEAK), 0);
	cr_assert_eq(profile->sum_count, 2);
	cr_expect_eq(profile->sample_count, 1 + 2);
	cr_expect_null(sum_of(profile, 0));
	cr_expect_eq(sum_of(profile, 2)->value, 200);
	profile_free(profile);
}

/* Of the sanitizer's, which gcc has no header for. */
extern size_t __sanitizer_get_current_allocated_bytes(void);

/* The profile owns it from then on. */
Test(memory, a_profile_frees_its_memory)
{
	size_t before = __sanitizer_get_current_allocated_bytes();
	struct profile *profile = profile_of_threads();

	profile->memory = memory_new();
	memory_site_of(profile->memory, 0, 0);
	cr_assert_eq(histogram_add_many(&profile->memory->sites[0].sizes, 64, 5), 0);
	cr_assert_eq(memory_sum(profile->memory), 0);
	cr_expect_gt(__sanitizer_get_current_allocated_bytes(), before);
	profile_free(profile);
	cr_expect_eq(__sanitizer_get_current_allocated_bytes(), before);
}

Test(memory, views_have_the_names_of_the_option)
{
	static const char *const NAMES[MEMORY_VIEW_COUNT] = {
		"peak", "live", "allocated", "temporary", "resident", "faulted", "mapped", "arenas",
	};

	for (unsigned int view = 0; view < MEMORY_VIEW_COUNT; view++)
		cr_expect_str_eq(memory_view_name(view), NAMES[view]);
}
