// SPDX-License-Identifier: GPL-2.0-only
/* Reports of collections; what is expected was added up by hand from the profile made here. */
#include <criterion/criterion.h>
#include <string.h>

#include "json_read.h"
#include "sample.h"

#define MS(count) ((count)*1000000ull)
#define SECONDS(count) ((count)*1000000000ull)

static struct profile *profile;
static struct buffer out;

static uint32_t push(uint32_t stack, const char *name, int32_t line)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.module = profile_string(profile, "app"),
		.file = profile_string(profile, "/srv/app.py"),
		.line = line / 10 * 10,
	};

	return profile_add_stack(
		profile, stack,
		profile_add_frame(profile, profile_add_function(profile, &function), line));
}

static void add(uint32_t site, unsigned int generation, uint64_t start_ns, uint64_t pause_ns,
		uint64_t collected)
{
	const struct gc_collection collection = {
		.start_ns = start_ns,
		.pause_ns = pause_ns,
		.collected = collected,
		.site = site,
		.generation = generation,
		.asked = generation == 2,
	};

	cr_assert_eq(collections_add(profile->collections, &collection), 0);
}

/* Ten seconds of one process that used one of CPU. */
static void make_empty(void)
{
	uint32_t process;

	profile = profile_new("gc", UNIT_NS);
	process = profile_add_process(profile, 1, 100);
	profile->processes[process].command = profile_string(profile, "python3 app.py");
	profile->processes[process].cpu_ns = SECONDS(1);
	profile_add_thread(profile, process, 100);
	profile->duration_ns = SECONDS(10);
	profile->collections = collections_new();
	*collections_process_of(profile->collections, 0) = (struct gc_process){
		.watched = true,
		.is_read = true,
		.watched_ns = SECONDS(10),
		.before = { 40, 2, 0 },
	};
	buffer_init(&out);
}

/* Three young ones where work() makes things, a full one that main() asks for: 100 ms in all. */
static void make_profile(void)
{
	uint32_t main, work, site;

	make_empty();
	main = push(0, "main", 12);
	work = push(main, "work", 25);
	site = collections_site_of(profile->collections, 0, work);
	for (int i = 0; i < 3; i++)
		add(site, 0, SECONDS(i), MS(10), 1000);
	add(collections_site_of(profile->collections, 0, main), 2, SECONDS(5), MS(70), 5);
	profile->collections->processes[0].real[0] = 3;
	profile->collections->processes[0].seen[0] = 3;
	profile->collections->processes[0].real[2] = 1;
	profile->collections->processes[0].seen[2] = 1;
	collections_sort(profile->collections);
	collections_to_stacks(profile->collections, profile);
}

static void drop_profile(void)
{
	buffer_release(&out);
	profile_free(profile);
}

TestSuite(render_gc, .init = make_profile, .fini = drop_profile);

static struct render_options wide(void)
{
	return (struct render_options){
		.by = ROLLUP_LINE,
		.limit = 20,
		.columns = 300,
		.version = "1.0",
		.title = "pybpfprof",
	};
}

static void render_wide(void)
{
	struct render_options options = wide();

	buffer_release(&out);
	sample_render("table", profile, &options, &out);
}

static void expect(const char *text)
{
	cr_expect(strstr(out.bytes, text), "no '%s' in:\n%s", text, out.bytes);
}

Test(render_gc, the_head_tells_shares_of_wall_and_cpu)
{
	render_wide();
	expect("gc \xc2\xb7 10.0 s \xc2\xb7 4 collections \xc2\xb7 100 ms paused: 1.0 % of wall time, "
	       "10 % of CPU time");
}

Test(render_gc, generations_are_named_and_increments_as_what_they_are)
{
	render_wide();
	expect("generation 0");
	profile->collections->processes[0].incremental = true;
	render_wide();
	expect("young");
	expect("increment");
	cr_expect_null(strstr(out.bytes, "generation 0"));
}

Test(render_gc, the_longest_come_first_with_their_stacks)
{
	const char *first, *second;

	render_wide();
	first = strstr(out.bytes, "70.0 ms at 5.00 s");
	second = strstr(out.bytes, "10.0 ms at ");
	cr_assert(first && second && first < second, "%s", out.bytes);
	expect("asked for");
	expect("work (app.py:25) < main (app.py:12)");
}

Test(render_gc, it_is_said_whether_all_were_seen)
{
	render_wide();
	expect("there were 4 collections: every one was seen");
	expect("42 collections were over before we watched");
	profile->collections->processes[0].real[1] = 2;
	render_wide();
	expect("there were 6 collections; of these 2 are not in the numbers above");
}

TestSuite(render_no_gc, .init = make_empty, .fini = drop_profile);

Test(render_no_gc, none_is_said_in_words)
{
	render_wide();
	expect("0 collections: the collector did not run while we watched");
}

Test(render_gc, json_has_each_with_its_line)
{
	struct render_options options = wide();
	json_t *report = json_report(profile, &options);
	json_t *gc = json_object_get(report, "gc");
	json_t *list = json_object_get(gc, "collections"), *last;

	cr_assert_eq(json_array_size(list), 4);
	last = json_element(list, 3);
	json_expect_int(last, "t_ns", SECONDS(5));
	json_expect_int(last, "duration_ns", MS(70));
	json_expect_int(last, "generation", 2);
	json_expect_int(last, "line", 12);
	json_expect_string(last, "name", "main");
	json_expect_string(last, "kind", "generation 2");
	json_expect_int(json_element(json_object_get(gc, "generations"), 0), "collected", 3000);
	json_expect_int(json_element(json_object_get(gc, "worst"), 0), "duration_ns", MS(70));
	json_expect_int(json_element(json_object_get(gc, "lines"), 1), "count", 3);
	json_decref(report);
}

Test(render_gc, other_formats_name_pauses_and_collections)
{
	struct render_options options = wide();

	buffer_release(&out);
	sample_render("callgrind", profile, &options, &out);
	expect("\nevents: Pause_ns Collections\nsummary: 100000000 4\n");
	expect("\ndesc: counts of calls are counts of collections\n");
}

Test(render_gc, a_glob_keeps_what_began_in_its_functions)
{
	static const char *const globs[] = { "work" };
	struct render_options options = wide();
	json_t *report, *gc;

	options.globs = globs;
	options.glob_count = 1;
	report = json_report(profile, &options);
	gc = json_object_get(report, "gc");
	cr_expect_eq(json_array_size(json_object_get(gc, "collections")), 3);
	cr_expect_eq(json_array_size(json_object_get(report, "stacks")), 1);
	json_decref(report);
}
