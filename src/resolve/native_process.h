/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a process has code mapped, kept from the first look on, so that what it did before its end
 * can still be told. Looked at again when an address lies nowhere, and every few seconds; each
 * with a rate limit, because a broken stack gives such addresses without end.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_PROCESS_H
#define PYBPFPROF_RESOLVE_NATIVE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/intern.h"
#include "resolve/native_module.h"

enum {
	NATIVE_RANGES_MAX = 16384, /* of executable mappings of one process */
};

struct native_range {
	uint64_t start, end;
	struct mapping mapping; /* its path is interned */
	uint32_t path;		/* id of it; 0: no file's code */
	bool is_tried;		/* to open the file */
	bool is_vdso;
	struct native_module *module; /* referenced; NULL: not open */
	uint64_t bias;		      /* what memory addresses have more than the file's */
};

struct native_process {
	pid_t pid;
	uint64_t start_ticks;
	struct native_range *ranges; /* ascending */
	size_t count;
	bool is_known; /* was ever read */
	uint64_t read_ns, next_read_ns, period_ns, miss_period_ns;
};

struct native_process *native_process_new(pid_t pid);
void native_process_free(struct native_process *process, uint64_t now_ns);

/*
 * The range that holds the address, its file opened. NULL: none. -ESRCH (was never seen alive),
 * -EACCES, -ENOMEM.
 */
int native_process_find(struct native_process *process, struct native_modules *modules,
			struct intern *strings, uint64_t address, uint64_t now_ns,
			struct native_range **out);

#endif
