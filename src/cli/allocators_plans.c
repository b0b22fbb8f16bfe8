// SPDX-License-Identifier: GPL-2.0-only
/* See allocators_plans.h. */
#include "cli/allocators_plans.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept_plan {
	struct allocator_plan plan;
	struct stat files[ALLOCATOR_FILES];
	int fds[ALLOCATOR_FILES];
	size_t fd_count;
};

static void plan_free(struct kept_plan *kept)
{
	if (!kept)
		return;
	for (size_t i = 0; i < kept->fd_count; i++)
		close(kept->fds[i]);
	free(kept);
}

void kept_plans_release(struct kept_plans *plans)
{
	for (size_t i = 0; i < plans->count; i++)
		plan_free(plans->array[i]);
	free(plans->array);
	*plans = (struct kept_plans){ 0 };
}

static bool files_equal(const struct kept_plan *a, const struct kept_plan *b)
{
	for (size_t i = 0; i < a->plan.file_count; i++) {
		if (a->files[i].st_dev != b->files[i].st_dev ||
		    a->files[i].st_ino != b->files[i].st_ino)
			return false;
	}
	return true;
}

/* Whether both put the same probes into the same files at the same places. */
static bool plans_equal(const struct kept_plan *a, const struct kept_plan *b)
{
	if (a->plan.site_count != b->plan.site_count || a->plan.file_count != b->plan.file_count ||
	    strcmp(a->plan.name, b->plan.name) || strcmp(a->plan.unseen, b->plan.unseen) ||
	    !files_equal(a, b))
		return false;
	for (size_t i = 0; i < a->plan.site_count; i++) {
		const struct allocator_site *left = &a->plan.sites[i], *right = &b->plan.sites[i];

		if (left->file != right->file || left->file_offset != right->file_offset ||
		    left->returns_block != right->returns_block ||
		    memcmp(&left->probe, &right->probe, sizeof(left->probe)) != 0)
			return false;
	}
	return true;
}

static int files_hold(struct kept_plan *kept)
{
	for (size_t i = 0; i < kept->plan.file_count; i++) {
		struct allocator_file *file = &kept->plan.files[i];
		int fd = open(file->path_open, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		kept->fds[kept->fd_count++] = fd;
		if (fstat(fd, &kept->files[i]))
			return -errno;
		snprintf(file->path_open, sizeof(file->path_open), "/proc/self/fd/%d", fd);
	}
	return 0;
}

int kept_plans_add(struct kept_plans *plans, const struct allocator_plan *plan,
		   struct allocator_plan **out)
{
	struct kept_plan **array, *kept = calloc(1, sizeof(*kept));
	int error;

	if (!kept)
		return -ENOMEM;
	kept->plan = *plan;
	error = files_hold(kept);
	if (error)
		goto fail;
	for (size_t i = 0; i < plans->count; i++) {
		if (plans_equal(plans->array[i], kept)) {
			plan_free(kept);
			*out = &plans->array[i]->plan;
			return 0;
		}
	}
	array = reallocarray(plans->array, plans->count + 1, sizeof(struct kept_plan *));
	error = array ? 0 : -ENOMEM;
	if (error)
		goto fail;
	plans->array = array;
	array[plans->count++] = kept;
	*out = &kept->plan;
	return 0;
fail:
	plan_free(kept);
	return error;
}

struct allocator_plan *kept_plans_of_file(const struct kept_plans *plans, const char *path)
{
	struct stat file;

	if (stat(path, &file))
		return NULL;
	for (size_t i = 0; i < plans->count; i++) {
		struct kept_plan *kept = plans->array[i];

		if (kept->plan.file_count == 1 && kept->files[0].st_dev == file.st_dev &&
		    kept->files[0].st_ino == file.st_ino)
			return &kept->plan;
	}
	return NULL;
}
