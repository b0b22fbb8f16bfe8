/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this kernel and this user allow, found out by trying where that is harmless and by reading
 * /proc and /sys where not. Changes nothing, leaves nothing open.
 */
#ifndef PYBPFPROF_CAPTURE_KERNEL_CHECK_H
#define PYBPFPROF_CAPTURE_KERNEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum kernel_check_state {
	KERNEL_CHECK_OK,
	KERNEL_CHECK_DEGRADED, /* works, with less than there could be */
	KERNEL_CHECK_MISSING,
};

enum {
	KERNEL_CHECK_LINES_MAX = 32,
	KERNEL_CHECK_TEXT_BYTES = 256,
};

struct kernel_check_line {
	const char *name; /* "BTF"; static */
	bool needed;	  /* nothing works without it */
	enum kernel_check_state state;
	int error;			       /* -errno behind KERNEL_CHECK_MISSING, else 0 */
	char finding[KERNEL_CHECK_TEXT_BYTES]; /* what was found, one plain line */
	char fix[KERNEL_CHECK_TEXT_BYTES];     /* what to do; "" when there is nothing to do */
};

struct kernel_check {
	struct kernel_check_line lines[KERNEL_CHECK_LINES_MAX];
	size_t count;
	bool usable; /* everything needed is ok or degraded */
};

void kernel_check_run(struct kernel_check *check);

/*
 * The needed ones that cost next to nothing, before a capture is opened: 0, or -errno with `line`
 * (size at least 2 * KERNEL_CHECK_TEXT_BYTES) naming the first obstacle and its fix.
 */
int kernel_check_fatal(char *line, size_t size);

/* "ok", "degraded", "missing". */
const char *kernel_check_state_name(enum kernel_check_state state);

#endif
