// SPDX-License-Identifier: GPL-2.0-only
/* Real children that touch memory and give it back, with records of it made here. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/resident.h"
#include "model/memory.h"
#include "proc/resident.h"

enum {
	NAMED = 1,	     /* serial of a process that was there before */
	FORKED = 0x80000001, /* of one that began while it was watched */
	PAGES = 8192,
	PAGE = 4096,
	SLACK = 4 << 20,
};

static const uint64_t ALL = (uint64_t)PAGES * PAGE;

static struct profile *profile;
static struct watch *watch;
static struct resident *resident;
static uint32_t site;
static char *pages; /* where the child has its pages, too */
static pid_t child;
static int to_child, from_child;

/* A child's life: each byte it gets is done and answered. */
static void child_run(int orders, int answers)
{
	char order;

	while (read(orders, &order, 1) == 1) {
		if (order == 't')
			memset(pages, 1, ALL);
		if (order == 'h')
			madvise(pages, ALL / 2, MADV_DONTNEED);
		if (order == 'f')
			madvise(pages, ALL, MADV_DONTNEED);
		if (order == 'm')
			pages = mremap(pages, ALL / 2, ALL / 2, MREMAP_MAYMOVE | MREMAP_FIXED,
				       pages + ALL / 2);
		if (write(answers, &order, 1) != 1)
			break;
	}
	_exit(0);
}

static void order(char what)
{
	char answer;

	cr_assert_eq(write(to_child, &what, 1), 1);
	cr_assert_eq(read(from_child, &answer, 1), 1);
	cr_assert_eq(answer, what);
}

static void child_start(void)
{
	int orders[2], answers[2];

	cr_assert_eq(pipe(orders), 0);
	cr_assert_eq(pipe(answers), 0);
	child = fork();
	if (!child) {
		close(orders[1]);
		close(answers[0]);
		child_run(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	to_child = orders[1];
	from_child = answers[0];
}

static void child_end(void)
{
	if (child <= 0)
		return;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	child = 0;
}

static void setup(void)
{
	pages = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(pages, MAP_FAILED);
	madvise(pages, ALL, MADV_NOHUGEPAGE);
	profile = profile_new("memory", UNIT_BYTES);
	profile->memory = memory_new();
	watch = watch_new(NULL, profile);
	resident = resident_new(watch, profile, true);
	cr_assert_not_null(resident);
	site = memory_site_of(profile->memory, 0, 0);
	child_start();
}

static void teardown(void)
{
	child_end();
	resident_free(resident);
	watch_free(watch);
	profile_free(profile);
}

TestSuite(resident, .init = setup, .fini = teardown);

static void watch_child(uint32_t serial)
{
	const struct record_process record = {
		.header = { .time_ns = 1000, .pid = child, .tid = child, .serial = serial }
	};
	struct python_process like = { .version = "3.11.2" };

	cr_assert(!watch_template_keep(watch, 0, &like) && !watch_found(watch, &record));
	cr_assert_not_null(watch_process(watch, serial));
}

static void tell(enum record_kind kind, uint32_t serial, uint64_t maxrss)
{
	const struct record_process record = {
		.header = { .pid = child, .tid = child, .serial = serial, .kind = kind },
		.maxrss = maxrss,
	};
	const struct event event = { .kind = kind, .header = &record.header, .process = &record };

	cr_assert_eq(resident_event(resident, &event), 0);
	cr_assert_eq(watch_event(watch, &event), 0);
}

static uint64_t tick(uint64_t seconds)
{
	uint64_t bytes = 0;

	cr_assert_eq(resident_tick(resident, seconds * 1000000000, &bytes), 0);
	return bytes;
}

static void tell_memory(enum memory_event_kind kind, const char *address, uint64_t size,
			uint64_t time_ns)
{
	const struct record_memory record = {
		.header = { .time_ns = time_ns, .pid = child, .tid = child, .serial = NAMED },
		.address = (uint64_t)address,
		.size = size,
		.kind = kind,
		.detail = kind == MEMORY_FAULTED ? MEMORY_PAGE_ANONYMOUS : 0,
		.resized = kind == MEMORY_FREED || kind == MEMORY_ALLOCATED,
	};

	cr_assert_eq(resident_memory(resident, &record, site), 0);
}

static void tell_faults(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		tell_memory(MEMORY_FAULTED, pages + i * PAGE, PAGE, i);
}

static const struct memory_process *row(void)
{
	return &profile->memory->processes[0];
}

static uint64_t bytes_of(enum memory_view view)
{
	return profile->memory->sites[site].amounts[view].bytes;
}

static bool is_near(uint64_t bytes, uint64_t expected)
{
	return bytes + SLACK > expected && bytes < expected + SLACK;
}

Test(resident, a_process_is_read_when_it_comes_and_as_it_grows)
{
	uint64_t before = 0;

	cr_assert_eq(resident_size_read(child, &before), 0);
	watch_child(NAMED);
	cr_expect(is_near(tick(1), before));
	order('t');
	cr_expect(is_near(tick(2), before + ALL));
	cr_expect(is_near(row()->rss_start_bytes, before));
	cr_expect(is_near(row()->rss_end_bytes, before + ALL));
	cr_expect(is_near(row()->rss_peak_bytes, before + ALL));
}

Test(resident, a_peak_between_two_readings_is_not_missed)
{
	uint64_t before;

	cr_assert_eq(resident_size_read(child, &before), 0);
	watch_child(NAMED);
	tick(1);
	order('t');
	order('f');
	tick(3);
	cr_expect(is_near(row()->rss_end_bytes, before));
	cr_expect(is_near(row()->rss_peak_bytes, before + ALL));
}

Test(resident, a_peak_from_before_it_was_watched_is_none)
{
	uint64_t before;

	cr_assert_eq(resident_size_read(child, &before), 0);
	order('t');
	order('f');
	watch_child(NAMED);
	tick(1);
	tick(3);
	resident_finish(resident);
	cr_expect(is_near(row()->rss_peak_bytes, before));
}

Test(resident, one_that_ended_before_it_was_read_has_the_peak_its_end_tells)
{
	watch_child(FORKED);
	tell(RECORD_PROCESS_EXIT, FORKED, 12345);
	cr_expect_eq(tick(1), 0);
	cr_expect_eq(row()->rss_peak_bytes, 12345 * PAGE);
}

Test(resident, what_has_ended_is_in_no_sum_any_more)
{
	watch_child(NAMED);
	cr_expect_gt(tick(1), 0);
	tell(RECORD_PROCESS_EXIT, NAMED, 0);
	cr_expect_eq(tick(2), 0);
	cr_expect_gt(row()->rss_end_bytes, 0, "as it was when it was read last");
}

Test(resident, an_end_that_nobody_told_is_seen_by_the_watch)
{
	watch_child(NAMED);
	order('t');
	tell_faults();
	tick(1);
	child_end();
	/* As watch_sweep() would find, after some seconds. */
	watch_finish(watch);
	cr_expect_eq(tick(2), 0);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), ALL);
}

Test(resident, an_oom_kill_is_told_with_the_process)
{
	watch_child(NAMED);
	tick(1);
	cr_expect_not(row()->oom_killed);
	tell(RECORD_PROCESS_OOM, NAMED, 0);
	cr_expect(row()->oom_killed);
}

Test(resident, of_a_living_process_the_end_is_asked)
{
	watch_child(NAMED);
	tick(1);
	order('t');
	tell_faults();
	order('h');
	resident_finish(resident);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), ALL / 2);
	cr_expect(row()->pss_known);
	cr_expect_gt(row()->pss_end_bytes, ALL / 2);
}

Test(resident, of_one_that_ended_the_last_look_tells)
{
	watch_child(NAMED);
	tick(1);
	order('t');
	tell_faults();
	order('h');
	tick(2);
	order('f'); /* after the last look: nobody saw it */
	tell(RECORD_PROCESS_EXIT, NAMED, 0);
	resident_finish(resident);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), ALL / 2);
	cr_expect_not(row()->pss_known);
}

Test(resident, a_mapping_that_was_moved_is_found_where_it_is)
{
	watch_child(NAMED);
	tick(1);
	order('t');
	for (uint64_t i = 0; i < PAGES / 2; i++)
		tell_memory(MEMORY_FAULTED, pages + i * PAGE, PAGE, i);
	order('m');
	tell_memory(MEMORY_UNMAPPED, pages, ALL / 2, 77);
	tell_memory(MEMORY_MAPPED, pages + ALL / 2, ALL / 2, 77);
	resident_finish(resident);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), ALL / 2);
}

Test(resident, a_large_block_that_was_resized_elsewhere_is_found_where_it_is)
{
	watch_child(NAMED);
	tick(1);
	order('t');
	for (uint64_t i = 0; i < PAGES / 2; i++)
		tell_memory(MEMORY_FAULTED, pages + i * PAGE, PAGE, i);
	order('m');
	tell_memory(MEMORY_FREED, pages + 16, ALL / 2 - 16, 77);
	tell_memory(MEMORY_ALLOCATED, pages + ALL / 2 + 16, ALL / 2 - 16, 77);
	resident_finish(resident);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), ALL / 2);
}

Test(resident, two_calls_of_different_times_are_no_move)
{
	watch_child(NAMED);
	tick(1);
	order('t');
	for (uint64_t i = 0; i < PAGES / 2; i++)
		tell_memory(MEMORY_FAULTED, pages + i * PAGE, PAGE, i);
	tell_memory(MEMORY_UNMAPPED, pages, ALL / 2, 77);
	tell_memory(MEMORY_MAPPED, pages + ALL / 2, ALL / 2, 78);
	order('h');
	resident_finish(resident);
	cr_expect_eq(bytes_of(MEMORY_VIEW_RESIDENT), 0);
}
