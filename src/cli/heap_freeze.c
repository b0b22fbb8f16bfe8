// SPDX-License-Identifier: GPL-2.0-only
/*
 * See heap_freeze.h. The child stops and restarts the process; we only hold one end of a pipe, which
 * the kernel closes for us however we end. A pidfd is what signals go to, so that they never reach another process
 * that got the pid. The child keeps no descriptor but its own, so that nobody waits for it.
 */
#include "cli/heap_freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "proc/process.h"

enum {
	FILE_LIMIT = 65536,
	STOP_WAIT_MS = 500,
	HEAR_WAIT_MS = 2000,
	STOP_STEP_NS = 200 * 1000,
	NS_PER_MS = 1000 * 1000,
};

/* What the child tells, twice: when the process is stopped (or why not), and when it runs on. */
struct word {
	int32_t error;
	int32_t timed_out;
	uint64_t ns;
};

struct child {
	pid_t pid;
	int pidfd;
	int control, told;
	int freeze; /* cgroup.freeze, open for writing; -1: signals */
	int events; /* cgroup.events */
	uint32_t limit_ms;
};

const char *heap_freeze_name(enum freeze_way way)
{
	static const char *const names[] = {
		[FREEZE_NOT] = "",
		[FREEZE_CGROUP] = "the cgroup freezer",
		[FREEZE_SIGNAL] = "SIGSTOP",
		[FREEZE_STOPPED] = "somebody else",
	};

	return names[way];
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int pidfd_signal(int pidfd, int number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) ? -errno : 0;
}

/* ---- the cgroup's freezer ---- */

static int open_in(const char *directory, const char *name, int flags)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

	return length < 0 || (size_t)length >= sizeof(path) ? -1 : open(path, flags | O_CLOEXEC);
}

/* Version 2 is alone there, or, beside version 1, in a place of its own. */
static const char *cgroup_root(void)
{
	return access("/sys/fs/cgroup/cgroup.procs", F_OK) ? "/sys/fs/cgroup/unified" :
							     "/sys/fs/cgroup";
}

/* The directory of the process's cgroup (v2). */
static bool cgroup_directory(pid_t pid, char *out, size_t size)
{
	struct buffer text;
	char path[64];
	char *line;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	buffer_init(&text);
	if (!fs_read(path, FILE_LIMIT, &text) && text.length) {
		line = !strncmp(text.bytes, "0::", 3) ? text.bytes : strstr(text.bytes, "\n0::");
		if (line) {
			line = strchr(line, '/');
			line[strcspn(line, "\n")] = '\0';
			found = line[1] &&
				snprintf(out, size, "%s%s", cgroup_root(), line) < (int)size;
		}
	}
	buffer_release(&text);
	return found;
}

/* Whether the file says just this, and a line's end. */
static bool file_is(const char *directory, const char *name, const char *expected)
{
	struct buffer text;
	char path[PATH_MAX];
	bool is = false;
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

	buffer_init(&text);
	if (length > 0 && (size_t)length < sizeof(path) && !fs_read(path, FILE_LIMIT, &text) &&
	    text.length) {
		text.bytes[strcspn(text.bytes, "\n")] = '\0';
		is = !strcmp(text.bytes, expected) && strlen(expected) + 1 >= text.length;
	}
	buffer_release(&text);
	return is;
}

/*
 * Opens the freezer of the process's cgroup, if it is alone there: others are none of our business.
 * Below it there must be nothing, since a freezer freezes what is below.
 */
static bool cgroup_open(pid_t pid, int *freeze, int *events)
{
	char directory[PATH_MAX / 2], own[32];

	*freeze = -1;
	*events = -1;
	snprintf(own, sizeof(own), "%d", (int)pid);
	if (!cgroup_directory(pid, directory, sizeof(directory)) ||
	    !file_is(directory, "cgroup.procs", own) || !file_is(directory, "cgroup.freeze", "0"))
		return false;
	*freeze = open_in(directory, "cgroup.freeze", O_WRONLY);
	*events = open_in(directory, "cgroup.events", O_RDONLY);
	if (*freeze >= 0 && *events >= 0)
		return true;
	if (*freeze >= 0)
		close(*freeze);
	if (*events >= 0)
		close(*events);
	*freeze = -1;
	return false;
}

/* ---- the child ---- */

static bool is_frozen(int events)
{
	char text[256];
	ssize_t length = pread(events, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return false;
	text[length] = '\0';
	return strstr(text, "frozen 1");
}

static bool all_stopped(pid_t tid, void *arg)
{
	struct proc_stat stat;

	(void)arg;
	return proc_stat_read(tid, &stat) || stat.state == 'T' || stat.state == 't' ||
	       proc_stat_is_dead(&stat);
}

static int thread_check(pid_t tid, void *arg)
{
	return all_stopped(tid, arg) ? 0 : 1;
}

static int stop(const struct child *child)
{
	const struct timespec step = { .tv_nsec = STOP_STEP_NS };
	uint64_t end_ns = now_ns() + (uint64_t)STOP_WAIT_MS * NS_PER_MS;
	int err = 0;

	if (child->freeze >= 0)
		err = pwrite(child->freeze, "1", 1, 0) == 1 ? 0 : -errno;
	else
		err = pidfd_signal(child->pidfd, SIGSTOP);
	while (!err) {
		if (child->freeze >= 0 ? is_frozen(child->events) :
					 !proc_each_thread(child->pid, thread_check, NULL))
			return 0;
		if (now_ns() > end_ns)
			err = -ETIMEDOUT;
		nanosleep(&step, NULL);
	}
	return err;
}

static void go_on(const struct child *child)
{
	if (child->freeze >= 0 && pwrite(child->freeze, "0", 1, 0) == 1)
		return;
	pidfd_signal(child->pidfd, SIGCONT);
}

static void tell(const struct child *child, const struct word *word)
{
	ssize_t written = write(child->told, word, sizeof(*word));

	(void)written; /* nobody there to hear it: we are alone, and end soon */
}

static void descriptors_close(const struct child *child)
{
	const int kept[] = { child->pidfd, child->control, child->told, child->freeze,
			     child->events };
	int last = -1;

	/* Gaps between those that are kept, in ascending order. */
	for (size_t round = 0; round <= sizeof(kept) / sizeof(kept[0]); round++) {
		int next = INT_MAX;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
			if (kept[i] > last && kept[i] < next)
				next = kept[i];
		}
		if (next > last + 1)
			syscall(SYS_close_range, (unsigned int)(last + 1),
				(unsigned int)(next == INT_MAX ? INT_MAX : next - 1), 0);
		if (next == INT_MAX)
			return;
		last = next;
	}
}

/* Until the pipe is closed, by us or by our end, or the time is up. True: it is. */
static bool time_is_up(const struct child *child, uint64_t started_ns)
{
	uint64_t limit_ns = (uint64_t)child->limit_ms * NS_PER_MS;

	for (;;) {
		struct pollfd control = { .fd = child->control, .events = POLLIN };
		uint64_t past_ns = now_ns() - started_ns;
		int ready;

		if (past_ns >= limit_ns)
			return true;
		ready = poll(&control, 1, (int)((limit_ns - past_ns) / NS_PER_MS) + 1);
		if (ready > 0)
			return false;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

static void child_run(const struct child *child)
{
	struct word word = { 0 };
	uint64_t started_ns;

	setsid();
	for (int number = 1; number < NSIG; number++) {
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_IGN);
	}
	descriptors_close(child);
	started_ns = now_ns();
	word.error = stop(child);
	if (word.error) {
		go_on(child);
		tell(child, &word);
		_exit(0);
	}
	tell(child, &word);
	word.timed_out = time_is_up(child, started_ns);
	go_on(child);
	word.ns = now_ns() - started_ns;
	tell(child, &word);
	_exit(0);
}

/* ---- we ---- */

/* Not for ever: somebody may have stopped the child. */
static bool hear(const struct heap_freeze *freeze, struct word *word)
{
	struct pollfd told = { .fd = freeze->told, .events = POLLIN };
	uint64_t end_ns = now_ns() + (uint64_t)HEAR_WAIT_MS * NS_PER_MS;
	int ready;

	do
		ready = poll(&told, 1, HEAR_WAIT_MS);
	while (ready < 0 && errno == EINTR && now_ns() < end_ns);
	return ready > 0 && read(freeze->told, word, sizeof(*word)) == (ssize_t)sizeof(*word);
}

static int child_start(struct heap_freeze *freeze, uint32_t limit_ms)
{
	struct child child = { .pid = freeze->pid, .pidfd = freeze->pidfd, .limit_ms = limit_ms };
	int control[2] = { -1, -1 }, told[2] = { -1, -1 };
	int err = 0;

	if (pipe2(control, O_CLOEXEC) || pipe2(told, O_CLOEXEC)) {
		err = -errno;
	} else {
		child.control = control[0];
		child.told = told[1];
		freeze->way = cgroup_open(freeze->pid, &child.freeze, &child.events) ?
				      FREEZE_CGROUP :
				      FREEZE_SIGNAL;
		freeze->child = fork();
		if (!freeze->child)
			child_run(&child);
		if (freeze->child < 0)
			err = -errno;
		if (child.freeze >= 0)
			close(child.events);
		freeze->freezer = child.freeze;
	}
	if (control[0] >= 0)
		close(control[0]);
	if (told[1] >= 0)
		close(told[1]);
	freeze->control = control[1];
	freeze->told = told[0];
	return err;
}

int heap_freeze_begin(struct heap_freeze *freeze, pid_t pid, uint32_t limit_ms)
{
	struct proc_stat stat;
	struct word word;
	int err;

	*freeze = (struct heap_freeze){
		.pid = pid, .control = -1, .told = -1, .freezer = -1, .pidfd = -1
	};
	err = proc_stat_read(pid, &stat);
	if (err)
		return err;
	if (stat.state == 'T' || stat.state == 't') {
		freeze->way = FREEZE_STOPPED;
		freeze->whole = true;
		return 0;
	}
	freeze->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (freeze->pidfd < 0)
		return -errno;
	err = child_start(freeze, limit_ms);
	if (!err)
		err = hear(freeze, &word) ? word.error : -EIO;
	if (err) {
		heap_freeze_end(freeze);
		freeze->way = FREEZE_NOT;
	}
	return err;
}

void heap_freeze_end(struct heap_freeze *freeze)
{
	struct word word = { 0 };

	if (freeze->child <= 0) {
		freeze->child = 0;
	} else {
		close(freeze->control);
		if (hear(freeze, &word)) {
			freeze->ns = word.ns;
			freeze->whole = !word.timed_out;
		} else {
			/* The child was killed or stopped: what it would do is ours to do. */
			const struct child gone = { .pidfd = freeze->pidfd,
						    .freeze = freeze->freezer };

			kill(freeze->child, SIGKILL);
			go_on(&gone);
		}
		waitpid(freeze->child, NULL, 0);
		freeze->child = 0;
		freeze->control = -1;
	}
	if (freeze->control > 0)
		close(freeze->control);
	if (freeze->told > 0)
		close(freeze->told);
	if (freeze->pidfd > 0)
		close(freeze->pidfd);
	if (freeze->freezer > 0)
		close(freeze->freezer);
	freeze->control = freeze->told = freeze->pidfd = freeze->freezer = -1;
}
