// SPDX-License-Identifier: GPL-2.0-only
/* See targets.h. */
#include "cli/targets.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/exit.h"
#include "cli/scout.h"
#include "proc/cgroup.h"
#include "proc/process.h"

static int verdict_exit(const struct python_process *process)
{
	return process->verdict == PYTHON_DENIED ? EXIT_NOT_ALLOWED : EXIT_NO_TARGET;
}

/* An interpreter that is just coming up is waited for; so is a hand's breadth of bad luck. */
static int pid_add(const struct targets *targets, pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct python_process process = { .verdict = PYTHON_KNOWN };
	int error = -EAGAIN;

	/* First: what it forks while we look at it belongs to it as well. */
	if (targets->config->subprocesses && capture_follow(targets->capture, pid)) {
		log_error("pid %d: cannot be followed", pid);
		return EXIT_FAILED_RUNNING;
	}
	for (int tries = 0; tries < 100; tries++) {
		error = watch_add(targets->watch, pid, &process);
		if (error != -EAGAIN || process.verdict != PYTHON_STARTING ||
		    signals_poll(targets->signals))
			break;
		nanosleep(&pause, NULL);
	}
	if (error == -EAGAIN) {
		log_error("pid %d: %s", pid, process.reason);
		return verdict_exit(&process);
	}
	if (error) {
		log_error("pid %d: %s", pid, strerror(-error));
		return EXIT_FAILED_RUNNING;
	}
	return 0;
}

static int process_look_at(pid_t pid, void *arg)
{
	const struct targets *targets = arg;
	struct python_process process = { .verdict = PYTHON_KNOWN };

	if (pid == getpid())
		return 0;
	if (targets->turn(targets->turn_arg))
		return -ECANCELED;
	if (watch_add(targets->watch, pid, &process) != -EAGAIN)
		return 0;
	if (process.verdict == PYTHON_UNSUPPORTED)
		log_warn("pid %d: left out: %s", pid, process.reason);
	else if (process.verdict == PYTHON_STARTING)
		watch_expect(targets->watch, pid, UINT64_MAX);
	return 0;
}

/* Probes on the COMMAND are to be in place before it runs. */
static void command_scout(const struct targets *targets)
{
	struct scout *scout = NULL;
	struct python_process python;
	int error = scout_start(targets->config->argv, &scout, &python);

	if (!error)
		error = run_modes_prepare(targets->modes, &python, launch_pid(targets->launch));
	if (error)
		log_verbose("%s: what it does right after its start may not be seen: %s",
			    targets->config->argv[0], strerror(-error));
	scout_end(scout);
}

int targets_find(const struct targets *targets)
{
	const struct config *config = targets->config;
	int status = 0;

	for (size_t i = 0; i < config->pid_count && !status; i++) {
		if (i && targets->turn(targets->turn_arg))
			return 0;
		status = pid_add(targets, config->pids[i]);
	}
	/* Said already, and before anybody else is looked at. */
	if (!status && config->pid_count && run_modes_refusal(targets->modes))
		status = EXIT_NO_TARGET;
	if (config->all)
		proc_each(process_look_at, (void *)targets);
	if (config->cgroup)
		cgroup_each(config->cgroup, process_look_at, (void *)targets);
	if (targets->launch && run_modes_limited(targets->modes))
		command_scout(targets);
	if (targets->launch && capture_follow(targets->capture, launch_pid(targets->launch)))
		status = EXIT_FAILED_RUNNING;
	return status;
}
