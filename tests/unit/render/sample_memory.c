// SPDX-License-Identifier: GPL-2.0-only
/* The profile of --mode memory that the tests of renderers share. */
#include "sample_memory.h"

#include <criterion/criterion.h>
#include <signal.h>

#define KIB(count) ((count)*1024ull)
#define MIB(count) ((count)*1048576ull)

static uint32_t add_function(struct profile *profile, const char *name, const char *class_name,
			     const char *module, const char *file, int32_t line,
			     enum frame_kind kind)
{
	struct profile_function function = {
		.name = profile_string(profile, name),
		.class_name = profile_string(profile, class_name),
		.module = profile_string(profile, module),
		.file = profile_string(profile, file),
		.line = line,
		.kind = kind,
	};

	return profile_add_function(profile, &function);
}

static uint32_t push(struct profile *profile, uint32_t stack, uint32_t function, int32_t line)
{
	return profile_add_stack(profile, stack, profile_add_frame(profile, function, line));
}

static void add_sizes(struct memory_site *site, uint64_t size, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		cr_assert_eq(histogram_add(&site->sizes, size), 0);
}

static void fill_read(struct memory_site *site)
{
	site->amounts[MEMORY_VIEW_ALLOCATED] = (struct memory_amount){ 1000, MIB(64) };
	site->amounts[MEMORY_VIEW_PEAK] = (struct memory_amount){ 700, MIB(40) };
	site->amounts[MEMORY_VIEW_LIVE] = (struct memory_amount){ 125, MIB(8) };
	site->amounts[MEMORY_VIEW_TEMPORARY] = (struct memory_amount){ 250, MIB(4) };
	site->amounts[MEMORY_VIEW_MAPPED] = (struct memory_amount){ 2, MIB(16) };
	site->freed = (struct memory_amount){ 875, MIB(56) };
	site->resized = 3;
	site->ages[0] = (struct memory_amount){ 100, MIB(6) };
	site->ages[1] = (struct memory_amount){ 25, MIB(2) };
	site->survivors = (struct memory_amount){ 5, KIB(320) };
	site->first_half_blocks = 500;
	site->oldest_ns = 9500000000;
	site->trend = (struct memory_trend){ -2048, 0.2, 32 };
	add_sizes(site, 100, 600);
	add_sizes(site, 65536, 400);
}

static void fill_write(struct memory_site *site)
{
	site->amounts[MEMORY_VIEW_ALLOCATED] = (struct memory_amount){ 4, MIB(4) };
	site->amounts[MEMORY_VIEW_PEAK] = (struct memory_amount){ 2, MIB(2) };
	site->freed = (struct memory_amount){ 4, MIB(4) };
	site->first_half_blocks = 2;
	site->trend.points = 32;
	add_sizes(site, 1048576, 4);
}

static void fill_keep(struct memory_site *site)
{
	site->amounts[MEMORY_VIEW_ALLOCATED] = (struct memory_amount){ 200, MIB(2) };
	site->amounts[MEMORY_VIEW_PEAK] = (struct memory_amount){ 100, MIB(1) };
	site->amounts[MEMORY_VIEW_LIVE] = (struct memory_amount){ 190, MIB(2) };
	site->freed = (struct memory_amount){ 10, 0 };
	site->failed = 1;
	site->ages[0] = (struct memory_amount){ 20, KIB(200) };
	site->ages[1] = (struct memory_amount){ 170, MIB(2) - KIB(200) };
	site->survivors = (struct memory_amount){ 90, MIB(1) };
	site->first_half_blocks = 100;
	site->oldest_ns = 9000000000;
	site->trend = (struct memory_trend){ 524288, 0.9995, 32 };
	add_sizes(site, 10485, 200);
}

static void fill_bare(struct memory_site *site)
{
	site->amounts[MEMORY_VIEW_ALLOCATED] = (struct memory_amount){ 10, KIB(10) };
	site->amounts[MEMORY_VIEW_LIVE] = (struct memory_amount){ 1, KIB(1) };
	site->freed = (struct memory_amount){ 9, KIB(9) };
	site->trend.points = 32;
	add_sizes(site, 1024, 10);
}

static uint32_t add_thread(struct profile *profile, uint32_t process, uint32_t tid,
			   const char *name, uint64_t cpu_ns)
{
	uint32_t thread = profile_add_thread(profile, process, tid);

	profile->threads[thread].name = profile_string(profile, name);
	profile->threads[thread].cpu_ns = cpu_ns;
	profile->threads[thread].wall_ns = profile->duration_ns;
	profile->processes[process].cpu_ns += cpu_ns;
	return thread;
}

static void add_sites(struct profile *profile, uint32_t main_thread, uint32_t worker)
{
	uint32_t module = add_function(profile, "<module>", NULL, "__main__", "/srv/app/app.py", 1,
				       FRAME_PYTHON);
	uint32_t read = add_function(profile, "Loader.read", "Loader", "app.load",
				     "/srv/app/load.py", 40, FRAME_PYTHON);
	uint32_t write = add_function(profile, "PyBytes_FromObject", NULL, "python3.11",
				      "/usr/bin/python3.11", 0, FRAME_NATIVE);
	uint32_t run = add_function(profile, "Worker.run", "Worker", "app.jobs", "/srv/app/jobs.py",
				    10, FRAME_PYTHON);
	uint32_t keep = add_function(profile, "Worker.keep", "Worker", "app.jobs",
				     "/srv/app/jobs.py", 20, FRAME_PYTHON);
	struct memory *memory = profile->memory;
	uint32_t root = push(profile, 0, module, 30), stacks[SAMPLE_SITES];

	stacks[SAMPLE_READ] = push(profile, root, read, 42);
	stacks[SAMPLE_WRITE] = push(profile, push(profile, root, read, 43), write, 0);
	stacks[SAMPLE_KEEP] = push(profile, push(profile, 0, run, 14), keep, 21);
	stacks[SAMPLE_BARE] = 0;
	for (uint32_t i = 0; i < SAMPLE_SITES; i++)
		cr_assert_eq(
			memory_site_of(memory, i < SAMPLE_KEEP ? main_thread : worker, stacks[i]),
			i);
	fill_read(&memory->sites[SAMPLE_READ]);
	fill_write(&memory->sites[SAMPLE_WRITE]);
	fill_keep(&memory->sites[SAMPLE_KEEP]);
	fill_bare(&memory->sites[SAMPLE_BARE]);
}

struct profile *sample_memory_new(void)
{
	struct profile *profile = profile_new("memory", UNIT_BYTES);
	uint32_t process = profile_add_process(profile, 1, 100);
	struct memory_process *described;
	struct memory *memory;

	profile->memory = memory = memory_new();
	profile->duration_ns = 10000000000;
	profile->processes[process].command = profile_string(profile, "python3 app.py");
	profile->processes[process].python = profile_string(profile, "3.11.2");
	profile->processes[process].probes = profile_string(profile, "malloc");
	add_sites(profile, add_thread(profile, process, 100, "python3", 800000000),
		  add_thread(profile, process, 101, "worker", 200000000));
	cr_assert_eq(memory_sum(memory), 0);
	memory->peak_at_ns = 4000000000;
	memory->temporary_distance = 1;
	for (uint64_t i = 0; i <= 100; i++)
		memory_add_point(memory,
				 &(struct memory_point){
					 .time_ns = i * 100000000,
					 .live_bytes = i == 100 ? MIB(10) : MIB(i % 41),
					 .resident_bytes = MIB(20 + (i > 80 ? 40 : i * 3 / 4)),
					 .peak_bytes = i == 40 ? MIB(43) : MIB(i % 41),
				 });
	described = memory_process_of(memory, process);
	described->watched = true;
	described->allocator = profile_string(profile, "glibc");
	described->rss_start_bytes = MIB(20);
	described->rss_end_bytes = MIB(60);
	described->rss_peak_bytes = MIB(80);
	described->pss_end_bytes = MIB(50);
	described->pss_known = true;
	cr_assert_eq(memory_sum_processes(memory, profile), 0);
	profile->cost = (struct profile_cost){
		.hits = 2303,
		.target_ns = 13000000,
		.profiler_cpu_ns = 40000000,
	};
	return profile;
}

void sample_memory_add_child(struct profile *profile)
{
	uint32_t process = profile_add_process(profile, 2, 200);
	struct memory_process *described;

	profile->processes[process].command = profile_string(profile, "python3 child.py");
	profile->processes[process].python = profile_string(profile, "3.11.2");
	profile->processes[process].exited = true;
	profile->processes[process].exit_status = SIGKILL;
	described = memory_process_of(profile->memory, process);
	described->watched = true;
	described->oom_killed = true;
	described->allocator = profile_string(profile, "jemalloc");
	described->rss_start_bytes = MIB(10);
	described->rss_end_bytes = MIB(30);
	described->rss_peak_bytes = MIB(30);
}

void sample_memory_add_resident(struct profile *profile)
{
	struct memory_site *site = &profile->memory->sites[SAMPLE_READ];

	profile->memory->resident = true;
	site->amounts[MEMORY_VIEW_FAULTED] = (struct memory_amount){ 8192, MIB(32) };
	site->amounts[MEMORY_VIEW_RESIDENT] = (struct memory_amount){ 4096, MIB(16) };
	cr_assert_eq(memory_sum(profile->memory), 0);
}

void sample_memory_add_pools(struct profile *profile)
{
	struct memory_process *process = memory_process_of(profile->memory, 0);

	profile->memory->objects = true;
	process->coverage = MEMORY_COVERAGE_INLINED;
	process->coverage_share = 0.25;
	process->pools_start = (struct memory_pools){
		.known = true,
		.arena_bytes = MIB(1),
		.pool_bytes = KIB(16),
		.arenas = 2,
		.arenas_bytes = MIB(2),
		.used_bytes = 64 * 900 + 512 * 62,
		.free_pools = 10,
		.classes = { [3] = { 64, 4, 900, 120 }, [31] = { 512, 2, 62, 0 } },
	};
	process->pools_end = (struct memory_pools){
		.known = true,
		.arena_bytes = MIB(1),
		.pool_bytes = KIB(16),
		.arenas = 3,
		.arenas_bytes = MIB(3),
		.used_bytes = 64 * 1530 + 512 * 31,
		.free_pools = 1,
		.classes = { [3] = { 64, 8, 1530, 510 }, [31] = { 512, 2, 31, 31 } },
	};
}

struct render_options sample_memory_options(struct profile *profile, enum memory_view view)
{
	struct render_options options = sample_options();

	profile->memory->view = view;
	options.by = ROLLUP_LINE;
	options.memory_sort = profile->memory->leaks ? MEMORY_SORT_GROWTH : (enum memory_sort)view;
	cr_assert_eq(memory_to_stacks(profile->memory, profile, view), 0);
	return options;
}
