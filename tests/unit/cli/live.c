// SPDX-License-Identifier: GPL-2.0-only
/* The live line, and what `doctor` is told. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "capture/kernel_check.h"
#include "cli/live.h"

#define SECOND_NS 1000000000ull

static void expect_line(const struct live *live, const struct live_counts *counts,
			const char *expected)
{
	struct buffer line;

	buffer_init(&line);
	live_append(&line, live, counts);
	cr_expect_str_eq(line.bytes, expected, "'%s'", line.bytes);
	buffer_release(&line);
}

Test(live, line_tells_time_rate_losses_and_cost)
{
	const struct live live = { .rate_milli_hz = 198000 };
	const struct live_counts counts = {
		.elapsed_ns = 12345678901ull,
		.duration_ns = 30 * SECOND_NS,
		.samples = 2400,
		.lost = 3,
		.target_cpu_ns = 10 * SECOND_NS,
		.target_cost_ns = SECOND_NS / 500,
		.profiler_cpu_ns = SECOND_NS / 20,
	};

	expect_line(
		&live, &counts,
		"12.3 s of 30.0 s · 198/s · 3 lost · cost 0.02 % of the target, 0.41 % of a core");
}

Test(live, long_times_are_told_in_minutes_and_hours)
{
	const struct live live = { .rate_milli_hz = 1500 };
	struct live_counts counts = { .elapsed_ns = 61 * SECOND_NS };

	expect_line(&live, &counts, "1:01 min · 1.5/s · 0 lost · cost 0 % of a core");
	counts.elapsed_ns = 3725 * SECOND_NS;
	expect_line(&live, &counts, "1:02:05 h · 1.5/s · 0 lost · cost 0 % of a core");
}

Test(live, rate_is_that_of_the_time_since_the_last_line)
{
	struct live live = { .rate_milli_hz = 0 };
	struct live_counts counts = { .elapsed_ns = SECOND_NS, .samples = 100 };

	live_update(&live, &counts);
	cr_expect_eq(live.rate_milli_hz, 100000);
	/* Too early: nothing changes. */
	counts.elapsed_ns += SECOND_NS / 5;
	counts.samples += 1000;
	live_update(&live, &counts);
	cr_expect_eq(live.rate_milli_hz, 100000);
	counts.elapsed_ns += SECOND_NS * 3 / 10;
	live_update(&live, &counts);
	cr_expect_eq(live.rate_milli_hz, 2000000);
}

Test(kernel_check, is_usable_when_nothing_needed_is_missing)
{
	struct kernel_check check;
	char obstacle[2 * KERNEL_CHECK_TEXT_BYTES] = "";
	bool usable = true;

	kernel_check_run(&check);
	cr_assert_gt(check.count, 10);
	for (size_t i = 0; i < check.count; i++) {
		const struct kernel_check_line *line = &check.lines[i];

		if (line->needed && line->state == KERNEL_CHECK_MISSING)
			usable = false;
		cr_expect(line->finding[0], "%s says nothing", line->name);
		cr_expect_null(strchr(line->finding, '\n'));
		cr_expect(line->state == KERNEL_CHECK_OK || line->fix[0] ||
				  strstr(line->finding, "cannot be read"),
			  "%s has no fix", line->name);
		cr_expect_eq(line->state == KERNEL_CHECK_MISSING, line->error < 0, "%s",
			     line->name);
	}
	cr_expect_eq(check.usable, usable);
	if (check.usable)
		cr_expect_eq(kernel_check_fatal(obstacle, sizeof(obstacle)), 0);
}

Test(kernel_check, names_the_obstacle_without_rights)
{
	char obstacle[2 * KERNEL_CHECK_TEXT_BYTES] = "";

	if (geteuid() == 0 && setuid(65534))
		cr_skip_test("cannot give up root");
	cr_expect_lt(kernel_check_fatal(obstacle, sizeof(obstacle)), 0);
	cr_expect(strstr(obstacle, "not root, and without CAP_BPF"), "%s", obstacle);
	cr_expect(strstr(obstacle, "sudo"), "%s", obstacle);
}

Test(kernel_check, exact_calls_are_no_need_of_sampling)
{
	struct kernel_check check;
	const struct kernel_check_line *line = NULL;

	if (geteuid() == 0 && setuid(65534))
		cr_skip_test("cannot give up root");
	kernel_check_run(&check);
	for (size_t i = 0; i < check.count; i++) {
		if (!strcmp(check.lines[i].name, "exact calls"))
			line = &check.lines[i];
	}
	cr_assert_not_null(line);
	cr_expect_not(line->needed);
	cr_expect_eq(line->state, KERNEL_CHECK_DEGRADED);
	cr_expect_str_eq(line->fix, "see rights");
	cr_expect(strstr(line->finding, "--mode time"), "%s", line->finding);
}
