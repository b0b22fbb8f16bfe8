// SPDX-License-Identifier: GPL-2.0-only
/*
 * See capture.h: the kernel's list of blocks that are alive, in slots and in a map (bpf/core/blocks.h). What
 * a process that has ended still had is read here like anything else, since nobody changes it any
 * more; it is the kernel side that takes it out, by the same code as a free does.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/capture_private.h"
#include "capture/knobs.h"
#include "capture/map_each.h"

enum {
	/* 5 MiB. Blocks that live long keep theirs: where these are more, short-lived ones cost more. */
	MEMORY_SLOTS = 1 << 17,
	SWEEP_BATCHES = 8, /* of some thousand blocks each, before the next records are read */
};

int capture_slots_tune(struct capture *capture)
{
	/* They take room even when nothing uses them. */
	const uint32_t slots = capture->options.families >> PROBE_MEMORY & 1 ? MEMORY_SLOTS : 1;
	int error = bpf_map__set_max_entries(capture->skeleton->maps.memory_slots, slots);

	return error ? error : knob_set(capture->skeleton->obj, "memory_slot_mask", slots - 1);
}

/* ---- reading ---- */

static int slots_read(const struct memory_slot *slots, size_t count, capture_block_fn on_block,
		      void *arg, uint64_t *spilled)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct memory_block_key key = { .address = slots[i].word,
						.serial = slots[i].serial };

		*spilled += slots[i].spilled;
		/* The word of a block that is there; a number that small is no address. */
		if (slots[i].word < MEMORY_SLOT_STATES)
			continue;
		key.address = memory_slot_word(&key);
		error = on_block(arg, &key, &slots[i].block);
	}
	return error;
}

/* *spilled: of all slots, how many blocks of theirs are in the map. */
static int slot_blocks(struct capture *capture, capture_block_fn on_block, void *arg,
		       uint64_t *spilled)
{
	const struct bpf_map *map = capture->skeleton->maps.memory_slots;
	size_t count = bpf_map__max_entries(map), bytes = count * sizeof(struct memory_slot);
	struct memory_slot *slots = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	int error;

	if (slots == MAP_FAILED)
		return -errno;
	error = slots_read(slots, count, on_block, arg, spilled);
	munmap(slots, bytes);
	return error;
}

struct block_visit {
	capture_block_fn on_block;
	void *arg;
};

static int block_visit(void *arg, const void *key, const void *value)
{
	const struct block_visit *visit = arg;

	return visit->on_block(visit->arg, key, value);
}

int capture_memory_blocks(struct capture *capture, capture_block_fn on_block, void *arg)
{
	struct block_visit visit = { on_block, arg };
	uint64_t spilled = 0;
	int error = slot_blocks(capture, on_block, arg, &spilled);

	if (error)
		return error;
	return map_each(capture->skeleton->maps.memory_blocks, block_visit, &visit);
}

/* ---- what ended processes had ---- */

/* Blocks that are to be taken out, some at a time. */
struct sweeping {
	struct capture *capture;
	const struct capture_sweep *sweep;
	uint32_t indexes[ABI_LEFT_BLOCKS];
	struct memory_block_key keys[ABI_LEFT_BLOCKS];
	struct memory_block blocks[ABI_LEFT_BLOCKS];
	uint32_t count;
};

static int sweeping_flush(struct sweeping *sweeping)
{
	const struct pybpfprof_bpf *skeleton = sweeping->capture->skeleton;
	LIBBPF_OPTS(bpf_test_run_opts, options);
	uint32_t count = sweeping->count, written = count;
	int error;

	if (!count)
		return 0;
	sweeping->count = 0;
	error = bpf_map_update_batch(bpf_map__fd(skeleton->maps.memory_left_blocks),
				     sweeping->indexes, sweeping->keys, &written, NULL);
	if (!error)
		error = bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.memory__sweep),
					       &options);
	/* Told once they are out: else they would be told again with all that is alive. */
	for (uint32_t i = 0; i < count && !error; i++)
		error = sweeping->sweep->on_block(sweeping->sweep->arg, &sweeping->keys[i],
						  &sweeping->blocks[i]);
	return error;
}

static int sweeping_visit(void *arg, const struct memory_block_key *key,
			  const struct memory_block *block)
{
	struct sweeping *sweeping = arg;

	if (!sweeping->sweep->has_ended(sweeping->sweep->arg, key->serial))
		return 0;
	sweeping->indexes[sweeping->count] = sweeping->count;
	sweeping->keys[sweeping->count] = *key;
	sweeping->blocks[sweeping->count++] = *block;
	return sweeping->count == ABI_LEFT_BLOCKS ? sweeping_flush(sweeping) : 0;
}

int capture_memory_sweep_slots(struct capture *capture, const struct capture_sweep *sweep,
			       uint64_t *spilled)
{
	struct sweeping sweeping = { .capture = capture, .sweep = sweep };
	int error;

	*spilled = 0;
	error = slot_blocks(capture, sweeping_visit, &sweeping, spilled);
	return error ? error : sweeping_flush(&sweeping);
}

int capture_memory_sweep_spilled(struct capture *capture, const struct capture_sweep *sweep,
				 bool *more)
{
	struct sweeping sweeping = { .capture = capture, .sweep = sweep };
	struct block_visit visit = { sweeping_visit, &sweeping };
	int error = 0;

	for (int i = 0; i < SWEEP_BATCHES && !error && !capture->sweep_cursor.over; i++)
		error = map_each_next(capture->skeleton->maps.memory_blocks, &capture->sweep_cursor,
				      block_visit, &visit);
	if (!error)
		error = sweeping_flush(&sweeping);
	*more = !error && !capture->sweep_cursor.over;
	if (!*more)
		memset(&capture->sweep_cursor, 0, sizeof(capture->sweep_cursor));
	return error;
}

uint64_t capture_memory_room(const struct capture *capture)
{
	return bpf_map__max_entries(capture->skeleton->maps.memory_blocks);
}
