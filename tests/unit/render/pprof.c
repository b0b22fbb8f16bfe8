// SPDX-License-Identifier: GPL-2.0-only
/* pprof files, read by a program that knows them from their specification alone. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "model/memory.h"
#include "sample_blocks.h"
#include "sample_calls.h"

static const char PYTHON[] = "/usr/bin/python3";

/* What pprof_read.py prints of the rendered profile; it fails on what readers would not like. */
static void read_back(const struct profile *profile, const struct render_options *options,
		      const char *how, struct buffer *out)
{
	char path[] = "/tmp/pybpfprof-pprof-XXXXXX", part[4096];
	struct buffer file, command;
	FILE *stream;
	size_t length;

	if (access(PYTHON, X_OK))
		cr_skip_test("no %s", PYTHON);
	sample_render("pprof", profile, options, &file);
	stream = fdopen(mkstemp(path), "w");
	cr_assert_eq(fwrite(file.bytes, 1, file.length, stream), file.length);
	fclose(stream);
	buffer_init(&command);
	buffer_printf(
		&command,
		"PYTHONIOENCODING=utf-8 timeout 60 %s -B tests/unit/render/pprof_read.py %s %s "
		"2>&1",
		PYTHON, path, how);
	stream = popen(command.bytes, "r");
	buffer_init(out);
	while ((length = fread(part, 1, sizeof(part), stream)))
		buffer_append(out, part, length);
	cr_expect_eq(pclose(stream), 0, "%s", out->bytes);
	unlink(path);
	buffer_release(&command);
	buffer_release(&file);
}

static void expect_start(const struct buffer *got, const char *want)
{
	cr_expect_eq(strncmp(got->bytes, want, strlen(want)), 0, "%s", got->bytes);
}

Test(pprof, sampled_time_is_samples_and_cpu)
{
	/* Leaf first, the line executed, the function's own line. */
	static const char WANT[] =
		"types samples/count cpu/nanoseconds\n"
		"period 10000000 cpu/nanoseconds\n"
		"default cpu\n"
		"time 0 10000000000\n"
		"program python3\n"
		"sample 10 100000000 process.pid=100 thread.id=100 thread.name=python3\n"
		"    Worker.run (/srv/app/jobs.py:12 from 10) in python3\n"
		"    <module> (/srv/app/app.py:30 from 1) in python3\n"
		"sample 60 600000000 process.pid=100 thread.id=100 thread.name=python3\n"
		"    fib (/srv/app/jobs.py:22 from 20) in python3\n"
		"    fib (/srv/app/jobs.py:21 from 20) in python3\n"
		"    Worker.run (/srv/app/jobs.py:13 from 10) in python3\n"
		"    <module> (/srv/app/app.py:30 from 1) in python3\n"
		"sample 10 100000000 process.pid=100 thread.id=100 thread.name=python3\n"
		"    fib (/srv/app/jobs.py:21 from 20) in python3\n"
		"    Worker.run (/srv/app/jobs.py:13 from 10) in python3\n"
		"    <module> (/srv/app/app.py:30 from 1) in python3\n"
		"sample 15 150000000 process.pid=100 thread.id=101 thread.name=worker\n"
		"    vfs_write (:0 from 0) in [kernel]\n"
		"    write (/usr/lib/x86_64-linux-gnu/libc.so.6:0 from 0) in libc.so.6\n"
		"    dumps (/usr/lib/python3.11/json/__init__.py:238 from 183) in python3\n"
		"    Worker.run (/srv/app/jobs.py:14 from 10) in python3\n"
		"sample 4 40000000 process.pid=100 thread.id=101 thread.name=worker\n"
		"    dumps (/usr/lib/python3.11/json/__init__.py:238 from 183) in python3\n"
		"    Worker.run (/srv/app/jobs.py:14 from 10) in python3\n"
		"sample 1 10000000 process.pid=100 thread.id=101 thread.name=worker\n"
		"    [no stack] (:0 from 0) in python3\n"
		"comment pybpfprof 1.2.3\n"
		"comment pybpfprof -p 100\n";
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	read_back(profile, &options, "", &out);
	expect_start(&out, WANT);
	cr_expect_not_null(strstr(out.bytes, "\ncomment cost: 1.3 % of the target"));
	cr_expect_not_null(strstr(out.bytes, "\ncomment lost: 2 records"));
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, exact_calls_are_calls_and_wall_time)
{
	static const char WANT[] =
		"types calls/count wall/nanoseconds\n"
		"period 1 wall/nanoseconds\n"
		"default wall\n"
		"time 0 1000000000\n"
		"program python3\n"
		"sample 1 10000000 process.pid=100 thread.id=100 thread.name=python3\n"
		"    <module> (/srv/app/app.py:1 from 1) in python3\n"
		"sample 1 20000000 process.pid=100 thread.id=100 thread.name=python3\n"
		"    fib (/srv/app/jobs.py:20 from 20) in python3\n"
		"    <module> (/srv/app/app.py:1 from 1) in python3\n";
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	read_back(profile, &options, "", &out);
	expect_start(&out, WANT);
	/* Running when we came: time, and no call. */
	cr_expect_not_null(strstr(out.bytes, "\nsample 0 100000000 process.pid=100 thread.id=101"));
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, memory_has_the_conventional_four)
{
	static const char WANT[] =
		"types alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes\n"
		"period 1 space/bytes\n"
		"default inuse_space\n"
		"time 1700000000000000000 10000000000\n"
		"program python3\n"
		"sample 100 409600 0 0 process.pid=100 thread.id=100 thread.name=python3\n"
		"    load (/srv/app/jobs.py:21 from 20) in python3\n"
		"    <module> (/srv/app/app.py:30 from 1) in python3\n"
		"sample 64 1048576 48 786432 process.pid=100 thread.id=100 thread.name=python3\n"
		"    Cache.put (/srv/app/jobs.py:12 from 10) in python3\n"
		"    load (/srv/app/jobs.py:22 from 20) in python3\n"
		"    <module> (/srv/app/app.py:30 from 1) in python3\n"
		"sample 1000 512000 0 0 process.pid=100 thread.id=101 thread.name=worker\n"
		"    dumps (/usr/lib/python3.11/json/__init__.py:238 from 183) in python3\n"
		"    Worker.run (/srv/app/jobs.py:14 from 40) in python3\n"
		"sample 3 307200 1 102400 process.pid=100 thread.id=101 thread.name=worker\n"
		"    realloc (/usr/lib/x86_64-linux-gnu/libc.so.6:0 from 0) in libc.so.6\n"
		"    dumps (/usr/lib/python3.11/json/__init__.py:238 from 183) in python3\n"
		"    Worker.run (/srv/app/jobs.py:14 from 40) in python3\n"
		"sample 1 3072 1 3072 process.pid=100 thread.id=101 thread.name=worker\n"
		"    [no stack] (:0 from 0) in python3\n"
		"comment ";
	struct profile *profile = sample_blocks_new();
	struct render_options options = sample_options();
	struct buffer out;

	read_back(profile, &options, "", &out);
	expect_start(&out, WANT);
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, sampled_memory_says_by_how_many_bytes)
{
	struct profile *profile = sample_blocks_sampled_new();
	struct render_options options = sample_options();
	struct buffer out;

	read_back(profile, &options, "", &out);
	cr_expect_not_null(strstr(out.bytes, "\nperiod 4096 space/bytes\n"));
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, collections_are_pauses)
{
	struct profile *profile = profile_new("gc", UNIT_NS);
	struct render_options options = sample_options();
	struct buffer out;

	profile_add_thread(profile, profile_add_process(profile, 1, 100), 100);
	profile->collections = collections_new();
	read_back(profile, &options, "", &out);
	expect_start(&out, "types collections/count pause/nanoseconds\n"
			   "period 1 pause/nanoseconds\ndefault pause\n");
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, the_default_is_what_the_run_was_about)
{
	struct profile *profile = sample_blocks_new();
	struct render_options options = sample_options();
	struct buffer out;

	profile->memory->view = MEMORY_VIEW_ALLOCATED;
	read_back(profile, &options, "", &out);
	cr_expect_not_null(strstr(out.bytes, "\ndefault alloc_space\n"));
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, selected_functions_select_memory_too)
{
	static const char *const GLOBS[] = { "Cache.*" };
	struct profile *profile = sample_blocks_new();
	struct render_options options = sample_options();
	struct buffer out;
	const char *sample;

	options.globs = GLOBS;
	options.glob_count = 1;
	read_back(profile, &options, "", &out);
	sample = strstr(out.bytes, "\nsample ");
	cr_assert_not_null(sample);
	cr_expect_eq(strncmp(sample, "\nsample 64 1048576", 18), 0, "%s", sample);
	cr_expect_null(strstr(sample + 1, "\nsample "));
	buffer_release(&out);
	profile_free(profile);
}

/* Strings of the format are UTF-8, and every name is told from every other. */
Test(pprof, hostile_names_are_names)
{
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	struct buffer out, want;
	const char *at;
	int samples = 0;

	read_back(profile, &options, "", &out);
	for (at = out.bytes; (at = strstr(at, "\nsample 1 1000000 ")); at++)
		samples++;
	cr_expect_eq(samples, EXCHANGE_HOSTILE_FUNCTIONS);
	for (int i = 0; i < EXCHANGE_HOSTILE_NAMES; i++) {
		const char *name = EXCHANGE_HOSTILE[i];

		buffer_init(&want);
		buffer_string(&want, "\n    ");
		text_append_safe(&want, *name ? name : "?", *name ? strlen(name) : 1);
		buffer_string(&want, " (");
		cr_expect_not_null(strstr(out.bytes, want.bytes), "%s in %s", want.bytes,
				   out.bytes);
		buffer_release(&want);
	}
	buffer_release(&out);
	profile_free(profile);
}

/* A function, a place and a sample of 1 ns each, many times what is compressed at once. */
static struct profile *many_functions_new(uint32_t count)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	uint32_t process = profile_add_process(profile, 1, 100);
	uint32_t thread = profile_add_thread(profile, process, 100);
	char name[64];

	for (uint32_t i = 0; i < count; i++) {
		struct profile_function function = { .line = 1, .kind = FRAME_PYTHON };
		uint32_t frame;

		snprintf(name, sizeof(name), "package_%u.Class%u.method_%u", i % 7, i / 20, i);
		function.name = profile_string(profile, name);
		frame = profile_add_frame(profile, profile_add_function(profile, &function), 2);
		cr_assert_eq(profile_add_sample(profile, thread,
						profile_add_stack(profile, 0, frame), 1, 1),
			     0);
	}
	return profile;
}

Test(pprof, large_profiles_are_whole)
{
	struct profile *profile = many_functions_new(20000);
	struct render_options options = sample_options();
	struct buffer out;

	read_back(profile, &options, "sums", &out);
	cr_assert_not_null(out.bytes);
	cr_expect_str_eq(out.bytes, "20000 samples, 20000 functions, 20000 places 20000 20000\n");
	buffer_release(&out);
	profile_free(profile);
}

Test(pprof, the_same_profile_gives_the_same_bytes)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer one, other;

	sample_render("pprof", profile, &options, &one);
	sample_render("pprof", profile, &options, &other);
	cr_assert_eq(one.length, other.length);
	cr_expect_eq(memcmp(one.bytes, other.bytes, one.length), 0);
	buffer_release(&one);
	buffer_release(&other);
	profile_free(profile);
}
