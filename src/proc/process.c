// SPDX-License-Identifier: GPL-2.0-only
/* Small readers of /proc/PID/. The contract is in process.h. */
#include "proc/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

enum {
	PROC_FILE_BYTES = 64 << 10,
	COMMAND_LINE_BYTES = 256 << 10,
	CONTAINER_ID_DIGITS = 64,
	FLAG_KERNEL_THREAD = 0x00200000, /* PF_KTHREAD */
};

static int file_read(pid_t pid, const char *name, size_t limit, struct buffer *out)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	err = fs_read(path, limit, out);
	return err == -ENOENT ? -ESRCH : err;
}

int proc_stat_parse(const char *text, struct proc_stat *out)
{
	struct proc_stat stat = { 0 };
	const char *open = strchr(text, '(');
	/* The name may hold parentheses and spaces of its own: the last one ends it. */
	const char *close = strrchr(text, ')');
	size_t length;

	if (!open || !close || close < open)
		return -EBADMSG;
	length = (size_t)(close - open - 1);
	if (length >= sizeof(stat.comm))
		length = sizeof(stat.comm) - 1;
	memcpy(stat.comm, open + 1, length);
	/* Fields 3 to 22 of proc(5). */
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %" SCNu32 " %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		   " %*d %*d %*d %*d %" SCNu32 " %*d %" SCNu64,
		   &stat.state, &stat.parent_pid, &stat.flags, &stat.user_ticks, &stat.system_ticks,
		   &stat.thread_count, &stat.start_ticks) != 7)
		return -EBADMSG;
	*out = stat;
	return 0;
}

int proc_stat_read(pid_t pid, struct proc_stat *out)
{
	struct buffer text;
	int err;

	buffer_init(&text);
	err = file_read(pid, "stat", PROC_FILE_BYTES, &text);
	if (!err)
		err = text.length ? proc_stat_parse(text.bytes, out) : -ESRCH;
	buffer_release(&text);
	return err;
}

bool proc_stat_is_dead(const struct proc_stat *stat)
{
	return stat->state == 'Z' || stat->state == 'X' || stat->state == 'x';
}

bool proc_stat_is_kernel(const struct proc_stat *stat)
{
	return stat->flags & FLAG_KERNEL_THREAD;
}

/* The text behind "\nNAME:" of a status file; NULL when it has no such line. */
static const char *status_field(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}

/* The last number of the line: NSpid lists a process's pids from our namespace to its own. */
static long last_number(const char *field)
{
	const char *end = strchr(field, '\n');
	long number = 0;
	char *next;

	while (!end || field < end) {
		long value = strtol(field, &next, 10);

		if (next == field || (end && next > end))
			break;
		number = value;
		field = next;
	}
	return number;
}

int proc_status_parse(const char *text, struct proc_status *out)
{
	const char *pid = status_field(text, "Tgid");
	const char *uid = status_field(text, "Uid");
	const char *threads = status_field(text, "Threads");
	const char *namespaces = status_field(text, "NSpid");

	if (!pid || !uid || !threads)
		return -EBADMSG;
	out->pid = (pid_t)strtol(pid, NULL, 10);
	out->uid = (uid_t)strtoul(uid, NULL, 10);
	out->thread_count = (uint32_t)strtoul(threads, NULL, 10);
	out->namespace_pid = namespaces ? (pid_t)last_number(namespaces) : out->pid;
	return 0;
}

int proc_status_read(pid_t pid, struct proc_status *out)
{
	struct buffer text;
	int err;

	buffer_init(&text);
	err = file_read(pid, "status", PROC_FILE_BYTES, &text);
	if (!err)
		err = text.length ? proc_status_parse(text.bytes, out) : -ESRCH;
	buffer_release(&text);
	return err;
}

int proc_command_line(pid_t pid, struct buffer *out)
{
	struct proc_stat stat;
	struct buffer text;
	int err;

	buffer_init(&text);
	err = file_read(pid, "cmdline", COMMAND_LINE_BYTES, &text);
	if (err == -EFBIG)
		err = 0;
	if (err)
		goto done;
	while (text.length && text.bytes[text.length - 1] == '\0')
		text.length--;
	for (size_t i = 0; i < text.length; i++)
		buffer_byte(out, text.bytes[i] ? text.bytes[i] : ' ');
	if (!text.length) {
		err = proc_stat_read(pid, &stat);
		if (!err)
			buffer_printf(out, "[%s]", stat.comm);
	}
	if (!err)
		err = buffer_error(out);
done:
	buffer_release(&text);
	return err;
}

static size_t hex_run(const char *text)
{
	size_t length = 0;

	while (isxdigit((unsigned char)text[length]) && !isupper((unsigned char)text[length]))
		length++;
	return length;
}

/* The name behind a prefix that only container runtimes use, cut at the end of the component. */
static bool named_container(const char *path, size_t length, char *out, size_t size)
{
	static const struct {
		const char *prefix, *ends;
	} runtimes[] = {
		{ "/lxc.payload.", "/" },
		{ "/lxc/", "/" },
		{ "/machine.slice/machine-", "." },
	};

	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		const char *found =
			memmem(path, length, runtimes[i].prefix, strlen(runtimes[i].prefix));
		size_t left, name = 0;

		if (!found)
			continue;
		found += strlen(runtimes[i].prefix);
		left = (size_t)(path + length - found);
		while (name < left && !strchr(runtimes[i].ends, found[name]))
			name++;
		if (!name)
			continue;
		snprintf(out, size, "%.*s", (int)name, found);
		return true;
	}
	return false;
}

void proc_container_parse(const char *text, char *out, size_t size)
{
	out[0] = '\0';
	/* Lines are "number:controllers:path"; the innermost id of the path is the container's. */
	for (const char *line = text; *line;) {
		const char *path = strchr(line, '/');
		const char *end = strchrnul(line, '\n');

		for (const char *at = path; at && at < end;) {
			size_t digits = hex_run(at);

			if (digits == CONTAINER_ID_DIGITS)
				snprintf(out, size, "%.*s", CONTAINER_ID_DIGITS, at);
			at += digits ? digits : 1;
		}
		if (!out[0] && path && path < end)
			named_container(path, (size_t)(end - path), out, size);
		if (out[0])
			return;
		line = *end ? end + 1 : end;
	}
}

int proc_container(pid_t pid, char *out, size_t size)
{
	struct buffer text;
	int err;

	buffer_init(&text);
	err = file_read(pid, "cgroup", PROC_FILE_BYTES, &text);
	if (!err)
		proc_container_parse(text.length ? text.bytes : "", out, size);
	buffer_release(&text);
	return err;
}

void proc_user_name(uid_t uid, char *out, size_t size)
{
	struct passwd entry, *found = NULL;
	char strings[4096];

	if (getpwuid_r(uid, &entry, strings, sizeof(strings), &found) == 0 && found)
		snprintf(out, size, "%s", entry.pw_name);
	else
		snprintf(out, size, "%u", uid);
}

static int each_number(const char *path, int (*visit)(pid_t number, void *arg), void *arg)
{
	struct dirent *entry;
	DIR *directory = opendir(path);
	int err = 0;

	if (!directory)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (entry = readdir(directory))) {
		char *end;
		long number = strtol(entry->d_name, &end, 10);

		if (*end == '\0' && number > 0)
			err = visit((pid_t)number, arg);
	}
	closedir(directory);
	return err;
}

int proc_each(int (*visit)(pid_t pid, void *arg), void *arg)
{
	return each_number("/proc", visit, arg);
}

int proc_each_thread(pid_t pid, int (*visit)(pid_t tid, void *arg), void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return each_number(path, visit, arg);
}
