// SPDX-License-Identifier: GPL-2.0-only
/* The table of memory; what is expected was added up by hand from sample_memory.c. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "sample_memory.h"

static struct profile *profile;
static struct buffer out;

static void make_profile(void)
{
	profile = sample_memory_new();
	buffer_init(&out);
}

static void drop_profile(void)
{
	buffer_release(&out);
	profile_free(profile);
}

TestSuite(table_memory, .init = make_profile, .fini = drop_profile);

static void render_with(const struct render_options *options)
{
	buffer_release(&out);
	sample_render("table", profile, options, &out);
}

static void render(enum memory_view view)
{
	struct render_options options = sample_memory_options(profile, view);

	render_with(&options);
}

static void expect(const char *text)
{
	cr_expect(strstr(out.bytes, text), "no '%s' in:\n%s", text, out.bytes);
}

static void expect_no(const char *text)
{
	cr_expect_null(strstr(out.bytes, text), "'%s' in:\n%s", text, out.bytes);
}

/* The numbers of a line, whatever stands between them. */
static void expect_row(const char *words)
{
	char *state = NULL, *save_lines = NULL, *text = strdup(out.bytes);
	bool found = false;

	for (char *line = strtok_r(text, "\n", &save_lines); line && !found;
	     line = strtok_r(NULL, "\n", &save_lines)) {
		char joined[512] = "";

		for (char *word = strtok_r(line, " ", &state); word;
		     word = strtok_r(NULL, " ", &state)) {
			strncat(joined, *joined ? " " : "", sizeof(joined) - strlen(joined) - 1);
			strncat(joined, word, sizeof(joined) - strlen(joined) - 1);
		}
		found = !strcmp(joined, words);
	}
	cr_expect(found, "no row '%s' in:\n%s", words, out.bytes);
	free(text);
}

/* By whom the rows are, from the top. */
static void expect_order(const char *const *names, size_t count)
{
	const char *at = out.bytes;

	for (size_t i = 0; i < count; i++) {
		const char *next = strstr(at, names[i]);

		cr_expect(next, "no '%s' behind the one before it in:\n%s", names[i], out.bytes);
		at = next ? next : at;
	}
}

Test(table_memory, head_tells_totals)
{
	render(MEMORY_VIEW_PEAK);
	expect("\nmemory \xc2\xb7 10.0 s \xc2\xb7 1,214 allocations \xc2\xb7 898 frees "
	       "\xc2\xb7 alive at the peak\n");
	expect("\nallocated  70.0 MiB in 1,214 allocations, 121/s, mean 59.1 KiB\n");
	expect("\nfreed      60.0 MiB in 898; 4.00 MiB in 250 temporary: freed within 1 allocation\n");
	expect("\npeak       43.0 MiB in 802 blocks, 4.00 s after the start\n");
	expect("\nlive       10.0 MiB in 316 blocks at the end\n");
	expect("\nmapped     16.0 MiB in 2 mappings still there at the end\n");
	expect("\nfailed     1 allocation got nothing\n");
	expect("\nRSS        from 20.0 MiB to 60.0 MiB, peak 80.0 MiB; PSS at the end 50.0 MiB\n");
	expect_no("faulted");
	expect_no("\xc2\xb1");
}

Test(table_memory, temporary_by_time)
{
	profile->memory->temporary_distance = 0;
	profile->memory->temporary_ns = 10000000;
	render(MEMORY_VIEW_PEAK);
	expect("temporary: freed within 10.0 ms\n");
}

/* 41 MiB in steps of one, and the tallest of all in the middle: 60 columns of 100 ms to 200 ms. */
Test(table_memory, course_of_time_is_drawn_to_its_own_most)
{
	render(MEMORY_VIEW_PEAK);
	expect(" 43.0 MiB\n");
	expect(" 80.0 MiB\n");
	/* 20 of 80 MiB are two eighths, 80 of 80 are eight. */
	expect("\nRSS        \xe2\x96\x82");
	expect("\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x86");
}

Test(table_memory, rows_are_the_lines_that_asked)
{
	static const char *const order[] = { "load.py:42", "load.py:43", "jobs.py:21",
					     "[no stack]" };

	render(MEMORY_VIEW_PEAK);
	expect_row("PEAK LIVE ALLOCATED ALLOCS SELF% FILE:LINE FUNCTION");
	expect_row("40.0 MiB 8.00 MiB 64.0 MiB 1,000 93.0 app/load.py:42 Loader.read");
	expect_row("2.00 MiB 0 4.00 MiB 4 4.7 app/load.py:43 Loader.read");
	expect_row("1.00 MiB 2.00 MiB 2.00 MiB 200 2.3 app/jobs.py:21 Worker.keep");
	expect_row("0 1.00 KiB 10.0 KiB 10 0.0 [no stack] -");
	expect_order(order, 4);
	/* Callers and native functions asked for nothing themselves. */
	expect_no("app.py:30");
	expect_no("PyBytes_FromObject");
}

Test(table_memory, the_view_shown_comes_first)
{
	render(MEMORY_VIEW_LIVE);
	expect_row("LIVE PEAK ALLOCATED ALLOCS SELF% FILE:LINE FUNCTION");
	expect_row("8.00 MiB 40.0 MiB 64.0 MiB 1,000 80.0 app/load.py:42 Loader.read");
	render(MEMORY_VIEW_ALLOCATED);
	expect_row("ALLOCATED LIVE PEAK ALLOCS SELF% FILE:LINE FUNCTION");
	expect_row("64.0 MiB 8.00 MiB 40.0 MiB 1,000 91.4 app/load.py:42 Loader.read");
	render(MEMORY_VIEW_TEMPORARY);
	expect_row("TEMPORARY COUNT OF ALL% ALLOCS ALLOCATED FILE:LINE FUNCTION");
	expect_row("4.00 MiB 250 25.0 1,000 64.0 MiB app/load.py:42 Loader.read");
	expect_no("load.py:43");
	render(MEMORY_VIEW_MAPPED);
	expect_row("MAPPED COUNT TOTAL SELF% FILE:LINE FUNCTION");
	expect_row("16.0 MiB 2 16.0 MiB 100.0 app/load.py:42 Loader.read");
	expect_no("sizes of");
}

Test(table_memory, arenas_are_counted_as_arenas)
{
	profile->memory->sites[SAMPLE_READ].amounts[MEMORY_VIEW_ARENAS] =
		(struct memory_amount){ 3, 3 << 20 };
	cr_assert_eq(memory_sum(profile->memory), 0);
	render(MEMORY_VIEW_ARENAS);
	expect_row("ARENAS COUNT TOTAL SELF% FILE:LINE FUNCTION");
	expect_row("3.00 MiB 3 3.00 MiB 100.0 app/load.py:42 Loader.read");
	expect("\narenas     3.00 MiB in 3 arenas of small objects, taken and still there\n");
}

Test(table_memory, functions_have_what_they_called)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_PEAK);

	options.by = ROLLUP_FUNCTION;
	render_with(&options);
	expect_row("PEAK LIVE ALLOCATED ALLOCS TOTAL FUNCTION FILE:LINE");
	expect_row("42.0 MiB 8.00 MiB 68.0 MiB 1,004 42.0 MiB Loader.read app/load.py:40");
	expect_row("0 0 0 0 42.0 MiB <module> app.py:1");
	options.by = ROLLUP_CLASS;
	render_with(&options);
	expect_row("1.00 MiB 2.00 MiB 2.00 MiB 200 1.00 MiB 2.3 Worker app.jobs");
	options.by = ROLLUP_MODULE;
	render_with(&options);
	expect_row("42.0 MiB 8.00 MiB 68.0 MiB 1,004 42.0 MiB 97.7 app.load app/load.py");
	options.by = ROLLUP_THREAD;
	render_with(&options);
	expect_row("1.00 MiB 2.00 MiB 2.01 MiB 210 1.00 MiB 100 101 worker python3 app.py");
	options.by = ROLLUP_PROCESS;
	render_with(&options);
	expect_row("43.0 MiB 10.0 MiB 70.0 MiB 1,214 43.0 MiB 100.0 100 python3 app.py");
}

Test(table_memory, splits_rows_by_thread)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_PEAK);

	options.split_threads = true;
	options.columns = 120;
	render_with(&options);
	expect("1.00 MiB  2.00 MiB   2.00 MiB     200");
	expect("101 worker   app/jobs.py:21  Worker.keep");
}

Test(table_memory, the_column_sorted_by_is_always_there)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_PEAK);

	options.memory_sort = MEMORY_SORT_SIZE;
	render_with(&options);
	expect_row("PEAK LIVE ALLOCATED ALLOCS SIZE FILE:LINE FUNCTION");
	expect_row("2.00 MiB 0 4.00 MiB 4 1.00 MiB app/load.py:43 Loader.read");
	options.memory_sort = MEMORY_SORT_GROWTH;
	render_with(&options);
	expect_row("PEAK LIVE ALLOCATED ALLOCS GROWTH/s FILE:LINE FUNCTION");
	options.memory_sort = MEMORY_SORT_MAPPED;
	render_with(&options);
	expect("MAPPED  FILE:LINE");
	/* Callers are what a total is for. */
	options.memory_sort = MEMORY_SORT_TOTAL;
	render_with(&options);
	expect_row("0 0 0 0 42.0 MiB app.py:30 <module>");
}

Test(table_memory, limit_hides_rows_that_have_something_alone)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_PEAK);

	options.limit = 2;
	render_with(&options);
	expect("\xe2\x80\xa6 2 more rows: --limit 0 shows all\n");
	expect_no("jobs.py:21");
}

Test(table_memory, globs_choose_rows)
{
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_PEAK);
	const char *glob = "app.jobs:*";

	options.globs = &glob;
	options.glob_count = 1;
	render_with(&options);
	expect("only functions that match app.jobs:*\n");
	expect_row("1.00 MiB 2.00 MiB 2.00 MiB 200 2.3 app/jobs.py:21 Worker.keep");
	expect_no("Loader.read");
	glob = "nothing:*";
	render_with(&options);
	expect("\nno function that matches has any\n");
}

/* 600 of 100 bytes, 10 of 1 KiB, 200 of 10 KiB, 400 of 64 KiB, 4 of 1 MiB. */
Test(table_memory, sizes_in_ranges_with_bars)
{
	render(MEMORY_VIEW_PEAK);
	expect("\nsizes of 1,214 allocations: median about ");
	expect_no("< 32 B ");
	expect("\n     < 128 B   49.4 %  \xe2\x96\x88");
	expect("\n     < 512 B    0.0 %\n");
	expect("\n     < 2 KiB    0.8 %  \xe2\x96\x8f\n");
	expect("\n    < 32 KiB   16.5 %  \xe2\x96\x88");
	expect("\n   < 128 KiB   32.9 %  \xe2\x96\x88");
	expect("\n     < 2 MiB    0.3 %  \xe2\x96\x8f\n");
	expect_no("< 8 MiB");
}

Test(table_memory, the_largest_sizes_have_no_end)
{
	cr_assert_eq(histogram_add(&profile->memory->sites[0].sizes, 1ull << 40), 0);
	cr_assert_eq(memory_sum(profile->memory), 0);
	render(MEMORY_VIEW_PEAK);
	expect("\n   >= 32 MiB ");
}

/* ---- leaks ---- */

static void expect_leaks(void)
{
	profile->memory->leaks = true;
	render(MEMORY_VIEW_LIVE);
}

Test(table_memory, leaks_are_ordered_by_growth_with_a_verdict)
{
	static const char *const order[] = { "Worker.keep\n", "[no stack]", "load.py:42" };

	expect_leaks();
	expect("\nmemory \xc2\xb7 10.0 s \xc2\xb7 1,214 allocations \xc2\xb7 898 frees "
	       "\xc2\xb7 growing\n");
	expect("\n1 line keeps growing, by 512 KiB/s; Worker.keep at app/jobs.py:21 "
	       "(99.9 % sure):\n  90 of 100 blocks from the first half of the run are still "
	       "alive\n");
	expect("\nwhat grows may be a cache that fills");
	expect_row("GROWTH/s SURE LIVE SURVIVED OLDEST FILE:LINE FUNCTION");
	expect_row("512 KiB 99.9 % 2.00 MiB 90 of 100 9.00 s app/jobs.py:21 Worker.keep");
	expect_row("-2.00 KiB no 8.00 MiB 5 of 500 9.50 s app/load.py:42 Loader.read");
	expect_order(order, 3);
	/* Nothing of it is alive. */
	expect_no("load.py:43");
}

Test(table_memory, slow_growth_is_told_by_the_hour)
{
	profile->memory->sites[SAMPLE_READ].trend.bytes_per_second = -10;
	profile->memory->sites[SAMPLE_KEEP].trend.bytes_per_second = 512;
	expect_leaks();
	expect("\n1 line keeps growing, by 1.76 MiB/h; ");
	expect("GROWTH/h");
	expect_row("1.76 MiB 99.9 % 2.00 MiB 90 of 100 9.00 s app/jobs.py:21 Worker.keep");
	expect_row("-35.2 KiB no 8.00 MiB 5 of 500 9.50 s app/load.py:42 Loader.read");
}

Test(table_memory, several_that_grow_add_up)
{
	profile->memory->sites[SAMPLE_READ].trend = (struct memory_trend){ 1048576, 0.97, 32 };
	expect_leaks();
	expect("\n2 lines keep growing, by 1.50 MiB/s; Loader.read at app/load.py:42 most, by\n"
	       "  1.00 MiB/s (97 % sure): 5 of 500 blocks");
}

Test(table_memory, what_does_not_surely_grow_is_no_leak)
{
	profile->memory->sites[SAMPLE_KEEP].trend.confidence = 0.9;
	expect_leaks();
	expect("\nnothing keeps growing: of 10.0 MiB alive at the end, no line surely grew in\n"
	       "  10.0 s; a slow leak needs a longer look\n");
	expect_row("512 KiB 90 % 2.00 MiB 90 of 100 9.00 s app/jobs.py:21 Worker.keep");
	expect_no("cache that fills");
}

Test(table_memory, too_short_a_run_has_no_verdict)
{
	for (uint32_t i = 0; i < SAMPLE_SITES; i++)
		profile->memory->sites[i].trend = (struct memory_trend){ 100, 0, 4 };
	expect_leaks();
	expect("\ntoo little was seen to tell what grows: ");
	expect_row("352 KiB - 2.00 MiB 90 of 100 9.00 s 190 app/jobs.py:21 Worker.keep");
}

/* ---- resident sizes and processes ---- */

Test(table_memory, resident_rows_follow_the_others)
{
	sample_memory_add_resident(profile);
	render(MEMORY_VIEW_PEAK);
	expect("\nfaulted    32.0 MiB in 8,192 page faults, 16.0 MiB of it resident at the "
	       "end\n");
	expect_row("40.0 MiB 8.00 MiB 64.0 MiB 1,000 93.0 app/load.py:42 Loader.read");
	expect_row("RESIDENT FAULTED FAULTS TOTAL SELF% FILE:LINE FUNCTION");
	expect_row("16.0 MiB 32.0 MiB 8,192 16.0 MiB 100.0 app/load.py:42 Loader.read");
	/* Asked for, they are the only ones. */
	render(MEMORY_VIEW_FAULTED);
	expect_row("FAULTED RESIDENT FAULTS TOTAL SELF% FILE:LINE FUNCTION");
	expect_no("ALLOCS");
}

Test(table_memory, a_process_that_was_killed_says_so)
{
	profile->processes[0].exited = true;
	profile->processes[0].exit_status = SIGSEGV;
	render(MEMORY_VIEW_PEAK);
	expect("\nended      killed by SIGSEGV: the report is of what was seen until then\n");
	expect("glibc \xc2\xb7 killed by SIGSEGV\n");
	profile->processes[0].exit_status = SIGKILL;
	profile->memory->processes[0].oom_killed = true;
	render(MEMORY_VIEW_PEAK);
	expect("\nended      killed by SIGKILL (out of memory): the report is of what was");
	profile->processes[0].exit_status = 3 << 8;
	render(MEMORY_VIEW_PEAK);
	expect("\nended      exited with status 3: ");
	profile->processes[0].exit_status = 0;
	render(MEMORY_VIEW_PEAK);
	expect_no("\nended");
	expect("glibc \xc2\xb7 exited with status 0\n");
}

Test(table_memory, processes_have_rows_and_only_shares_add_up)
{
	sample_memory_add_child(profile);
	render(MEMORY_VIEW_PEAK);
	expect_row("PID RSS END RSS PEAK PSS LIVE ENDED COMMAND");
	expect_row("100 60.0 MiB 80.0 MiB 50.0 MiB 10.0 MiB running python3 app.py");
	expect_row("200 30.0 MiB 30.0 MiB - 0 out of memory python3 child.py");
	expect_row("all 50.0 MiB 10.0 MiB 1 running -");
	expect("jemalloc \xc2\xb7 killed by SIGKILL");
	/* Of one alone they stand in the head. */
	expect_no("\nRSS        from");
	expect_no("\nended");
}

/* ---- what is not seen ---- */

Test(table_memory, pools_by_size_class)
{
	sample_memory_add_pools(profile);
	render(MEMORY_VIEW_PEAK);
	expect("glibc \xc2\xb7 small objects are not all seen\n");
	expect("\nsmall objects of pid 100, in CPython's own allocator: 111 KiB used of "
	       "3.00 MiB\n  in 3 arenas (at the start 87.3 KiB of 2.00 MiB); 47.4 KiB lie between "
	       "blocks\n  in use (30 % fragmentation), 1 pool is empty\n");
	expect_row("BLOCK POOLS USED CHANGE FREE FREE% UNUSED");
	expect_row("64 B 8 1,530 +630 510 25.0 31.9 KiB");
	expect_row("512 B 2 31 -31 31 50.0 15.5 KiB");
	expect("note: pid 100: this build has CPython's object allocator inlined: ");
	expect("about 25 % of what\n      they did was seen");
	/* Not asked for, they are not shown; that they are missing is. */
	profile->memory->objects = false;
	profile->memory->processes[0].coverage = MEMORY_COVERAGE_NONE;
	render(MEMORY_VIEW_PEAK);
	expect_no("BLOCK");
	expect("note: pid 100: objects of up to 512 bytes are in CPython's own arenas");
}

Test(table_memory, pools_that_cannot_be_read_say_why)
{
	profile->memory->objects = true;
	profile->memory->processes[0].pools_end.reason = "PYTHONMALLOC=malloc has none";
	render(MEMORY_VIEW_PEAK);
	expect("\nsmall objects of pid 100: PYTHONMALLOC=malloc has none\n");
}

Test(table_memory, a_long_command_hides_nothing_of_its_process)
{
	profile->processes[0].command = profile_string(
		profile, "/usr/bin/python3 -c 'import os; x = bytearray(50_000_000); "
			 "os.kill(os.getpid(), 9)'");
	profile->processes[0].exited = true;
	profile->processes[0].exit_status = SIGKILL;
	render(MEMORY_VIEW_PEAK);
	expect("\xe2\x80\xa6"
	       "etpid(), 9)' \xc2\xb7 pid 100 \xc2\xb7 CPython 3.11.2 \xc2\xb7 glibc \xc2\xb7 "
	       "killed by SIGKILL\n");
}

Test(table_memory, refusals_and_notes_are_in_words)
{
	struct memory_process *process = &profile->memory->processes[0];

	process->refusal = profile_string(profile, "a static executable without symbols");
	render(MEMORY_VIEW_PEAK);
	expect("glibc \xc2\xb7 its allocations are not seen\n");
	expect("\nnote: pid 100: its allocations are not seen: a static executable without "
	       "symbols\n");
	process->refusal = 0;
	process->note = profile_string(profile, "half of it\x1b[31m is \xff seen");
	render(MEMORY_VIEW_PEAK);
	expect("\nnote: pid 100: half of it\\x1b[31m is \\xff seen\n");
}

Test(table_memory, names_cannot_write_to_the_terminal)
{
	for (int i = 0; i < 4; i++) {
		uint32_t name = profile_string(profile, SAMPLE_HOSTILE_NAMES[i]);

		for (uint32_t j = 0; j < profile->function_count; j++)
			profile->functions[j].name = profile->functions[j].file = name;
		profile->processes[0].command = profile->threads[0].name = name;
		profile->memory->processes[0].allocator = name;
		profile->memory->leaks = i % 2;
		render(MEMORY_VIEW_LIVE);
		expect_no("\x1b");
		expect_no("\xe2\x80\xae");
		expect_no("\xff");
	}
}

Test(table_memory, blocks_from_before_are_told_apart)
{
	profile->memory->unknown_frees = 1234567;
	render(MEMORY_VIEW_PEAK);
	expect("\nnote: 1,234,567 frees of blocks allocated before we looked; they are not in "
	       "the\n      numbers\n");
	profile->memory->unknown_frees = 1;
	render(MEMORY_VIEW_PEAK);
	expect("\nnote: 1 free of a block allocated before we looked; it is not in the numbers\n");
	profile->memory->min_size_bytes = 4096;
	render(MEMORY_VIEW_PEAK);
	expect("\nnote: 1 free of a block not recorded or allocated before we looked; ");
	expect("\nnote: only allocations of 4.00 KiB and more were recorded (--min-size)\n");
}

/* A standard deviation of 1 MiB in each of three sites: of the sum 1.732, times 1.96. */
Test(table_memory, estimates_have_their_error)
{
	for (uint32_t i = 0; i < SAMPLE_BARE; i++) {
		profile->memory->sites[i].allocated_variance = (double)(1ull << 40);
		profile->memory->sites[i].live_variance = (double)(1ull << 40) / 4;
	}
	profile->memory->sample_bytes = 524288;
	render(MEMORY_VIEW_ALLOCATED);
	expect("\nallocated  70.0 MiB \xc2\xb1 3.39 MiB in 1,214 allocations");
	expect("\nlive       10.0 MiB \xc2\xb1 1.70 MiB in 316 blocks");
	expect("64.0 MiB  \xc2\xb1 1.96 MiB  8.00 MiB");
	expect("\nestimates: about one allocation in 512 KiB was recorded; ");
	render(MEMORY_VIEW_LIVE);
	expect("8.00 MiB  \xc2\xb1 1004 KiB");
}

Test(table_memory, an_early_end_tells_what_to_do)
{
	profile->cost.stopped_early = true;
	profile->cost.stopped_after_ns = 2000000000;
	render(MEMORY_VIEW_PEAK);
	expect("\nnote: the probes were taken away after 2.00 s: ");
	expect("--sample 512k");
	expect_no("--duty");
}

Test(table_memory, nothing_seen_is_said)
{
	profile_free(profile);
	profile = profile_new("memory", UNIT_BYTES);
	profile_add_process(profile, 1, 100);
	profile->memory = memory_new();
	render(MEMORY_VIEW_PEAK);
	expect("\nno allocation was seen while we watched\n");
	expect("\nallocated  0 in 0 allocations\n");
	profile->memory->leaks = true;
	render(MEMORY_VIEW_LIVE);
	expect("\nnothing is alive of what was allocated while we watched\n");
	expect("too little was seen to tell");
	expect("\ncost: ");
}

Test(table_memory, no_line_is_wider_than_the_terminal_but_the_cost)
{
	static const enum memory_view views[] = {
		MEMORY_VIEW_PEAK,     MEMORY_VIEW_LIVE,	   MEMORY_VIEW_TEMPORARY,
		MEMORY_VIEW_RESIDENT, MEMORY_VIEW_FAULTED, MEMORY_VIEW_MAPPED,
	};

	sample_memory_add_child(profile);
	sample_memory_add_resident(profile);
	sample_memory_add_pools(profile);
	profile->memory->sample_bytes = 1000;
	profile->memory->unknown_frees = 1234;
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]) * 2; i++) {
		char *save = NULL;

		profile->memory->leaks = i % 2;
		render(views[i / 2]);
		for (char *line = strtok_r(out.bytes, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			if (strncmp(line, "cost: ", 6) != 0)
				cr_expect_leq(text_width(line), 80, "too wide: '%s'", line);
			cr_expect_neq(line[strlen(line) - 1], ' ', "blank at the end: '%s'", line);
		}
	}
}
