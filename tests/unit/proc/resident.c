// SPDX-License-Identifier: GPL-2.0-only
/* The texts of /proc, and pages of this very process that are touched, given back or never used. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/resident.h"

enum { PAGES = 256, SLACK_BYTES = 4 << 20 };

static char *pages_map(uint32_t count)
{
	char *pages = mmap(NULL, (size_t)count * RESIDENT_PAGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(pages, MAP_FAILED);
	madvise(pages, (size_t)count * RESIDENT_PAGE_BYTES, MADV_NOHUGEPAGE);
	return pages;
}

static void pages_touch(char *pages, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		pages[(size_t)i * RESIDENT_PAGE_BYTES] = 1;
}

Test(resident, the_size_is_the_second_number_in_pages)
{
	uint64_t bytes = 0;

	cr_assert_eq(resident_statm_parse("1000 25 7 1 0 300 0\n", &bytes), 0);
	cr_expect_eq(bytes, 25 * 4096);
}

Test(resident, a_process_that_is_ending_has_no_size)
{
	uint64_t bytes = 77;

	cr_expect_eq(resident_statm_parse("0 0 0 0 0 0 0\n", &bytes), -ESRCH);
	cr_expect_eq(bytes, 77);
}

Test(resident, what_is_no_statm_is_refused)
{
	static const char *const CASES[] = { "", "\n", "12", "x 3", "12 x" };
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(resident_statm_parse(CASES[i], &bytes), -EBADMSG, "%s", CASES[i]);
}

Test(resident, a_field_is_found_by_its_whole_name)
{
	static const char TEXT[] = "55d0-7ffe ---p 00000000 00:00 0   [rollup]\n"
				   "Rss:                8000 kB\n"
				   "Pss_Dirty:           100 kB\n"
				   "Pss:                3001 kB\n";
	uint64_t bytes = 0;

	cr_assert_eq(resident_field_parse(TEXT, "Pss", &bytes), 0);
	cr_expect_eq(bytes, 3001 * 1024);
	cr_assert_eq(resident_field_parse(TEXT, "Rss", &bytes), 0);
	cr_expect_eq(bytes, 8000 * 1024);
}

Test(resident, a_field_that_is_not_there_or_has_no_number_is_refused)
{
	static const char *const CASES[] = { "", "Name:\tVmHWM: 5 kB\n", "VmHWM\t5 kB\n",
					     "VmHWM:\tmany kB\n", "VmHWM2:\t5 kB\n" };
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(resident_field_parse(CASES[i], "VmHWM", &bytes), -EBADMSG, "%s",
			     CASES[i]);
}

Test(resident, our_own_size_grows_by_what_we_touch_and_the_peak_stays)
{
	enum { COUNT = 8192 };
	const uint64_t touched = (uint64_t)COUNT * RESIDENT_PAGE_BYTES;
	uint64_t before, with, after, peak, share;
	char *pages = pages_map(COUNT);

	cr_assert_eq(resident_size_read(getpid(), &before), 0);
	pages_touch(pages, 0, COUNT);
	cr_assert_eq(resident_size_read(getpid(), &with), 0);
	cr_assert_eq(resident_share_read(getpid(), &share), 0);
	munmap(pages, touched);
	cr_assert_eq(resident_size_read(getpid(), &after), 0);
	cr_assert_eq(resident_peak_read(getpid(), &peak), 0);
	cr_expect(with - before > touched - SLACK_BYTES && with - before < touched + SLACK_BYTES);
	cr_expect(after < before + SLACK_BYTES);
	cr_expect(peak + SLACK_BYTES > with);
	cr_expect(share >= touched && share < with + SLACK_BYTES);
}

Test(resident, a_shared_page_counts_by_half_in_each_of_two)
{
	enum { COUNT = 8192 };
	const uint64_t touched = (uint64_t)COUNT * RESIDENT_PAGE_BYTES;
	uint64_t alone, two;
	char *pages = pages_map(COUNT);
	int ends[2];
	char byte;
	pid_t child;

	pages_touch(pages, 0, COUNT);
	cr_assert_eq(resident_share_read(getpid(), &alone), 0);
	cr_assert_eq(pipe(ends), 0);
	child = fork();
	if (!child) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) < 0);
	}
	cr_assert_eq(resident_share_read(getpid(), &two), 0);
	close(ends[1]);
	waitpid(child, NULL, 0);
	cr_expect(two < alone - touched / 2 + SLACK_BYTES);
}

Test(resident, a_process_that_has_ended_has_nothing)
{
	uint64_t bytes;
	siginfo_t end;
	pid_t child = fork();
	int fd;

	if (!child)
		_exit(0);
	cr_assert_eq(waitid(P_PID, child, &end, WEXITED | WNOWAIT), 0);
	cr_expect_eq(resident_size_read(child, &bytes), -ESRCH);
	cr_expect_eq(resident_peak_read(child, &bytes), -ESRCH);
	cr_expect_eq(resident_share_read(child, &bytes), -ESRCH);
	waitpid(child, NULL, 0);
	cr_expect_eq(resident_size_read(child, &bytes), -ESRCH);
	cr_expect_eq(resident_pages_open(child, &fd), -ESRCH);
}

Test(resident, only_pages_that_were_touched_and_not_given_back_are_there)
{
	char *pages = pages_map(PAGES);
	uint64_t bits[PAGES / 64];
	uint32_t wrong = 0;
	int fd;

	pages_touch(pages, 3, 100);
	pages_touch(pages, 200, 1);
	madvise(pages + 50 * RESIDENT_PAGE_BYTES, 10 * RESIDENT_PAGE_BYTES, MADV_DONTNEED);
	cr_assert_eq(resident_pages_open(getpid(), &fd), 0);
	cr_assert_eq(resident_pages_read(fd, (uint64_t)pages, PAGES, bits), 0);
	for (uint32_t i = 0; i < PAGES; i++) {
		bool is_there = (i >= 3 && i < 50) || (i >= 60 && i < 103) || i == 200;

		wrong += (bits[i / 64] >> i % 64 & 1) != is_there;
	}
	cr_expect_eq(wrong, 0);
	close(fd);
}

Test(resident, what_lies_past_the_end_of_the_address_space_is_not_there)
{
	/* The stack's last page may be the last one there is. */
	const uint64_t last = 0x7fffffffe000, region = last & ~0x1fffffull;
	uint64_t bits[RESIDENT_LOOK_PAGES / 64];
	char *page = mmap((void *)last, RESIDENT_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	const uint32_t index = (last - region) / RESIDENT_PAGE_BYTES;
	int fd;

	if (page == MAP_FAILED)
		cr_assert_eq(errno, EEXIST, "the stack is there");
	else
		pages_touch(page, 0, 1);
	cr_assert_eq(resident_pages_open(getpid(), &fd), 0);
	cr_assert_eq(resident_pages_read(fd, region, RESIDENT_LOOK_PAGES, bits), 0);
	if (page != MAP_FAILED)
		cr_expect(bits[index / 64] >> index % 64 & 1);
	cr_expect_not(bits[(index + 1) / 64] >> (index + 1) % 64 & 1);
	close(fd);
}

Test(resident, more_pages_than_one_look_takes_are_refused)
{
	uint64_t bits[RESIDENT_LOOK_PAGES / 64 + 1];
	int fd;

	cr_assert_eq(resident_pages_open(getpid(), &fd), 0);
	cr_expect_eq(resident_pages_read(fd, 0, RESIDENT_LOOK_PAGES + 1, bits), -EINVAL);
	close(fd);
}

Test(resident, the_pages_of_a_process_that_ends_are_not_taken_for_given_back)
{
	uint64_t bits[1] = { 77 };
	int ends[2], fd;
	char byte;
	pid_t child;

	cr_assert_eq(pipe(ends), 0);
	child = fork();
	if (!child) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) < 0);
	}
	cr_assert_eq(resident_pages_open(child, &fd), 0);
	close(ends[1]);
	waitpid(child, NULL, 0);
	cr_expect_eq(resident_pages_read(fd, (uint64_t)&bits & ~4095ull, 1, bits), -ESRCH);
	cr_expect_eq(bits[0], 77);
	close(fd);
}
