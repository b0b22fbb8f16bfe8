/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much of a process is in memory, as /proc tells: its size, its share, single pages. What there is
 * of a process that has ended or is about to is nothing: -ESRCH, never 0 bytes.
 */
#ifndef PYBPFPROF_PROC_RESIDENT_H
#define PYBPFPROF_PROC_RESIDENT_H

#include <stdint.h>
#include <sys/types.h>

enum {
	RESIDENT_PAGE_BYTES = 4096,
	RESIDENT_LOOK_PAGES = 512, /* at most at once */
};

/* Now; cheap. */
int resident_size_read(pid_t pid, uint64_t *bytes);
/* The most it ever was, since the last exec. */
int resident_peak_read(pid_t pid, uint64_t *bytes);
/*
 * What it has for itself and its part of what it shares (PSS): may be summed. Dear: the kernel goes through
 * all its pages.
 */
int resident_share_read(pid_t pid, uint64_t *bytes);

/* From the texts of /proc/PID/statm, and of status or smaps_rollup; -EBADMSG: they are none. */
int resident_statm_parse(const char *text, uint64_t *bytes);
int resident_field_parse(const char *text, const char *field, uint64_t *bytes);

/* For resident_pages_read(), closed by close(2). It stays with the process's memory, also past an exec. */
int resident_pages_open(pid_t pid, int *fd);
/*
 * Bit i of bits[i / 64] (all others 0) tells whether the page `address` + i pages is in memory, neither
 * swapped out nor never touched. At most RESIDENT_LOOK_PAGES.
 */
int resident_pages_read(int fd, uint64_t address, uint32_t page_count, uint64_t *bits);

#endif
