// SPDX-License-Identifier: GPL-2.0-only
/* Reports of lifetimes; what is expected was added up by hand from sample_lifetimes.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "json_read.h"
#include "sample_lifetimes.h"

static struct profile *profile;
static struct buffer out;

static void make_profile(void)
{
	profile = sample_lifetimes_new();
	buffer_init(&out);
}

static void drop_profile(void)
{
	buffer_release(&out);
	profile_free(profile);
}

TestSuite(render_lifetimes, .init = make_profile, .fini = drop_profile);

static void render_with(const char *format, const struct render_options *options)
{
	buffer_release(&out);
	sample_render(format, profile, options, &out);
}

static struct render_options wide(enum lifetime_view view)
{
	struct render_options options = sample_lifetimes_options(profile, view);

	options.columns = 400;
	return options;
}

static void render_wide(void)
{
	struct render_options options = wide(LIFETIME_VIEW_CREATED);

	render_with("table", &options);
}

static void expect(const char *text)
{
	cr_expect(strstr(out.bytes, text), "no '%s' in:\n%s", text, out.bytes);
}

static void expect_no(const char *text)
{
	cr_expect_null(strstr(out.bytes, text), "'%s' in:\n%s", text, out.bytes);
}

/* The words of a line, whatever stands between them. Its number. */
static int expect_row(const char *words)
{
	char *save_lines = NULL, *text = strdup(out.bytes);
	int number = 0, found = 0;

	for (char *line = strtok_r(text, "\n", &save_lines); line && !found;
	     line = strtok_r(NULL, "\n", &save_lines)) {
		char joined[2048] = "", *state = NULL;

		number++;
		for (char *word = strtok_r(line, " ", &state); word;
		     word = strtok_r(NULL, " ", &state)) {
			strncat(joined, *joined ? " " : "", sizeof(joined) - strlen(joined) - 1);
			strncat(joined, word, sizeof(joined) - strlen(joined) - 1);
		}
		found = !strcmp(joined, words) ? number : 0;
	}
	cr_expect(found, "no row '%s' in:\n%s", words, out.bytes);
	free(text);
	return found;
}

/* ---- the table ---- */

Test(render_lifetimes, a_class_has_its_counts_and_its_ages)
{
	render_wide();
	expect_row("CREATED ENDED LIVE SIZE BEFORE CHANGE IN ALL MIN MEAN AGE P50 P90 P99 MAX GC% "
		   "SEEN BY CLASS MODULE");
	expect_row("120 100 20 1.25 KiB 5 +15 25 1.00 ms 21.0 ms 1.00 ms 1.00 ms 1.00 ms "
		   ">= 4.00 s 23.8 probe Session app");
	expect_row("10 0 10 10.0 MiB 0 +12 12 - - - - - - - probe Leak app");
}

Test(render_lifetimes, estimates_are_marked)
{
	render_wide();
	expect_row("~6,400 ~6,400 0 0 0 0 - 1.00 \xc2\xb5s 1.00 \xc2\xb5s 1.00 \xc2\xb5s "
		   "1.00 \xc2\xb5s 1.00 \xc2\xb5s 1.00 \xc2\xb5s 0.0 probe Item lib");
	expect("estimates: of 1 class one object in 64 was followed");
	expect("created  about 6,560 objects of 4 classes, 656/s\n");
}

Test(render_lifetimes, bounds_are_told_as_bounds)
{
	render_wide();
	expect_row("0 0 0 0 7 -7 0 >= 3.20 s >= 3.20 s - - - >= 6.00 s 0.0 probe Old app");
	expect("note: 12 objects that ended were made before we looked");
}

Test(render_lifetimes, what_no_probe_saw_made_says_so)
{
	render_wide();
	expect_row("30 20 10 0 0 +10 14 - - - - - - 0.0 census Row app");
	expect("note: of 1 class no probe sees objects being made");
	profile->lifetimes->classes[SAMPLE_ROW].created = 0;
	profile->lifetimes->classes[SAMPLE_ROW].destroyed = 0;
	profile->lifetimes->classes[SAMPLE_ROW].destroyed_before = 20;
	profile->lifetimes->classes[SAMPLE_ROW].census_end = LIFETIME_UNKNOWN;
	render_wide();
	expect_row("? 0 0 0 20 - - - - - - - - 0.0 census Row app");
}

Test(render_lifetimes, a_class_of_which_nothing_happened_is_not_listed)
{
	render_wide();
	expect_no("Idle");
}

Test(render_lifetimes, the_totals_stand_on_top)
{
	render_wide();
	expect("lifetime \xc2\xb7 10.0 s \xc2\xb7 6,560 objects made \xc2\xb7 6,532 ended\n");
	expect("ended    about 6,520 of them, and 12 from before; 0.4 % by the collector\n");
	expect("live     about 40 of them, 10.0 MiB, at the end\n");
}

Test(render_lifetimes, a_balance_that_does_not_come_out_is_told_with_its_number)
{
	render_wide();
	expect("note: the balance of 1 class does not come out, by 2 objects (created less ended, "
	       "against the change between the censuses): app.Leak -2\n");
	expect("note: 2 ends came a second time");
	profile->lifetimes->classes[SAMPLE_LEAK].census_end = 10;
	render_wide();
	expect_no("balance");
}

Test(render_lifetimes, lines_that_made_most_come_below)
{
	render_wide();
	expect_row("CREATED ENDED LIVE SIZE MEAN AGE GC% MADE AT FUNCTION CLASS");
	expect_row("~6,400 ~6,400 0 0 1.00 \xc2\xb5s 0.0 app.py:43 make Item");
	expect_row("100 90 10 640 B 1.00 ms 22.2 app.py:42 make Session");
	expect_row("20 10 10 640 B 201 ms 50.0 app.py:14 run Session");
	expect_row("10 0 10 10.0 MiB - - app.py:43 make Leak");
}

Test(render_lifetimes, what_is_alive_is_shown_by_age)
{
	render_wide();
	expect_row("LIVE SIZE < 1 s < 10 s < 1 min < 10 min OLDER CLASS MODULE");
	expect_row("20 1.25 KiB 15 5 0 0 0 Session app");
	expect_row("10 10.0 MiB 0 10 0 0 0 Leak app");
}

Test(render_lifetimes, rows_are_what_was_asked_for)
{
	struct render_options options = wide(LIFETIME_VIEW_CREATED);

	options.by = ROLLUP_THREAD;
	render_with("table", &options);
	expect_row("20 10 10 640 B 201 ms 50.0 100 101 worker 1 python3 app.py");
	options.by = ROLLUP_FUNCTION;
	render_with("table", &options);
	expect_row("100 90 10 640 B 1.00 ms 22.2 app.py:40 make Session");
	options.by = ROLLUP_CLASS;
	options.split_threads = true;
	render_with("table", &options);
	expect_row("20 10 10 640 B 201 ms 50.0 101 worker Session app");
	options.by = ROLLUP_MODULE;
	options.split_threads = false;
	render_with("table", &options);
	/* 120 + 30 + 10 made; 5 + 7 from before; change 15 + 10 + 12 - 7; alive 25 + 14 + 12 + 0. */
	expect_row("160 120 40 10.0 MiB 12 +30 51 1.00 ms 17.5 ms 1.00 ms 1.00 ms 1.00 ms "
		   ">= 6.00 s 18.9 census 4 app");
}

Test(render_lifetimes, rows_come_in_the_order_asked_for)
{
	struct render_options options = wide(LIFETIME_VIEW_CREATED);
	int session, leak;

	options.limit = 2;
	options.lifetime_sort = LIFETIME_SORT_BYTES;
	render_with("table", &options);
	leak = expect_row("10 0 10 10.0 MiB 0 +12 12 - - - - - - - probe Leak app");
	session = expect_row("120 100 20 1.25 KiB 5 +15 25 1.00 ms 21.0 ms 1.00 ms 1.00 ms "
			     "1.00 ms >= 4.00 s 23.8 probe Session app");
	cr_expect_eq(session, leak + 1);
	expect("\xe2\x80\xa6 3 more rows: --limit 0 shows all\n");
	options.limit = 1;
	options.lifetime_sort = LIFETIME_SORT_NAME;
	render_with("table", &options);
	expect("Item");
	options.lifetime_sort = LIFETIME_SORT_GROWTH;
	render_with("table", &options);
	expect("Session");
	expect_no("Old");
}

Test(render_lifetimes, a_pattern_keeps_classes_and_the_lines_that_make_them)
{
	const char *glob = "app:Session";
	struct render_options options = wide(LIFETIME_VIEW_CREATED);

	options.globs = &glob;
	options.glob_count = 1;
	render_with("table", &options);
	expect("only classes and stacks with app:Session\n");
	expect("23.8  Session  app");
	expect("created  about 6,560 objects of 4 classes in all, 656/s\n");
	expect_no("Leak  ");
	glob = "app:run";
	render_with("table", &options);
	/* Only what was made there, so nothing that is known of whole classes. */
	expect_row("20 10 10 640 B 201 ms 50.0 Session app");
	expect_row("20 10 10 640 B 201 ms 50.0 app.py:14 run Session");
	expect_no("app.py:42");
	glob = "nothing";
	render_with("table", &options);
	expect("no class and no function that matches had objects made or ended\n");
}

Test(render_lifetimes, it_fits_the_width)
{
	static const uint32_t widths[] = { 80, 100, 120, 160 };
	struct render_options options = sample_lifetimes_options(profile, LIFETIME_VIEW_CREATED);

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		char *state = NULL;

		options.columns = widths[i];
		render_with("table", &options);
		expect("Session");
		for (char *line = strtok_r(out.bytes, "\n", &state); line;
		     line = strtok_r(NULL, "\n", &state))
			cr_expect(text_width(line) <= widths[i] || !strncmp(line, "cost:", 5),
				  "%u: %s", widths[i], line);
	}
}

Test(render_lifetimes, nothing_at_all_is_said_in_words)
{
	static const char *const formats[] = { "json",	"folded",    "flamegraph",
					       "pprof", "callgrind", "dot" };
	struct render_options options;

	profile_free(profile);
	profile = sample_lifetimes_empty_new();
	options = wide(LIFETIME_VIEW_CREATED);
	render_with("table", &options);
	expect("no object of a class made in Python was made or ended while we watched");
	expect("created  0 objects of 0 classes\n");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		render_with(formats[i], &options);
}

Test(render_lifetimes, hostile_names_stay_names)
{
	static const char *const names[] = { "\x1b[31mRed\x1b]0;x\x07", "</script><b>Bold",
					     "a;b 1\nc", "\xff\xfe" };
	struct render_options options;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		sample_lifetimes_add(profile, names[i], names[i], 20, 1);
	options = wide(LIFETIME_VIEW_CREATED);
	options.limit = 0;
	render_with("table", &options);
	expect_no("\x1b");
	expect("Red");
	render_with("flamegraph", &options);
	expect_no("\x1b");
	expect_no("</script><b>");
	render_with("folded", &options);
	expect_no("\x1b");
	render_with("json", &options);
	expect_no("\x1b");
}

Test(render_lifetimes, ten_thousand_classes_are_a_table)
{
	struct render_options options;
	char name[32];

	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "Class%d", i);
		sample_lifetimes_add(profile, "many", name, 1, 1);
	}
	options = wide(LIFETIME_VIEW_CREATED);
	render_with("table", &options);
	expect("\xe2\x80\xa6 9985 more rows: --limit 0 shows all\n");
	options.limit = 0;
	render_with("table", &options);
	expect("Class9999");
	render_with("json", &options);
	render_with("flamegraph", &options);
}

/* ---- json ---- */

static json_t *class_named(json_t *root, const char *name)
{
	json_t *classes = json_object_get(json_object_get(root, "lifetime"), "classes"), *row;
	size_t i;

	json_array_foreach(classes, i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "name")), name))
			return row;
	}
	return NULL;
}

Test(render_lifetimes, json_has_the_keys_of_a_class)
{
	static const struct {
		const char *key;
		json_int_t value;
	} wanted[] = {
		{ "created", 120 },
		{ "destroyed", 100 },
		{ "live", 20 },
		{ "destroyed_before", 5 },
		{ "by_collector", 25 },
		{ "again", 2 },
		{ "bytes", 1280 },
		{ "census_start", 10 },
		{ "census_end", 25 },
		{ "growth", 15 },
		{ "imbalance", 0 },
		{ "min_ns", 1000000 },
		{ "mean_ns", 20990000 },
		{ "p50_ns", 1000000 },
		{ "p90_ns", 1000000 },
		{ "p99_ns", 1000000 },
		{ "max_ns", 2000000000 },
		{ "before_at_least_min_ns", 3000000000 },
		{ "before_at_least_max_ns", 4000000000 },
	};
	struct render_options options = wide(LIFETIME_VIEW_CREATED);
	json_t *root = json_report(profile, &options), *row = class_named(root, "Session"), *site;

	cr_assert_not_null(row);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		json_expect_int(row, wanted[i].key, wanted[i].value);
	json_expect_string(row, "module", "app");
	json_expect_string(row, "births", "probed");
	cr_expect(json_is_false(json_object_get(row, "estimate")));
	cr_expect_eq(json_array_size(json_object_get(row, "sites")), 2);
	site = json_element(json_object_get(row, "sites"), 0);
	json_expect_string(site, "file", "/srv/app.py");
	json_expect_string(site, "name", "make");
	json_expect_int(site, "line", 42);
	json_expect_int(site, "created", 100);
	json_expect_int(site, "live", 10);
	cr_expect_eq(json_integer_value(json_element(json_object_get(row, "live_ages"), 1)), 5);
	json_expect_int(json_element(json_object_get(row, "timeline"), 1), "t_ns", 5000000000);
	json_expect_int(json_element(json_object_get(row, "timeline"), 1), "destroyed", 105);
	row = class_named(root, "Row");
	json_expect_string(row, "births", "census");
	cr_expect(json_is_null(json_object_get(row, "min_ns")));
	cr_expect(json_is_true(json_object_get(class_named(root, "Item"), "estimate")));
	json_expect_int(class_named(root, "Leak"), "imbalance", -2);
	json_decref(root);
}

Test(render_lifetimes, json_sites_point_at_their_stacks)
{
	struct render_options options = wide(LIFETIME_VIEW_BYTES);
	json_t *root = json_report(profile, &options), *stacks, *site, *stack;

	stacks = json_object_get(root, "stacks");
	cr_expect_eq(json_array_size(stacks), 4);
	json_expect_string(root, "unit", "bytes");
	site = json_element(json_object_get(class_named(root, "Leak"), "sites"), 0);
	stack = json_element(stacks, json_integer_value(json_object_get(site, "stack")));
	json_expect_int(stack, "weight", 10 * 1048576);
	json_expect_int(stack, "samples", 10);
	cr_expect_eq(json_array_size(json_object_get(stack, "frames")), 2);
	json_decref(root);
}

/* ---- the others ---- */

Test(render_lifetimes, folded_stacks_end_in_the_class)
{
	struct render_options options = wide(LIFETIME_VIEW_LIVE);

	render_with("folded", &options);
	cr_expect_str_eq(out.bytes, "<module> (app.py:30);make (app.py:42);Session (app) 10\n"
				    "<module> (app.py:30);make (app.py:43);Leak (app) 10\n"
				    "run (app.py:14);Session (app) 10\n");
}

Test(render_lifetimes, the_flame_graph_has_views_and_the_course_of_the_largest)
{
	struct render_options options = wide(LIFETIME_VIEW_AGE);

	render_with("flamegraph", &options);
	expect("\"show\":\"age\"");
	expect("\"name\":\"created\",\"counts\":\"objects\",\"unit\":\"samples\"");
	expect("\"name\":\"bytes\",\"counts\":\"objects\",\"unit\":\"bytes\"");
	expect("\"name\":\"age\",\"counts\":\"objects\",\"unit\":\"ns\"");
	/* From 10 at the start by +70, then by 50 - 105. */
	expect("\"name\":\"app.Session\",\"alive\":[80,80,80,80,80,25,25,25,25,25]");
	expect("\"name\":\"app.Old\",\"alive\":[7,7,7,7,7,7,7,7,7,0]");
	/* Its makings are not seen; nothing happened to the other. */
	expect_no("\"app.Row\"");
	expect_no("\"app.Idle\"");
}
