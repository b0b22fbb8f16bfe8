// SPDX-License-Identifier: GPL-2.0-only
/* The memory that the tests of the page and of pprof share. */
#include "sample_blocks.h"

#include <criterion/criterion.h>

#include "model/memory.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

#define SECOND_NS 1000000000ull

static uint32_t blocks_function(struct profile *profile, const char *name, const char *module,
				const char *file, int32_t line, enum frame_kind kind)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = kind,
	};

	return profile_add_function(profile, &function);
}

static uint32_t blocks_stack(struct profile *profile, uint32_t parent, uint32_t function,
			     int32_t line)
{
	return profile_add_stack(profile, parent, profile_add_frame(profile, function, line));
}

/* Amounts as the header's table has them: allocated, peak, live, temporary; blocks, KiB. */
static void blocks_site(struct profile *profile, uint32_t thread, uint32_t stack,
			const uint64_t amounts[8])
{
	static const enum memory_view VIEWS[] = { MEMORY_VIEW_ALLOCATED, MEMORY_VIEW_PEAK,
						  MEMORY_VIEW_LIVE, MEMORY_VIEW_TEMPORARY };
	struct memory *memory = profile->memory;
	uint32_t id = memory_site_of(memory, thread, stack);

	cr_assert_lt(id, memory->site_count);
	for (int i = 0; i < 4; i++) {
		struct memory_amount amount = { amounts[2 * i], amounts[2 * i + 1] * KIB };

		memory->sites[id].amounts[VIEWS[i]] = amount;
		memory->amounts[VIEWS[i]].blocks += amount.blocks;
		memory->amounts[VIEWS[i]].bytes += amount.bytes;
	}
}

static void blocks_timeline(struct memory *memory, uint64_t resident_bytes)
{
	static const uint64_t LIVE_KIB[] = { 0,	   100,	 200,  300,  500, 1000,
					     1268, 1200, 1100, 1000, 871 };

	for (int i = 0; i < 11; i++) {
		uint64_t before_kib = i && LIVE_KIB[i - 1] > LIVE_KIB[i] ? LIVE_KIB[i - 1] : 0;

		memory->points[i] = (struct memory_point){
			.time_ns = i * SECOND_NS,
			.live_bytes = LIVE_KIB[i] * KIB,
			.resident_bytes = resident_bytes + LIVE_KIB[i] * KIB,
			.peak_bytes = (i == 4	  ? 900 :
				       before_kib ? before_kib :
						    LIVE_KIB[i]) *
				      KIB,
		};
	}
	memory->point_count = 11;
	memory->point_ns = SECOND_NS;
	memory->peak_at_ns = 6 * SECOND_NS;
}

static void blocks_sites(struct profile *profile)
{
	static const uint64_t LOAD[] = { 100, 400, 50, 200, 0, 0, 50, 200 };
	static const uint64_t PUT[] = { 64, 1024, 60, 960, 48, 768, 0, 0 };
	static const uint64_t DUMPS[] = { 1000, 500, 10, 5, 0, 0, 1000, 500 };
	static const uint64_t REALLOC[] = { 3, 300, 1, 100, 1, 100, 0, 0 };
	static const uint64_t NOWHERE[] = { 1, 3, 1, 3, 1, 3, 0, 0 };
	const char *jobs = "/srv/app/jobs.py", *libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
	uint32_t module = blocks_function(profile, "<module>", "__main__", "/srv/app/app.py", 1,
					  FRAME_PYTHON);
	uint32_t load = blocks_function(profile, "load", "app.jobs", jobs, 20, FRAME_PYTHON);
	uint32_t put = blocks_function(profile, "Cache.put", "app.jobs", jobs, 10, FRAME_PYTHON);
	uint32_t run = blocks_function(profile, "Worker.run", "app.jobs", jobs, 40, FRAME_PYTHON);
	uint32_t dumps = blocks_function(profile, "dumps", "json",
					 "/usr/lib/python3.11/json/__init__.py", 183, FRAME_PYTHON);
	uint32_t resize = blocks_function(profile, "realloc", "libc.so.6", libc, 0, FRAME_NATIVE);
	uint32_t stack = blocks_stack(profile, 0, module, 30);

	blocks_site(profile, 0, blocks_stack(profile, stack, load, 21), LOAD);
	stack = blocks_stack(profile, stack, load, 22);
	blocks_site(profile, 0, blocks_stack(profile, stack, put, 12), PUT);
	stack = blocks_stack(profile, blocks_stack(profile, 0, run, 14), dumps, 238);
	blocks_site(profile, 1, stack, DUMPS);
	blocks_site(profile, 1, blocks_stack(profile, stack, resize, 0), REALLOC);
	blocks_site(profile, 1, 0, NOWHERE);
}

struct profile *sample_blocks_none_new(void)
{
	struct profile *profile = profile_new("memory", UNIT_BYTES);

	profile_add_process(profile, 1, 100);
	profile->memory = memory_new();
	cr_assert_not_null(profile->memory);
	return profile;
}

struct profile *sample_blocks_new(void)
{
	static const char *const THREADS[] = { "python3", "worker" };
	struct profile *profile = profile_new("memory", UNIT_BYTES);
	struct profile_process *process;
	struct memory *memory = memory_new();

	profile_add_process(profile, 1, 100);
	process = &profile->processes[0];
	process->command = profile_string(profile, "python3 app.py");
	process->python = profile_string(profile, "3.11.2");
	process->cpu_ns = SECOND_NS;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t thread = profile_add_thread(profile, 0, 100 + i);

		profile->threads[thread].name = profile_string(profile, THREADS[i]);
	}
	profile->memory = memory;
	profile->duration_ns = 10 * SECOND_NS;
	profile->started_unix_ns = 1700000000 * SECOND_NS;
	blocks_sites(profile);
	blocks_timeline(memory, 12 * MIB);
	memory->temporary_distance = 1;
	cr_assert_eq(memory_to_stacks(memory, profile, MEMORY_VIEW_PEAK), 0);
	return profile;
}

struct profile *sample_blocks_sampled_new(void)
{
	struct profile *profile = sample_blocks_new();
	struct memory *memory = profile->memory;

	profile->estimate = true;
	memory->sample_bytes = 4096;
	memory->resident = true;
	memory->view = MEMORY_VIEW_LIVE;
	memory->sites[0].amounts[MEMORY_VIEW_FAULTED] = (struct memory_amount){ 40, 160 * KIB };
	memory->sites[0].amounts[MEMORY_VIEW_RESIDENT] = (struct memory_amount){ 30, 120 * KIB };
	for (uint32_t i = 0; i < memory->site_count; i++) {
		struct memory_site *site = &memory->sites[i];

		site->allocated_variance = 10.0 * KIB * 10 * KIB;
		if (site->amounts[MEMORY_VIEW_LIVE].bytes)
			site->live_variance = 10.0 * KIB * 10 * KIB;
	}
	blocks_timeline(memory, 200 * MIB);
	cr_assert_eq(memory_to_stacks(memory, profile, MEMORY_VIEW_LIVE), 0);
	return profile;
}
