// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof heap`: looks at the process, takes a census, answers what was asked about it, writes it.
 * What the reports look like is in render/census_table.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/heap_diff.h"
#include "cli/heap_freeze.h"
#include "cli/heap_graph.h"
#include "cli/heap_scan.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "proc/process.h"
#include "pybpfprof/version.h"
#include "python/pools.h"
#include "python/python.h"
#include "render/census.h"

enum {
	CACHE_BYTES = 64 << 20,
	START_TRIES = 100,
	START_PAUSE_NS = 20 * 1000 * 1000,
	NS_PER_S = 1000 * 1000 * 1000,
	FREEZE_TRIES = 20,
	FREEZE_PAUSE_NS = 3 * 1000 * 1000,
	LARGEST_MAX = 1000,
};

struct heap {
	const struct config *config;
	struct signals signals;
	struct python_process python;
	struct objects *objects;
	struct heap_scan scan;
	struct heap_graph *graph;
	struct heap_freeze freeze;
	struct census census;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Ctrl-C: what there is of the census is written. */
static int stop_asked(void *arg)
{
	struct heap *heap = arg;

	return signals_poll(&heap->signals) ? -ECANCELED : 0;
}

/* ---- looking at the process ---- */

/* 0 or the exit status, with the reason said. */
static int target_find(struct heap *heap)
{
	const struct timespec pause = { .tv_nsec = START_PAUSE_NS };
	pid_t pid = heap->config->pids[0];
	struct python_cache *cache = python_cache_new();

	if (!cache) {
		log_error("out of memory");
		return EXIT_FAILED_RUNNING;
	}
	for (int i = 0; i < START_TRIES; i++) {
		python_inspect(cache, pid, &heap->python);
		if (heap->python.verdict != PYTHON_STARTING || signals_poll(&heap->signals))
			break;
		nanosleep(&pause, NULL);
	}
	python_cache_free(cache);
	if (heap->python.verdict == PYTHON_KNOWN)
		return 0;
	log_error("pid %d: %s", (int)pid, heap->python.reason);
	return heap->python.verdict == PYTHON_DENIED ? EXIT_NOT_ALLOWED : EXIT_NO_TARGET;
}

static int census_head(struct heap *heap)
{
	struct census *census = &heap->census;
	struct buffer command;
	int err = census_init(census);

	if (err)
		return err;
	buffer_init(&command);
	proc_command_line(heap->python.pid, &command);
	census->pid = heap->python.pid;
	census->command =
		intern_add(census->strings, command.bytes ? command.bytes : "", command.length);
	census->python = census_string(census, heap->python.version);
	census->taken_s = now_ns(CLOCK_REALTIME) / NS_PER_S;
	err = buffer_error(&command) || census->command == UINT32_MAX ||
			      census->python == UINT32_MAX ?
		      -ENOMEM :
		      0;
	buffer_release(&command);
	return err;
}

static struct heap_wanted wanted_of(const struct config_heap *config)
{
	const char *text = config->referrers ? config->referrers : config->path;
	struct heap_wanted wanted = { .text = text };

	if (text && !strncmp(text, "0x", 2))
		wanted.address = strtoull(text, NULL, 16);
	return wanted;
}

/* ---- the census ---- */

static int pools_take(struct heap *heap)
{
	struct census_pools *to = &heap->census.pools;
	struct pools from;
	char reason[256] = "";
	int err = pools_read(&heap->python, &from, reason, sizeof(reason));

	to->known = !err;
	to->reason = census_string(&heap->census, err ? reason : "");
	if (to->reason == UINT32_MAX)
		return -ENOMEM;
	if (err)
		return err == -ENOMEM ? err : 0;
	to->arena_bytes = from.arena_bytes;
	to->pool_bytes = from.pool_bytes;
	to->arenas = from.arenas;
	to->free_pools = from.free_pools;
	to->used_bytes = from.used_bytes;
	to->torn = from.torn;
	for (int i = 0; i < CENSUS_POOL_CLASSES && i < POOL_CLASSES; i++) {
		to->classes[i] = (struct census_pool_class){
			.block_bytes = from.classes[i].block_bytes,
			.pools = from.classes[i].pools,
			.used_blocks = from.classes[i].used_blocks,
			.free_blocks = from.classes[i].free_blocks,
		};
	}
	return 0;
}

/* What was asked beyond the census itself. */
static int question_answer(struct heap *heap)
{
	const struct config_heap *config = &heap->config->heap;
	struct census *census = &heap->census;
	uint32_t limit = heap->config->limit;
	int err = 0;

	if (heap->scan.wanted) {
		census->wanted = census_string(census, heap->scan.want.text);
		census->wanted_count = objects_marks_count(heap->scan.wanted);
	}
	if (config->referrers)
		return heap_graph_referrers(&heap->scan, limit);
	if (!config->path && !config->retained)
		return 0;
	err = heap_graph_build(&heap->scan, &heap->graph);
	if (!err && config->path)
		err = heap_graph_paths(heap->graph, limit);
	else if (!err)
		err = heap_graph_retained(heap->graph);
	return err;
}

static int census_open(struct heap *heap)
{
	const struct heap_wanted wanted = wanted_of(&heap->config->heap);
	uint32_t largest = heap->config->limit;
	int err = objects_open(&heap->python, CACHE_BYTES, &heap->objects);

	if (!largest || largest > LARGEST_MAX)
		largest = LARGEST_MAX;
	if (!err)
		err = heap_scan_open(&heap->scan, heap->objects, &heap->census, largest, &wanted);
	heap->scan.turn = stop_asked;
	heap->scan.turn_arg = heap;
	return err;
}

static int census_take(struct heap *heap)
{
	int err;

	objects_memory_forget_all(objects_memory_of(heap->objects));
	err = heap_scan_run(&heap->scan);
	if (!err)
		err = pools_take(heap);
	census_finish(&heap->census);
	if (!err)
		err = heap_scan_previews(&heap->scan);
	if (!err)
		err = question_answer(heap);
	return err;
}

static int freeze_begin(struct heap *heap)
{
	const struct timespec pause = { .tv_nsec = FREEZE_PAUSE_NS };
	uint32_t limit_ms = heap->config->heap.freeze_ms;
	int err = 0;

	if (!limit_ms)
		return 0;
	/* Not in the middle of a collection, whose lists are half done. */
	for (int i = 0; i < FREEZE_TRIES; i++) {
		err = heap_freeze_begin(&heap->freeze, heap->python.pid, limit_ms);
		if (err || !gc_lists_collecting(heap->objects, &heap->scan.lists) ||
		    heap->freeze.way == FREEZE_STOPPED || i + 1 == FREEZE_TRIES)
			break;
		heap_freeze_end(&heap->freeze);
		nanosleep(&pause, NULL);
	}
	if (err)
		log_error("pid %d cannot be stopped: %s", (int)heap->python.pid, strerror(-err));
	return err;
}

static void freeze_tell(struct heap *heap)
{
	struct census *census = &heap->census;

	heap_freeze_end(&heap->freeze);
	census->frozen_ns = heap->freeze.ns;
	census->frozen_whole = heap->freeze.whole;
	census->frozen_how = census_string(census, heap_freeze_name(heap->freeze.way));
}

/* ---- writing ---- */

static int report_write(struct heap *heap, const struct config_report *report)
{
	const struct config *config = heap->config;
	const struct census_options options = {
		.sort = config->heap.sort,
		.limit = config->limit,
		.columns = report->path ? 0 : terminal_columns(STDOUT_FILENO),
		.color = !report->path && terminal_color(STDOUT_FILENO, config->no_color),
		.version = PYBPFPROF_VERSION,
		.title = config->title,
	};
	struct fs_output *output;
	int err = fs_output_open(report->path, &output);

	if (!err) {
		FILE *stream = fs_output_stream(output);

		if (!strcmp(report->format, "json"))
			err = census_render_json(&heap->census, &options, stream);
		else if (!strcmp(report->format, "dot"))
			err = census_render_dot(&heap->census, &options, stream);
		else
			err = census_render_table(&heap->census, &options, stream);
		if (err)
			fs_output_abandon(output);
		else
			err = fs_output_commit(output);
	}
	if (err)
		log_error("cannot write %s: %s", report->path ? report->path : "standard output",
			  strerror(-err));
	return err;
}

static int diff_apply(struct heap *heap)
{
	const char *path = heap->config->heap.diff;
	struct buffer message;
	int err;

	if (!path)
		return 0;
	buffer_init(&message);
	err = heap_diff_apply(path, &heap->census, &message);
	if (err)
		log_error("%s%s%s", message.length ? message.bytes : path,
			  message.length ? "" : ": ", message.length ? "" : strerror(-err));
	buffer_release(&message);
	return err;
}

/* What went wrong while it was read: 0, since there is a report all the same, or the exit status. */
static int outcome(struct heap *heap, int err)
{
	int pid = (int)heap->python.pid;

	switch (err) {
	case 0:
		return 0;
	case -ECANCELED:
		log_warn("stopped before the census was whole");
		heap->census.incomplete = true;
		return heap->census.objects ? 0 : EXIT_FAILED_RUNNING;
	case -ESRCH:
		log_error("pid %d ended while it was read", pid);
		return EXIT_NO_TARGET;
	case -EPERM:
	case -EACCES:
		log_error("pid %d: its memory may not be read: run as root, or as its user with "
			  "CAP_SYS_PTRACE",
			  pid);
		return EXIT_NOT_ALLOWED;
	case -ENOTSUP:
		log_error("pid %d: no census of CPython %s%s", pid, heap->python.version,
			  heap->python.free_threaded ?
				  ": the collector of a free-threaded build has no lists to read" :
				  "");
		return EXIT_NO_TARGET;
	default:
		log_error("pid %d: its objects cannot be read: %s", pid, strerror(-err));
		return EXIT_FAILED_RUNNING;
	}
}

static int heap_run(struct heap *heap)
{
	const struct config *config = heap->config;
	uint64_t started_ns;
	int status = target_find(heap);
	int err;

	if (status)
		return status;
	err = census_head(heap);
	if (err)
		return outcome(heap, err);
	/* Before the process is touched: a file that is none is found out at once. */
	if (diff_apply(heap))
		return EXIT_FAILED_RUNNING;
	started_ns = now_ns(CLOCK_MONOTONIC);
	err = census_open(heap);
	if (!err && freeze_begin(heap))
		return EXIT_FAILED_RUNNING;
	if (!err)
		err = census_take(heap);
	heap->census.duration_ns = now_ns(CLOCK_MONOTONIC) - started_ns;
	freeze_tell(heap);
	status = outcome(heap, err);
	if (status)
		return status;
	if (heap->scan.wanted && !heap->census.wanted_count) {
		log_error("pid %d has no object %s", (int)heap->python.pid, heap->scan.want.text);
		return EXIT_FAILED_RUNNING;
	}
	signals_let_go(&heap->signals);
	for (size_t i = 0; i < config->report_count; i++) {
		if (report_write(heap, &config->reports[i]))
			status = EXIT_FAILED_RUNNING;
	}
	return status;
}

int cmd_heap(const struct config *config)
{
	struct heap *heap = calloc(1, sizeof(*heap));
	int status = EXIT_FAILED_RUNNING;
	int err = heap ? signals_open(&heap->signals) : -ENOMEM;

	if (err) {
		log_error("%s", strerror(-err));
		free(heap);
		return status;
	}
	heap->config = config;
	status = heap_run(heap);
	heap_freeze_end(&heap->freeze);
	heap_graph_free(heap->graph);
	heap_scan_release(&heap->scan);
	objects_close(heap->objects);
	census_release(&heap->census);
	signals_close(&heap->signals);
	free(heap);
	return status;
}
