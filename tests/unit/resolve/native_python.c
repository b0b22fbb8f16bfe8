// SPDX-License-Identifier: GPL-2.0-only
/*
 * Native stacks of Pythons. How often the evaluation loop is on them is known from the script: from
 * 3.11 on Python calls Python without C, so it is there once for the module and once more for each
 * call that goes through a C function.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native_target.h"

#define PYTHON "/usr/bin/python3.11"

/* At the innermost, `depth` calls of sorted() are on the stack, and plain calls between them. */
static const char NESTED[] = "import os, signal\n"
			     "def plain(n, depth):\n"
			     "    if n: return plain(n - 1, depth)\n"
			     "    if depth: return sorted([1], key=lambda x: plain(3, depth - 1))\n"
			     "    os.kill(os.getpid(), signal.SIGTRAP)\n"
			     "plain(2, %d)\n";

static size_t eval_count(struct native_resolver *resolver, const struct target *target,
			 const struct target_backtrace *backtrace)
{
	struct native_symbol symbol;
	size_t count = 0;

	for (size_t i = 0; i < backtrace->count; i++) {
		if (native_symbol_of(resolver, target->pid, backtrace->ips[i] - (i > 0), &symbol) ==
		    0)
			count += symbol.is_eval;
	}
	return count;
}

Test(native_python, each_call_through_c_is_one_more_evaluation_loop)
{
	for (int depth = 0; depth < 6; depth++) {
		struct native_resolver *resolver = native_resolver_new();
		struct target_backtrace backtrace;
		struct target_sample sample;
		struct target target;
		char script[512];

		snprintf(script, sizeof(script), NESTED, depth);
		target_start(&target, (const char *[]){ PYTHON, "-c", script, NULL });
		target_sample(&target, &sample);
		target_unwind(resolver, &target, &sample, &backtrace);
		cr_expect(backtrace.complete, "depth %d", depth);
		cr_expect_eq(eval_count(resolver, &target, &backtrace), (size_t)depth + 1,
			     "depth %d", depth);
		native_resolver_free(resolver);
		target_kill(&target);
	}
}

/* A loop that uses much of the interpreter: C functions called by Python, and the other way. */
static const char BUSY[] =
	"import os, re, signal, json, collections\n"
	"os.kill(os.getpid(), signal.SIGTRAP)\n"
	"while True:\n"
	"    try:\n"
	"        re.sub('a', lambda m: json.dumps({'a': [1.5, None]}), 'banana')\n"
	"        collections.Counter(map(str, range(50))).most_common(3)\n"
	"        sorted(range(50), key=lambda x: -x ** 2 % 7)\n"
	"        {}[0]\n"
	"    except KeyError as error:\n"
	"        f'{error!r:>10}'\n";

/*
 * Wherever it is interrupted. Single steps, a prime number of them between two looks, reach places
 * that a timer rarely hits: prologues, epilogues, linkage, the loop's unlikely parts.
 */
Test(native_python, every_stack_is_whole, .timeout = 120)
{
	enum { LOOKS = 3000, STEPS = 7 };
	struct native_resolver *resolver = native_resolver_new();
	struct target_backtrace backtrace;
	struct target_sample sample;
	struct target target;
	size_t incomplete = 0, without_eval = 0;

	target_start(&target, (const char *[]){ PYTHON, "-c", BUSY, NULL });
	for (int i = 0; i < LOOKS * STEPS; i++) {
		cr_assert(target_step(&target));
		if (i % STEPS != 0)
			continue;
		target_sample(&target, &sample);
		target_unwind(resolver, &target, &sample, &backtrace);
		incomplete += !backtrace.complete;
		without_eval += eval_count(resolver, &target, &backtrace) == 0;
		cr_expect(backtrace.complete, "at %#lx in %s", backtrace.ips[0],
			  target_name(resolver, &target, &backtrace, 0));
	}
	cr_expect_eq(incomplete, 0u);
	cr_expect_eq(without_eval, 0u);
	native_resolver_free(resolver);
	target_kill(&target);
}
