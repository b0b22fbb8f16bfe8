/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process has mapped, as /proc/PID/maps tells it, and the files behind it: opened so that
 * it is that very file, also when it was deleted or replaced since, lies in another mount
 * namespace, or under another root. Never opens anything but regular files.
 */
#ifndef PYBPFPROF_PROC_MAPS_H
#define PYBPFPROF_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum mapping_flag {
	MAPPING_READ = 1 << 0,
	MAPPING_WRITE = 1 << 1,
	MAPPING_EXEC = 1 << 2,
	MAPPING_SHARED = 1 << 3,
	MAPPING_DELETED = 1 << 4, /* the file was removed, or another one renamed over it */
};

struct mapping {
	uint64_t start, end; /* addresses */
	uint64_t offset;     /* bytes into the file */
	uint64_t device;     /* as makedev(); may differ from stat's on overlay and btrfs */
	uint64_t inode;	     /* 0: no file */
	uint32_t flags;	     /* enum mapping_flag */
	const char *path; /* owned by the maps; "" anonymous; "[heap]" and the like as they are */
};

struct maps {
	struct mapping *mappings; /* ascending by address */
	size_t count;
	char *text; /* where the paths live */
};

/*
 * 0, or -ESRCH (gone), -EACCES (we may not look), -E2BIG (more mappings than MAPS_MAX_BYTES hold),
 * -ENOMEM. A process without user memory (kernel thread, zombie) has none and gives 0.
 */
int maps_read(pid_t pid, struct maps *out);
/* The same from text in the format of /proc/PID/maps; a line that is none is -EBADMSG. */
int maps_parse(const char *text, size_t length, struct maps *out);
void maps_release(struct maps *maps);

/* The mapping that holds the address; NULL: none. Borrowed. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);

/*
 * Opens the file of a mapping for reading. *fd is the caller's to close; `path`, when not NULL, gets
 * a path that opens the very same file as long as the process lives ("" when it does not fit).
 * -ESRCH, -EACCES, -ENOENT (not reachable by any way), -ESTALE (another file has its name now),
 * -EINVAL (no regular file).
 */
int mapping_open(pid_t pid, const struct mapping *mapping, int *fd, char *path, size_t path_size);

#endif
