// SPDX-License-Identifier: GPL-2.0-only
/* See watch_threads.h. */
#include "cli/watch_threads.h"

#include <errno.h>
#include <stdlib.h>

#include "proc/thread.h"

int watched_threads_init(struct watched_threads *threads, struct profile *profile)
{
	*threads = (struct watched_threads){ .profile = profile, .by_tid = map64_new() };
	return threads->by_tid ? 0 : -ENOMEM;
}

void watched_threads_release(struct watched_threads *threads)
{
	free(threads->array);
	map64_free(threads->by_tid);
	*threads = (struct watched_threads){ 0 };
}

struct watched_thread *watched_thread_find(const struct watched_threads *threads, uint32_t serial,
					   pid_t tid)
{
	uint64_t index;

	if (!threads->by_tid || !map64_get(threads->by_tid, map64_pair(serial, tid), &index))
		return NULL;
	return &threads->array[index];
}

/* A server may start a thread for each request, for days: rows are bounded. */
static uint32_t thread_row(struct watched_threads *threads, const struct watched_thread *thread,
			   uint32_t process, uint32_t *rows)
{
	uint32_t row;
	char name[64];

	if (*rows >= WATCHED_THREAD_ROWS_MAX) {
		row = profile_add_thread(threads->profile, process, 0);
		if (row != PROFILE_NONE)
			threads->profile->threads[row].name =
				profile_string(threads->profile, "[more threads]");
		return row;
	}
	(*rows)++;
	row = profile_add_thread(threads->profile, process, thread->tid);
	if (row != PROFILE_NONE && !proc_thread_name(thread->pid, thread->tid, name, sizeof(name)))
		threads->profile->threads[row].name = profile_string(threads->profile, name);
	return row;
}

static struct watched_thread *slot_take(struct watched_threads *threads)
{
	struct watched_thread *array;
	uint32_t slot = threads->free_slot;

	if (slot) {
		threads->free_slot = threads->array[slot - 1].thread;
		return &threads->array[slot - 1];
	}
	array = reallocarray(threads->array, threads->count + 1, sizeof(*array));
	if (!array)
		return NULL;
	threads->array = array;
	return &array[threads->count++];
}

struct watched_thread *watched_thread_add(struct watched_threads *threads,
					  const struct watched_thread *thread, uint32_t process,
					  uint32_t *rows)
{
	struct watched_thread *added = slot_take(threads);
	uint64_t *index;

	if (!added)
		return NULL;
	*added = *thread;
	added->thread = thread_row(threads, thread, process, rows);
	index = map64_slot(threads->by_tid, map64_pair(thread->serial, thread->tid), NULL);
	if (!index || added->thread == PROFILE_NONE) {
		added->ended = true; /* it has no row that could be given times */
		return NULL;
	}
	*index = added - threads->array;
	return added;
}

void watched_thread_end(struct watched_threads *threads, struct watched_thread *thread,
			uint64_t cpu_ns, uint64_t end_ns)
{
	struct profile_thread *row = &threads->profile->threads[thread->thread];
	uint64_t used_ns = cpu_ns > thread->cpu_base_ns ? cpu_ns - thread->cpu_base_ns : 0;

	if (!thread->ended)
		row->wall_ns += end_ns > thread->start_ns ? end_ns - thread->start_ns : 0;
	thread->ended = true;
	if (thread->cpu_counted || !cpu_ns)
		return;
	thread->cpu_counted = true;
	row->cpu_ns += used_ns;
	threads->profile->processes[row->process].cpu_ns += used_ns;
}

void watched_thread_forget(struct watched_threads *threads, struct watched_thread *thread)
{
	map64_remove(threads->by_tid, map64_pair(thread->serial, thread->tid));
	*thread = (struct watched_thread){ .ended = true, .thread = threads->free_slot };
	threads->free_slot = thread - threads->array + 1;
}
