// SPDX-License-Identifier: GPL-2.0-only
/*
 * See gc_lists.h. Modules/gcmodule.c up to 3.13, Python/gc.c from 3.14 on. `_gc_prev` keeps two marks
 * in its low bits, `_gc_next` one of 3.14.0-3.14.4's; Debian's 3.13 aligns heads to 4 bytes only, so
 * that no third bit can be cleared.
 */
#include "python/gc_lists.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "python/objects_private.h"

enum {
	LINK_TRIES = 2,
	LIST_RESTARTS = 3,
	TRAIL = 16, /* links we can go back when the last ones went away */
	/* So many windows are read again for one list: faster than that, nobody can follow it. */
	FORGETS_MAX = 4096,
	COLLECTING_WAIT_MS = 2000,
	COLLECTING_STEP_NS = 200 * 1000,
	NS_PER_MS = 1000 * 1000,
};

static const uint64_t LINK_MASK = ~3ULL;

/* ---- where they are ---- */

static int interpreters_read(struct objects *objects, struct gc_lists *lists)
{
	const struct python_layout *walk = &objects->walk.walk;
	uint64_t runtime = objects->python.target.runtime;
	uint64_t address = objects_word(objects, runtime + walk->runtime_interpreters_head);

	for (; address && lists->interpreter_count < GC_INTERPRETERS_MAX;
	     address = objects_word(objects, address + walk->interp_next)) {
		struct gc_interpreter *found = &lists->interpreters[lists->interpreter_count++];

		found->address = address;
		found->id = (int64_t)objects_word(objects, address + objects->layout.interp_id);
		found->gc = (objects->layout.minor == 8 ? runtime : address) + objects->layout.gc;
	}
	return lists->interpreter_count ? 0 : -ENODATA;
}

int gc_lists_open(struct objects *objects, struct gc_lists *lists)
{
	int err;

	memset(lists, 0, sizeof(*lists));
	if (objects->python.free_threaded)
		return -ENOTSUP;
	objects_memory_forget_all(objects->memory);
	err = interpreters_read(objects, lists);
	if (err && objects_memory_error(objects->memory))
		err = objects_memory_error(objects->memory);
	return err;
}

/* The collector says itself where the youngest is, where it can: Debian's 3.13 has it elsewhere. */
static uint64_t list_head(struct objects *objects, uint64_t gc, unsigned int list)
{
	const struct objects_layout *layout = &objects->layout;
	uint64_t youngest = gc + layout->gc_generations;

	if (list == GC_LIST_PERMANENT)
		return gc + layout->gc_permanent;
	if (layout->gc_generation0 != ABI_NO_OFFSET) {
		uint64_t told = objects_word(objects, gc + layout->gc_generation0);

		if (told > gc && told < gc + layout->gc_generation0)
			youngest = told;
	}
	return youngest + (uint64_t)list * GC_GENERATION_BYTES;
}

/* ---- collections ---- */

static bool is_collecting(struct objects *objects, const struct gc_interpreter *interpreter)
{
	uint64_t at = interpreter->gc + objects->layout.gc_collecting;
	uint32_t collecting = 0;

	objects_memory_forget(objects->memory, at);
	if (objects_memory_read(objects->memory, at, &collecting, sizeof(collecting)))
		return false;
	return collecting;
}

bool gc_lists_collecting(struct objects *objects, const struct gc_lists *lists)
{
	for (uint32_t i = 0; i < lists->interpreter_count; i++) {
		if (is_collecting(objects, &lists->interpreters[i]))
			return true;
	}
	return false;
}

/* Not for ever: a process that was stopped in one never ends it. True: none runs. */
static bool collecting_wait(struct objects *objects, struct gc_lists *lists,
			    const struct gc_interpreter *interpreter)
{
	const struct timespec step = { .tv_nsec = COLLECTING_STEP_NS };
	uint64_t limit_ns = (uint64_t)COLLECTING_WAIT_MS * NS_PER_MS;
	bool collecting;

	while ((collecting = is_collecting(objects, interpreter)) && lists->waited_ns < limit_ns) {
		nanosleep(&step, NULL);
		lists->waited_ns += COLLECTING_STEP_NS;
	}
	return !collecting;
}

/* ---- one list ---- */

struct list_walk {
	struct objects *objects;
	struct gc_lists *lists;
	const struct gc_interpreter *interpreter;
	uint32_t interpreter_index;
	unsigned int list;
	uint64_t head;
	uint64_t trail[TRAIL]; /* heads passed, the latest at [length % TRAIL] */
	uint64_t length;
	uint32_t forgets_left;
	bool backwards;
	gc_visit visit;
	void *arg;
};

/* The two links of a head, tag bits cleared: [0] onwards in our direction, [1] back. */
static bool links_read(const struct list_walk *walk, uint64_t at, uint64_t links[2])
{
	uint64_t words[2];

	if (at & 3 || objects_memory_read(walk->objects->memory, at, words, sizeof(words)))
		return false;
	links[0] = words[walk->backwards ? 1 : 0] & LINK_MASK;
	links[1] = words[walk->backwards ? 0 : 1] & LINK_MASK;
	return true;
}

/* The next head, if its way back leads to `at`. */
static bool step(const struct list_walk *walk, uint64_t at, uint64_t *next)
{
	uint64_t here[2], there[2];

	if (!links_read(walk, at, here) || !here[0] || !links_read(walk, here[0], there) ||
	    there[1] != at)
		return false;
	*next = here[0];
	return true;
}

/* False: enough has been read again. */
static bool forget_link(struct list_walk *walk, uint64_t at)
{
	uint64_t here[2];

	if (!walk->forgets_left)
		return false;
	walk->forgets_left--;
	objects_memory_forget(walk->objects->memory, at);
	if (links_read(walk, at, here))
		objects_memory_forget(walk->objects->memory, here[0]);
	return true;
}

/*
 * From `at` on, or, where that is gone, from the latest place we passed that still is in the list: read
 * anew each time, since what was read may be older than what it leads to.
 */
static bool step_surely(struct list_walk *walk, uint64_t at, uint64_t *next)
{
	uint64_t back = walk->length < TRAIL ? walk->length : TRAIL;

	if (step(walk, at, next))
		return true;
	for (int i = 0; i < LINK_TRIES && forget_link(walk, at); i++) {
		if (step(walk, at, next)) {
			walk->lists->retried++;
			return true;
		}
	}
	for (uint64_t i = 1; i <= back; i++) {
		uint64_t earlier = walk->trail[(walk->length - i) % TRAIL];

		if (!forget_link(walk, earlier))
			break;
		if (step(walk, earlier, next)) {
			walk->lists->retried++;
			return true;
		}
	}
	return false;
}

enum walk_end { WALK_DONE, WALK_TORN };

/* From the head until it is met again. *end tells how it ended; negative: what `visit` returned. */
static int list_follow(struct list_walk *walk, enum walk_end *end)
{
	uint64_t at = walk->head, next, milestone = 0, until = 1, since = 0;

	*end = WALK_TORN;
	walk->length = 0;
	for (;;) {
		int err;

		/*
		 * Windows of different moments may make a ring that never was. Brent: a link is
		 * remembered, twice as long each time; meeting it again is that ring.
		 */
		if (at == milestone)
			return 0;
		if (++since == until) {
			milestone = at;
			since = 0;
			until *= 2;
		}

		if (!step_surely(walk, at, &next))
			return objects_memory_error(walk->objects->memory);
		if (next == walk->head) {
			*end = WALK_DONE;
			return 0;
		}
		err = walk->visit(next + GC_HEAD_BYTES, walk->list, walk->interpreter_index,
				  walk->arg);
		if (err < 0)
			return err;
		walk->trail[walk->length++ % TRAIL] = at;
		at = next;
	}
}

/*
 * Forwards; when that breaks off, once more after the collection that tore it, if there was one; and at
 * last from the other end.
 */
static int list_walk(struct list_walk *walk)
{
	enum walk_end end = WALK_TORN;
	int err = 0;

	for (int i = 0; i < LIST_RESTARTS && !err; i++) {
		bool quiet = collecting_wait(walk->objects, walk->lists, walk->interpreter);

		if (i) {
			walk->lists->restarted++;
			objects_memory_forget_all(walk->objects->memory);
		}
		objects_memory_forget(walk->objects->memory, walk->head);
		err = list_follow(walk, &end);
		if (end == WALK_DONE || !quiet)
			break;
	}
	if (err || end == WALK_DONE)
		return err;
	walk->lists->torn++;
	walk->backwards = true;
	walk->forgets_left = FORGETS_MAX / 4;
	objects_memory_forget(walk->objects->memory, walk->head);
	err = list_follow(walk, &end);
	walk->backwards = false;
	/* Both ends were read, but nobody knows what lay between. */
	walk->lists->incomplete = true;
	return err;
}

int gc_lists_walk(struct objects *objects, struct gc_lists *lists, gc_visit visit, void *arg)
{
	for (uint32_t i = 0; i < lists->interpreter_count; i++) {
		const struct gc_interpreter *interpreter = &lists->interpreters[i];

		for (unsigned int list = 0; list < GC_LISTS; list++) {
			struct list_walk walk = {
				.objects = objects,
				.lists = lists,
				.interpreter = interpreter,
				.interpreter_index = i,
				.list = list,
				.head = list_head(objects, interpreter->gc, list),
				.forgets_left = FORGETS_MAX,
				.visit = visit,
				.arg = arg,
			};
			int err = list_walk(&walk);

			if (err)
				return err;
		}
	}
	return 0;
}

uint64_t gc_lists_garbage(struct objects *objects, const struct gc_interpreter *interpreter)
{
	return objects_word(objects, interpreter->gc + objects->layout.gc_garbage);
}
