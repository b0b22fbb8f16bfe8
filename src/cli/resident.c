// SPDX-License-Identifier: GPL-2.0-only
/* See resident.h. */
#include "cli/resident.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/log.h"
#include "meter/resident.h"
#include "proc/resident.h"

enum {
	SIZES_A_TICK = 128, /* of so many processes; the others keep their last */
	PEAKS_PERIOD_NS = 1000000000,
	LOOKS_A_TICK = 64, /* of 2 MiB each: 128 MiB of the targets' */
	SHARES_BUDGET_NS = 2000000000,
	MOVES = 64, /* a power of two */
	/* glibc has a mapping for a block as large as that, 16 bytes behind its start. */
	MOVABLE_BYTES = 128 << 10,
	MOVABLE_OFFSET = 16,
};

/* Serials from here on are given by the kernel side, to processes that began while they were watched. */
#define SERIAL_BORN_WATCHED 0x40000000u

struct resident_process {
	uint32_t serial;
	pid_t pid;
	uint32_t row; /* of the profile; PROFILE_NONE: one that others share */
	bool dying;   /* its memory may be taken from it at any time */
	uint64_t bytes;
	uint64_t first_peak_bytes; /* from before it was watched */
	uint64_t peak_read_ns;
};

/* Half of a move: what a thread has just let go of. The other half has the same time. */
struct resident_move {
	uint64_t time_ns;
	uint64_t address;
	uint64_t bytes;
	uint32_t tid;
	uint16_t kind; /* enum memory_event_kind */
};

struct resident {
	struct watch *watch;
	struct profile *profile;
	struct resident_meter *meter;	/* NULL: only sizes are read */
	struct resident_process *array; /* those that live */
	uint32_t count, capacity;
	struct map64 *by_serial;       /* -> index of array; UINT32_MAX: has ended */
	uint32_t next_size, next_look; /* indexes of array */
	uint64_t bytes;		       /* sum of all */
	struct resident_move moves[MOVES];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

struct resident *resident_new(struct watch *watch, struct profile *profile, bool faults)
{
	struct resident *resident = calloc(1, sizeof(*resident));

	if (!resident)
		return NULL;
	resident->watch = watch;
	resident->profile = profile;
	resident->by_serial = map64_new();
	if (faults)
		resident->meter = resident_meter_new(profile->memory, RESIDENT_LISTS_MAX);
	if (!resident->by_serial || (faults && !resident->meter)) {
		resident_free(resident);
		return NULL;
	}
	return resident;
}

void resident_free(struct resident *resident)
{
	if (!resident)
		return;
	resident_meter_free(resident->meter);
	map64_free(resident->by_serial);
	free(resident->array);
	free(resident);
}

/* ---- processes ---- */

/* NULL: its row is one that others share, or out of memory. */
static struct memory_process *row_of(struct resident *resident, uint32_t row)
{
	return row == PROFILE_NONE ? NULL : memory_process_of(resident->profile->memory, row);
}

static uint32_t own_row(const struct watched_process *watched)
{
	return watched->shares_row ? PROFILE_NONE : watched->process;
}

static struct resident_process *process_find(const struct resident *resident, uint32_t serial)
{
	uint64_t index;

	if (!map64_get(resident->by_serial, serial, &index) || index == UINT32_MAX)
		return NULL;
	return &resident->array[index];
}

static void size_take(struct resident *resident, struct resident_process *process, uint64_t bytes)
{
	struct memory_process *row = row_of(resident, process->row);

	resident->bytes += bytes - process->bytes;
	process->bytes = bytes;
	if (!row)
		return;
	row->rss_end_bytes = bytes;
	if (row->rss_peak_bytes < bytes)
		row->rss_peak_bytes = bytes;
}

/* The kernel's own high-water mark says what was between two readings, unless it is from before us. */
static void peak_take(struct resident *resident, struct resident_process *process, uint64_t bytes)
{
	struct memory_process *row = row_of(resident, process->row);

	if (row && bytes > process->first_peak_bytes && bytes > row->rss_peak_bytes)
		row->rss_peak_bytes = bytes;
}

static void peak_read(struct resident *resident, struct resident_process *process, uint64_t now)
{
	uint64_t bytes;

	process->peak_read_ns = now;
	if (!resident_peak_read(process->pid, &bytes))
		peak_take(resident, process, bytes);
}

static int process_add(struct resident *resident, const struct watched_process *watched,
		       uint64_t now)
{
	struct resident_process process = {
		.serial = watched->serial,
		.pid = watched->pid,
		.row = own_row(watched),
		.peak_read_ns = now,
	};
	struct memory_process *row;
	uint64_t *slot, bytes;

	if (GROW(resident->array, resident->capacity, resident->count))
		return -ENOMEM;
	slot = map64_slot(resident->by_serial, watched->serial, NULL);
	if (!slot)
		return -ENOMEM;
	*slot = resident->count;
	if (process.serial < SERIAL_BORN_WATCHED)
		resident_peak_read(process.pid, &process.first_peak_bytes);
	resident->array[resident->count++] = process;
	if (process.row == PROFILE_NONE)
		return 0;
	row = row_of(resident, process.row);
	if (!row)
		return -ENOMEM;
	if (!resident_size_read(process.pid, &bytes)) {
		row->rss_start_bytes = bytes;
		size_take(resident, &resident->array[resident->count - 1], bytes);
	}
	return 0;
}

/* It is none of the living any more; the last one takes its place. */
static void process_end(struct resident *resident, uint32_t serial)
{
	struct resident_process *process = process_find(resident, serial);
	uint64_t *slot = map64_slot(resident->by_serial, serial, NULL);

	if (slot)
		*slot = UINT32_MAX;
	if (resident->meter)
		resident_meter_ended(resident->meter, serial);
	if (!process)
		return;
	resident->bytes -= process->bytes;
	*process = resident->array[--resident->count];
	if (process != &resident->array[resident->count])
		*map64_slot(resident->by_serial, process->serial, NULL) = process - resident->array;
}

/* Who has come under watch, and who has ended with nobody telling. */
static int processes_follow(struct resident *resident, uint64_t now)
{
	const struct watched_process *watched;
	uint64_t index;
	int error = 0;

	for (uint32_t i = 0; !error && (watched = watch_process_at(resident->watch, i)); i++) {
		bool known = map64_get(resident->by_serial, watched->serial, &index);

		if (!watched->serial)
			continue;
		if (!known && !watched->ended)
			error = process_add(resident, watched, now);
		else if (known && watched->ended && index != UINT32_MAX)
			process_end(resident, watched->serial);
	}
	return error;
}

static int on_exit_record(struct resident *resident, const struct record_process *record)
{
	const struct watched_process *watched =
		watch_process(resident->watch, record->header.serial);
	struct resident_process born = { .row = PROFILE_NONE };
	struct resident_process *process = process_find(resident, record->header.serial);

	if (!watched)
		return 0;
	if (!process) {
		/* It ended before it was read once. */
		born.row = own_row(watched);
		process = &born;
	}
	peak_take(resident, process, record->maxrss * RESIDENT_PAGE_BYTES);
	process_end(resident, record->header.serial);
	return 0;
}

static void on_oom(struct resident *resident, const struct record_process *record)
{
	const struct watched_process *watched =
		watch_process(resident->watch, record->header.serial);
	struct resident_process *process = process_find(resident, record->header.serial);
	struct memory_process *row = watched ? row_of(resident, own_row(watched)) : NULL;

	if (row)
		row->oom_killed = true;
	if (process)
		process->dying = true;
}

int resident_event(struct resident *resident, const struct event *event)
{
	switch (event->kind) {
	case RECORD_PROCESS_EXIT:
		return on_exit_record(resident, event->process);
	case RECORD_PROCESS_EXEC:
		process_end(resident, event->header->serial);
		return 0;
	case RECORD_PROCESS_OOM:
		on_oom(resident, event->process);
		return 0;
	default:
		return 0;
	}
}

/* ---- pages ---- */

static struct resident_move *move_of(struct resident *resident, uint32_t tid)
{
	return &resident->moves[tid % MOVES];
}

static void move_begin(struct resident *resident, const struct record_memory *record)
{
	*move_of(resident, record->header.tid) = (struct resident_move){
		.time_ns = record->header.time_ns,
		.address = record->address,
		.bytes = record->size,
		.tid = record->header.tid,
		.kind = record->kind,
	};
}

/* What the thread let go of by the same call; NULL: nothing. */
static const struct resident_move *move_end(struct resident *resident,
					    const struct record_memory *record, uint16_t kind)
{
	const struct resident_move *move = move_of(resident, record->header.tid);

	return move->kind == kind && move->tid == record->header.tid &&
			       move->time_ns == record->header.time_ns ?
		       move :
		       NULL;
}

static bool is_mapping(uint64_t address, uint64_t bytes)
{
	return bytes >= MOVABLE_BYTES && address % RESIDENT_PAGE_BYTES == MOVABLE_OFFSET;
}

/* A large block is a mapping of its own, and is not copied to grow. */
static int on_resized(struct resident *resident, const struct record_memory *record)
{
	const struct resident_move *move = move_end(resident, record, MEMORY_FREED);
	uint64_t bytes;

	if (!move || !is_mapping(move->address, move->bytes) ||
	    !is_mapping(record->address, record->size))
		return 0;
	bytes = move->bytes < record->size ? move->bytes : record->size;
	return resident_meter_moved(resident->meter, record->header.serial,
				    move->address - MOVABLE_OFFSET,
				    record->address - MOVABLE_OFFSET, bytes + MOVABLE_OFFSET);
}

static int on_mapped(struct resident *resident, const struct record_memory *record, uint32_t site)
{
	const struct resident_move *move = move_end(resident, record, MEMORY_UNMAPPED);
	const uint32_t serial = record->header.serial;

	if (move)
		return resident_meter_moved(resident->meter, serial, move->address, record->address,
					    move->bytes < record->size ? move->bytes :
									 record->size);
	if (record->detail & (MAP_POPULATE | MAP_LOCKED))
		return resident_meter_populated(resident->meter, serial, site, record->address,
						record->size);
	return 0;
}

int resident_memory(struct resident *resident, const struct record_memory *record, uint32_t site)
{
	if (!resident->meter)
		return 0;
	switch (record->kind) {
	case MEMORY_FAULTED:
		return resident_meter_faulted(resident->meter, record->header.serial, site,
					      record->address, record->size, record->detail);
	case MEMORY_ALLOCATED:
		return record->resized ? on_resized(resident, record) : 0;
	case MEMORY_MAPPED:
		return on_mapped(resident, record, site);
	case MEMORY_FREED:
		if (!record->resized)
			return 0;
		move_begin(resident, record);
		return 0;
	case MEMORY_UNMAPPED:
		move_begin(resident, record);
		return 0;
	default:
		return 0;
	}
}

static int look_read(void *arg, uint64_t page, uint64_t *bits)
{
	return resident_pages_read(*(int *)arg, page * RESIDENT_PAGE_BYTES, PAGE_SITES_REGION,
				   bits);
}

/*
 * Looks at no more than *regions_max, and takes off what it did. One that is just ending has no pages left,
 * and that is not what it had.
 */
static void process_look(struct resident *resident, const struct resident_process *process,
			 uint64_t now, bool final, uint32_t *regions_max)
{
	int fd;
	struct page_look look = {
		.read = look_read,
		.arg = &fd,
		.now_ns = now,
		.final = final,
		.regions_max = *regions_max,
	};

	if (process->dying || resident_pages_open(process->pid, &fd))
		return;
	resident_meter_look(resident->meter, process->serial, &look);
	close(fd);
	*regions_max = look.regions_max;
}

static void pages_look(struct resident *resident, uint64_t now)
{
	uint32_t regions_max = LOOKS_A_TICK;

	/* One that has more than that goes on next time, but not before the others. */
	for (uint32_t i = 0; i < resident->count && regions_max; i++) {
		resident->next_look = (resident->next_look + 1) % resident->count;
		process_look(resident, &resident->array[resident->next_look], now, false,
			     &regions_max);
	}
}

/* ---- the run ---- */

static void sizes_read(struct resident *resident, uint64_t now)
{
	uint64_t bytes;

	for (uint32_t i = 0; i < resident->count && i < SIZES_A_TICK; i++) {
		struct resident_process *process;

		resident->next_size = (resident->next_size + 1) % resident->count;
		process = &resident->array[resident->next_size];
		if (!resident_size_read(process->pid, &bytes))
			size_take(resident, process, bytes);
		if (now - process->peak_read_ns >= PEAKS_PERIOD_NS)
			peak_read(resident, process, now);
	}
}

int resident_tick(struct resident *resident, uint64_t now, uint64_t *bytes)
{
	int error = processes_follow(resident, now);

	if (error)
		return error;
	sizes_read(resident, now);
	if (resident->meter && resident->count)
		pages_look(resident, now);
	*bytes = resident->bytes;
	return 0;
}

static void share_read(struct resident *resident, const struct resident_process *process)
{
	struct memory_process *row = row_of(resident, process->row);

	if (row)
		row->pss_known = !resident_share_read(process->pid, &row->pss_end_bytes);
}

void resident_finish(struct resident *resident)
{
	const uint64_t until_ns = now_ns() + SHARES_BUDGET_NS;

	for (uint32_t i = 0; i < resident->count; i++) {
		struct resident_process *process = &resident->array[i];
		uint32_t all = UINT32_MAX;
		uint64_t bytes;

		if (!resident_size_read(process->pid, &bytes))
			size_take(resident, process, bytes);
		peak_read(resident, process, 0);
		if (resident->meter)
			process_look(resident, process, 0, true, &all);
		if (now_ns() < until_ns)
			share_read(resident, process);
	}
	if (!resident->meter)
		return;
	resident_meter_finish(resident->meter);
	if (resident_meter_is_coarse(resident->meter))
		log_warn("some pages were touched by more lines than could be kept: what is "
			 "resident of them counts for the last");
}
