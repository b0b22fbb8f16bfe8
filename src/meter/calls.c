// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each thread's stack, event by event. A thread has two clocks that only go forward, wall and CPU,
 * both without what the probes cost; a call's time is what they went on by from its entry to its
 * exit, its self time that without its callees'.
 *
 * Frames are found by address in a table of chains. As only the innermost frame ends, the one that
 * ends is always the first of its chain: nothing is searched to enter or leave.
 */
#include "meter/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	STACK_FIRST_SLOTS = 16,
	/* Nobody's Python nests that deep: ends without entries pile up. 64 bytes each. */
	STACK_SLOTS_MAX = 1 << 18,
};

struct call_clock {
	uint64_t wall_ns;
	uint64_t cpu_ns;
};

/* One frame that runs. */
struct call_slot {
	uint64_t frame;
	uint32_t function;
	uint32_t node;
	struct call_clock entered;
	struct call_clock callees; /* time of those that ended */
	uint32_t chain;		   /* next frame of equal hash, further out; 0 none */
	uint32_t up;		   /* folded: the nearest further out that is not edge_recursive */
	bool running;		   /* its entry was not seen */
	bool folded;
	bool edge_recursive; /* folded only */
};

struct call_thread {
	uint32_t thread; /* of the profile */
	uint32_t place;	 /* in the meter's threads */
	uint32_t root;	 /* node */
	bool followed;	 /* from the first event to the end */
	bool entered;	 /* the last hit was an entry */
	uint32_t hit_ns; /* what the last hit costs the gap behind it */

	uint64_t time_ns;      /* of the last hit; where the clocks stand */
	uint64_t off_cpu_ns;   /* since then, as far as told */
	uint64_t off_since_ns; /* off the CPU since, and nobody said for how long */
	bool is_off_cpu;
	struct call_clock clock;

	/* Slot 0 is the thread itself: it is what is left when nothing runs. */
	struct call_slot *slots;
	uint32_t depth;	     /* the innermost slot */
	uint32_t slot_count; /* a power of two */
	uint32_t *chains;    /* by hash, twice as many: the innermost slot of that hash; 0 none */
};

struct call_meter {
	struct calls *calls;
	uint32_t enter_ns, leave_ns;
	struct call_thread **threads; /* owned, in no order */
	uint32_t thread_count, thread_capacity;
};

enum call_ending {
	ENDING_SEEN,
	ENDING_EXCEPTION,
	ENDING_UNSEEN,	   /* something further out ended, so this one has */
	ENDING_UNFINISHED, /* it goes on, we do not */
};

struct call_meter *call_meter_new(struct calls *calls, uint32_t enter_ns, uint32_t leave_ns)
{
	struct call_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->calls = calls;
	meter->enter_ns = enter_ns;
	meter->leave_ns = leave_ns;
	return meter;
}

static void call_thread_release_stack(struct call_thread *thread)
{
	free(thread->slots);
	free(thread->chains);
	thread->slots = NULL;
	thread->chains = NULL;
	thread->slot_count = 0;
	thread->depth = 0;
}

void call_meter_free(struct call_meter *meter)
{
	if (!meter)
		return;
	for (uint32_t i = 0; i < meter->thread_count; i++) {
		call_thread_release_stack(meter->threads[i]);
		free(meter->threads[i]);
	}
	free(meter->threads);
	free(meter);
}

struct call_thread *call_meter_add(struct call_meter *meter, uint32_t thread)
{
	struct call_thread *added;

	if (meter->thread_count == meter->thread_capacity) {
		uint32_t capacity = meter->thread_capacity ? meter->thread_capacity * 2 : 16;
		struct call_thread **threads;

		if (!capacity)
			return NULL;
		threads = reallocarray(meter->threads, capacity, sizeof(struct call_thread *));
		if (!threads)
			return NULL;
		meter->threads = threads;
		meter->thread_capacity = capacity;
	}
	added = calloc(1, sizeof(*added));
	if (!added)
		return NULL;
	added->thread = thread;
	added->place = meter->thread_count;
	meter->threads[meter->thread_count++] = added;
	return added;
}

void call_meter_drop(struct call_meter *meter, struct call_thread *thread)
{
	struct call_thread *last = meter->threads[--meter->thread_count];

	meter->threads[thread->place] = last;
	last->place = thread->place;
	call_thread_release_stack(thread);
	free(thread);
}

/* ---- the stack ---- */

static uint32_t *call_thread_chain(const struct call_thread *thread, uint64_t frame)
{
	uint64_t hash = (frame >> 3) * 0x9e3779b97f4a7c15ull;

	return &thread->chains[hash >> 32 & (2 * thread->slot_count - 1)];
}

static int call_thread_grow(struct call_thread *thread)
{
	uint32_t count = thread->slot_count ? thread->slot_count * 2 : STACK_FIRST_SLOTS;
	uint32_t *chains = calloc(2ul * count, sizeof(*chains));
	struct call_slot *slots = NULL;

	if (chains)
		slots = realloc(thread->slots, count * sizeof(*slots));
	if (!slots) {
		free(chains);
		return -ENOMEM;
	}
	free(thread->chains);
	thread->chains = chains;
	thread->slots = slots;
	thread->slot_count = count;
	for (uint32_t i = 1; i <= thread->depth; i++) {
		uint32_t *chain = call_thread_chain(thread, slots[i].frame);

		slots[i].chain = *chain;
		*chain = i;
	}
	return 0;
}

/* The slot of a frame that runs; 0: it does not. */
static uint32_t call_thread_find(const struct call_thread *thread, uint64_t frame)
{
	uint32_t slot;

	if (!thread->depth)
		return 0;
	slot = *call_thread_chain(thread, frame);
	while (slot && thread->slots[slot].frame != frame)
		slot = thread->slots[slot].chain;
	return slot;
}

/* Ends the innermost frame at the time the clocks show. 0 or -ENOMEM; it has ended all the same. */
static int call_thread_pop(struct call_meter *meter, struct call_thread *thread,
			   enum call_ending ending)
{
	struct call_slot *slot = &thread->slots[thread->depth];
	struct call_node *node = &meter->calls->nodes[slot->node];
	struct call_edge *edge = &meter->calls->edges[node->edge];
	uint64_t wall_ns = thread->clock.wall_ns - slot->entered.wall_ns;
	uint64_t cpu_ns = thread->clock.cpu_ns - slot->entered.cpu_ns;

	*call_thread_chain(thread, slot->frame) = slot->chain;
	thread->depth--;
	slot[-1].callees.wall_ns += wall_ns;
	slot[-1].callees.cpu_ns += cpu_ns;
	node->times.total_ns += wall_ns;
	node->times.cpu_total_ns += cpu_ns;
	node->times.self_ns += wall_ns - slot->callees.wall_ns;
	node->times.cpu_self_ns += cpu_ns - slot->callees.cpu_ns;
	node->times.exceptions += ending == ENDING_EXCEPTION;
	meter->calls->unseen_exits += ending == ENDING_UNSEEN;
	if (ending == ENDING_UNFINISHED) {
		node->unfinished_count++;
		return 0;
	}
	if (slot->running) /* nobody knows how long it took */
		return 0;
	if (wall_ns < edge->min_ns || histogram_is_empty(&edge->durations))
		edge->min_ns = wall_ns;
	if (wall_ns > edge->max_ns)
		edge->max_ns = wall_ns;
	return histogram_add(&edge->durations, wall_ns);
}

/* Ends all frames down to and with `slot`. */
static int call_thread_pop_to(struct call_meter *meter, struct call_thread *thread, uint32_t slot,
			      enum call_ending ending)
{
	int err = 0;

	while (thread->depth >= slot) {
		int pop_err = call_thread_pop(meter, thread, ending);

		err = err ? err : pop_err;
	}
	return err;
}

/*
 * The node of a path that is not kept. What runs further out is known from the folded slots and,
 * below those, from the tree.
 */
static uint32_t call_thread_fold(struct call_meter *meter, const struct call_thread *thread,
				 uint32_t function, struct call_slot *slot)
{
	const struct calls *calls = meter->calls;
	const struct call_slot *outer = &thread->slots[thread->depth];
	uint32_t edge = calls_edge(meter->calls, outer->function, function);
	unsigned int recursion = 0;

	if (edge == CALLS_NONE)
		return CALLS_NONE;
	slot->folded = true;
	slot->up = outer->folded && outer->edge_recursive ? outer->up : thread->depth;
	for (outer = &thread->slots[slot->up]; outer->folded; outer = &thread->slots[outer->up]) {
		if (calls->nodes[outer->node].edge == edge)
			recursion = CALLS_RECURSION_FUNCTION | CALLS_RECURSION_EDGE;
		else if (outer->function == function)
			recursion |= CALLS_RECURSION_FUNCTION;
	}
	recursion |= calls_recursion(calls, outer->node, edge);
	slot->edge_recursive = recursion & CALLS_RECURSION_EDGE;
	return calls_folded(meter->calls, thread->thread, edge, recursion);
}

/* Enters a frame at the time the clocks show. 0 or -ENOMEM. */
static int call_thread_push(struct call_meter *meter, struct call_thread *thread, uint64_t frame,
			    uint32_t function)
{
	struct call_slot *slot;
	uint32_t node, *chain;

	if (thread->depth + 1 == thread->slot_count && call_thread_grow(thread))
		return -ENOMEM;
	slot = &thread->slots[thread->depth + 1];
	slot->folded = false;
	node = calls_child(meter->calls, slot[-1].node, function);
	if (!node)
		node = call_thread_fold(meter, thread, function, slot);
	if (node == CALLS_NONE)
		return -ENOMEM;
	thread->depth++;
	chain = call_thread_chain(thread, frame);
	slot->frame = frame;
	slot->function = function;
	slot->node = node;
	slot->entered = thread->clock;
	slot->callees = (struct call_clock){ 0 };
	slot->chain = *chain;
	slot->running = false;
	*chain = thread->depth;
	return 0;
}

/* ---- the clocks ---- */

/* From the last hit up to this time. A time that goes back is no time at all. */
static void call_thread_advance(struct call_meter *meter, struct call_thread *thread,
				uint64_t time_ns)
{
	uint64_t gap_ns, on_ns, off_ns = thread->off_cpu_ns, cost_ns = thread->hit_ns;

	if (time_ns < thread->time_ns)
		time_ns = thread->time_ns;
	gap_ns = time_ns - thread->time_ns;
	if (thread->is_off_cpu && time_ns > thread->off_since_ns)
		off_ns += time_ns - thread->off_since_ns;
	on_ns = gap_ns > off_ns ? gap_ns - off_ns : 0;
	cost_ns = cost_ns < on_ns ? cost_ns : on_ns;
	thread->clock.wall_ns += gap_ns - cost_ns;
	thread->clock.cpu_ns += on_ns - cost_ns;
	meter->calls->compensated_ns += cost_ns;
	thread->time_ns = time_ns;
	thread->off_cpu_ns = 0;
	thread->is_off_cpu = false;
	thread->hit_ns = 0;
}

/* Follows the thread from this time on, with nothing running. */
static int call_thread_follow(struct call_meter *meter, struct call_thread *thread,
			      uint64_t time_ns)
{
	if (!thread->slots && call_thread_grow(thread))
		return -ENOMEM;
	thread->root = calls_root(meter->calls, thread->thread);
	if (thread->root == CALLS_NONE)
		return -ENOMEM;
	thread->slots[0] = (struct call_slot){
		.function = CALLS_NONE,
		.node = thread->root,
		.entered = thread->clock,
	};
	thread->time_ns = time_ns;
	thread->off_cpu_ns = 0;
	thread->is_off_cpu = false;
	thread->hit_ns = 0;
	thread->entered = false;
	thread->followed = true;
	return 0;
}

void call_thread_off_cpu(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns,
			 bool goes, uint64_t off_cpu_ns)
{
	(void)meter;
	if (!thread->followed)
		return;
	if (!goes) {
		if (__builtin_add_overflow(thread->off_cpu_ns, off_cpu_ns, &thread->off_cpu_ns))
			thread->off_cpu_ns = UINT64_MAX;
		thread->is_off_cpu = false;
	} else if (!thread->is_off_cpu) {
		thread->is_off_cpu = true;
		thread->off_since_ns = time_ns > thread->time_ns ? time_ns : thread->time_ns;
	}
}

/* ---- events ---- */

static int call_thread_enter(struct call_meter *meter, struct call_thread *thread,
			     enum call_event_kind kind, uint64_t frame, uint32_t function)
{
	const struct call_slot *innermost = &thread->slots[thread->depth];
	uint32_t same = call_thread_find(thread, frame);
	struct call_times *times;
	int err = 0, push_err;

	if (same) {
		/* The slow path of the interpreter's entry runs it again. */
		if (same == thread->depth && thread->entered && innermost->function == function)
			return 0;
		err = call_thread_pop_to(meter, thread, same, ENDING_UNSEEN);
	}
	if (thread->depth >= STACK_SLOTS_MAX) {
		meter->calls->resynchronised++;
		err = call_thread_pop_to(meter, thread, 1, ENDING_UNFINISHED);
	}
	push_err = call_thread_push(meter, thread, frame, function);
	if (push_err)
		return push_err;
	times = &meter->calls->nodes[thread->slots[thread->depth].node].times;
	times->calls++;
	times->resumes += kind != CALL_ENTER;
	meter->calls->folded_calls += thread->slots[thread->depth].folded;
	thread->entered = true;
	return err;
}

static int call_thread_leave(struct call_meter *meter, struct call_thread *thread,
			     enum call_event_kind kind, uint64_t frame)
{
	uint32_t slot = thread->depth;
	int err = 0, pop_err;

	thread->entered = false;
	if (frame && frame != thread->slots[slot].frame)
		slot = call_thread_find(thread, frame);
	if (!slot) {
		meter->calls->stray_exits++;
		return 0;
	}
	if (slot != thread->depth)
		err = call_thread_pop_to(meter, thread, slot + 1, ENDING_UNSEEN);
	pop_err = call_thread_pop(meter, thread,
				  kind == CALL_UNWIND ? ENDING_EXCEPTION : ENDING_SEEN);
	return err ? err : pop_err;
}

int call_thread_event(struct call_meter *meter, struct call_thread *thread,
		      enum call_event_kind kind, uint64_t time_ns, uint64_t frame,
		      uint32_t function)
{
	bool enters = kind <= CALL_THROW;

	if (kind >= CALL_OFF_CPU)
		return 0;
	if (!thread->followed && call_thread_follow(meter, thread, time_ns))
		return -ENOMEM;
	call_thread_advance(meter, thread, time_ns);
	meter->calls->event_count++;
	thread->hit_ns = enters ? meter->enter_ns : meter->leave_ns;
	return enters ? call_thread_enter(meter, thread, kind, frame, function) :
			call_thread_leave(meter, thread, kind, frame);
}

int call_thread_start(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns,
		      const struct call_running *frames, size_t count)
{
	if (thread->followed) {
		meter->calls->resynchronised++;
		call_thread_advance(meter, thread, time_ns);
		call_thread_pop_to(meter, thread, 1, ENDING_UNFINISHED);
		thread->entered = false;
	} else if (call_thread_follow(meter, thread, time_ns)) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count && thread->depth < STACK_SLOTS_MAX; i++) {
		struct call_node *node;

		if (call_thread_push(meter, thread, frames[i].frame, frames[i].function))
			return -ENOMEM;
		thread->slots[thread->depth].running = true;
		node = &meter->calls->nodes[thread->slots[thread->depth].node];
		node->running = true;
		node->running_count++;
	}
	return 0;
}

uint64_t call_thread_frame(const struct call_thread *thread)
{
	return thread->depth ? thread->slots[thread->depth].frame : 0;
}

bool call_thread_is_off_cpu(const struct call_thread *thread)
{
	return thread->is_off_cpu;
}

bool call_thread_has_frame(const struct call_thread *thread, uint64_t frame)
{
	return call_thread_find(thread, frame);
}

int call_thread_end(struct call_meter *meter, struct call_thread *thread, uint64_t time_ns)
{
	const struct call_slot *bottom;
	struct call_times *times;
	uint64_t wall_ns, cpu_ns;

	if (!thread->followed)
		return 0;
	call_thread_advance(meter, thread, time_ns);
	call_thread_pop_to(meter, thread, 1, ENDING_UNFINISHED);
	bottom = &thread->slots[0];
	times = &meter->calls->nodes[thread->root].times;
	wall_ns = thread->clock.wall_ns - bottom->entered.wall_ns;
	cpu_ns = thread->clock.cpu_ns - bottom->entered.cpu_ns;
	times->total_ns += wall_ns;
	times->cpu_total_ns += cpu_ns;
	times->self_ns += wall_ns - bottom->callees.wall_ns;
	times->cpu_self_ns += cpu_ns - bottom->callees.cpu_ns;
	call_thread_release_stack(thread);
	thread->followed = false;
	return 0;
}

int call_meter_end(struct call_meter *meter, uint64_t time_ns)
{
	for (uint32_t i = 0; i < meter->thread_count; i++)
		call_thread_end(meter, meter->threads[i], time_ns);
	return 0;
}

void call_thread_hit(struct call_thread *thread, uint32_t hit_ns)
{
	thread->hit_ns = hit_ns;
}
