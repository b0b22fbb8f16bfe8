// SPDX-License-Identifier: GPL-2.0-only
/* The profile of --mode lifetime that the tests of renderers share. */
#include "sample_lifetimes.h"

#include <criterion/criterion.h>

#define MS(count) ((count)*1000000ull)
#define SECONDS(count) ((count)*1000000000ull)
#define MIB(count) ((count)*1048576ull)

static uint32_t push(struct profile *profile, uint32_t stack, const char *name, int32_t line)
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

struct profile *sample_lifetimes_empty_new(void)
{
	struct profile *profile = profile_new("lifetime", UNIT_SAMPLES);
	uint32_t process = profile_add_process(profile, 1, 100), worker;

	profile->lifetimes = lifetimes_new();
	profile->lifetimes->span_ns = SECONDS(1);
	profile->lifetimes->span_count = 10;
	profile->duration_ns = SECONDS(10);
	profile->processes[process].command = profile_string(profile, "python3 app.py");
	profile->processes[process].python = profile_string(profile, "3.11.2");
	profile->processes[process].cpu_ns = SECONDS(1);
	profile_add_thread(profile, process, 100);
	worker = profile_add_thread(profile, process, 101);
	profile->threads[worker].name = profile_string(profile, "worker");
	profile->cost = (struct profile_cost){
		.hits = 2303,
		.target_ns = 13000000,
		.profiler_cpu_ns = 40000000,
	};
	return profile;
}

uint32_t sample_lifetimes_add(struct profile *profile, const char *module, const char *name,
			      uint64_t created, uint32_t stack)
{
	struct lifetimes *lifetimes = profile->lifetimes;
	uint32_t id = lifetimes_class_of(lifetimes, profile_string(profile, module),
					 profile_string(profile, name));
	struct lifetime_class *row = &lifetimes->classes[id];

	row->births = LIFETIME_BIRTHS_PROBED;
	row->python = true;
	row->created = created;
	row->spans[0].created = (uint32_t)created;
	lifetimes->created += created;
	if (created) {
		uint32_t site = lifetimes_site_of(lifetimes, id, 0, stack);

		lifetimes->sites[site].created = created;
	}
	return id;
}

static void fill_session(struct profile *profile, uint32_t id, uint32_t run)
{
	struct lifetimes *lifetimes = profile->lifetimes;
	struct lifetime_site *by_main, *by_worker;
	struct lifetime_class *row = &lifetimes->classes[id];
	uint32_t site = lifetimes_site_of(lifetimes, id, 1, run);

	by_worker = &lifetimes->sites[site];
	by_main = &lifetimes->sites[0];
	by_main->created = 100;
	by_main->destroyed = 90;
	by_main->by_collector = 20;
	by_main->created_bytes = 6400;
	by_main->destroyed_bytes = 5760;
	by_main->age_sum_ns = MS(90);
	by_worker->created = 20;
	by_worker->destroyed = 10;
	by_worker->by_collector = 5;
	by_worker->created_bytes = 1280;
	by_worker->destroyed_bytes = 640;
	by_worker->age_sum_ns = MS(2009);
	row->destroyed = 100;
	row->destroyed_before = 5;
	row->by_collector = 25;
	row->again = 2;
	row->created_bytes = 7680;
	row->destroyed_bytes = 6400;
	row->census_start = 10;
	row->census_end = 25;
	cr_assert_eq(histogram_add_many(&row->ages, MS(1), 99), 0);
	cr_assert_eq(histogram_add(&row->ages, SECONDS(2)), 0);
	row->age_min_ns = MS(1);
	row->age_max_ns = SECONDS(2);
	row->age_sum_ns = MS(2099);
	row->before_age_min_ns = SECONDS(3);
	row->before_age_max_ns = SECONDS(4);
	row->live_by_age[0] = 15;
	row->live_by_age[1] = 5;
	row->spans[0].created = 70;
	row->spans[5] = (struct lifetime_span){ 50, 105 };
}

static void fill_others(struct lifetimes *lifetimes)
{
	struct lifetime_class *row = &lifetimes->classes[SAMPLE_ROW];

	row->births = LIFETIME_BIRTHS_NONE;
	row->destroyed = 20;
	row->census_start = 4;
	row->census_end = 14;
	row = &lifetimes->classes[SAMPLE_ITEM];
	row->sampled = true;
	row->python = false;
	row->destroyed = 6400;
	cr_assert_eq(histogram_add_many(&row->ages, 1000, 100), 0);
	row->age_min_ns = row->age_max_ns = 1000;
	row->age_sum_ns = 6400000;
	row = &lifetimes->classes[SAMPLE_LEAK];
	row->created_bytes = MIB(10);
	row->census_start = 0;
	row->census_end = 12;
	row->live_by_age[1] = 10;
	row = &lifetimes->classes[SAMPLE_OLD];
	row->destroyed_before = 7;
	row->before_age_min_ns = MS(3200);
	row->before_age_max_ns = SECONDS(6);
	row->census_start = 7;
	row->census_end = 0;
	row->spans[9].destroyed = 7;
	row = &lifetimes->classes[SAMPLE_IDLE];
	row->census_start = row->census_end = 3;
}

struct profile *sample_lifetimes_new(void)
{
	struct profile *profile = sample_lifetimes_empty_new();
	struct lifetimes *lifetimes = profile->lifetimes;
	uint32_t module = push(profile, 0, "<module>", 30);
	uint32_t make = push(profile, module, "make", 42),
		 other = push(profile, module, "make", 43);

	sample_lifetimes_add(profile, "app", "Session", 120, make);
	sample_lifetimes_add(profile, "app", "Row", 0, 0);
	lifetimes->classes[SAMPLE_ROW].created = 30;
	lifetimes->created += 30;
	sample_lifetimes_add(profile, "lib", "Item", 6400, other);
	sample_lifetimes_add(profile, "app", "Leak", 10, other);
	sample_lifetimes_add(profile, "app", "Old", 0, 0);
	sample_lifetimes_add(profile, "app", "Idle", 0, 0);
	lifetimes->sites[1].destroyed = 6400;
	lifetimes->sites[1].age_sum_ns = 6400000;
	lifetimes->sites[2].created_bytes = MIB(10);
	lifetimes->sites[2].live_age_sum_ns = SECONDS(50);
	lifetimes->sample_one_in = 64;
	fill_others(lifetimes);
	fill_session(profile, SAMPLE_SESSION, push(profile, 0, "run", 14));
	lifetimes->destroyed = 6520;
	lifetimes->destroyed_before = 12;
	lifetimes->by_collector = 25;
	return profile;
}

struct render_options sample_lifetimes_options(struct profile *profile, enum lifetime_view view)
{
	struct render_options options = sample_options();

	profile->lifetimes->view = view;
	options.by = ROLLUP_CLASS;
	options.lifetime_sort = (enum lifetime_sort)view;
	cr_assert_eq(lifetimes_to_stacks(profile->lifetimes, profile, view), 0);
	return options;
}
