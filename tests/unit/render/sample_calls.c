// SPDX-License-Identifier: GPL-2.0-only
/* The exact calls that the tests of formats for other tools share. */
#include "sample_calls.h"

#include <criterion/criterion.h>

enum { MS = 1000000 };

const char *const EXCHANGE_HOSTILE[EXCHANGE_HOSTILE_NAMES] = {
	"</script><script>document.title='pwned'</script>",
	"<<b>bold</b>>",
	"\x1b[31m;a;b\n\xff\xfe \xe2\x80\xae 12",
	"\xe2\x80\xa8'\"`${x}\\u003c-->",
	"(3) x",
	"(7)",
	"",
	"   ",
	"events: Ir",
	"calls=3 4\n1 2 3",
	"fn=(1)",
	"???",
	"\\",
	"\"];\n}\ndigraph x {",
	"&lt;&amp;\\N\\G\\l",
	"caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97",
};

static uint32_t exchange_function(struct profile *profile, const char *name, const char *class_name,
				  const char *module, const char *file, int32_t line)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.class_name = profile_string(profile, class_name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = FRAME_PYTHON,
	};

	return profile_add_function(profile, &function);
}

static struct profile *exchange_profile(const char *command)
{
	struct profile *profile = profile_new("callgraph", UNIT_NS);
	uint32_t process = profile_add_process(profile, 1, 100);

	profile->calls = calls_new();
	cr_assert_not_null(profile->calls);
	profile->duration_ns = 1000 * (uint64_t)MS;
	profile->processes[process].command = profile_string(profile, command);
	profile->processes[process].python = profile_string(profile, "3.11.2");
	profile->processes[process].probes = profile_string(profile, "dispatch");
	profile->processes[process].cpu_ns = 120 * (uint64_t)MS;
	return profile;
}

static uint32_t exchange_thread(struct profile *profile, uint32_t tid, const char *name)
{
	uint32_t thread = profile_add_thread(profile, 0, tid);

	profile->threads[thread].name = profile_string(profile, name);
	return thread;
}

/* Calls `function` under `parent`; its time goes to everything above it as well. */
static uint32_t exchange_call(struct profile *profile, uint32_t parent, uint32_t function,
			      uint64_t calls, uint64_t self_ms, uint64_t cpu_ms)
{
	uint32_t node = calls_child(profile->calls, parent, function);
	struct call_node *nodes = profile->calls->nodes;

	cr_assert_lt(node, profile->calls->node_count);
	nodes[node].times.calls += calls;
	nodes[node].times.self_ns += self_ms * MS;
	nodes[node].times.cpu_self_ns += cpu_ms * MS;
	for (uint32_t at = node; at; at = nodes[at].parent) {
		nodes[at].times.total_ns += self_ms * MS;
		nodes[at].times.cpu_total_ns += cpu_ms * MS;
	}
	return node;
}

static struct profile *exchange_finish(struct profile *profile)
{
	cr_assert_eq(calls_finish(profile->calls, profile->function_count), 0);
	cr_assert_eq(calls_to_stacks(profile->calls, profile), 0);
	return profile;
}

struct profile *exchange_calls_new(void)
{
	struct profile *profile = exchange_profile("python3 app.py");
	uint32_t main_thread = exchange_thread(profile, 100, "python3");
	uint32_t worker = exchange_thread(profile, 101, "worker");
	const char *jobs = "/srv/app/jobs.py";
	uint32_t module =
		exchange_function(profile, "<module>", NULL, "__main__", "/srv/app/app.py", 1);
	uint32_t fib = exchange_function(profile, "fib", NULL, "app.jobs", jobs, 20);
	uint32_t even = exchange_function(profile, "even", NULL, "app.jobs", jobs, 30);
	uint32_t odd = exchange_function(profile, "odd", NULL, "app.jobs", jobs, 40);
	uint32_t run = exchange_function(profile, "Worker.run", "Worker", "app.jobs", jobs, 10);
	uint32_t root = calls_root(profile->calls, main_thread), node;

	root = exchange_call(profile, root, module, 1, 10, 9);
	node = exchange_call(profile, root, fib, 1, 20, 20);
	node = exchange_call(profile, node, fib, 2, 30, 30);
	exchange_call(profile, node, fib, 4, 40, 40);
	node = exchange_call(profile, root, even, 2, 5, 5);
	node = exchange_call(profile, node, odd, 2, 6, 6);
	exchange_call(profile, node, even, 2, 7, 7);
	node = exchange_call(profile, calls_root(profile->calls, worker), run, 0, 100, 1);
	profile->calls->nodes[node].running = true;
	profile->calls->nodes[node].running_count = 1;
	exchange_call(profile, node, fib, 1, 2, 2);
	return exchange_finish(profile);
}

struct profile *exchange_hostile_new(void)
{
	struct profile *profile = exchange_profile("python3 -c 'events: Ir'\n\x1b[31m\xff");
	uint32_t root = calls_root(profile->calls, exchange_thread(profile, 100, "events: Ir\n"));
	uint32_t functions[EXCHANGE_HOSTILE_FUNCTIONS];

	for (int i = 0; i < EXCHANGE_HOSTILE_NAMES; i++)
		functions[i] = exchange_function(profile, EXCHANGE_HOSTILE[i], EXCHANGE_HOSTILE[i],
						 EXCHANGE_HOSTILE[i], EXCHANGE_HOSTILE[i], i);
	for (int i = 0; i < 3; i++)
		functions[EXCHANGE_HOSTILE_NAMES + i] =
			exchange_function(profile, "<lambda>", i == 2 ? "Other" : NULL, "app",
					  "/srv/app.py", i ? 2 : 1);
	for (int i = 0; i < 2; i++)
		functions[EXCHANGE_HOSTILE_NAMES + 3 + i] =
			exchange_function(profile, "main", NULL, i ? "one.cli" : "two.cli",
					  i ? "/srv/one/cli.py" : "/srv/two/cli.py", 7);
	for (int i = 0; i < EXCHANGE_HOSTILE_FUNCTIONS; i++)
		exchange_call(profile, root, functions[i], 1, 1, 1);
	return exchange_finish(profile);
}
