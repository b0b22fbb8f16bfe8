// SPDX-License-Identifier: GPL-2.0-only
/*
 * See left_blocks.h. Slots are looked through whenever a process has ended, the map behind them only when it has
 * grown by a good part: then what is found pays for what is looked at.
 */
#include "cli/left_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/log.h"
#include "base/map64.h"

/* Of ends that come one after the other; and when nobody has ended, but the map may have grown. */
#define SLOTS_PERIOD_NS 250000000ull
#define SLOTS_PATIENCE_NS 1000000000ull

enum { WALK_BLOCKS_MIN = 4096 };

struct serials {
	uint32_t *array;
	uint32_t count, capacity;
};

struct left_blocks {
	struct capture *capture;
	left_block_fn on_block;
	void *arg;
	struct map64 *ended;	/* serial -> when: may have blocks in the kernel's list */
	struct serials waiting; /* of them: their turn is the next walk */
	struct serials walked;	/* whose blocks the walk that goes on takes out */
	uint64_t looked_ns;	/* when the slots were looked through last */
	uint64_t kept;		/* blocks without a slot after the last walk */
	int block_error;	/* what on_block said */
	bool fresh;		/* somebody has ended since */
	bool walking, kept_is_old;
	bool failed; /* the kernel does not let us */
};

struct left_blocks *left_blocks_new(struct capture *capture, left_block_fn on_block, void *arg)
{
	struct left_blocks *left = calloc(1, sizeof(*left));

	if (!left)
		return NULL;
	left->capture = capture;
	left->on_block = on_block;
	left->arg = arg;
	left->ended = map64_new();
	if (!left->ended) {
		left_blocks_free(left);
		return NULL;
	}
	return left;
}

void left_blocks_free(struct left_blocks *left)
{
	if (!left)
		return;
	map64_free(left->ended);
	free(left->waiting.array);
	free(left->walked.array);
	free(left);
}

int left_blocks_ended(struct left_blocks *left, uint32_t serial, uint64_t ended_ns)
{
	struct serials *waiting = &left->waiting;
	bool added;
	uint64_t *slot = map64_slot(left->ended, serial, &added);

	if (!slot || (added && GROW(waiting->array, waiting->capacity, waiting->count)))
		return -ENOMEM;
	*slot = ended_ns;
	if (added)
		waiting->array[waiting->count++] = serial;
	left->fresh = true;
	return 0;
}

uint64_t left_blocks_ended_ns(const struct left_blocks *left, uint32_t serial)
{
	uint64_t ended_ns;

	return map64_get(left->ended, serial, &ended_ns) ? ended_ns : 0;
}

bool left_blocks_walk_is_due(uint64_t spilled, uint64_t kept, uint64_t room)
{
	uint64_t worth_it = kept > WALK_BLOCKS_MIN ? kept : WALK_BLOCKS_MIN;
	uint64_t urgent = kept < room ? (room - kept) / 4 : 0;

	return spilled > kept && spilled - kept >= (worth_it < urgent ? worth_it : urgent);
}

/* ---- the sweep ---- */

static bool has_ended(void *arg, uint32_t serial)
{
	const struct left_blocks *left = arg;

	return left_blocks_ended_ns(left, serial) != 0;
}

static int on_block(void *arg, const struct memory_block_key *key, const struct memory_block *block)
{
	struct left_blocks *left = arg;

	left->block_error =
		left->on_block(left->arg, key, block, left_blocks_ended_ns(left, key->serial));
	return left->block_error;
}

/* What went wrong, if that ends the run. */
static int error_of(struct left_blocks *left, int error)
{
	if (left->block_error)
		return left->block_error;
	if (error) {
		log_verbose("what ended processes had stays in the kernel: %s", strerror(-error));
		left->failed = true;
	}
	return 0;
}

/* Of these nothing is in the kernel's list any more. */
static void serials_forget(struct left_blocks *left, struct serials *serials)
{
	for (uint32_t i = 0; i < serials->count; i++)
		map64_remove(left->ended, serials->array[i]);
	serials->count = 0;
}

static void walk_begin(struct left_blocks *left)
{
	struct serials none = left->walked;

	left->walked = left->waiting;
	left->waiting = none;
	left->walking = true;
}

static int walk_step(struct left_blocks *left)
{
	const struct capture_sweep sweep = { has_ended, on_block, left };
	bool more;
	int error = capture_memory_sweep_spilled(left->capture, &sweep, &more);

	if (error)
		return error_of(left, error);
	if (more)
		return 0;
	serials_forget(left, &left->walked);
	left->walking = false;
	left->kept_is_old = true;
	return 0;
}

int left_blocks_tick(struct left_blocks *left, uint64_t now_ns)
{
	const struct capture_sweep sweep = { has_ended, on_block, left };
	uint64_t spilled;
	int error;

	if (left->failed)
		return 0;
	if (left->walking)
		return walk_step(left);
	if (!left->waiting.count ||
	    now_ns - left->looked_ns < (left->fresh ? SLOTS_PERIOD_NS : SLOTS_PATIENCE_NS))
		return 0;
	left->looked_ns = now_ns;
	error = capture_memory_sweep_slots(left->capture, &sweep, &spilled);
	if (error)
		return error_of(left, error);
	left->fresh = false;
	if (left->kept_is_old)
		left->kept = spilled;
	left->kept_is_old = false;
	if (!spilled)
		serials_forget(left, &left->waiting);
	else if (left_blocks_walk_is_due(spilled, left->kept, capture_memory_room(left->capture)))
		walk_begin(left);
	return 0;
}
