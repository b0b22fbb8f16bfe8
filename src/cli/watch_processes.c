// SPDX-License-Identifier: GPL-2.0-only
/* See watch_processes.h. */
#include "cli/watch_processes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "cli/watch_threads.h"
#include "proc/process.h"

enum { COMMAND_BYTES_MAX = 200 };

int watched_processes_init(struct watched_processes *processes, struct profile *profile)
{
	*processes = (struct watched_processes){ .profile = profile, .by_serial = map64_new() };
	return processes->by_serial ? 0 : -ENOMEM;
}

void watched_processes_release(struct watched_processes *processes)
{
	free(processes->array);
	map64_free(processes->by_serial);
	*processes = (struct watched_processes){ 0 };
}

struct watched_process *watched_process_find(const struct watched_processes *processes,
					     uint32_t serial)
{
	uint64_t index;

	if (!serial || !processes->by_serial || !map64_get(processes->by_serial, serial, &index))
		return NULL;
	return &processes->array[index];
}

static struct watched_process *slot_take(struct watched_processes *processes)
{
	struct watched_process *array;
	uint32_t slot = processes->free_slot;

	if (slot) {
		processes->free_slot = processes->array[slot - 1].process;
		return &processes->array[slot - 1];
	}
	array = reallocarray(processes->array, processes->count + 1, sizeof(*array));
	if (!array)
		return NULL;
	processes->array = array;
	return &array[processes->count++];
}

/* A host may start a process for each job, for days. */
static void row_take(struct watched_processes *processes, struct watched_process *process)
{
	struct profile *profile = processes->profile;
	uint32_t known = profile->process_count;

	process->shares_row = processes->row_count >= WATCHED_PROCESS_ROWS_MAX;
	if (!process->shares_row) {
		process->process = profile_add_process(profile, process->serial, process->pid);
		processes->row_count += process->process != PROFILE_NONE;
		return;
	}
	process->process = profile_add_process(profile, 0, 0);
	process->thread_rows = WATCHED_THREAD_ROWS_MAX;
	if (process->process == PROFILE_NONE || profile->process_count == known)
		return;
	profile->processes[process->process].command = profile_string(profile, "[more processes]");
	log_warn("more than %d processes: those that start from now on share one row, "
		 "\"[more processes]\"",
		 WATCHED_PROCESS_ROWS_MAX);
}

struct watched_process *watched_process_add(struct watched_processes *processes, uint32_t serial,
					    pid_t pid, unsigned int minor)
{
	struct watched_process *process = slot_take(processes);
	uint64_t *index;

	if (!process)
		return NULL;
	*process = (struct watched_process){ .serial = serial, .pid = pid, .minor = minor };
	row_take(processes, process);
	index = map64_slot(processes->by_serial, serial, NULL);
	if (!index || process->process == PROFILE_NONE) {
		process->ended = true; /* it has no row that could be given times */
		return NULL;
	}
	*index = process - processes->array;
	return process;
}

void watched_process_describe(struct watched_processes *processes,
			      const struct watched_process *process, const char *python)
{
	struct profile *profile = processes->profile;
	struct profile_process *row = &profile->processes[process->process];
	struct buffer command;

	if (process->shares_row)
		return;
	buffer_init(&command);
	if (!proc_command_line(process->pid, &command) && command.bytes) {
		if (command.length > COMMAND_BYTES_MAX) {
			command.length = COMMAND_BYTES_MAX;
			buffer_string(&command, "…");
		}
		row->command = intern_add(profile->strings, command.bytes, command.length);
	}
	buffer_release(&command);
	row->python = profile_string(profile, python);
}

/* Whether `list`, "dispatch,malloc", has that word. */
static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t next = strcspn(list, ",");

		if (next == length && !memcmp(list, word, length))
			return true;
		list += next + (list[next] == ',');
	}
	return false;
}

void watched_process_seen_by(struct watched_processes *processes,
			     const struct watched_process *process, const char *probes)
{
	struct profile *profile = processes->profile;
	struct profile_process *row = &profile->processes[process->process];
	const char *known = profile_text(profile, row->probes);
	struct buffer list;

	if (!probes || process->shares_row || list_has(known, probes))
		return;
	buffer_init(&list);
	buffer_string(&list, known);
	if (*known)
		buffer_byte(&list, ',');
	buffer_string(&list, probes);
	if (!buffer_error(&list))
		row->probes = profile_string(profile, list.bytes);
	buffer_release(&list);
}

void watched_process_describe_as(struct watched_processes *processes,
				 const struct watched_process *process, uint32_t like)
{
	struct profile_process *rows = processes->profile->processes;

	if (process->shares_row)
		return;
	rows[process->process].command = rows[like].command;
	rows[process->process].python = rows[like].python;
	rows[process->process].probes = rows[like].probes;
}

/* Its leader may have ended while other threads go on. */
bool watched_process_is_gone(struct watched_process *process)
{
	struct proc_stat stat;
	int error = proc_stat_read(process->pid, &stat);

	if (error)
		return error == -ESRCH;
	if (!process->start_ticks)
		process->start_ticks = stat.start_ticks;
	return stat.start_ticks != process->start_ticks ||
	       (proc_stat_is_dead(&stat) && stat.thread_count <= 1);
}

void watched_process_forget(struct watched_processes *processes, struct watched_process *process)
{
	map64_remove(processes->by_serial, process->serial);
	processes->cpu_forgotten_ns += process->cpu_ended_ns;
	*process = (struct watched_process){ .ended = true, .process = processes->free_slot };
	processes->free_slot = process - processes->array + 1;
}
