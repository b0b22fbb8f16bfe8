// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files read whole, and reports written so that a reader sees the old one or the whole new one.
 * Knows nothing of what is in them.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FS_READ_BYTES = 16 * 1024 };

struct fs_output {
	FILE *stream;
	char *path;	 /* what to rename to; NULL: written in place */
	char *temporary; /* NULL: written in place */
};

static int fs_read_fd(int fd, size_t limit, struct buffer *out)
{
	char bytes[FS_READ_BYTES];
	size_t done = 0;

	for (;;) {
		/* Asks for one byte beyond the limit, to tell "full" from "more". */
		size_t want = limit - done < sizeof(bytes) ? limit - done + 1 : sizeof(bytes);
		ssize_t got = read(fd, bytes, want);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return buffer_error(out);
		if ((size_t)got > limit - done) {
			buffer_append(out, bytes, limit - done);
			return -EFBIG;
		}
		buffer_append(out, bytes, got);
		done += got;
	}
}

int fs_read(const char *path, size_t limit, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not stop us */
	int err;

	if (fd < 0)
		return -errno;
	err = fs_read_fd(fd, limit, out);
	close(fd);
	return err;
}

/* Creates the temporary beside output->path. Never follows a link someone laid there. */
static int fs_open_temporary(struct fs_output *output, mode_t mode)
{
	struct buffer name;
	int fd;

	buffer_init(&name);
	buffer_printf(&name, "%s.tmp.%d", output->path, (int)getpid());
	if (buffer_error(&name)) {
		buffer_release(&name);
		return -ENOMEM;
	}
	output->temporary = name.bytes; /* ours from here */
	fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 && errno == EEXIST) {
		/* Left by an earlier life of this pid. */
		unlink(output->temporary);
		fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  mode);
	}
	if (fd < 0) {
		fd = -errno;
		free(output->temporary);
		output->temporary = NULL; /* not ours: must not be removed */
	}
	return fd;
}

/*
 * A regular file is replaced, through a link if there is one, and keeps its permissions; a
 * device, a FIFO or a socket is written to as it is.
 */
static int fs_open_named(struct fs_output *output, const char *path)
{
	struct stat stat_now;
	int fd;

	if (stat(path, &stat_now)) {
		if (errno != ENOENT)
			return -errno;
		output->path = strdup(path);
		return output->path ? fs_open_temporary(output, 0666) : -ENOMEM;
	}
	if (S_ISDIR(stat_now.st_mode))
		return -EISDIR;
	if (!S_ISREG(stat_now.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	output->path = realpath(path, NULL);
	if (!output->path)
		return -errno;
	fd = fs_open_temporary(output, 0600);
	if (fd < 0)
		return fd;
	/* Root writing a user's file leaves it the user's; failing at that is no reason to stop. */
	if (fchown(fd, stat_now.st_uid, stat_now.st_gid) == 0)
		(void)fchmod(fd, stat_now.st_mode & 07777);
	else
		(void)fchmod(fd, stat_now.st_mode & 0777);
	return fd;
}

int fs_output_open(const char *path, struct fs_output **out)
{
	struct fs_output *output = calloc(1, sizeof(*output));
	int fd, err;

	if (!output)
		return -ENOMEM;
	if (!path || !strcmp(path, "-")) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		fd = fd < 0 ? -errno : fd;
	} else {
		fd = fs_open_named(output, path);
	}
	if (fd < 0) {
		err = fd;
		goto fail;
	}
	output->stream = fdopen(fd, "w");
	if (!output->stream) {
		err = -errno;
		close(fd);
		goto fail;
	}
	*out = output;
	return 0;

fail:
	fs_output_abandon(output);
	return err;
}

FILE *fs_output_stream(struct fs_output *output)
{
	return output->stream;
}

/* Files only: a pipe or a terminal has nothing to sync. */
static int fs_sync(int fd)
{
	if (!fsync(fd) || errno == EINVAL || errno == EROFS || errno == ENOTSUP)
		return 0;
	return -errno;
}

int fs_output_commit(struct fs_output *output)
{
	int err = 0;

	errno = 0;
	if (fflush(output->stream))
		err = -errno;
	else if (ferror(output->stream)) /* an earlier write failed, and its errno is gone */
		err = -EIO;
	if (!err && output->temporary)
		err = fs_sync(fileno(output->stream));
	if (fclose(output->stream) && !err)
		err = -errno;
	output->stream = NULL;
	if (!err && output->temporary) {
		if (rename(output->temporary, output->path)) {
			err = -errno;
		} else {
			free(output->temporary);
			output->temporary = NULL;
		}
	}
	fs_output_abandon(output);
	return err;
}

void fs_output_abandon(struct fs_output *output)
{
	if (!output)
		return;
	if (output->stream)
		fclose(output->stream);
	if (output->temporary) {
		unlink(output->temporary);
		free(output->temporary);
	}
	free(output->path);
	free(output);
}
