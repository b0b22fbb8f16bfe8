// SPDX-License-Identifier: GPL-2.0-only
/* Processes and threads under watch, told by records made here; nothing is asked of a kernel. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/watch.h"

enum { PARENT = 1, FORKED = 0x1000 };

static struct profile *profile;
static struct watch *watch;

static struct record_process record_of(enum record_kind kind, uint32_t serial, pid_t pid, pid_t tid)
{
	return (struct record_process){
		.header = { .time_ns = 1000,
			    .pid = pid,
			    .tid = tid,
			    .serial = serial,
			    .kind = kind },
		.parent_serial = PARENT,
	};
}

static void tell(const struct record_process *record)
{
	const struct event event = { .kind = record->header.kind,
				     .header = &record->header,
				     .process = record };

	cr_assert_eq(watch_event(watch, &event), 0);
}

static void tell_exit(uint32_t serial, pid_t pid, pid_t tid, uint64_t cpu_ns)
{
	struct record_process record = record_of(RECORD_THREAD_EXIT, serial, pid, tid);

	record.cpu_ns = cpu_ns;
	tell(&record);
}

static void tell_process_exit(uint32_t serial, pid_t pid)
{
	struct record_process record = record_of(RECORD_PROCESS_EXIT, serial, pid, pid);

	record.exit_code = 3 << 8;
	tell(&record);
}

static void setup(void)
{
	const struct record_process found =
		record_of(RECORD_PROCESS_FORK, PARENT, getpid(), getpid());
	struct python_process like = { .version = "3.11.2" };

	profile = profile_new("cpu", UNIT_NS);
	watch = watch_new(NULL, profile);
	cr_assert_not_null(watch);
	cr_assert(!watch_template_keep(watch, PARENT, &like) && !watch_found(watch, &found));
}

static void teardown(void)
{
	watch_free(watch);
	profile_free(profile);
}

TestSuite(watch, .init = setup, .fini = teardown);

Test(watch, a_thread_heard_of_after_its_process_has_ended_keeps_its_cpu_time)
{
	uint32_t thread = watch_thread(watch, PARENT, getpid() + 1, 1000);

	tell_process_exit(PARENT, getpid());
	cr_expect_eq(watch_living_count(watch), 0);
	tell_exit(PARENT, getpid(), getpid() + 1, 7000000);
	cr_expect_eq(profile->threads[thread].cpu_ns, 7000000);
	cr_expect_eq(profile->processes[0].cpu_ns, 7000000);
	cr_expect_eq(watch_cpu_ns(watch), 7000000);
	tell_exit(PARENT, getpid(), getpid() + 1, 7000000);
	cr_expect_eq(profile->threads[thread].cpu_ns, 7000000, "told twice, counted once");
}

static uint64_t cpu_sum(void)
{
	uint64_t sum_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++)
		sum_ns += profile->processes[i].cpu_ns;
	return sum_ns;
}

Test(watch, rows_of_processes_are_bounded_and_no_time_is_lost)
{
	const unsigned int count = WATCHED_PROCESS_ROWS_MAX + 500;
	const struct profile_process *last;

	for (unsigned int i = 0; i < count; i++) {
		const pid_t pid = 100000 + i;
		struct record_process fork = record_of(RECORD_PROCESS_FORK, FORKED + i, pid, pid);

		tell(&fork);
		cr_assert_eq(watch_process(watch, FORKED + i)->pid, pid);
		tell_exit(FORKED + i, pid, pid, 1000);
		tell_process_exit(FORKED + i, pid);
	}
	cr_expect_eq(profile->process_count, WATCHED_PROCESS_ROWS_MAX + 1);
	cr_expect_eq(profile->processes[1].pid, 100000);
	cr_expect(profile->processes[1].exited);
	last = &profile->processes[WATCHED_PROCESS_ROWS_MAX];
	cr_expect_eq(last->pid, 0);
	cr_expect_not(last->exited, "it has no status of its own");
	cr_expect_str_eq(profile_text(profile, last->command), "[more processes]");
	/* The parent has a row too. */
	cr_expect_eq(last->cpu_ns, 501 * 1000);
	cr_expect_eq(cpu_sum(), count * 1000);
	cr_expect_leq(profile->thread_count, WATCHED_PROCESS_ROWS_MAX + 1);
	/* The parent is this very process, which has used some. */
	tell_process_exit(PARENT, getpid());
	cr_expect_eq(watch_cpu_ns(watch), count * 1000);
}

Test(watch_processes, a_forgotten_slot_is_used_again_and_its_row_stays)
{
	struct profile *rows = profile_new("cpu", UNIT_NS);
	struct watched_processes processes;
	struct watched_process *process;

	cr_assert_eq(watched_processes_init(&processes, rows), 0);
	for (uint32_t i = 1; i <= 100; i++) {
		process = watched_process_add(&processes, i, 1000 + i, 11);
		process->cpu_ended_ns = 5;
		watched_process_forget(&processes, process);
		cr_expect_null(watched_process_find(&processes, i));
	}
	cr_expect_eq(processes.count, 1);
	cr_expect_eq(processes.cpu_forgotten_ns, 500);
	cr_expect_eq(rows->process_count, 100);
	process = watched_process_add(&processes, 200, 7, 11);
	cr_expect_eq(watched_process_find(&processes, 200), process);
	watched_processes_release(&processes);
	profile_free(rows);
}

Test(watch_processes, another_process_of_the_same_number_is_another)
{
	struct watched_process process = { .serial = 1, .pid = getpid() };

	cr_expect_not(watched_process_is_gone(&process));
	cr_expect_neq(process.start_ticks, 0);
	cr_expect_not(watched_process_is_gone(&process), "the same one, looked at again");
	process.start_ticks--;
	cr_expect(watched_process_is_gone(&process));
}

Test(watch_processes, a_zombie_is_gone)
{
	struct watched_process process = { .serial = 1, .pid = fork() };
	siginfo_t info;

	if (!process.pid)
		pause();
	cr_expect_not(watched_process_is_gone(&process));
	kill(process.pid, SIGKILL);
	waitid(P_PID, process.pid, &info, WEXITED | WNOWAIT);
	cr_expect(watched_process_is_gone(&process));
	waitpid(process.pid, NULL, 0);
	cr_expect(watched_process_is_gone(&process));
}
