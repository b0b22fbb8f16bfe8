// SPDX-License-Identifier: GPL-2.0-only
/* See cgroup.h. */
#include "proc/cgroup.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One below may be gone by now: only the first must be there. */
static int processes_each(const char *directory, bool first, int (*visit)(pid_t pid, void *arg),
			  void *arg)
{
	char path[PATH_MAX];
	int pid, error = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return first ? -errno : 0;
	/* 0: it is in a pid namespace that cannot be seen from here. */
	while (!error && fscanf(file, "%d", &pid) == 1)
		error = pid > 0 ? visit(pid, arg) : 0;
	fclose(file);
	return error;
}

int cgroup_each(const char *path, int (*visit)(pid_t pid, void *arg), void *arg)
{
	char *paths[] = { (char *)path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, NULL);
	const FTSENT *entry;
	int error = 0;

	if (!tree)
		return -errno;
	while (!error && (entry = fts_read(tree))) {
		if (entry->fts_info != FTS_D) {
			if (entry->fts_level == 0 && entry->fts_info != FTS_DP)
				error = entry->fts_errno ? -entry->fts_errno : -ENOTDIR;
			continue;
		}
		error = processes_each(entry->fts_path, entry->fts_level == 0, visit, arg);
	}
	fts_close(tree);
	return error;
}
