// SPDX-License-Identifier: GPL-2.0-only
/* The page: what is embedded in it, and that nothing embedded can become markup. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample_blocks.h"
#include "sample_calls.h"

#define DATA_START "<script type=\"application/json\" id=\"profile\">"

static size_t count_of(const char *text, const char *part)
{
	size_t count = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		count++;
	}
	return count;
}

/* The data block of the page, parsed; what a browser takes for the block ends at </script. */
static json_t *data_of(const struct buffer *page)
{
	const char *start = strstr(page->bytes, DATA_START), *end;
	json_error_t error;
	json_t *root;

	cr_assert_not_null(start);
	start += strlen(DATA_START);
	end = strstr(start, "</script");
	cr_assert_not_null(end);
	root = json_loadb(start, end - start, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s at line %d", error.text, error.line);
	return root;
}

static void expect_numbers(json_t *root, const char *key, const json_int_t *want, size_t count)
{
	json_t *array = json_object_get(root, key);

	cr_assert_eq(json_array_size(array), count, "%s has %zu", key, json_array_size(array));
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(json_integer_value(json_array_get(array, i)), want[i], "%s[%zu]", key,
			     i);
}

#define EXPECT_NUMBERS(root, key, want)                                                            \
	expect_numbers(root, key, want, sizeof(want) / sizeof((want)[0]))

Test(flamegraph, data_is_the_profile)
{
	/* Stacks in the order sample_new() adds them; functions: module run fib dumps write vfs. */
	static const json_int_t FRAMES[] = { 0,	 30, 1,	 12, 1,	  13, 2, 21, 2,
					     22, 1,  14, 3,  238, 4,  0, 5,  0 };
	static const json_int_t PARENTS[] = { 0, 0, 1, 1, 3, 4, 0, 6, 7, 8 };
	static const json_int_t STACK_FRAMES[] = { 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const json_int_t SUMS[] = {
		0, 2, 10, 100000000, 0, 5, 60, 600000000, 0, 4, 10, 100000000,
		1, 9, 15, 150000000, 1, 7, 4,  40000000,  1, 0, 1,  10000000,
	};
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer page;
	json_t *root, *function;

	sample_render("flamegraph", profile, &options, &page);
	root = data_of(&page);
	EXPECT_NUMBERS(root, "frames", FRAMES);
	EXPECT_NUMBERS(root, "parents", PARENTS);
	EXPECT_NUMBERS(root, "stackFrames", STACK_FRAMES);
	EXPECT_NUMBERS(root, "sums", SUMS);
	function = json_array_get(json_object_get(root, "functions"), 3);
	cr_expect_str_eq(json_string_value(json_array_get(function, 0)), "dumps");
	cr_expect_str_eq(json_string_value(json_array_get(function, 3)), "json/__init__.py");
	cr_expect_eq(json_integer_value(json_array_get(function, 4)), 183);
	cr_expect_str_eq(json_string_value(json_object_get(root, "summary")),
			 "cpu \xc2\xb7 10.0 s \xc2\xb7 100 samples at 100 Hz \xc2\xb7 "
			 "sampled 1.00 s of 1.00 s CPU");
	cr_expect_eq(json_array_size(json_object_get(root, "closing")), 3);
	json_decref(root);
	buffer_release(&page);
	profile_free(profile);
}

Test(flamegraph, page_is_whole_and_loads_nothing)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer page;

	sample_render("flamegraph", profile, &options, &page);
	cr_expect_eq(strncmp(page.bytes, "<!DOCTYPE html>", 15), 0);
	cr_expect_not_null(strstr(page.bytes, "<title>pybpfprof -p 100</title>"));
	cr_expect_not_null(strstr(page.bytes, "default-src 'none'"));
	cr_expect_null(strstr(page.bytes, "@TITLE@"));
	cr_expect_null(strstr(page.bytes, "@DATA@"));
	cr_expect_null(strstr(page.bytes, "http:"));
	cr_expect_null(strstr(page.bytes, "https:"));
	cr_expect_null(strstr(page.bytes, "innerHTML"));
	cr_expect_not_null(strstr(page.bytes, "</html>\n"));
	buffer_release(&page);
	profile_free(profile);
}

Test(flamegraph, names_cannot_become_markup)
{
	struct profile *profile = sample_hostile_new();
	struct render_options options = sample_options();
	struct buffer page;
	json_t *root;
	const char *data, *end;

	options.title = "</title><script>document.title='pwned'</script>";
	sample_render("flamegraph", profile, &options, &page);
	/* The data block and the page's own script: what the page has without any profile. */
	cr_expect_eq(count_of(page.bytes, "<script"), 2);
	cr_expect_eq(count_of(page.bytes, "</script"), 2);
	cr_expect_eq(count_of(page.bytes, "</title"), 1);
	data = strstr(page.bytes, DATA_START) + strlen(DATA_START);
	end = strstr(data, "</script");
	for (const char *byte = data; byte < end; byte++) {
		cr_assert_null(strchr("<>&", *byte), "%.40s", byte);
		cr_assert((unsigned char)*byte >= ' ' || *byte == '\n', "%.40s", byte);
	}
	cr_expect_null(strstr(page.bytes, "\xe2\x80\xa8"));
	cr_expect_null(strstr(page.bytes, "\xe2\x80\xae"));
	root = data_of(&page);
	cr_expect_str_eq(json_string_value(json_array_get(
				 json_array_get(json_object_get(root, "functions"), 0), 0)),
			 SAMPLE_HOSTILE_NAMES[0]);
	json_decref(root);
	buffer_release(&page);
	profile_free(profile);
}

static void expect_view(json_t *view, const char *name, const char *counts, const json_int_t *sums,
			size_t count)
{
	cr_expect_str_eq(json_string_value(json_object_get(view, "name")), name);
	cr_expect_str_eq(json_string_value(json_object_get(view, "counts")), counts);
	expect_numbers(view, "sums", sums, count);
}

Test(flamegraph, memory_has_the_sums_of_every_view)
{
	/* Thread, stack, blocks, bytes. Stacks in the order sample_blocks_new() makes them. */
	enum { KIB = 1024 };
	static const json_int_t PEAK[] = { 0,	      2,	 50, 200 * KIB, 0,	 4,	 60,
					   960 * KIB, 1,	 6,  10,	5 * KIB, 1,	 7,
					   1,	      100 * KIB, 1,  0,		1,	 3 * KIB };
	static const json_int_t LIVE[] = {
		0, 4, 48, 768 * KIB, 1, 7, 1, 100 * KIB, 1, 0, 1, 3 * KIB
	};
	static const json_int_t TEMPORARY[] = { 0, 2, 50, 200 * KIB, 1, 6, 1000, 500 * KIB };
	static const json_int_t FIRST_POINTS[] = { 0, 0, 0, 12 << 20 };
	struct profile *profile = sample_blocks_new();
	struct render_options options = sample_options();
	struct buffer page;
	json_t *root, *views, *timeline;

	sample_render("flamegraph", profile, &options, &page);
	root = data_of(&page);
	views = json_object_get(root, "views");
	cr_assert_eq(json_array_size(views), 4);
	expect_view(json_array_get(views, 0), "peak", "blocks", PEAK, 20);
	expect_view(json_array_get(views, 1), "live", "blocks", LIVE, 12);
	expect_view(json_array_get(views, 3), "temporary", "allocations", TEMPORARY, 8);
	cr_expect_null(json_object_get(json_array_get(views, 1), "errors"));
	cr_expect_null(json_object_get(root, "sums"));
	cr_expect_str_eq(json_string_value(json_object_get(root, "show")), "peak");
	cr_expect_str_eq(json_string_value(json_object_get(root, "unit")), "bytes");
	timeline = json_object_get(json_object_get(root, "memory"), "timeline");
	cr_assert_eq(json_array_size(timeline), 44);
	for (size_t i = 0; i < 4; i++)
		cr_expect_eq(json_integer_value(json_array_get(timeline, i)), FIRST_POINTS[i]);
	json_decref(root);
	buffer_release(&page);
	profile_free(profile);
}

Test(flamegraph, estimated_memory_says_how_good_it_is)
{
	/* 1.96 * 10 KiB; of the peak, where the half of what was allocated was alive, / sqrt(2) */
	static const json_int_t ERRORS[] = { 20070, 20070, 20070 };
	struct profile *profile = sample_blocks_sampled_new();
	struct render_options options = sample_options();
	struct buffer page;
	json_t *root, *views;

	sample_render("flamegraph", profile, &options, &page);
	root = data_of(&page);
	views = json_object_get(root, "views");
	cr_assert_eq(json_array_size(views), 6);
	EXPECT_NUMBERS(json_array_get(views, 1), "errors", ERRORS);
	cr_expect_eq(json_integer_value(json_array_get(
			     json_object_get(json_array_get(views, 0), "errors"), 0)),
		     14192);
	/* Pages are counted. */
	cr_expect_eq(json_integer_value(json_array_get(
			     json_object_get(json_array_get(views, 5), "errors"), 0)),
		     0);
	json_decref(root);
	buffer_release(&page);
	profile_free(profile);
}

/* Stacks with a function that -F names; views are made of sites, which nobody has filtered. */
Test(flamegraph, selected_functions_select_memory_too)
{
	static const json_int_t LIVE[] = { 0, 4, 48, 768 * 1024 };
	static const char *const GLOBS[] = { "app.jobs:load" };
	struct profile *profile = sample_blocks_new();
	struct render_options options = sample_options();
	struct buffer page;
	json_t *root;

	options.globs = GLOBS;
	options.glob_count = 1;
	sample_render("flamegraph", profile, &options, &page);
	root = data_of(&page);
	EXPECT_NUMBERS(json_array_get(json_object_get(root, "views"), 1), "sums", LIVE);
	json_decref(root);
	buffer_release(&page);
	profile_free(profile);
}

/*
 * Pages for the test that looks at them in a browser: written to the directory named by the
 * environment, else to a temporary one.
 */
Test(flamegraph, pages_for_the_browser_are_written)
{
	static const struct {
		const char *name;
		const char *title;
		struct profile *(*make)(void);
	} PAGES[] = {
		{ "sample.html", "pybpfprof -p 100", sample_new },
		{ "hostile.html", "</script><script>document.title='pwned'</script>",
		  sample_hostile_new },
		{ "large.html", "pybpfprof -p 100", sample_large_new },
		{ "calls.html", "pybpfprof -p 100", exchange_calls_new },
		{ "memory.html", "pybpfprof -p 100 --mode memory", sample_blocks_new },
		{ "nothing.html", "pybpfprof -p 100 --mode memory", sample_blocks_none_new },
		{ "sampled.html", "pybpfprof -p 100 --mode memory --rss --sample 4096",
		  sample_blocks_sampled_new },
	};
	const char *directory = getenv("PYBPFPROF_TEST_PAGES");
	char temporary[] = "/tmp/pybpfprof-pages-XXXXXX", path[256];
	struct render_options options = sample_options();

	if (!directory)
		directory = mkdtemp(temporary);
	for (size_t i = 0; i < sizeof(PAGES) / sizeof(PAGES[0]); i++) {
		struct profile *profile = PAGES[i].make();
		struct buffer page;
		FILE *stream;

		options.title = PAGES[i].title;
		sample_render("flamegraph", profile, &options, &page);
		snprintf(path, sizeof(path), "%s/%s", directory, PAGES[i].name);
		stream = fopen(path, "w");
		cr_assert_not_null(stream, "%s", path);
		cr_assert_eq(fwrite(page.bytes, 1, page.length, stream), page.length);
		cr_assert_eq(fclose(stream), 0);
		if (directory == temporary)
			remove(path);
		buffer_release(&page);
		profile_free(profile);
	}
	if (directory == temporary)
		remove(directory);
}
