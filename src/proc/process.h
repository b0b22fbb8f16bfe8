/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc tells about processes: who they are, not what is in them. Every call may be too late:
 * -ESRCH means the process is gone.
 */
#ifndef PYBPFPROF_PROC_PROCESS_H
#define PYBPFPROF_PROC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

struct proc_stat {
	char comm[64]; /* as it is: up to 15 bytes, for kernel threads more */
	char state;    /* R S D T t Z X I */
	pid_t parent_pid;
	uint32_t flags;			   /* PF_... of linux/sched.h */
	uint64_t user_ticks, system_ticks; /* of sysconf(_SC_CLK_TCK) */
	uint32_t thread_count;
	uint64_t start_ticks; /* since boot: tells one pid from its reuse */
};

struct proc_status {
	pid_t pid;	     /* Tgid: the process, also when asked for a thread */
	pid_t namespace_pid; /* as the process sees itself in its innermost pid namespace */
	uid_t uid;	     /* real */
	uint32_t thread_count;
};

int proc_stat_read(pid_t pid, struct proc_stat *out);
/* From the text of /proc/PID/stat; -EBADMSG when it is none. */
int proc_stat_parse(const char *text, struct proc_stat *out);
int proc_status_read(pid_t pid, struct proc_status *out);
int proc_status_parse(const char *text, struct proc_status *out);

/* Whether the process has ended and only waits for its parent. */
bool proc_stat_is_dead(const struct proc_stat *stat);

/* Whether it is a thread of the kernel's own, without memory of user space. */
bool proc_stat_is_kernel(const struct proc_stat *stat);

/* Appends the arguments, a space between; "[comm]" for one without (kernel threads, zombies). */
int proc_command_line(pid_t pid, struct buffer *out);

/*
 * The container's id as its runtime names the cgroup (docker, podman, containerd, CRI-O: 64 hex
 * digits; LXC, systemd-nspawn: the name); "" when the process is in none.
 */
int proc_container(pid_t pid, char *out, size_t size);
/* From the text of /proc/PID/cgroup. */
void proc_container_parse(const char *text, char *out, size_t size);

/* The user's name on this host; the number where it has none. */
void proc_user_name(uid_t uid, char *out, size_t size);

/* Visits every process (or every thread of one); a non-zero return of `visit` stops and is returned. */
int proc_each(int (*visit)(pid_t pid, void *arg), void *arg);
int proc_each_thread(pid_t pid, int (*visit)(pid_t tid, void *arg), void *arg);

#endif
