// SPDX-License-Identifier: GPL-2.0-only
/* Reports for the test that has other programs read them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample_calls.h"

/* Nanoseconds of self time; functions stand with their first lines. */
Test(exchange, folded_calls_are_self_time)
{
	static const char WANT[] =
		"<module> (app.py:1) 10000000\n"
		"<module> (app.py:1);even (app/jobs.py:30) 5000000\n"
		"<module> (app.py:1);even (app/jobs.py:30);odd (app/jobs.py:40) 6000000\n"
		"<module> (app.py:1);even (app/jobs.py:30);odd (app/jobs.py:40);"
		"even (app/jobs.py:30) 7000000\n"
		"<module> (app.py:1);fib (app/jobs.py:20) 20000000\n"
		"<module> (app.py:1);fib (app/jobs.py:20);fib (app/jobs.py:20) 30000000\n"
		"<module> (app.py:1);fib (app/jobs.py:20);fib (app/jobs.py:20);"
		"fib (app/jobs.py:20) 40000000\n"
		"Worker.run (app/jobs.py:10) 100000000\n"
		"Worker.run (app/jobs.py:10);fib (app/jobs.py:20) 2000000\n";
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("folded", profile, &options, &out);
	cr_expect_str_eq(out.bytes, WANT, "%s", out.bytes);
	buffer_release(&out);
	profile_free(profile);
}

Test(exchange, flame_graphs_know_calls_from_samples)
{
	struct render_options options = sample_options();
	struct profile *calls = exchange_calls_new(), *samples = sample_new();
	struct buffer out;

	sample_render("flamegraph", calls, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "\"counts\":\"calls\""));
	/* Thread, stack, calls, self time: <module>, then fib under it. */
	cr_expect_not_null(strstr(out.bytes, "\"sums\":[0,1,1,10000000,0,2,1,20000000,"));
	buffer_release(&out);
	sample_render("flamegraph", samples, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "\"counts\":\"samples\""));
	buffer_release(&out);
	profile_free(calls);
	profile_free(samples);
}

/* Written to the directory named by the environment, else to a temporary one. */
Test(exchange, reports_for_other_programs_are_written)
{
	static const struct {
		const char *name;
		struct profile *(*make)(void);
	} PROFILES[] = {
		{ "calls", exchange_calls_new },
		{ "hostile_calls", exchange_hostile_new },
		{ "samples", sample_new },
		{ "hostile_samples", sample_hostile_new },
	};
	static const char *const FORMATS[] = { "callgrind", "pstats", "dot" };
	const char *directory = getenv("PYBPFPROF_TEST_REPORTS");
	char temporary[] = "/tmp/pybpfprof-reports-XXXXXX", path[256];
	struct render_options options = sample_options();

	if (!directory)
		directory = mkdtemp(temporary);
	for (size_t i = 0; i < sizeof(PROFILES) / sizeof(PROFILES[0]); i++) {
		struct profile *profile = PROFILES[i].make();

		for (size_t j = 0; j < sizeof(FORMATS) / sizeof(FORMATS[0]); j++) {
			FILE *stream;

			snprintf(path, sizeof(path), "%s/%s.%s", directory, PROFILES[i].name,
				 FORMATS[j]);
			stream = fopen(path, "w");
			cr_assert_not_null(stream, "%s", path);
			cr_expect_eq(renderer_find(FORMATS[j])->render(profile, &options, stream),
				     0, "%s", path);
			cr_expect_eq(fclose(stream), 0);
			if (directory == temporary)
				remove(path);
		}
		profile_free(profile);
	}
	if (directory == temporary)
		remove(directory);
}
