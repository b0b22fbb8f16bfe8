// SPDX-License-Identifier: GPL-2.0-only
/* See collector_plans.h. */
#include "cli/collector_plans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"

/* Made once for each file. */
struct known_plan {
	dev_t device;
	ino_t inode;
	struct collector_plan plan;
};

struct collector_plans {
	struct known_plan **array; /* each owned */
	uint32_t count, capacity;
};

struct collector_plans *collector_plans_new(void)
{
	return calloc(1, sizeof(struct collector_plans));
}

void collector_plans_free(struct collector_plans *plans)
{
	if (!plans)
		return;
	for (uint32_t i = 0; i < plans->count; i++)
		free(plans->array[i]);
	free(plans->array);
	free(plans);
}

static int plan_add(struct collector_plans *plans, const struct python_process *python,
		    const struct stat *file, const struct collector_plan **out, char *reason,
		    size_t reason_size)
{
	struct known_plan *known;
	int error;

	snprintf(reason, reason_size, "out of memory");
	if (GROW(plans->array, plans->capacity, plans->count))
		return -ENOMEM;
	known = calloc(1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	known->device = file->st_dev;
	known->inode = file->st_ino;
	error = collector_plan_make(python, &known->plan, reason, reason_size);
	if (error) {
		free(known);
		return error;
	}
	plans->array[plans->count++] = known;
	*out = &known->plan;
	return 0;
}

int collector_plans_find(struct collector_plans *plans, const struct python_process *python,
			 const struct collector_plan **out, char *reason, size_t reason_size)
{
	struct stat file;
	int error;

	if (stat(python->binary_open, &file)) {
		error = -errno;
		snprintf(reason, reason_size, "its file cannot be found: %s", strerror(-error));
		return error;
	}
	for (uint32_t i = 0; i < plans->count; i++) {
		const struct known_plan *known = plans->array[i];

		if (known->device == file.st_dev && known->inode == file.st_ino) {
			*out = &known->plan;
			return 0;
		}
	}
	return plan_add(plans, python, &file, out, reason, reason_size);
}
