// SPDX-License-Identifier: GPL-2.0-only
/* Parsing /proc/PID/maps, and opening the files it names. The contract is in maps.h. */
#include "proc/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"

/* The kernel allows 65,530 mappings by default; this holds ten times as many of the usual length. */
enum { MAPS_MAX_BYTES = 64 << 20 };

#define OVERLAYFS_MAGIC 0x794c7630L

static const char DELETED_SUFFIX[] = " (deleted)";

/* The kernel writes newlines in paths as \012; nothing else is escaped. In place. */
static void path_unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to = '\n';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static void path_cut_deleted(char *path, struct mapping *mapping)
{
	size_t length = strlen(path);
	size_t suffix = sizeof(DELETED_SUFFIX) - 1;

	if (mapping->inode == 0 || length <= suffix ||
	    strcmp(path + length - suffix, DELETED_SUFFIX) != 0)
		return;
	path[length - suffix] = '\0';
	mapping->flags |= MAPPING_DELETED;
}

static uint32_t flags_of(const char *letters)
{
	uint32_t flags = 0;

	if (letters[0] == 'r')
		flags |= MAPPING_READ;
	if (letters[1] == 'w')
		flags |= MAPPING_WRITE;
	if (letters[2] == 'x')
		flags |= MAPPING_EXEC;
	if (letters[3] == 's')
		flags |= MAPPING_SHARED;
	return flags;
}

/* One line, NUL-terminated, which stays the home of the path. */
static int line_parse(char *line, struct mapping *mapping)
{
	unsigned int major, minor;
	char letters[5];
	int path_at = -1;

	*mapping = (struct mapping){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n",
		   &mapping->start, &mapping->end, letters, &mapping->offset, &major, &minor,
		   &mapping->inode, &path_at) != 7 ||
	    path_at < 0 || strlen(letters) != 4 || mapping->end <= mapping->start)
		return -EBADMSG;
	mapping->device = makedev(major, minor);
	mapping->flags = flags_of(letters);

	char *path = line + path_at;

	path += strspn(path, " ");
	path_unescape(path);
	path_cut_deleted(path, mapping);
	mapping->path = path;
	return 0;
}

int maps_parse(const char *text, size_t length, struct maps *out)
{
	struct maps maps = { 0 };
	size_t lines = 0;
	int err = -ENOMEM;

	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	maps.text = malloc(length + 1);
	maps.mappings = calloc(lines + 1, sizeof(*maps.mappings));
	if (!maps.text || !maps.mappings)
		goto fail;
	memcpy(maps.text, text, length);
	maps.text[length] = '\0';

	for (char *line = maps.text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		err = -EBADMSG;
		if (!end)
			goto fail;
		*end = '\0';
		err = line_parse(line, &maps.mappings[maps.count]);
		if (err)
			goto fail;
		maps.count++;
	}
	*out = maps;
	return 0;
fail:
	maps_release(&maps);
	return err;
}

int maps_read(pid_t pid, struct maps *out)
{
	struct buffer text;
	char path[64];
	int err;

	buffer_init(&text);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	err = fs_read(path, MAPS_MAX_BYTES, &text);
	if (err == -ENOENT)
		err = -ESRCH;
	else if (err == -EPERM)
		err = -EACCES;
	else if (err == -EFBIG)
		err = -E2BIG;
	if (!err)
		err = maps_parse(text.length ? text.bytes : "", text.length, out);
	buffer_release(&text);
	return err;
}

void maps_release(struct maps *maps)
{
	if (!maps)
		return;
	free(maps->mappings);
	free(maps->text);
	*maps = (struct maps){ 0 };
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct mapping *mapping = &maps->mappings[middle];

		if (address < mapping->start)
			high = middle;
		else if (address >= mapping->end)
			low = middle + 1;
		else
			return mapping;
	}
	return NULL;
}

/*
 * Opens in two steps, so that a device or a pipe that someone mapped or put there is looked at but
 * never opened.
 */
static int regular_open(const char *path, int *out, struct stat *status)
{
	char again[64];
	int err, fd;
	int handle = open(path, O_PATH | O_CLOEXEC);

	if (handle < 0)
		return -errno;
	if (fstat(handle, status) < 0) {
		err = -errno;
	} else if (!S_ISREG(status->st_mode)) {
		err = -EINVAL;
	} else {
		snprintf(again, sizeof(again), "/proc/self/fd/%d", handle);
		fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		err = fd < 0 ? -errno : 0;
		if (!err)
			*out = fd;
	}
	close(handle);
	return err;
}

/* By a name, which may belong to another file by now. */
static int named_open(const char *path, const struct mapping *mapping, int *out)
{
	struct statfs filesystem;
	struct stat status;
	int fd;
	int err = regular_open(path, &fd, &status);

	if (err)
		return err;
	/* Before Linux 6.8, maps told the inode of the layer below an overlay. */
	if (status.st_ino != mapping->inode &&
	    (fstatfs(fd, &filesystem) < 0 || filesystem.f_type != OVERLAYFS_MAGIC)) {
		close(fd);
		return -ESTALE;
	}
	*out = fd;
	return 0;
}

int mapping_open(pid_t pid, const struct mapping *mapping, int *fd, char *path, size_t path_size)
{
	char way[PATH_MAX + 32];
	struct stat status;
	int err, named;

	if (mapping->inode == 0 || mapping->path[0] != '/')
		return -EINVAL;

	/* The file itself, whatever became of its name. Needs CAP_SYS_ADMIN before Linux 5.9. */
	snprintf(way, sizeof(way), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		 mapping->start, mapping->end);
	err = regular_open(way, fd, &status);
	if (err == -EINVAL)
		return err;
	if (err) {
		/* The path as the process's own root and mount namespace have it... */
		snprintf(way, sizeof(way), "/proc/%d/root%s", (int)pid, mapping->path);
		named = named_open(way, mapping, fd);
		/* ...or as ours has it: maps gives the paths of a chroot from the reader's root. */
		if (named == -ENOENT || named == -ESTALE) {
			snprintf(way, sizeof(way), "%s", mapping->path);
			named = named_open(way, mapping, fd);
		}
		if (named == -EINVAL || named == -ESTALE)
			return named;
		if (named)
			return err == -EPERM ? -EACCES : err;
	}
	/* Half a path would be that of another file. */
	if (path && (size_t)snprintf(path, path_size, "%s", way) >= path_size)
		path[0] = '\0';
	return 0;
}
