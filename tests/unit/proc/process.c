// SPDX-License-Identifier: GPL-2.0-only
/* Small files of /proc, with names made to mislead, and this very process as the truth. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pwd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/memory.h"
#include "proc/process.h"

Test(process, a_stat_line_is_read_behind_its_last_parenthesis)
{
	static const char TEXT[] =
		"42 (a) R (b c) S 7 42 42 0 -1 4194304 1 2 3 4 55 66 0 0 20 0 3 0 987654 1 2\n";
	struct proc_stat stat;

	cr_assert_eq(proc_stat_parse(TEXT, &stat), 0);
	cr_expect_str_eq(stat.comm, "a) R (b c");
	cr_expect_eq(stat.state, 'S');
	cr_expect_eq(stat.parent_pid, 7);
	cr_expect_eq(stat.user_ticks, 55);
	cr_expect_eq(stat.system_ticks, 66);
	cr_expect_eq(stat.thread_count, 3);
	cr_expect_eq(stat.start_ticks, 987654);
	cr_expect_not(proc_stat_is_kernel(&stat));
}

Test(process, what_is_no_stat_line_is_refused)
{
	static const char *const CASES[] = { "", "42 name S 1", "42 (name) S 1", ")(", "42 (name" };
	struct proc_stat stat;

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(proc_stat_parse(CASES[i], &stat), -EBADMSG, "%s", CASES[i]);
}

Test(process, we_are_our_parents_child_and_a_process_that_is_not_there_is_gone)
{
	struct proc_stat stat;

	cr_assert_eq(proc_stat_read(getpid(), &stat), 0);
	cr_expect_eq(stat.parent_pid, getppid());
	cr_expect_eq(stat.state, 'R');
	cr_expect_not(proc_stat_is_dead(&stat));
	cr_expect_eq(proc_stat_read(0x3ffffffe, &stat), -ESRCH);
}

Test(process, the_pid_in_the_innermost_namespace_is_the_last)
{
	static const char TEXT[] =
		"Name:\tx\nUmask:\t0022\nTgid:\t500\nPid:\t501\nUid:\t33\t0\t0\t0\n"
		"NSpid:\t500\t12\t3\nThreads:\t9\n";
	struct proc_status status;

	cr_assert_eq(proc_status_parse(TEXT, &status), 0);
	cr_expect_eq(status.pid, 500);
	cr_expect_eq(status.namespace_pid, 3);
	cr_expect_eq(status.uid, 33);
	cr_expect_eq(status.thread_count, 9);
	cr_expect_eq(proc_status_parse("Name:\tTgid:\t1\n", &status), -EBADMSG);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(process, containers_are_named_by_their_cgroup)
{
	static const struct {
		const char *text, *container;
	} CASES[] = {
		{ "0::/user.slice/user-0.slice/session-1.scope\n", "" },
		{ "0::/\n", "" },
		{ "", "" },
		{ "0::/system.slice/docker-" ID ".scope\n", ID },
		{ "12:pids:/docker/" ID "\n11:cpu:/\n", ID },
		{ "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-pod1.slice/"
		  "cri-containerd-" ID ".scope\n",
		  ID },
		{ "0::/machine.slice/libpod-" ID ".scope/container\n", ID },
		{ "0::/lxc.payload.web/init.scope\n", "web" },
		{ "0::/machine.slice/machine-deb.scope\n", "deb" },
		{ "0::/docker/0123456789ABCDEF\n", "" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		char container[128];

		proc_container_parse(CASES[i].text, container, sizeof(container));
		cr_expect_str_eq(container, CASES[i].container, "%s", CASES[i].text);
	}
}

Test(process, users_have_names_or_numbers)
{
	char name[64];

	proc_user_name(0, name, sizeof(name));
	cr_expect_str_eq(name, "root");
	proc_user_name(3999999999u, name, sizeof(name));
	cr_expect_str_eq(name, "3999999999");
}

static int count_ours(pid_t pid, void *arg)
{
	if (pid == getpid())
		++*(int *)arg;
	return 0;
}

static int stop_at_first(pid_t pid, void *arg)
{
	(void)pid;
	++*(int *)arg;
	return -ECANCELED;
}

Test(process, every_process_is_visited_once_until_told_to_stop)
{
	int ours = 0, visited = 0;

	cr_expect_eq(proc_each(count_ours, &ours), 0);
	cr_expect_eq(ours, 1);
	cr_expect_eq(proc_each(stop_at_first, &visited), -ECANCELED);
	cr_expect_eq(visited, 1);
	cr_expect_eq(proc_each_thread(0x3ffffffe, stop_at_first, &visited), -ESRCH);
}

Test(process, a_command_line_has_spaces_for_nuls)
{
	struct buffer line;

	buffer_init(&line);
	cr_expect_eq(proc_command_line(getpid(), &line), 0);
	cr_expect_eq(strlen(line.bytes), line.length);
	cr_expect(strstr(line.bytes, program_invocation_short_name) != NULL, "%s", line.bytes);
	buffer_release(&line);
}

Test(memory, a_read_is_whole_or_an_error)
{
	const char text[] = "abcdefgh";
	uint64_t word = 0;
	char all[9];

	cr_expect_eq(memory_read(getpid(), (uintptr_t)text, all, sizeof(all)), 0);
	cr_expect_str_eq(all, text);
	cr_expect_eq(memory_read_u64(getpid(), (uintptr_t)text, &word), 0);
	cr_expect_eq(memcmp(&word, text, 8), 0);
	cr_expect_eq(memory_read(getpid(), 8, all, sizeof(all)), -EFAULT);
	cr_expect_eq(memory_read(getpid(), UINT64_MAX - 3, all, sizeof(all)), -EFAULT);
	cr_expect_eq(memory_read(getpid(), (uintptr_t)text, all, 0), -EINVAL);
	cr_expect_eq(memory_read(getpid(), (uintptr_t)text, all, (size_t)MEMORY_READ_MAX_BYTES + 1),
		     -EINVAL);
	cr_expect_eq(memory_read(0x3ffffffe, (uintptr_t)text, all, 1), -ESRCH);
}

Test(memory, a_string_ends_at_its_nul_or_where_the_room_ends)
{
	char room[4];

	cr_expect_eq(memory_read_string(getpid(), (uintptr_t) "ab", room, sizeof(room)), 0);
	cr_expect_str_eq(room, "ab");
	cr_expect_eq(memory_read_string(getpid(), (uintptr_t) "abcdef", room, sizeof(room)), 0);
	cr_expect_str_eq(room, "abc");
	cr_expect_eq(memory_read_string(getpid(), 8, room, sizeof(room)), -EFAULT);
}
