// SPDX-License-Identifier: GPL-2.0-only
/* See resident.h. */
#include "proc/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"

enum { FILE_BYTES_MAX = 16384 };

/* Of an entry of /proc/PID/pagemap. */
#define PAGE_PRESENT (1ull << 63)
#define PAGE_SWAPPED (1ull << 62)

static int file_read(pid_t pid, const char *name, struct buffer *out)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	error = fs_read(path, FILE_BYTES_MAX, out);
	if (error == -ENOENT || (!error && !out->length))
		return -ESRCH;
	return error;
}

int resident_statm_parse(const char *text, uint64_t *bytes)
{
	uint64_t size, resident;

	if (sscanf(text, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
		return -EBADMSG;
	/* It is ending: its memory is gone already. */
	if (!size)
		return -ESRCH;
	*bytes = resident * RESIDENT_PAGE_BYTES;
	return 0;
}

int resident_size_read(pid_t pid, uint64_t *bytes)
{
	struct buffer text;
	int error;

	buffer_init(&text);
	error = file_read(pid, "statm", &text);
	if (!error)
		error = resident_statm_parse(text.bytes, bytes);
	buffer_release(&text);
	return error;
}

int resident_field_parse(const char *text, const char *field, uint64_t *bytes)
{
	const size_t length = strlen(field);
	uint64_t kib;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, field, length) || line[length] != ':')
			continue;
		if (sscanf(line + length + 1, "%" SCNu64 " kB", &kib) != 1)
			return -EBADMSG;
		*bytes = kib * 1024;
		return 0;
	}
	return -EBADMSG;
}

/* A process without memory of its own any more has its files, but not the fields about memory. */
static int field_read(pid_t pid, const char *name, const char *field, uint64_t *bytes)
{
	struct buffer text;
	int error;

	buffer_init(&text);
	error = file_read(pid, name, &text);
	if (!error && resident_field_parse(text.bytes, field, bytes))
		error = -ESRCH;
	buffer_release(&text);
	return error;
}

int resident_peak_read(pid_t pid, uint64_t *bytes)
{
	return field_read(pid, "status", "VmHWM", bytes);
}

int resident_share_read(pid_t pid, uint64_t *bytes)
{
	return field_read(pid, "smaps_rollup", "Pss", bytes);
}

int resident_pages_open(pid_t pid, int *fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	return errno == ENOENT ? -ESRCH : -errno;
}

int resident_pages_read(int fd, uint64_t address, uint32_t page_count, uint64_t *bits)
{
	uint64_t entries[RESIDENT_LOOK_PAGES];
	const size_t bytes = page_count * sizeof(entries[0]);
	const off_t from = (off_t)(address / RESIDENT_PAGE_BYTES * sizeof(entries[0]));
	ssize_t got;

	if (page_count > RESIDENT_LOOK_PAGES)
		return -EINVAL;
	do
		got = pread(fd, entries, bytes, from);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	/* Nothing is told of one that has ended, and nothing of what lies past the end of its space. */
	if (got < (ssize_t)sizeof(entries[0]))
		return -ESRCH;
	memset(bits, 0, (page_count + 63) / 64 * sizeof(bits[0]));
	for (uint32_t i = 0; i < got / sizeof(entries[0]); i++) {
		if ((entries[i] & (PAGE_PRESENT | PAGE_SWAPPED)) == PAGE_PRESENT)
			bits[i / 64] |= 1ull << i % 64;
	}
	return 0;
}
