// SPDX-License-Identifier: GPL-2.0-only
/* See native_target.h. */
#include "native_target.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TARGETS "tests/unit/resolve/targets/"

void target_build(const char *compiler, const char *source, char *path, size_t path_size)
{
	char command[512];
	int fd;

	snprintf(path, path_size, "/tmp/pybpfprof-test-XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(command, sizeof(command), "%s -o '%s' " TARGETS "%s -pthread", compiler, path,
		 source);
	cr_assert_eq(system(command), 0, "%s", command);
}

void target_start(struct target *target, const char *const *argv)
{
	*target = (struct target){ .pid = fork() };
	cr_assert_geq(target->pid, 0);
	if (target->pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	target->tid = target->pid;
	cr_assert_eq(waitpid(target->pid, &target->status, 0), target->pid);
	cr_assert(WIFSTOPPED(target->status), "%s did not start", argv[0]);
	cr_assert_eq(ptrace(PTRACE_SETOPTIONS, target->pid, NULL,
			    PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE),
		     0);
	cr_assert(target_continue(target), "%s ended too soon", argv[0]);
}

/* Goes on, passing signals to the program, until a trap of its own making. */
static bool target_resume(struct target *target, int request)
{
	int signal = 0;

	for (;;) {
		ptrace(request, target->tid, NULL, signal);
		target->tid = waitpid(-1, &target->status, __WALL);
		if (target->tid < 0 || (target->tid == target->pid && !WIFSTOPPED(target->status)))
			return false;
		signal = 0;
		if (!WIFSTOPPED(target->status))
			continue;
		if (target->status >> 8 == SIGTRAP)
			return true;
		if (target->status >> 16) /* a new thread: both go on */
			continue;
		if (WSTOPSIG(target->status) != SIGSTOP)
			signal = WSTOPSIG(target->status);
	}
}

bool target_continue(struct target *target)
{
	return target_resume(target, PTRACE_CONT);
}

bool target_step(struct target *target)
{
	return target_resume(target, PTRACE_SINGLESTEP);
}

void target_interrupt(struct target *target)
{
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, target->tid, NULL, NULL), 0);
	cr_assert_eq(waitpid(target->tid, &target->status, __WALL), target->tid);
}

void target_kill(struct target *target)
{
	kill(target->pid, SIGKILL);
	/* The process is not reaped before each of its traced threads is. */
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

size_t target_read(const struct target *target, uint64_t address, void *out, size_t bytes)
{
	struct iovec local = { out, bytes };
	struct iovec remote = { (void *)(uintptr_t)address, bytes };
	ssize_t n;

	/* Up to where memory ends: a whole page less each time. */
	for (n = -1; n < 0 && remote.iov_len; remote.iov_len = local.iov_len) {
		n = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);
		if (n < 0) {
			size_t tail = (address + local.iov_len) % 4096;

			tail = tail ? tail : 4096;
			local.iov_len = local.iov_len > tail ? local.iov_len - tail : 0;
		}
	}
	return n < 0 ? 0 : (size_t)n;
}

void target_sample(const struct target *target, struct target_sample *out)
{
	struct user_regs_struct user;

	cr_assert_eq(ptrace(PTRACE_GETREGS, target->tid, NULL, &user), 0);
	out->registers = (struct native_registers){
		.ip = user.rip,
		.sp = user.rsp,
		.bp = user.rbp,
		.rbx = user.rbx,
		.r12 = user.r12,
		.r13 = user.r13,
		.r14 = user.r14,
		.r15 = user.r15,
	};
	out->stack_bytes = target_read(target, user.rsp, out->stack, sizeof(out->stack));
}

void target_unwind(struct native_resolver *resolver, const struct target *target,
		   const struct target_sample *sample, struct target_backtrace *out)
{
	int err = native_unwind(resolver, target->pid, &sample->registers, sample->stack,
				sample->stack_bytes, out->ips, TARGET_FRAMES, &out->count,
				&out->complete);

	cr_assert_eq(err, 0, "unwinding: %s", strerror(-err));
}

const char *target_name(struct native_resolver *resolver, const struct target *target,
			const struct target_backtrace *backtrace, size_t index)
{
	struct native_symbol symbol;

	if (index >= backtrace->count)
		return "(no frame)";
	if (native_symbol_of(resolver, target->pid, backtrace->ips[index] - (index > 0), &symbol))
		return "(no mapping)";
	return symbol.name;
}

void target_each_line(const char *command, void (*line)(char *text, void *arg), void *arg)
{
	FILE *stream = popen(command, "r");
	char text[4096];

	cr_assert_not_null(stream);
	while (fgets(text, sizeof(text), stream)) {
		text[strcspn(text, "\n")] = '\0';
		line(text, arg);
	}
	cr_assert_eq(pclose(stream), 0, "%s", command);
}
