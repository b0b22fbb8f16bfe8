// SPDX-License-Identifier: GPL-2.0-only
/* See ways.h. What is told of a file is remembered; what failed for one process's sake is not. */
#include "cli/ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "python/call_plan.h"

struct way_known {
	dev_t device;
	ino_t inode;
	struct way_choice choice;
};

struct ways {
	struct way_known *known;
	size_t count;
	struct call_plan plan; /* made, told of, and forgotten */
};

struct ways *ways_new(void)
{
	return calloc(1, sizeof(struct ways));
}

void ways_free(struct ways *ways)
{
	if (!ways)
		return;
	free(ways->known);
	free(ways);
}

static const struct way_known *known_find(const struct ways *ways, const struct stat *file)
{
	for (size_t i = 0; i < ways->count; i++) {
		if (ways->known[i].inode == file->st_ino && ways->known[i].device == file->st_dev)
			return &ways->known[i];
	}
	return NULL;
}

static int known_keep(struct ways *ways, const struct stat *file, const struct way_choice *choice)
{
	struct way_known *known = realloc(ways->known, (ways->count + 1) * sizeof(*known));

	if (!known)
		return -ENOMEM;
	ways->known = known;
	known[ways->count++] = (struct way_known){
		.device = file->st_dev,
		.inode = file->st_ino,
		.choice = *choice,
	};
	return 0;
}

int ways_choose(struct ways *ways, const struct python_process *process, struct way_choice *out)
{
	const struct way_known *known;
	struct stat file;
	bool has_file;
	int err;

	has_file = stat(process->binary_open, &file) == 0;
	known = has_file ? known_find(ways, &file) : NULL;
	if (known) {
		*out = known->choice;
		return 0;
	}
	memset(out, 0, sizeof(*out));
	err = call_plan_choose(process, &ways->plan, out->reason, sizeof(out->reason));
	if (err == -ENOMEM)
		return err;
	if (!err) {
		out->name = call_way_name(ways->plan.way);
		out->reason[0] = '\0';
	}
	return has_file && (!err || err == -ENOTSUP) ? known_keep(ways, &file, out) : 0;
}
