// SPDX-License-Identifier: GPL-2.0-only
/* The tables of exact calls, against goldens added up by hand from sample_timed.h. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sample_timed.h"

static struct profile *mode_new(const char *mode)
{
	struct profile *profile = timed_calls_new();

	profile->mode = profile_string(profile, mode);
	return profile;
}

static void expect_table(const char *golden, const char *mode, const struct render_options *options)
{
	struct profile *profile = mode_new(mode);
	struct buffer out;

	sample_render("table", profile, options, &out);
	sample_expect_golden(golden, &out);
	buffer_release(&out);
	profile_free(profile);
}

static void expect_text(const struct profile *profile, const struct render_options *options,
			const char *text, bool there)
{
	struct buffer out;

	sample_render("table", profile, options, &out);
	cr_expect_eq(strstr(out.bytes, text) != NULL, there, "%s in:\n%s", text, out.bytes);
	buffer_release(&out);
}

Test(table_calls, rolls_up_by_whatever_is_asked)
{
	static const struct {
		enum rollup_by by;
		const char *mode, *golden;
	} CASES[] = {
		{ ROLLUP_FUNCTION, "time", "calls_function.txt" },
		{ ROLLUP_CLASS, "time", "calls_class.txt" },
		{ ROLLUP_MODULE, "callgraph", "calls_module.txt" },
		{ ROLLUP_THREAD, "time", "calls_thread.txt" },
		{ ROLLUP_PROCESS, "time,callgraph", "calls_process.txt" },
		{ ROLLUP_TREE, "time", "calls_tree.txt" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct render_options options = sample_options();

		options.by = CASES[i].by;
		expect_table(CASES[i].golden, CASES[i].mode, &options);
	}
}

/* All quantiles are those of the durations in sample_timed.h, to the middle of their step. */
Test(table_calls, a_wide_terminal_shows_every_column)
{
	struct render_options options = sample_options();

	options.columns = 160;
	expect_table("calls_wide.txt", "time", &options);
}

Test(table_calls, splits_rows_by_thread)
{
	struct render_options options = sample_options();

	options.split_threads = true;
	expect_table("calls_split.txt", "time", &options);
}

Test(table_calls, functions_stand_between_their_callers_and_callees)
{
	struct render_options options = sample_options();

	options.limit = 3;
	expect_table("calls_graph.txt", "callgraph", &options);
}

Test(table_calls, callers_and_callees_are_split_by_thread)
{
	struct render_options options = sample_options();

	options.split_threads = true;
	expect_table("calls_graph_split.txt", "callgraph", &options);
}

Test(table_calls, two_modes_are_two_tables)
{
	struct profile *profile = mode_new("time,callgraph");
	struct render_options options = sample_options();

	expect_text(profile, &options, "  FUNCTION    FILE:LINE\n", true);
	expect_text(profile, &options, "  <- CALLER  -> CALLEE  FILE:LINE\n", true);
	profile->mode = profile_string(profile, "callgraph");
	expect_text(profile, &options, "  FUNCTION    FILE:LINE\n", false);
	profile->mode = profile_string(profile, "time");
	expect_text(profile, &options, "  <- CALLER  -> CALLEE  FILE:LINE\n", false);
	profile_free(profile);
}

Test(table_calls, the_column_sorted_by_is_never_left_out)
{
	static const struct {
		enum call_rollup_sort sort;
		const char *title, *first;
	} CASES[] = {
		{ CALL_SORT_CPU, "  CPU  ", "  92.0 ms  fib " },
		{ CALL_SORT_CPU_TOTAL, "  CPU TOTAL  ", "  117 ms  <module> " },
		{ CALL_SORT_MIN, "  MIN  ", "  6.00 ms  odd " },
		{ CALL_SORT_MAX, "  MAX  ", "  90.0 ms  fib " },
		{ CALL_SORT_MEAN, "  MEAN  ", "  118 ms  <module> " },
		{ CALL_SORT_P50, "  P50  ", "  10.2 ms  fib " },
		{ CALL_SORT_P90, "  P90  ", "  90.0 ms  fib " },
		{ CALL_SORT_P99, "  P99  ", "  90.0 ms  fib " },
		{ CALL_SORT_EXCEPTIONS, "  EXC  ", "  2  odd " },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct profile *profile = mode_new("time");
		struct render_options options = sample_options();

		options.call_sort = CASES[i].sort;
		options.limit = 1;
		options.columns = 50;
		expect_text(profile, &options, CASES[i].title, true);
		expect_text(profile, &options, CASES[i].first, true);
		profile_free(profile);
	}
}

Test(table_calls, a_filter_lists_fewer_and_says_that_all_were_probed)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();
	const char *glob = "app.jobs:[ef]*";

	options.globs = &glob;
	options.glob_count = 1;
	expect_text(
		profile, &options,
		"only functions that match app.jobs:[ef]*\nthe probes fired for every call all the "
		"same\n",
		true);
	expect_text(profile, &options, "  fib ", true);
	expect_text(profile, &options, "  odd ", false);
	/* Still of all the time there is. */
	expect_text(profile, &options, "  41.8  fib ", true);
	glob = "nothing:*";
	expect_text(profile, &options, "no function that was called matches\n", true);
	profile_free(profile);
}

/* What calls a function and what it calls stays: that is what was asked. */
Test(table_calls, a_filtered_graph_keeps_the_neighbours)
{
	struct profile *profile = mode_new("callgraph");
	struct render_options options = sample_options();
	const char *glob = "odd";

	options.globs = &glob;
	options.glob_count = 1;
	expect_text(profile, &options, "  <- even ", true);
	expect_text(profile, &options, "  -> even ", true);
	expect_text(profile, &options, "  fib ", false);
	profile_free(profile);
}

Test(table_calls, a_filtered_tree_keeps_the_way_there_and_what_hangs_on_it)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();
	const char *glob = "odd";

	options.by = ROLLUP_TREE;
	options.globs = &glob;
	options.glob_count = 1;
	expect_text(profile, &options, "  <module>    app.py:1\n", true);
	expect_text(profile, &options, "    even      app/jobs.py:30\n", true);
	expect_text(profile, &options, "      odd     app/jobs.py:40\n", true);
	expect_text(profile, &options, "        even  app/jobs.py:30\n", true);
	expect_text(profile, &options, " fib ", false);
	expect_text(profile, &options, "Worker.run", false);
	profile_free(profile);
}

Test(table_calls, a_tree_has_a_root_for_each_thread_with_t)
{
	struct render_options options = sample_options();

	options.by = ROLLUP_TREE;
	options.split_threads = true;
	expect_table("calls_tree_split.txt", "time", &options);
}

/* The three longest; 92 of 220 ms are in the other six. */
Test(table_calls, a_tree_is_pruned_from_its_shortest_paths)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	options.by = ROLLUP_TREE;
	options.limit = 3;
	expect_text(profile, &options,
		    "\xe2\x80\xa6 6 more paths, 41 % of the time: --limit 0 shows all\n", true);
	expect_text(profile, &options, "  Worker.run ", true);
	expect_text(profile, &options, "  even ", false);
	options.limit = 0;
	expect_text(profile, &options, "more path", false);
	expect_text(profile, &options, "  even ", true);
	profile_free(profile);
}

/* A profile of one thread whose functions "f0", "f1", ... call each other in a row, 1 ms each. */
static struct profile *chain_new(uint32_t length)
{
	struct profile *profile = profile_new("time", UNIT_NS);
	uint32_t thread = profile_add_thread(profile, profile_add_process(profile, 1, 100), 100);
	uint32_t node;

	profile->calls = calls_new();
	node = calls_root(profile->calls, thread);
	for (uint32_t i = 0; i < length; i++) {
		struct profile_function function = { .kind = FRAME_PYTHON };
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		function.name = profile_string(profile, name);
		function.file = profile_string(profile, "/srv/chain.py");
		node = calls_child(profile->calls, node, profile_add_function(profile, &function));
		profile->calls->nodes[node].times = (struct call_times){
			.calls = 1,
			.self_ns = 1000000,
			.total_ns = (length - i) * 1000000ull,
		};
	}
	cr_assert_eq(calls_finish(profile->calls, profile->function_count), 0);
	return profile;
}

/* 2000 * 0.05 % is 1: of the last path, and of no other, not even a tenth of a percent. */
Test(table_calls, a_tree_leaves_out_what_is_next_to_nothing)
{
	struct profile *profile = chain_new(2000);
	struct render_options options = sample_options();

	options.by = ROLLUP_TREE;
	options.limit = 5000;
	expect_text(profile, &options,
		    "\xe2\x80\xa6 1 more path, 0.05 % of the time: --limit 0 shows all\n", true);
	expect_text(profile, &options, "f1998 ", true);
	expect_text(profile, &options, "f1999 ", false);
	profile_free(profile);
}

Test(table_calls, a_deep_tree_says_how_deep_and_stays_narrow)
{
	struct profile *profile = chain_new(500);
	struct render_options options = sample_options();
	struct buffer out;

	options.by = ROLLUP_TREE;
	options.limit = 0;
	sample_render("table", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "(499) f499  chain.py\n"));
	for (char *line = out.bytes, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!strncmp(line, "cost: ", 6))
			break;
		cr_expect_leq(text_width(line), 80, "%s", line);
	}
	buffer_release(&out);
	profile_free(profile);
}

/* Fourteen functions call one. */
static struct profile *star_new(void)
{
	struct profile *profile = chain_new(1);
	struct profile_function hub = { .name = profile_string(profile, "hub") };
	uint32_t center = profile_add_function(profile, &hub);

	for (uint32_t i = 0; i < 14; i++) {
		struct profile_function function = { .line = (int32_t)i + 1 };
		uint32_t node = calls_root(profile->calls, 0);
		char name[16];

		snprintf(name, sizeof(name), "caller%u", i);
		function.name = profile_string(profile, name);
		node = calls_child(profile->calls, node, profile_add_function(profile, &function));
		node = calls_child(profile->calls, node, center);
		profile->calls->nodes[node].times = (struct call_times){
			.calls = i + 1,
			.self_ns = 1000000,
			.total_ns = 1000000,
		};
	}
	profile->mode = profile_string(profile, "callgraph");
	cr_assert_eq(calls_finish(profile->calls, profile->function_count), 0);
	return profile;
}

/* Of equal times those with the most calls: 14 down to 6; 5 + 4 + 3 + 2 + 1 calls are the rest. */
Test(table_calls, many_callers_are_one_row_in_the_end)
{
	struct profile *profile = star_new();
	struct render_options options = sample_options();

	options.limit = 1;
	expect_text(profile, &options, "<- caller5 ", true);
	expect_text(profile, &options, "<- caller4 ", false);
	expect_text(profile, &options, "   15  5.00 ms  5.00 ms    0    <- 5 more ", true);
	options.limit = 0;
	expect_text(profile, &options, "<- caller4 ", true);
	expect_text(profile, &options, "more", false);
	profile_free(profile);
}

Test(table_calls, says_how_many_rows_the_limit_hides)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	options.limit = 4;
	expect_text(profile, &options, "\xe2\x80\xa6 1 more row: --limit 0 shows all\n", true);
	profile->mode = profile_string(profile, "callgraph");
	options.limit = 2;
	expect_text(profile, &options, "\xe2\x80\xa6 3 more functions: --limit 0 shows all\n",
		    true);
	profile_free(profile);
}

/* Marks are explained where there are some. */
Test(table_calls, unmarked_rows_need_no_legend)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();
	const char *glob = "odd";

	expect_text(profile, &options, "* was running when we came", true);
	expect_text(profile, &options, "+ was running when we left", true);
	options.globs = &glob;
	options.glob_count = 1;
	expect_text(profile, &options, "was running", false);
	profile_free(profile);
}

Test(table_calls, without_calls_says_so)
{
	struct profile *profile = profile_new("time", UNIT_NS);
	struct render_options options = sample_options();

	profile->calls = calls_new();
	cr_assert_eq(calls_finish(profile->calls, 0), 0);
	for (enum rollup_by by = ROLLUP_FUNCTION; by <= ROLLUP_TREE; by++) {
		options.by = by;
		expect_text(profile, &options,
			    "no calls: no Python function was entered or left while we watched\n",
			    true);
	}
	profile->mode = profile_string(profile, "callgraph");
	options.by = ROLLUP_FUNCTION;
	expect_text(profile, &options, "no calls: ", true);
	profile_free(profile);
}

Test(table_calls, names_of_strangers_are_safe_and_fit)
{
	static const uint32_t WIDTHS[] = { 60, 80, 200 };
	static const char *const MODES[] = { "time", "callgraph" };
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	struct buffer out;

	for (size_t mode = 0; mode < 2; mode++) {
		profile->mode = profile_string(profile, MODES[mode]);
		for (unsigned int i = 0; i < 3 * (ROLLUP_TREE + 1); i++) {
			options.columns = WIDTHS[i % 3];
			options.by = i / 3;
			options.split_threads = i % 2;
			options.limit = 0;
			sample_render("table", profile, &options, &out);
			cr_expect_null(strchr(out.bytes, '\x1b'));
			cr_expect_null(strstr(out.bytes, "\xe2\x80\xae"));
			for (char *line = out.bytes, *end;
			     (end = strchr(line, '\n')) && strncmp(line, "cost: ", 6);
			     line = end + 1) {
				*end = '\0';
				cr_expect_leq(text_width(line), options.columns, "by %u: %s",
					      options.by, line);
			}
			buffer_release(&out);
		}
	}
	profile_free(profile);
}

Test(table_calls, colours_the_hottest_only_when_asked)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	expect_text(profile, &options, "\x1b", false);
	options.color = true;
	expect_text(profile, &options, "\x1b[1;31m 100 ms\x1b[0m", true);
	expect_text(profile, &options, "\x1b[33m12.0 ms\x1b[0m", true);
	profile_free(profile);
}

Test(closing, tells_what_the_probes_cost)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	expect_text(
		profile, &options,
		"\ncost: about 0.01 % of the target, 4.0 % of a core for pybpfprof \xc2\xb7 0 "
		"lost \xc2\xb7 0 unresolved\nprobes: 34 hits, about 500 ns each: 20.0 \xc2\xb5s "
		"taken out of the times above\n",
		true);
	profile->calls->raw = true;
	profile->calls->compensated_ns = 0;
	expect_text(profile, &options,
		    "\nprobes: 34 hits, about 500 ns each: left in the times above (--raw)\n",
		    true);
	profile->calls->probe_hit_ns = 0;
	expect_text(profile, &options,
		    "\nprobes: 34 hits of a cost not known: it is in the times above\n", true);
	profile_free(profile);
}

Test(closing, tells_of_windows_and_losses)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	expect_text(profile, &options, "duty: ", false);
	expect_text(profile, &options, "taken up anew", false);
	profile->calls->observed_share = 0.125;
	profile->calls->resynchronised = 3;
	expect_text(
		profile, &options,
		"\nduty: the probes were in for 13 % of the time: counts and times are of those "
		"windows\n",
		true);
	expect_text(profile, &options,
		    "\nnote: after a loss 3 threads were taken up anew: the calls in between are "
		    "missing\n",
		    true);
	profile_free(profile);
}

Test(closing, an_early_end_says_why_and_what_to_do)
{
	struct profile *profile = mode_new("time");
	struct render_options options = sample_options();

	profile->cost.stopped_early = true;
	expect_text(profile, &options,
		    "\nnote: the probes were taken away early: they cost more than --max-overhead "
		    "allows\n",
		    true);
	profile->cost.stopped_after_ns = 2310000000;
	profile->cost.stop_reason = profile_string(profile, "they cost 31 %, allowed are 20 %");
	expect_text(
		profile, &options,
		"\nnote: the probes were taken away after 2.31 s: they cost 31 %, allowed are 20 "
		"%\n",
		true);
	expect_text(profile, &options, "--duty keeps within the limit", true);
	expect_text(profile, &options, "--max-overhead none lifts it", true);
	profile_free(profile);
}
