// SPDX-License-Identifier: GPL-2.0-only
/* The JSON report, read back by jansson. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "sample.h"

static json_t *render(const struct profile *profile, const struct render_options *options)
{
	struct buffer out;
	json_error_t error;
	json_t *root;

	sample_render("json", profile, options, &out);
	/* Duplicate keys would be valid JSON, and wrong. */
	root = json_loadb(out.bytes, out.length, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s at line %d:\n%s", error.text, error.line, out.bytes);
	buffer_release(&out);
	return root;
}

static json_t *at(json_t *array, size_t index)
{
	json_t *element = json_array_get(array, index);

	cr_assert_not_null(element, "no element %zu", index);
	return element;
}

static void expect_int(json_t *object, const char *key, json_int_t want)
{
	json_t *value = json_object_get(object, key);

	cr_assert(json_is_integer(value), "%s is no integer", key);
	cr_expect_eq(json_integer_value(value), want, "%s: %lld", key, json_integer_value(value));
}

static void expect_string(json_t *object, const char *key, const char *want)
{
	json_t *value = json_object_get(object, key);

	if (!want) {
		cr_expect(json_is_null(value), "%s is not null", key);
		return;
	}
	cr_assert(json_is_string(value), "%s is no string", key);
	cr_expect_str_eq(json_string_value(value), want, "%s: %s", key, json_string_value(value));
}

Test(json, head_has_the_keys_of_the_contract)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root = render(profile, &options), *target, *cost, *thread;

	expect_string(root, "pybpfprof", "1.2.3");
	cr_expect_str_eq(json_string_value(at(json_object_get(root, "mode"), 0)), "cpu");
	expect_int(root, "duration_ns", 10000000000);
	expect_int(json_object_get(root, "lost"), "total", 2);
	expect_int(json_object_get(root, "lost"), "ring_full", 2);
	expect_int(json_object_get(root, "lost"), "scratch_busy", 0);
	cr_expect_null(json_object_get(json_object_get(root, "lost"), "stack_cut"));
	expect_int(json_object_get(root, "partial"), "total", 1);
	expect_int(json_object_get(root, "partial"), "stack_cut", 1);
	expect_int(root, "unresolved", 3);
	expect_string(root, "unit", "ns");
	expect_int(root, "samples", 100);
	expect_int(root, "period_ns", 10000000);
	cost = json_object_get(root, "cost");
	expect_int(cost, "hits", 100);
	expect_int(cost, "profiler_cpu_ns", 40000000);
	cr_expect_float_eq(json_real_value(json_object_get(cost, "target_share")), 0.013, 1e-9);
	cr_expect(json_is_false(json_object_get(cost, "stopped_early")));
	target = at(json_object_get(root, "targets"), 0);
	expect_int(target, "pid", 100);
	expect_string(target, "command", "python3 app.py");
	expect_string(target, "python", "3.11.2");
	expect_string(target, "probes", "sample");
	expect_int(target, "cpu_ns", 1000000000);
	expect_string(target, "exit_code", NULL);
	thread = at(json_object_get(target, "threads"), 1);
	expect_int(thread, "tid", 101);
	expect_string(thread, "name", "worker");
	expect_int(thread, "cpu_ns", 200000000);
	expect_int(thread, "wall_ns", 10000000000);
	json_decref(root);
	profile_free(profile);
}

Test(json, functions_are_rolled_up)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root, *functions, *run;

	options.limit = 1; /* of the table: a report for programs is never cut */
	root = render(profile, &options);
	functions = json_object_get(root, "functions");
	cr_assert_eq(json_array_size(functions), 6);
	expect_string(at(functions, 0), "name", "fib");
	expect_string(at(functions, 0), "class", NULL);
	run = at(functions, 2);
	expect_string(run, "name", "Worker.run");
	expect_string(run, "class", "Worker");
	expect_string(run, "module", "app.jobs");
	expect_string(run, "file", "/srv/app/jobs.py");
	expect_int(run, "line", 10);
	expect_int(run, "self", 100000000);
	expect_int(run, "total", 990000000);
	expect_int(run, "self_samples", 10);
	expect_int(run, "total_samples", 99);
	expect_string(at(functions, 1), "module", NULL);
	json_decref(root);
	profile_free(profile);
}

Test(json, stacks_are_root_first_and_lines_those_executed)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root = render(profile, &options);
	json_t *stacks = json_object_get(root, "stacks"), *lines = json_object_get(root, "lines");
	json_t *frames = json_object_get(at(stacks, 3), "frames");

	cr_assert_eq(json_array_size(stacks), 6);
	cr_assert_eq(json_array_size(frames), 4);
	expect_string(at(frames, 0), "name", "Worker.run");
	expect_string(at(frames, 0), "kind", "python");
	expect_string(at(frames, 0), "file", "/srv/app/jobs.py");
	expect_int(at(frames, 0), "line", 14);
	expect_string(at(frames, 2), "kind", "native");
	expect_string(at(frames, 3), "name", "vfs_write");
	expect_string(at(frames, 3), "kind", "kernel");
	expect_int(at(stacks, 3), "weight", 150000000);
	expect_int(at(stacks, 3), "samples", 15);
	expect_int(at(stacks, 3), "pid", 100);
	expect_int(at(stacks, 3), "tid", 101);
	cr_expect_eq(json_array_size(json_object_get(at(stacks, 5), "frames")), 0);
	cr_assert_eq(json_array_size(lines), 9);
	expect_string(at(lines, 0), "name", "fib");
	expect_string(at(lines, 0), "file", "/srv/app/jobs.py");
	expect_int(at(lines, 0), "line", 22);
	expect_int(at(lines, 0), "self", 600000000);
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
		root = render(profile, &options);
		target = at(json_object_get(root, "targets"), 0);
		if (CASES[i].code < 0)
			expect_string(target, "exit_code", NULL);
		else
			expect_int(target, "exit_code", CASES[i].code);
		if (CASES[i].signal)
			expect_int(target, "signal", CASES[i].signal);
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
	root = render(profile, &options);
	expect_int(at(json_object_get(root, "stacks"), 0), "weight", 9007199254740993);
	expect_int(root, "duration_ns", INT64_MAX);
	json_decref(root);
	profile_free(profile);
}

Test(json, any_name_is_valid_and_comes_back)
{
	struct profile *profile = sample_hostile_new();
	struct render_options options = sample_options();
	json_t *root = render(profile, &options), *stacks = json_object_get(root, "stacks");

	for (size_t i = 0; i < 4; i++) {
		json_t *frame = at(json_object_get(at(stacks, i), "frames"), 0);

		if (i == 2) /* the one that is not UTF-8 */
			expect_string(frame, "name",
				      "\x1b[31m;a;b\n\xef\xbf\xbd\xef\xbf\xbd \xe2\x80\xae 12");
		else
			expect_string(frame, "name", SAMPLE_HOSTILE_NAMES[i]);
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
	root = render(profile, &options);
	modes = json_object_get(root, "mode");
	cr_assert_eq(json_array_size(modes), 2);
	cr_expect_str_eq(json_string_value(at(modes, 1)), "memory");
	json_decref(root);
	profile_free(profile);
}

Test(json, a_share_of_nothing_is_null)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	json_t *root;

	profile->processes[0].cpu_ns = 0;
	root = render(profile, &options);
	expect_string(json_object_get(root, "cost"), "target_share", NULL);
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
	root = render(profile, &options);
	cr_expect_eq(json_array_size(json_object_get(root, "functions")), 2);
	cr_expect_eq(json_array_size(json_object_get(root, "lines")), 5);
	json_decref(root);
	profile_free(profile);
}
