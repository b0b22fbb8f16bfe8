// SPDX-License-Identifier: GPL-2.0-only
/* See thread.h. */
#include "proc/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/fs.h"

static int thread_file_read(pid_t pid, pid_t tid, const char *file, struct buffer *out)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, file);
	error = fs_read(path, 256, out);
	return error == -ENOENT ? -ESRCH : error;
}

int proc_thread_cpu_ns(pid_t pid, pid_t tid, uint64_t *cpu_ns)
{
	struct buffer text;
	int error;

	buffer_init(&text);
	/* Nanoseconds run, nanoseconds waited for a CPU, times run. */
	error = thread_file_read(pid, tid, "schedstat", &text);
	if (!error && (!text.bytes || sscanf(text.bytes, "%" SCNu64, cpu_ns) != 1))
		error = -EBADMSG;
	buffer_release(&text);
	return error;
}

int proc_thread_name(pid_t pid, pid_t tid, char *name, size_t size)
{
	struct buffer text;
	int error;

	buffer_init(&text);
	error = thread_file_read(pid, tid, "comm", &text);
	if (!error)
		snprintf(name, size, "%.*s",
			 (int)(text.length && text.bytes[text.length - 1] == '\n' ?
				       text.length - 1 :
				       text.length),
			 text.bytes ? text.bytes : "");
	buffer_release(&text);
	return error;
}
