// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks of programs whose stacks are known: by how their source calls, and by following every call
 * and return of a running one.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "native_target.h"

static const char *const COMPILERS[] = {
	"gcc -O0",
	"gcc -O2 -fomit-frame-pointer",
	"gcc -O2 -fno-omit-frame-pointer",
	"gcc -O3 -march=x86-64-v3 -no-pie",
	"gcc -O2 -static",
	/* No .eh_frame for its functions, only .debug_frame. */
	"gcc -O2 -g -fno-asynchronous-unwind-tables -fno-unwind-tables",
	/* No table to search .eh_frame by. */
	"gcc -O2 -Wl,--no-eh-frame-hdr",
	"gcc -O2 -fcf-protection=full",
	"clang -O2",
};

enum { COMPILER_COUNT = sizeof(COMPILERS) / sizeof(COMPILERS[0]) };

static const char *const FRAMES[] = { "leaf",		"many_registers", "big_frame",
				      "variable_frame", "aligned_frame",  "run_frames" };
enum { FRAME_COUNT = sizeof(FRAMES) / sizeof(FRAMES[0]) };

struct fixture {
	struct target target;
	struct native_resolver *resolver;
	struct target_sample sample;
	struct target_backtrace backtrace;
};

static void fixture_start(struct fixture *fixture, const char *compiler, const char *mode)
{
	char path[64];
	const char *argv[] = { path, mode, NULL };

	target_build(compiler, "chain.c", path, sizeof(path));
	target_start(&fixture->target, argv);
	unlink(path); /* it is deleted, as upgraded programs are */
	fixture->resolver = native_resolver_new();
	cr_assert_not_null(fixture->resolver);
	target_sample(&fixture->target, &fixture->sample);
	target_unwind(fixture->resolver, &fixture->target, &fixture->sample, &fixture->backtrace);
}

static void fixture_end(struct fixture *fixture)
{
	native_resolver_free(fixture->resolver);
	target_kill(&fixture->target);
}

static const char *name_at(struct fixture *fixture, size_t index)
{
	return target_name(fixture->resolver, &fixture->target, &fixture->backtrace, index);
}

static void expect_names(struct fixture *fixture, const char *what, size_t first,
			 const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_str_eq(name_at(fixture, first + i), names[i], "%s: frame %zu is %s", what,
				 first + i, name_at(fixture, first + i));
}

ParameterizedTestParameters(native_unwind, chain_of_calls)
{
	static int numbers[COMPILER_COUNT];

	for (int i = 0; i < COMPILER_COUNT; i++)
		numbers[i] = i;
	return cr_make_param_array(int, numbers, COMPILER_COUNT);
}

ParameterizedTest(int *number, native_unwind, chain_of_calls)
{
	const char *compiler = COMPILERS[*number];
	struct fixture fixture;
	const struct target_backtrace *backtrace = &fixture.backtrace;

	fixture_start(&fixture, compiler, "frames");
	expect_names(&fixture, compiler, 0, FRAMES, FRAME_COUNT);
	cr_expect_str_eq(name_at(&fixture, FRAME_COUNT), "main", "%s", compiler);
	cr_expect_str_eq(name_at(&fixture, backtrace->count - 1), "_start", "%s", compiler);
	cr_expect(backtrace->complete, "%s", compiler);
	fixture_end(&fixture);
}

Test(native_unwind, a_thread_ends_where_it_was_made)
{
	struct fixture fixture;

	fixture_start(&fixture, "gcc -O2", "thread");
	expect_names(&fixture, "thread", 0, FRAMES, FRAME_COUNT);
	cr_expect_str_eq(name_at(&fixture, FRAME_COUNT), "thread_main");
	cr_expect_leq(fixture.backtrace.count, (size_t)FRAME_COUNT + 3);
	cr_expect(fixture.backtrace.complete);
	fixture_end(&fixture);
}

Test(native_unwind, deep_recursion)
{
	struct fixture fixture;

	fixture_start(&fixture, "gcc -O1 -fno-optimize-sibling-calls", "deep");
	cr_expect_str_eq(name_at(&fixture, 0), "leaf");
	for (size_t i = 1; i <= 101; i++)
		cr_expect_str_eq(name_at(&fixture, i), "recurse", "frame %zu", i);
	cr_expect_str_eq(name_at(&fixture, 102), "run_deep");
	cr_expect(fixture.backtrace.complete);
	fixture_end(&fixture);
}

/* What lies between the handler and what it interrupted, and how deep raise() is, is libc's. */
Test(native_unwind, a_signal_handler_is_called_by_what_it_interrupted)
{
	struct fixture fixture;
	size_t at = 2;

	fixture_start(&fixture, "gcc -O2", "signal");
	expect_names(&fixture, "signal", 0, (const char *const[]){ "leaf", "handler" }, 2);
	while (at < 8 && strcmp(name_at(&fixture, at), "run_signal") != 0)
		at++;
	expect_names(&fixture, "signal", at, (const char *const[]){ "run_signal", "main" }, 2);
	cr_expect(fixture.backtrace.complete);
	fixture_end(&fixture);
}

Test(native_unwind, a_signal_at_a_functions_first_instruction)
{
	struct native_symbol symbol;
	struct fixture fixture;

	fixture_start(&fixture, "gcc -O2", "ill");
	expect_names(&fixture, "ill", 0, (const char *const[]){ "leaf", "handler" }, 2);
	/* Not a return address: its symbol is looked up as it is. */
	cr_assert_eq(native_symbol_of(fixture.resolver, fixture.target.pid,
				      fixture.backtrace.ips[3], &symbol),
		     0);
	cr_expect_str_eq(symbol.name, "faulty");
	expect_names(&fixture, "ill", 4, (const char *const[]){ "run_ill", "main" }, 2);
	cr_expect(fixture.backtrace.complete);
	fixture_end(&fixture);
}

/* However little of the stack was copied: what is given is true, and does not claim to be all. */
Test(native_unwind, a_cut_stack_gives_its_inner_part)
{
	struct target_backtrace cut;
	struct fixture fixture;
	size_t most = 0;

	fixture_start(&fixture, "gcc -O2", "frames");
	for (size_t bytes = 0; bytes < 4200; bytes += 8) {
		fixture.sample.stack_bytes = bytes;
		target_unwind(fixture.resolver, &fixture.target, &fixture.sample, &cut);
		cr_assert_leq(cut.count, fixture.backtrace.count);
		cr_assert_eq(cut.complete, cut.count == fixture.backtrace.count, "%zu bytes",
			     bytes);
		cr_assert_eq(memcmp(cut.ips, fixture.backtrace.ips, cut.count * sizeof(cut.ips[0])),
			     0, "%zu bytes", bytes);
		cr_assert_geq(cut.count, most);
		most = cut.count;
	}
	cr_expect_geq(most, (size_t)FRAME_COUNT);
	fixture_end(&fixture);
}

/* Return addresses on a stack full of rubbish must not make up frames, nor keep us busy. */
Test(native_unwind, an_overwritten_stack_makes_up_nothing)
{
	struct target_backtrace torn;
	struct fixture fixture;
	uint64_t code;

	fixture_start(&fixture, "gcc -O2", "frames");
	/* An address of code that no call precedes: the start of a function. */
	code = fixture.backtrace.ips[0] - 1;
	for (size_t i = 0; i + 8 <= fixture.sample.stack_bytes; i += 8)
		memcpy(fixture.sample.stack + i, &code, 8);
	target_unwind(fixture.resolver, &fixture.target, &fixture.sample, &torn);
	cr_expect_eq(torn.count, 1u);
	cr_expect_not(torn.complete);
	memset(fixture.sample.stack, 0xa5, sizeof(fixture.sample.stack));
	target_unwind(fixture.resolver, &fixture.target, &fixture.sample, &torn);
	cr_expect_eq(torn.count, 1u);
	cr_expect_not(torn.complete);
	fixture_end(&fixture);
}

Test(native_unwind, a_dead_process_is_still_known)
{
	struct target_backtrace after;
	struct fixture fixture;

	fixture_start(&fixture, "gcc -O2", "frames");
	target_kill(&fixture.target);
	target_unwind(fixture.resolver, &fixture.target, &fixture.sample, &after);
	cr_expect_eq(after.count, fixture.backtrace.count);
	cr_expect(after.complete);
	expect_names(&fixture, "dead", 0, FRAMES, FRAME_COUNT);
	native_resolver_forget(fixture.resolver, fixture.target.pid);
	cr_expect_eq(native_unwind(fixture.resolver, fixture.target.pid, &fixture.sample.registers,
				   fixture.sample.stack, fixture.sample.stack_bytes, after.ips,
				   TARGET_FRAMES, &after.count, &after.complete),
		     -ESRCH);
	native_resolver_free(fixture.resolver);
}

/* ---- every instruction ---- */

/* Return addresses as calls push and returns pop them, outermost first. */
struct shadow {
	uint64_t returns[TARGET_FRAMES];
	size_t count;
};

static bool is_return(const uint8_t *code)
{
	if (code[0] == 0xf2 || code[0] == 0xf3)
		code++;
	return code[0] == 0xc3 || code[0] == 0xc2;
}

/* What one instruction at `before` did to the stack of calls. */
static void shadow_step(struct shadow *shadow, const struct target_sample *before,
			const uint8_t *code, const struct target_sample *after)
{
	uint64_t pushed, ip = before->registers.ip;

	memcpy(&pushed, after->stack, sizeof(pushed));
	if (is_return(code)) {
		cr_assert_gt(shadow->count, 0u);
		cr_assert_eq(shadow->returns[--shadow->count], after->registers.ip);
	} else if (after->registers.sp == before->registers.sp - 8 && pushed > ip &&
		   pushed <= ip + 8 && after->registers.ip != pushed) {
		cr_assert_lt(shadow->count, (size_t)TARGET_FRAMES);
		shadow->returns[shadow->count++] = pushed;
	}
}

static void expect_shadow(struct fixture *fixture, const struct shadow *shadow, size_t step)
{
	const struct target_backtrace *backtrace = &fixture->backtrace;

	cr_assert_eq(backtrace->count, shadow->count + 1,
		     "step %zu, at %#lx in %s: %zu frames, not %zu", step, backtrace->ips[0],
		     name_at(fixture, 0), backtrace->count, shadow->count + 1);
	cr_assert(backtrace->complete);
	for (size_t i = 0; i < shadow->count; i++)
		cr_assert_eq(backtrace->ips[i + 1], shadow->returns[shadow->count - 1 - i],
			     "step %zu, frame %zu", step, i + 1);
}

static const char *const STEPPED[] = {
	"gcc -O2 -Wl,-z,lazy",
	"gcc -O2 -Wl,-z,lazy -fcf-protection=full -Wl,-z,ibtplt",
	"gcc -O2 -static",
	"clang -O1 -Wl,-z,lazy",
};

ParameterizedTestParameters(native_unwind, every_instruction)
{
	static int numbers[] = { 0, 1, 2, 3 };

	return cr_make_param_array(int, numbers, 4);
}

ParameterizedTest(int *number, native_unwind, every_instruction, .timeout = 120)
{
	enum { STEPS_MAX = 100000 };
	struct target_sample before;
	struct shadow shadow = { .count = 0 };
	struct fixture fixture;
	uint8_t code[16];
	size_t steps = 0;

	fixture_start(&fixture, STEPPED[*number], "library");
	expect_names(&fixture, "start", 0, (const char *const[]){ "run_library", "main" }, 2);
	for (size_t i = fixture.backtrace.count; i-- > 1;)
		shadow.returns[shadow.count++] = fixture.backtrace.ips[i];
	for (; steps < STEPS_MAX; steps++) {
		before = fixture.sample;
		target_read(&fixture.target, before.registers.ip, code, sizeof(code));
		if (code[0] == 0xcc)
			break;
		cr_assert(target_step(&fixture.target));
		target_sample(&fixture.target, &fixture.sample);
		shadow_step(&shadow, &before, code, &fixture.sample);
		target_unwind(fixture.resolver, &fixture.target, &fixture.sample,
			      &fixture.backtrace);
		expect_shadow(&fixture, &shadow, steps);
	}
	cr_expect_gt(steps, 1000u);
	cr_expect_lt(steps, (size_t)STEPS_MAX);
	fixture_end(&fixture);
}
