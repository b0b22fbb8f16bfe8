// SPDX-License-Identifier: GPL-2.0-only
/* The table, against goldens added up by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/text.h"
#include "sample.h"

static void expect_table(const char *golden, const struct render_options *options)
{
	struct profile *profile = sample_new();
	struct buffer out;

	sample_render("table", profile, options, &out);
	sample_expect_golden(golden, &out);
	buffer_release(&out);
	profile_free(profile);
}

Test(table, rolls_up_by_whatever_is_asked)
{
	static const struct {
		enum rollup_by by;
		const char *golden;
	} CASES[] = {
		{ ROLLUP_CLASS, "table_class.txt" },	 { ROLLUP_MODULE, "table_module.txt" },
		{ ROLLUP_LINE, "table_line.txt" },	 { ROLLUP_THREAD, "table_thread.txt" },
		{ ROLLUP_PROCESS, "table_process.txt" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct render_options options = sample_options();

		options.by = CASES[i].by;
		expect_table(CASES[i].golden, &options);
	}
}

Test(table, says_how_many_rows_the_limit_hides)
{
	struct render_options options = sample_options();

	options.limit = 4;
	expect_table("table_function.txt", &options);
}

Test(table, splits_rows_by_thread)
{
	struct render_options options = sample_options();

	options.split_threads = true;
	expect_table("table_split.txt", &options);
}

/* The five hottest lines under four functions; the errors are Wilson's, worked out in Python. */
Test(table, lines_stand_under_their_function_with_their_error)
{
	struct render_options options = sample_options();

	options.by_lines = true;
	options.limit = 5;
	expect_table("table_by_lines.txt", &options);
}

/* Everything but the closing lines, which are never cut. */
static void expect_no_wider(const struct buffer *out, size_t columns)
{
	char *copy = strdup(out->bytes), *state = NULL;

	for (char *line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		if (!strncmp(line, "cost: ", 6))
			break;
		cr_expect_leq(text_width(line), columns, "%zu columns: %s", text_width(line), line);
	}
	free(copy);
}

Test(table, long_and_wide_names_fit_the_columns)
{
	static const uint32_t WIDTHS[] = { 60, 80, 132 };
	struct profile *profile = sample_new();

	profile->functions[2].name =
		profile_string(profile, "a_function_with_a_name_that_goes_on_and_on_and_on."
					"<locals>.and_on_beyond_all_reason");
	profile->functions[3].name = profile_string(
		profile,
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe9\x96\xa2\xe6\x95\xb0"
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe9\x96\xa2\xe6\x95\xb0"
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe9\x96\xa2\xe6\x95\xb0");
	profile->functions[4].file = profile_string(
		profile, "/opt/x/a-native-library-of-a-very-long-name-indeed-3.14.159.so.2.7.18");
	for (enum rollup_by by = ROLLUP_FUNCTION; by <= ROLLUP_PROCESS; by++) {
		for (size_t i = 0; i < sizeof(WIDTHS) / sizeof(WIDTHS[0]); i++) {
			struct render_options options = sample_options();
			struct buffer out;

			options.by = by;
			options.columns = WIDTHS[i];
			sample_render("table", profile, &options, &out);
			expect_no_wider(&out, WIDTHS[i]);
			buffer_release(&out);
		}
	}
	profile_free(profile);
}

Test(table, colours_only_when_asked_and_never_from_names)
{
	struct profile *profile = sample_hostile_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("table", profile, &options, &out);
	cr_expect_null(strchr(out.bytes, '\x1b'));
	cr_expect_not_null(strstr(out.bytes, "\\x1b[31m"));
	buffer_release(&out);
	options.color = true;
	sample_render("table", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "\x1b[1m"));
	cr_expect_null(strstr(out.bytes, "\x1b[31m;a;b"));
	buffer_release(&out);
	profile_free(profile);
}

static void expect_text(struct profile *profile, const struct render_options *options,
			const char *text, bool there)
{
	struct buffer out;

	sample_render("table", profile, options, &out);
	cr_expect_eq(strstr(out.bytes, text) != NULL, there, "%s in:\n%s", text, out.bytes);
	buffer_release(&out);
}

Test(table, says_when_samples_and_scheduler_disagree)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	const char *glob = "*";

	expect_text(profile, &options, "note: ", false);
	profile->processes[0].cpu_ns = 1250000000;
	expect_text(profile, &options, "sampled 1.00 s of 1.25 s CPU", true);
	expect_text(profile, &options,
		    "note: the samples stand for 1.00 s where the scheduler counted 1.25 s of CPU: "
		    "20 % was not sampled\n",
		    true);
	profile->processes[0].cpu_ns = 800000000;
	expect_text(profile, &options, "25 % too much\n", true);
	/* Filtered samples are fewer, and nothing is wrong with that. */
	options.globs = &glob;
	options.glob_count = 1;
	expect_text(profile, &options, "note: ", false);
	expect_text(profile, &options, "only stacks with *\n", true);
	profile_free(profile);
}

Test(table, without_samples_says_so)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct render_options options = sample_options();

	profile->period_ns = 10000000;
	profile->duration_ns = 2000000000;
	expect_text(profile, &options, "no samples: 0 of CPU was used while we watched\n", true);
	expect_text(profile, &options,
		    "cost: 0 % of the target, 0 % of a core for pybpfprof \xc2\xb7 0 lost \xc2\xb7 "
		    "0 unresolved\n",
		    true);
	profile_free(profile);
}

Test(table, names_at_most_a_few_processes)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();

	for (uint32_t i = 2; i <= 7; i++)
		profile_add_process(profile, i, 1000 + i);
	expect_text(profile, &options, "pid 1003\n", true);
	expect_text(profile, &options, "pid 1004\n", false);
	expect_text(profile, &options, "4 more processes: --by process shows all\n", true);
	expect_text(profile, &options, "1.3 % of the targets, ", true);
	profile_free(profile);
}
