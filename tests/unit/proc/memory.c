// SPDX-License-Identifier: GPL-2.0-only
/* Many reads in one, of this very process. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/memory.h"

static const uint64_t WORDS[] = { 11, 22, 33, 44 };

static uint64_t address_of(size_t word)
{
	return (uintptr_t)&WORDS[word];
}

Test(memory, many_reads_come_in_the_order_asked_for)
{
	const uint64_t addresses[] = { address_of(2), address_of(0), address_of(2) };
	uint64_t out[3];
	size_t done = 0;

	cr_assert_eq(memory_read_many(getpid(), addresses, 3, sizeof(*out), out, &done), 0);
	cr_assert_eq(done, 3);
	cr_expect_eq(out[0], 33);
	cr_expect_eq(out[1], 11);
	cr_expect_eq(out[2], 33);
}

Test(memory, many_reads_end_in_front_of_what_cannot_be_read)
{
	uint8_t *pages =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t bad[] = { 0, UINT64_MAX, UINT64_MAX - 7, (uintptr_t)pages + 4096,
				 (uintptr_t)pages + 4092 };

	cr_assert_neq(pages, MAP_FAILED);
	munmap(pages + 4096, 4096);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (size_t at = 0; at < 3; at++) {
			uint64_t addresses[] = { address_of(0), address_of(1), address_of(3) };
			uint64_t out[3] = { 0 };
			size_t done = 9;

			addresses[at] = bad[i];
			cr_assert_eq(memory_read_many(getpid(), addresses, 3, 8, out, &done), 0);
			cr_expect_eq(done, at, "%zu, %zu", i, at);
			cr_expect_eq(out[0], at ? 11 : 0);
		}
	}
}

Test(memory, as_many_reads_as_allowed_and_no_more)
{
	uint64_t addresses[MEMORY_READ_MANY_MAX + 1], out[MEMORY_READ_MANY_MAX + 1];
	size_t done;

	for (size_t i = 0; i <= MEMORY_READ_MANY_MAX; i++)
		addresses[i] = address_of(i % 4);
	cr_assert_eq(memory_read_many(getpid(), addresses, MEMORY_READ_MANY_MAX, 8, out, &done), 0);
	cr_expect_eq(done, (size_t)MEMORY_READ_MANY_MAX);
	cr_expect_eq(out[MEMORY_READ_MANY_MAX - 1], 44);
	cr_expect_eq(memory_read_many(getpid(), addresses, MEMORY_READ_MANY_MAX + 1, 8, out, &done),
		     -EINVAL);
	cr_expect_eq(memory_read_many(getpid(), addresses, 0, 8, out, &done), -EINVAL);
	cr_expect_eq(memory_read_many(getpid(), addresses, 1, 0, out, &done), -EINVAL);
	cr_expect_eq(memory_read_many(getpid(), addresses, 1024, 1025, out, &done), -EINVAL);
}

Test(memory, many_reads_of_a_process_that_ended_fail)
{
	const uint64_t address = address_of(0);
	uint64_t out;
	size_t done;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	cr_expect_eq(memory_read_many(pid, &address, 1, 8, &out, &done), -ESRCH);
}
