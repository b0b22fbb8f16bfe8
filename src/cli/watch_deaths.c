// SPDX-License-Identifier: GPL-2.0-only
/* See watch_deaths.h. */
#include "cli/watch_deaths.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "python/code_death.h"

struct watch_unseen {
	struct watch_unseen *next;
	uint32_t serial;
	struct python_process process;
};

void watch_deaths_release(struct watch_deaths *deaths)
{
	struct watch_unseen *next;

	for (struct watch_unseen *unseen = deaths->first; unseen; unseen = next) {
		next = unseen->next;
		free(unseen);
	}
	deaths->first = NULL;
	deaths->last = NULL;
}

static void deaths_watch(struct watch_deaths *deaths, struct python_process *process,
			 uint32_t serial)
{
	uint64_t offset = 0;
	int error;

	error = python_code_death_offset(process, &offset);
	if (!error)
		error = capture_code_deaths_watch(deaths->capture, process->binary_open, offset);
	if (!error) {
		process->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
		error = capture_target_update(deaths->capture, process->pid, &process->target,
					      serial);
	}
	if (error)
		log_verbose("pid %d: the end of code objects cannot be seen (%s): each one is "
			    "compared at every sample instead, which costs more",
			    process->pid, strerror(-error));
}

void watch_deaths_later(struct watch_deaths *deaths, const struct python_process *process,
			uint32_t serial)
{
	struct watch_unseen *unseen = malloc(sizeof(*unseen));
	struct python_process now = *process;

	if (!unseen) {
		deaths_watch(deaths, &now, serial);
		return;
	}
	*unseen = (struct watch_unseen){ .serial = serial, .process = now };
	if (deaths->last)
		deaths->last->next = unseen;
	else
		deaths->first = unseen;
	deaths->last = unseen;
}

bool watch_deaths_next(struct watch_deaths *deaths)
{
	struct watch_unseen *unseen = deaths->first;

	if (!unseen)
		return false;
	deaths->first = unseen->next;
	if (!deaths->first)
		deaths->last = NULL;
	deaths_watch(deaths, &unseen->process, unseen->serial);
	free(unseen);
	return deaths->first != NULL;
}
