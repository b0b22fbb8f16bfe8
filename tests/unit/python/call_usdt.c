// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where CPython's own probes are seen: on code written here, whose labels tell what must be found, and
 * on the interpreters that scripts/test-pythons knows of.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "python/call_plan.h"

#define GUARDS "tests/unit/python/targets/guards.S"

struct made {
	struct python_process process; /* nothing runs: only its file is looked at */
	struct call_plan plan;
	char reason[256];
	int err;
};

static void guards_plan(struct made *made, const char *flags)
{
	char *path = made->process.binary_open, command[1024];

	memset(made, 0, sizeof(*made));
	made->process.verdict = PYTHON_KNOWN;
	made->process.probes = PYTHON_PROBE_USDT_FUNCTION;
	made->process.target.layout.minor = 9;
	snprintf(path, sizeof(made->process.binary_open), "/tmp/pybpfprof-%d-guards", getpid());
	snprintf(command, sizeof(command), "gcc -no-pie -o '%s' %s " GUARDS " 2>/dev/null", path,
		 flags);
	if (system(command) != 0)
		cr_skip_test("cannot assemble " GUARDS);
	made->err = call_plan_make(&made->process, CALL_WAY_USDT, &made->plan, made->reason,
				   sizeof(made->reason));
}

/* The file offset of a label. */
static uint64_t label_offset(const struct made *made, const char *name)
{
	struct elf_symbol symbol = { .name = name };
	struct elf_code_segment segments[8];
	struct elf_section counters;
	uint64_t offset = 0;
	struct elf_file *file;
	int fd = open(made->process.binary_open, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(elf_file_open(fd, &file), 0);
	cr_assert_eq(elf_file_find_symbols(file, ELF_ALL_SYMBOLS, &symbol, 1), 1, "%s", name);
	cr_assert(elf_file_section(file, ".probes", &counters));
	if (symbol.address - counters.address < counters.size)
		offset = symbol.address - counters.address + counters.offset;
	for (size_t i = 0, n = elf_file_code_segments(file, segments, 8); i < n; i++) {
		if (symbol.address - segments[i].address < segments[i].file_bytes)
			offset = symbol.address - segments[i].address + segments[i].offset;
	}
	elf_file_close(file);
	close(fd);
	return offset;
}

struct expected {
	const char *label, *counter;
	enum call_event_kind kind;
};

static void expect_sites(struct made *made, const struct expected *expected, size_t count)
{
	cr_assert_eq(made->err, 0, "%s", made->reason);
	cr_assert_eq(made->plan.site_count, count, "%zu sites", made->plan.site_count);
	for (size_t i = 0; i < count; i++) {
		const struct call_plan_site *site = &made->plan.sites[i];
		bool leaves = expected[i].kind == CALL_LEAVE;

		cr_expect_eq(site->file_offset, label_offset(made, expected[i].label), "%s",
			     expected[i].label);
		cr_expect_eq(site->semaphore_offset,
			     expected[i].counter ? label_offset(made, expected[i].counter) : 0,
			     "%s", expected[i].label);
		cr_expect_eq(site->site.kind, expected[i].kind, "%s", expected[i].label);
		cr_expect_eq(site->site.frame_register, ABI_NO_REGISTER);
		cr_expect_eq(site->site.check_exception, leaves, "%s", expected[i].label);
		cr_expect_eq(site->site.proven, 0);
		cr_expect_str_eq(site->name, leaves ? "function__return" : "function__entry");
	}
}

static const struct expected GUARDS_FOUND[] = {
	{ "entry_hot", NULL, CALL_ENTER },
	{ "entry_copied", NULL, CALL_ENTER },
	{ "return_hot", NULL, CALL_LEAVE },
};
static const struct expected PROBES_FOUND[] = {
	{ "entry_probe", "entry_counter", CALL_ENTER },
	{ "return_probe", "return_counter", CALL_LEAVE },
};

Test(call_usdt, every_guard_is_probed_and_no_counter_needed)
{
	struct made made;

	guards_plan(&made, "");
	expect_sites(&made, GUARDS_FOUND, 3);
	unlink(made.process.binary_open);
}

Test(call_usdt, a_counter_that_is_read_otherwise_has_the_probes_themselves_taken)
{
	struct made made;

	guards_plan(&made, "-DOTHER_USE");
	expect_sites(&made, PROBES_FOUND, 2);
	unlink(made.process.binary_open);
}

Test(call_usdt, notes_that_make_no_sense_are_refused)
{
	static const char *const CASES[] = { "-DTWO_COUNTERS", "-DNO_RETURN",
					     "-DNOT_NOP -DOTHER_USE" };

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct made made;

		guards_plan(&made, CASES[i]);
		cr_expect_eq(made.err, -ENOTSUP, "%s: %d", CASES[i], made.err);
		cr_expect(strstr(made.reason, "odd") != NULL, "%s: %s", CASES[i], made.reason);
		unlink(made.process.binary_open);
	}
}

struct version {
	unsigned int minor;
	uint32_t probes;
	const char *reason; /* part of it */
};

Test(call_usdt, probes_that_do_not_see_every_call_are_refused_by_version)
{
	static const struct version CASES[] = {
		{ 8, PYTHON_PROBE_USDT_GC, "--with-dtrace" },
		{ 11, PYTHON_PROBE_USDT_FUNCTION, "from C" },
		{ 12, PYTHON_PROBE_USDT_GC, "3.12 has no function__entry" },
		{ 14, PYTHON_PROBE_USDT_GC, "3.14 has no function__entry" },
		{ 15, PYTHON_PROBE_USDT_FUNCTION, "generators" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct python_process process = {
			.verdict = PYTHON_KNOWN,
			.probes = CASES[i].probes,
			.target.layout.minor = (uint8_t)CASES[i].minor,
		};
		struct call_plan plan;
		char reason[256] = "";

		cr_expect_eq(call_plan_make(&process, CALL_WAY_USDT, &plan, reason, sizeof(reason)),
			     -ENOTSUP, "3.%u", CASES[i].minor);
		cr_expect(strstr(reason, CASES[i].reason) != NULL, "3.%u: %s", CASES[i].minor,
			  reason);
	}
}

Test(call_usdt, a_file_that_is_gone_is_said_to_be)
{
	struct python_process process = {
		.verdict = PYTHON_KNOWN,
		.probes = PYTHON_PROBE_USDT_FUNCTION,
		.target.layout.minor = 9,
		.binary_open = "/nonexistent/python3.9",
	};
	struct call_plan plan;
	char reason[256] = "";

	cr_expect_eq(call_plan_make(&process, CALL_WAY_USDT, &plan, reason, sizeof(reason)),
		     -ENOENT);
	cr_expect(strstr(reason, "cannot be opened") != NULL, "%s", reason);
}

/* Debian 11's builds have the probes: what the plan probes there is a je or jne in their text. */
Test(call_usdt, the_guards_of_real_interpreters_are_branches)
{
	static const char *const FILES[] = { ".pythons/bullseye/usr/bin/python3.9",
					     ".pythons/bullseye/usr/bin/python3.9d" };
	size_t seen = 0;

	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		struct made made = { 0 };
		size_t entries = 0;
		int fd = open(FILES[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		seen++;
		made.process.verdict = PYTHON_KNOWN;
		made.process.probes = PYTHON_PROBE_USDT_FUNCTION;
		made.process.target.layout.minor = 9;
		snprintf(made.process.binary_open, sizeof(made.process.binary_open), "%s",
			 FILES[i]);
		cr_assert_eq(call_plan_make(&made.process, CALL_WAY_USDT, &made.plan, made.reason,
					    sizeof(made.reason)),
			     0, "%s: %s", FILES[i], made.reason);
		for (size_t j = 0; j < made.plan.site_count; j++) {
			const struct call_plan_site *site = &made.plan.sites[j];
			uint8_t text[2];

			cr_assert_eq(pread(fd, text, 2, (off_t)site->file_offset), 2);
			cr_expect((text[0] & 0xfe) == 0x74 ||
					  (text[0] == 0x0f && (text[1] & 0xfe) == 0x84),
				  "%s: site %zu", FILES[i], j);
			cr_expect_eq(site->semaphore_offset, 0);
			entries += site->site.kind == CALL_ENTER;
		}
		cr_expect_gt(entries, 0);
		cr_expect_lt(entries, made.plan.site_count);
		close(fd);
	}
	if (!seen)
		cr_skip_test("no Python with such probes here");
}
