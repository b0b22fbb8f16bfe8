// SPDX-License-Identifier: GPL-2.0-only
/* Memory in the JSON report, read back by jansson; numbers as in sample_memory.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "json_read.h"
#include "sample_memory.h"

#define MIB(count) ((count)*1048576ll)

static struct profile *profile;
static json_t *root;

static void make_profile(void)
{
	profile = sample_memory_new();
	root = NULL;
}

static void drop_profile(void)
{
	json_decref(root);
	profile_free(profile);
}

TestSuite(json_memory, .init = make_profile, .fini = drop_profile);

static void report(enum memory_view view, const char *glob)
{
	struct render_options options = sample_memory_options(profile, view);

	options.limit = 1; /* of the table: a report for programs is never cut */
	options.globs = &glob;
	options.glob_count = glob ? 1 : 0;
	json_decref(root);
	root = json_report(profile, &options);
}

/* "key value key value": integers of an object. */
static void expect_ints(json_t *object, const char *want)
{
	char copy[512], *state = NULL;

	cr_assert_lt(strlen(want), sizeof(copy));
	strcpy(copy, want);
	for (char *key = strtok_r(copy, " ", &state); key; key = strtok_r(NULL, " ", &state))
		json_expect_int(object, key, strtoll(strtok_r(NULL, " ", &state), NULL, 10));
}

static void expect_null(json_t *object, const char *key)
{
	cr_expect(json_is_null(json_object_get(object, key)), "%s is not null", key);
}

Test(json_memory, head_is_of_bytes)
{
	report(MEMORY_VIEW_PEAK, NULL);
	json_expect_string(root, "unit", "bytes");
	json_expect_int(root, "samples", 802);
	json_expect_string(json_element(json_object_get(root, "targets"), 0), "probes", "malloc");
	cr_expect_str_eq(json_string_value(json_element(json_object_get(root, "mode"), 0)),
			 "memory");
}

Test(json_memory, totals)
{
	json_t *memory;

	profile->memory->unknown_frees = 1234;
	report(MEMORY_VIEW_PEAK, NULL);
	memory = json_object_get(root, "memory");
	expect_ints(memory,
		    "allocated_bytes 73410560 allocations 1214 frees 898 freed_bytes 62923776 "
		    "live_bytes 10486784 live_blocks 316 peak_bytes 45088768 peak_blocks 802 "
		    "peak_at_ns 4000000000 at_peak_bytes 45088768 temporary_allocations 250 "
		    "temporary_bytes 4194304 mapped_bytes 16777216 mappings 2 resized 3 "
		    "failed 1 unknown_frees 1234");
	expect_ints(memory, "rss_start 20971520 rss_end 62914560 rss_peak 83886080 "
			    "pss_end 52428800");
	json_expect_string(memory, "show", "peak");
	json_expect_string(memory, "allocator", "malloc");
	expect_ints(memory, "sample_bytes 0 min_size_bytes 0 temporary_allocation_limit 1 "
			    "temporary_limit_ns 0");
	cr_expect_null(json_object_get(memory, "allocated_error_bytes"));
	cr_expect_null(json_object_get(memory, "faults"));
}

Test(json_memory, sites_name_their_stacks)
{
	json_t *sites, *stacks, *site, *frames;

	report(MEMORY_VIEW_LIVE, NULL);
	sites = json_object_get(json_object_get(root, "memory"), "sites");
	stacks = json_object_get(root, "stacks");
	cr_assert_eq(json_array_size(sites), SAMPLE_SITES);
	cr_assert_eq(json_array_size(stacks), SAMPLE_SITES);
	for (size_t i = 0; i < SAMPLE_SITES; i++) {
		json_t *stack;

		site = json_element(sites, i);
		stack = json_element(stacks,
				     (size_t)json_integer_value(json_object_get(site, "stack")));
		/* What is shown is what a stack weighs. */
		cr_expect_eq(json_integer_value(json_object_get(stack, "weight")),
			     json_integer_value(json_object_get(site, "live_bytes")));
		cr_expect_eq(json_integer_value(json_object_get(stack, "samples")),
			     json_integer_value(json_object_get(site, "live_blocks")));
		cr_expect_eq(json_integer_value(json_object_get(stack, "tid")),
			     json_integer_value(json_object_get(site, "tid")));
	}
	/* The line that asked is Python's, though native code is above it. */
	site = json_element(sites, SAMPLE_WRITE);
	json_expect_string(site, "file", "/srv/app/load.py");
	json_expect_string(site, "name", "Loader.read");
	expect_ints(site,
		    "line 43 allocations 4 allocated_bytes 4194304 live_bytes 0 live_blocks 0 "
		    "at_peak_bytes 2097152 at_peak_blocks 2 frees 4 tid 100");
	frames = json_object_get(json_element(stacks, SAMPLE_WRITE), "frames");
	cr_assert_eq(json_array_size(frames), 3);
	json_expect_string(json_element(frames, 0), "name", "<module>");
	json_expect_string(json_element(frames, 2), "kind", "native");
	site = json_element(sites, SAMPLE_BARE);
	json_expect_string(site, "file", "");
	expect_ints(site, "line 0 live_bytes 1024 allocations 10");
}

Test(json_memory, sites_know_their_growth_ages_and_sizes)
{
	json_t *site, *sizes, *ages;

	report(MEMORY_VIEW_PEAK, NULL);
	site = json_element(json_object_get(json_object_get(root, "memory"), "sites"), SAMPLE_KEEP);
	expect_ints(site,
		    "growth_bytes_per_hour 1887436800 growth_readings 32 survivors 90 "
		    "survivor_bytes 1048576 first_half_blocks 100 oldest_ns 9000000000 failed 1");
	cr_expect_float_eq(json_real_value(json_object_get(site, "growth_confidence")), 0.9995,
			   1e-9);
	ages = json_object_get(site, "ages");
	cr_assert_eq(json_array_size(ages), MEMORY_AGES);
	expect_ints(json_element(ages, 0), "blocks 20 bytes 204800");
	expect_ints(json_element(ages, 1), "blocks 170 bytes 1892352");
	expect_ints(json_element(ages, 4), "blocks 0 bytes 0");
	cr_expect_eq(
		json_array_size(json_object_get(json_object_get(root, "memory"), "age_limits_ns")),
		MEMORY_AGES - 1);
	sizes = json_object_get(site, "sizes");
	cr_assert_eq(json_array_size(sizes), 1);
	expect_ints(json_element(sizes, 0), "from 8192 to 16383 count 200");
	site = json_element(json_object_get(json_object_get(root, "memory"), "sites"), SAMPLE_READ);
	expect_ints(site, "growth_bytes_per_hour -7372800 resized 3");
}

Test(json_memory, sizes_of_all)
{
	static const char *const want[] = {
		"from 0 to 1 count 2",
		"from 64 to 127 count 600",
		"from 1024 to 2047 count 10",
		"from 8192 to 16383 count 200",
		"from 65536 to 131071 count 400",
		"from 1048576 to 2097151 count 4",
		"from 1099511627776 to 2199023255551 count 1",
	};
	json_t *sizes;

	histogram_add(&profile->memory->sites[0].sizes, 0);
	histogram_add(&profile->memory->sites[0].sizes, 1);
	histogram_add(&profile->memory->sites[0].sizes, 1ull << 40);
	cr_assert_eq(memory_sum(profile->memory), 0);
	report(MEMORY_VIEW_PEAK, NULL);
	sizes = json_object_get(json_object_get(root, "memory"), "sizes");
	cr_assert_eq(json_array_size(sizes), sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		expect_ints(json_element(sizes, i), want[i]);
}

Test(json_memory, functions_and_lines_are_of_the_view)
{
	json_t *functions, *lines, *read;

	report(MEMORY_VIEW_ALLOCATED, NULL);
	functions = json_object_get(root, "functions");
	/* All but what has no stack. */
	cr_assert_eq(json_array_size(functions), 5);
	read = json_element(functions, 0);
	json_expect_string(read, "name", "Loader.read");
	json_expect_string(read, "class", "Loader");
	json_expect_string(read, "module", "app.load");
	json_expect_string(read, "kind", "python");
	expect_ints(read,
		    "line 40 self 71303168 total 71303168 self_blocks 1004 live_bytes 8388608 "
		    "at_peak_bytes 44040192");
	json_expect_string(json_element(functions, 2), "name", "<module>");
	expect_ints(json_element(functions, 2), "self 0 total 71303168");
	lines = json_object_get(root, "lines");
	cr_assert_eq(json_array_size(lines), 6);
	json_expect_string(json_element(lines, 0), "file", "/srv/app/load.py");
	json_expect_string(json_element(lines, 0), "name", "Loader.read");
	expect_ints(json_element(lines, 0),
		    "line 42 self 67108864 total 67108864 allocations 1000");
	report(MEMORY_VIEW_LIVE, NULL);
	expect_ints(json_element(json_object_get(root, "lines"), 0), "line 42 self 8388608");
}

Test(json_memory, threads_have_totals)
{
	json_t *threads;

	report(MEMORY_VIEW_PEAK, NULL);
	threads = json_object_get(root, "threads");
	cr_assert_eq(json_array_size(threads), 2);
	expect_ints(json_element(threads, 0),
		    "pid 100 tid 100 self 44040192 allocations 1004 live_bytes 8388608");
	expect_ints(json_element(threads, 1),
		    "pid 100 tid 101 self 1048576 allocations 210 live_bytes 2098176");
	json_expect_string(json_element(threads, 1), "name", "worker");
}

Test(json_memory, timeline_is_every_point)
{
	json_t *timeline;

	report(MEMORY_VIEW_PEAK, NULL);
	timeline = json_object_get(json_object_get(root, "memory"), "timeline");
	cr_assert_eq(json_array_size(timeline), 101);
	expect_ints(json_element(timeline, 40),
		    "t_ns 4000000000 live_bytes 41943040 rss_bytes 52428800 peak_bytes 45088768");
	expect_ints(json_element(timeline, 100), "t_ns 10000000000 live_bytes 10485760");
}

Test(json_memory, globs_keep_stacks_and_sites_together)
{
	json_t *sites;

	report(MEMORY_VIEW_PEAK, "app.jobs:*");
	sites = json_object_get(json_object_get(root, "memory"), "sites");
	cr_assert_eq(json_array_size(sites), 1);
	cr_assert_eq(json_array_size(json_object_get(root, "stacks")), 1);
	expect_ints(json_element(sites, 0), "stack 0 line 21 allocations 200");
	cr_expect_eq(json_array_size(json_object_get(root, "functions")), 2);
	/* What was allocated in all stays what it was. */
	json_expect_int(json_object_get(root, "memory"), "allocations", 1214);
}

Test(json_memory, processes_end_and_have_their_own_sizes)
{
	json_t *memory, *processes, *child;

	sample_memory_add_child(profile);
	report(MEMORY_VIEW_PEAK, NULL);
	memory = json_object_get(root, "memory");
	processes = json_object_get(memory, "processes");
	cr_assert_eq(json_array_size(processes), 2);
	expect_ints(
		json_element(processes, 0),
		"pid 100 rss_start 20971520 rss_end 62914560 rss_peak 83886080 pss_end 52428800 "
		"live_bytes 10486784 live_blocks 316 allocated_bytes 73410560 allocations 1214");
	json_expect_string(json_element(processes, 0), "allocator", "glibc");
	json_expect_string(json_element(processes, 0), "coverage", "malloc");
	expect_null(json_element(processes, 0), "ended");
	child = json_element(processes, 1);
	json_expect_string(child, "ended", "killed by SIGKILL (out of memory)");
	cr_expect(json_is_true(json_object_get(child, "oom_killed")));
	expect_null(child, "pss_end");
	expect_null(child, "pools_end");
	/* The dead one is not resident any more. */
	expect_ints(memory, "rss_start 31457280 rss_end 62914560 pss_end 52428800");
}

Test(json_memory, the_last_size_of_one_that_died_is_kept)
{
	json_t *memory;

	profile->processes[0].exited = true;
	profile->processes[0].exit_status = 9;
	report(MEMORY_VIEW_PEAK, NULL);
	memory = json_object_get(root, "memory");
	expect_ints(memory, "rss_end 62914560");
	expect_null(memory, "pss_end");
	json_expect_string(json_element(json_object_get(memory, "processes"), 0), "ended",
			   "killed by SIGKILL");
	json_expect_int(json_element(json_object_get(root, "targets"), 0), "signal", 9);
}

Test(json_memory, pools_and_coverage)
{
	json_t *process, *pools, *classes;

	sample_memory_add_pools(profile);
	report(MEMORY_VIEW_PEAK, NULL);
	json_expect_string(json_object_get(root, "memory"), "allocator", "object");
	process = json_element(json_object_get(json_object_get(root, "memory"), "processes"), 0);
	json_expect_string(process, "coverage", "inlined");
	cr_expect_float_eq(json_real_value(json_object_get(process, "coverage_share")), 0.25, 1e-9);
	pools = json_object_get(process, "pools_end");
	expect_ints(pools, "arenas 3 arena_bytes 1048576 arenas_bytes 3145728 pool_bytes 16384 "
			   "free_pools 1 used_bytes 113792 torn 0");
	classes = json_object_get(pools, "classes");
	cr_assert_eq(json_array_size(classes), 2);
	expect_ints(json_element(classes, 0),
		    "block_bytes 64 pools 8 used_blocks 1530 free_blocks 510");
	expect_ints(json_object_get(process, "pools_start"), "arenas 2 free_pools 10");
}

Test(json_memory, estimates_have_errors_and_pages_are_counted)
{
	json_t *memory;

	profile->memory->sites[SAMPLE_READ].allocated_variance = 1e12;
	profile->memory->sites[SAMPLE_READ].live_variance = 4e12;
	profile->memory->sample_bytes = 524288;
	sample_memory_add_resident(profile);
	report(MEMORY_VIEW_PEAK, NULL);
	memory = json_object_get(root, "memory");
	expect_ints(memory, "allocated_error_bytes 1960000 live_error_bytes 3920000 faults 8192 "
			    "faulted_bytes 33554432 resident_bytes 16777216 sample_bytes 524288");
	expect_ints(json_element(json_object_get(memory, "sites"), SAMPLE_READ),
		    "allocated_error_bytes 1960000 faults 8192");
	expect_ints(json_element(json_object_get(memory, "sites"), SAMPLE_KEEP),
		    "allocated_error_bytes 0 faults 0");
}

Test(json_memory, folded_weighs_what_is_shown)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_LIVE);
	struct buffer out;

	sample_render("folded", profile, &options, &out);
	cr_expect_str_eq(out.bytes,
			 "<module> (app.py:30);Loader.read (app/load.py:42) 8388608\n"
			 "Worker.run (app/jobs.py:14);Worker.keep (app/jobs.py:21) 2097152\n"
			 "[no stack] 1024\n",
			 "%s", out.bytes);
	buffer_release(&out);
}

Test(json_memory, nothing_is_valid_too)
{
	profile_free(profile);
	profile = profile_new("memory", UNIT_BYTES);
	profile->memory = memory_new();
	report(MEMORY_VIEW_PEAK, NULL);
	expect_ints(json_object_get(root, "memory"), "allocations 0 live_bytes 0 peak_bytes 0");
	expect_null(json_object_get(root, "memory"), "rss_end");
	cr_expect_eq(json_array_size(json_object_get(root, "stacks")), 0);
}
