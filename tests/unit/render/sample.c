// SPDX-License-Identifier: GPL-2.0-only
/* The profiles that the tests of renderers share. */
#include "sample.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

enum { PERIOD_NS = 10000000 };

const char *const SAMPLE_HOSTILE_NAMES[4] = {
	"</script><script>document.title='pwned'</script>",
	"<img src=x onerror=\"document.title='pwned'\">&amp;",
	"\x1b[31m;a;b\n\xff\xfe \xe2\x80\xae 12",
	"\xe2\x80\xa8'\"`${document.title='pwned'}\\u003c-->",
};

static uint32_t add_function(struct profile *profile, const char *name, const char *class_name,
			     const char *module, const char *file, int32_t line,
			     enum frame_kind kind)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.class_name = profile_string(profile, class_name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = kind,
	};

	return profile_add_function(profile, &function);
}

static uint32_t push(struct profile *profile, uint32_t stack, uint32_t function, int32_t line)
{
	return profile_add_stack(profile, stack, profile_add_frame(profile, function, line));
}

static void add_samples(struct profile *profile, uint32_t thread, uint32_t stack, uint64_t samples)
{
	cr_assert_eq(profile_add_sample(profile, thread, stack, samples, samples * PERIOD_NS), 0);
}

static struct profile *new_profile(const char *command)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	uint32_t process = profile_add_process(profile, 1, 100);

	profile->period_ns = PERIOD_NS;
	profile->duration_ns = 10000000000;
	profile->estimate = true;
	profile->processes[process].command = profile_string(profile, command);
	profile->processes[process].python = profile_string(profile, "3.11.2");
	profile->processes[process].probes = profile_string(profile, "sample");
	return profile;
}

static uint32_t add_thread(struct profile *profile, uint32_t tid, const char *name, uint64_t cpu_ns)
{
	uint32_t thread = profile_add_thread(profile, 0, tid);

	profile->threads[thread].name = profile_string(profile, name);
	profile->threads[thread].cpu_ns = cpu_ns;
	profile->threads[thread].wall_ns = 10000000000;
	profile->processes[0].cpu_ns += cpu_ns;
	return thread;
}

struct profile *sample_new(void)
{
	struct profile *profile = new_profile("python3 app.py");
	uint32_t main_thread = add_thread(profile, 100, "python3", 800000000);
	uint32_t worker = add_thread(profile, 101, "worker", 200000000);
	uint32_t module = add_function(profile, "<module>", NULL, "__main__", "/srv/app/app.py", 1,
				       FRAME_PYTHON);
	uint32_t run = add_function(profile, "Worker.run", "Worker", "app.jobs", "/srv/app/jobs.py",
				    10, FRAME_PYTHON);
	uint32_t fib = add_function(profile, "fib", NULL, "app.jobs", "/srv/app/jobs.py", 20,
				    FRAME_PYTHON);
	uint32_t dumps = add_function(profile, "dumps", NULL, "json",
				      "/usr/lib/python3.11/json/__init__.py", 183, FRAME_PYTHON);
	uint32_t write = add_function(profile, "write", NULL, "libc.so.6",
				      "/usr/lib/x86_64-linux-gnu/libc.so.6", 0, FRAME_NATIVE);
	uint32_t kernel = add_function(profile, "vfs_write", NULL, NULL, NULL, 0, FRAME_KERNEL);
	uint32_t stack;

	stack = push(profile, 0, module, 30);
	add_samples(profile, main_thread, push(profile, stack, run, 12), 10);
	stack = push(profile, push(profile, stack, run, 13), fib, 21);
	add_samples(profile, main_thread, push(profile, stack, fib, 22), 60);
	add_samples(profile, main_thread, stack, 10);
	stack = push(profile, push(profile, 0, run, 14), dumps, 238);
	add_samples(profile, worker, push(profile, push(profile, stack, write, 0), kernel, 0), 15);
	add_samples(profile, worker, stack, 4);
	add_samples(profile, worker, 0, 1);
	profile->lost[DROP_RING_FULL] = 2;
	profile->partial[DROP_STACK_CUT] = 1;
	profile->unresolved = 3;
	profile->cost = (struct profile_cost){
		.hits = 100,
		.target_ns = 13000000,
		.profiler_cpu_ns = 40000000,
	};
	return profile;
}

struct profile *sample_hostile_new(void)
{
	struct profile *profile = new_profile(SAMPLE_HOSTILE_NAMES[0]);
	uint32_t thread = add_thread(profile, 100, SAMPLE_HOSTILE_NAMES[1], 400000000);

	for (int i = 0; i < 4; i++) {
		const char *name = SAMPLE_HOSTILE_NAMES[i];
		uint32_t function = add_function(profile, name, name, name, name, i, FRAME_PYTHON);

		add_samples(profile, thread, push(profile, 0, function, i), 10);
	}
	return profile;
}

struct profile *sample_large_new(void)
{
	enum { FUNCTIONS = 10000, STACKS = 100000, DEPTH = 40 };
	struct profile *profile = new_profile("python3 large.py");
	uint32_t thread = add_thread(profile, 100, "python3", 1000000000000);
	uint32_t functions[FUNCTIONS];
	char name[64], file[64];

	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "Class%u.method_%u", i / 20, i);
		snprintf(file, sizeof(file), "/srv/package_%u/module_%u.py", i % 4, i / 50);
		functions[i] =
			add_function(profile, name, NULL, NULL, file, i % 1000 + 1, FRAME_PYTHON);
	}
	for (uint32_t i = 0; i < STACKS; i++) {
		/* The root is one of four functions, what follows spreads the wider the deeper. */
		uint32_t stack = push(profile, 0, functions[i % 10 < 7 ? 0 : i % 10 - 6], 1);
		uint32_t deepest = 2 + i / 10 % DEPTH;

		for (uint32_t depth = 2; depth < deepest; depth++)
			stack = push(profile, stack,
				     functions[(depth * 97 + i % (depth * 3)) % FUNCTIONS], depth);
		add_samples(profile, thread,
			    push(profile, stack, functions[i / 10], (int32_t)(i % 10) + 1), 1);
	}
	return profile;
}

struct render_options sample_options(void)
{
	return (struct render_options){
		.by = ROLLUP_FUNCTION,
		.sort = ROLLUP_SORT_SELF,
		.call_sort = CALL_SORT_SELF,
		.limit = 20,
		.version = "1.2.3",
		.title = "pybpfprof -p 100",
	};
}

void sample_render(const char *format, const struct profile *profile,
		   const struct render_options *options, struct buffer *out)
{
	char *bytes = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&bytes, &length);

	cr_assert_eq(renderer_find(format)->render(profile, options, stream), 0);
	fclose(stream);
	buffer_init(out);
	buffer_append(out, bytes, length);
	free(bytes);
}

void sample_expect_golden(const char *name, const struct buffer *got)
{
	struct buffer path, want;

	buffer_init(&path);
	buffer_init(&want);
	buffer_printf(&path, "tests/golden/%s", name);
	cr_assert_eq(fs_read(path.bytes, 1 << 20, &want), 0, "%s: run from the project's root",
		     path.bytes);
	cr_expect_str_eq(got->bytes, want.bytes, "%s:\n%s", name, got->bytes);
	buffer_release(&path);
	buffer_release(&want);
}
