// SPDX-License-Identifier: GPL-2.0-only
/* The JSON report, read back by jansson. */
#include <criterion/criterion.h>
#include <string.h>

#include "json_read.h"

Test(json, head_has_the_keys_of_the_contract)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root = json_report(profile, &options), *target, *cost, *thread;

	json_expect_string(root, "pybpfprof", "1.2.3");
	cr_expect_str_eq(json_string_value(json_element(json_object_get(root, "mode"), 0)), "cpu");
	json_expect_int(root, "duration_ns", 10000000000);
	json_expect_int(json_object_get(root, "lost"), "total", 2);
	json_expect_int(json_object_get(root, "lost"), "ring_full", 2);
	json_expect_int(json_object_get(root, "lost"), "scratch_busy", 0);
	cr_expect_null(json_object_get(json_object_get(root, "lost"), "stack_cut"));
	json_expect_int(json_object_get(root, "partial"), "total", 1);
	json_expect_int(json_object_get(root, "partial"), "stack_cut", 1);
	json_expect_int(root, "unresolved", 3);
	json_expect_string(root, "unit", "ns");
	json_expect_int(root, "samples", 100);
	json_expect_int(root, "period_ns", 10000000);
	cost = json_object_get(root, "cost");
	json_expect_int(cost, "hits", 100);
	json_expect_int(cost, "profiler_cpu_ns", 40000000);
	cr_expect_float_eq(json_real_value(json_object_get(cost, "target_share")), 0.013, 1e-9);
	cr_expect(json_is_false(json_object_get(cost, "stopped_early")));
	target = json_element(json_object_get(root, "targets"), 0);
	json_expect_int(target, "pid", 100);
	json_expect_string(target, "command", "python3 app.py");
	json_expect_string(target, "python", "3.11.2");
	json_expect_string(target, "probes", "sample");
	json_expect_int(target, "cpu_ns", 1000000000);
	json_expect_string(target, "exit_code", NULL);
	thread = json_element(json_object_get(target, "threads"), 1);
	json_expect_int(thread, "tid", 101);
	json_expect_string(thread, "name", "worker");
	json_expect_int(thread, "cpu_ns", 200000000);
	json_expect_int(thread, "wall_ns", 10000000000);
	json_decref(root);
	profile_free(profile);
}

Test(json, functions_are_rolled_up)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root, *functions, *run;

	options.limit = 1; /* of the table: a report for programs is never cut */
	root = json_report(profile, &options);
	functions = json_object_get(root, "functions");
	cr_assert_eq(json_array_size(functions), 6);
	json_expect_string(json_element(functions, 0), "name", "fib");
	json_expect_string(json_element(functions, 0), "class", NULL);
	run = json_element(functions, 2);
	json_expect_string(run, "name", "Worker.run");
	json_expect_string(run, "class", "Worker");
	json_expect_string(run, "module", "app.jobs");
	json_expect_string(run, "file", "/srv/app/jobs.py");
	json_expect_int(run, "line", 10);
	json_expect_int(run, "self", 100000000);
	json_expect_int(run, "total", 990000000);
	json_expect_int(run, "self_samples", 10);
	json_expect_int(run, "total_samples", 99);
	json_expect_string(json_element(functions, 1), "module", NULL);
	json_decref(root);
	profile_free(profile);
}

Test(json, stacks_are_root_first_and_lines_those_executed)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root = json_report(profile, &options);
	json_t *stacks = json_object_get(root, "stacks"), *lines = json_object_get(root, "lines");
	json_t *frames = json_object_get(json_element(stacks, 3), "frames");

	cr_assert_eq(json_array_size(stacks), 6);
	cr_assert_eq(json_array_size(frames), 4);
	json_expect_string(json_element(frames, 0), "name", "Worker.run");
	json_expect_string(json_element(frames, 0), "kind", "python");
	json_expect_string(json_element(frames, 0), "file", "/srv/app/jobs.py");
	json_expect_int(json_element(frames, 0), "line", 14);
	json_expect_string(json_element(frames, 2), "kind", "native");
	json_expect_string(json_element(frames, 3), "name", "vfs_write");
	json_expect_string(json_element(frames, 3), "kind", "kernel");
	json_expect_int(json_element(stacks, 3), "weight", 150000000);
	json_expect_int(json_element(stacks, 3), "samples", 15);
	json_expect_int(json_element(stacks, 3), "pid", 100);
	json_expect_int(json_element(stacks, 3), "tid", 101);
	cr_expect_eq(json_array_size(json_object_get(json_element(stacks, 5), "frames")), 0);
	cr_assert_eq(json_array_size(lines), 9);
	json_expect_string(json_element(lines, 0), "name", "fib");
	json_expect_string(json_element(lines, 0), "file", "/srv/app/jobs.py");
	json_expect_int(json_element(lines, 0), "line", 22);
	json_expect_int(json_element(lines, 0), "self", 600000000);
	json_decref(root);
	profile_free(profile);
}

/* As waitpid() gives it, as a shell shows it. */
Test(json, exit_codes_are_those_of_a_shell)
{
	static const struct {
		bool exited;
		int32_t status;
		int code;   /* -1: null */
		int signal; /* 0: no such key */
	} CASES[] = {
		{ false, 0, -1, 0 },	      { true, 0, 0, 0 },
		{ true, 3 << 8, 3, 0 },	      { true, 9, 137, 9 },
		{ true, 11 | 0x80, 139, 11 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct profile *profile = sample_new();
		struct render_options options = sample_options();
		json_t *root, *target;

		profile->processes[0].exited = CASES[i].exited;
		profile->processes[0].exit_status = CASES[i].status;
		root = json_report(profile, &options);
		target = json_element(json_object_get(root, "targets"), 0);
		if (CASES[i].code < 0)
			json_expect_string(target, "exit_code", NULL);
		else
			json_expect_int(target, "exit_code", CASES[i].code);
		if (CASES[i].signal)
			json_expect_int(target, "signal", CASES[i].signal);
		else
			cr_expect_null(json_object_get(target, "signal"));
		json_decref(root);
		profile_free(profile);
	}
}

Test(json, integers_are_exact)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root;

	profile->sums[0].value = 9007199254740993; /* 2^53 + 1: no double holds it */
	profile->duration_ns = INT64_MAX;
	root = json_report(profile, &options);
	json_expect_int(json_element(json_object_get(root, "stacks"), 0), "weight",
			9007199254740993);
	json_expect_int(root, "duration_ns", INT64_MAX);
	json_decref(root);
	profile_free(profile);
}

Test(json, any_name_is_valid_and_comes_back)
{
	struct profile *profile = sample_hostile_new();
	struct render_options options = sample_options();
	json_t *root = json_report(profile, &options), *stacks = json_object_get(root, "stacks");

	for (size_t i = 0; i < 4; i++) {
		json_t *frame = json_element(json_object_get(json_element(stacks, i), "frames"), 0);

		if (i == 2) /* the one that is not UTF-8 */
			json_expect_string(
				frame, "name",
				"\x1b[31m;a;b\n\xef\xbf\xbd\xef\xbf\xbd \xe2\x80\xae 12");
		else
			json_expect_string(frame, "name", SAMPLE_HOSTILE_NAMES[i]);
	}
	json_decref(root);
	profile_free(profile);
}

Test(json, modes_are_an_array)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root, *modes;

	profile->mode = profile_string(profile, "time,memory");
	root = json_report(profile, &options);
	modes = json_object_get(root, "mode");
	cr_assert_eq(json_array_size(modes), 2);
	cr_expect_str_eq(json_string_value(json_element(modes, 1)), "memory");
	json_decref(root);
	profile_free(profile);
}

Test(json, a_share_of_nothing_is_null)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root;

	profile->processes[0].cpu_ns = 0;
	root = json_report(profile, &options);
	json_expect_string(json_object_get(root, "cost"), "target_share", NULL);
	json_decref(root);
	profile_free(profile);
}

Test(json, only_matching_functions_are_listed)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	const char *glob = "app.jobs:*";
	json_t *root;

	options.globs = &glob;
	options.glob_count = 1;
	root = json_report(profile, &options);
	cr_expect_eq(json_array_size(json_object_get(root, "functions")), 2);
	cr_expect_eq(json_array_size(json_object_get(root, "lines")), 5);
	json_decref(root);
	profile_free(profile);
}
