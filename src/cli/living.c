// SPDX-License-Identifier: GPL-2.0-only
/* See living.h. The site of a life, of a class and a stack, is looked up with each. */
#include "cli/living.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map64.h"
#include "cli/living_classes.h"
#include "cli/stacks.h"
#include "meter/lifetimes.h"

enum {
	SITE_NONE = UINT32_MAX,
	TICK_NS = 100000000,
};

/* What has ended that long ago does not end again. */
#define SWEEP_AGE_NS 1000000000ull

struct living {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct allocators *allocators;
	struct stacks *stacks; /* borrowed */
	struct living_classes *classes;
	struct lifetime_meter *meter; /* from living_start() on */
	struct map64 *ended;	      /* serial of a process -> when watching its objects ended */
	/* Of processes that ended from the one on to the other the objects are still in the kernel's list. */
	uint64_t left_first_ns, left_last_ns;
	uint64_t ticked_ns, end_ns;
	uint64_t event_count;
	int error;
};

static void on_process(void *arg, const struct python_process *python,
		       const struct allocator_plan *plan)
{
	struct living *living = arg;
	struct lifetimes *lifetimes = living->profile->lifetimes;
	int error = living_classes_process(living->classes, python, plan);

	if (error)
		living->error = error;
	if (plan && *plan->unseen && !lifetimes->births_note)
		lifetimes->births_note = profile_string(living->profile, plan->unseen);
}

struct living *living_new(const struct run_parts *parts)
{
	const struct config *config = parts->config;
	struct profile *profile = parts->profile;
	struct living *living = calloc(1, sizeof(*living));
	struct lifetimes *lifetimes = lifetimes_new();

	if (!living || !lifetimes) {
		lifetimes_free(lifetimes);
		free(living);
		return NULL;
	}
	profile->lifetimes = lifetimes;
	lifetimes->sample_one_in = config->sample_one_in ? config->sample_one_in : 1;
	lifetimes->view = config->lifetime_view;
	living->config = config;
	living->capture = parts->capture;
	living->watch = parts->watch;
	living->profile = profile;
	living->stacks = parts->stacks;
	living->classes = living_classes_new(config, parts->capture, parts->watch, profile);
	living->allocators = allocators_new(parts, NULL);
	living->ended = map64_new();
	if (!living->classes || !living->allocators || !living->ended) {
		living_free(living);
		return NULL;
	}
	allocators_on_process(living->allocators, on_process, living);
	return living;
}

void living_free(struct living *living)
{
	if (!living)
		return;
	allocators_free(living->allocators);
	living_classes_free(living->classes);
	lifetime_meter_free(living->meter);
	map64_free(living->ended);
	free(living);
}

int living_prepare(struct living *living, struct python_process *python, pid_t pid)
{
	return allocators_prepare(living->allocators, python, pid);
}

const char *living_refusal(const struct living *living)
{
	return allocators_refusal(living->allocators);
}

bool living_refused(const struct living *living)
{
	const struct config *config = living->config;

	/* Where all are looked at, another may always have come. */
	return !config->all && !config->cgroup && allocators_refusal(living->allocators) &&
	       !allocators_any(living->allocators);
}

uint64_t living_event_count(const struct living *living)
{
	return living->event_count;
}

/* ---- where ---- */

/* SITE_NONE: where it was made got lost, or (living->error) there is no memory. */
static uint32_t site_of(struct living *living, const struct living_class *class, uint32_t stack_id)
{
	const struct told_stack *at = stacks_told(living->stacks, stack_id);
	uint32_t site;

	if (!at)
		return SITE_NONE;
	site = lifetimes_site_of(living->profile->lifetimes, class->row, at->thread, at->node);
	if (site == SITE_NONE)
		living->error = -ENOMEM;
	return site;
}

/* ---- lives ---- */

static void life_end(struct living *living, const struct record_lifetime *record)
{
	const struct living_class *class = living_class_of(living->classes, record->class_id);
	bool again = record->flags & LIFETIME_AGAIN;
	bool in_c = record->class_id & LIFETIME_C_TYPE;
	/* What C keeps for itself and hands out anew is made unseen. */
	uint64_t born_ns = again && in_c ? 0 : record->born_ns;
	struct lifetime_end end = {
		.born_ns = born_ns,
		.since_ns = class ? living_class_since_ns(living->classes, class) : 0,
		.died_ns = record->header.time_ns,
		.site = SITE_NONE,
		.by_collector = record->flags & LIFETIME_BY_COLLECTOR,
	};

	if (!class) {
		living->profile->lost[DROP_RECORD_MALFORMED]++;
		return;
	}
	if (again && !in_c) {
		lifetime_meter_again(living->meter, class->row);
		return;
	}
	end.class_index = class->row;
	end.bytes = record->bytes + class->extra_bytes;
	if (born_ns)
		end.site = site_of(living, class, record->stack_id);
	living_classes_life(living->classes, class, born_ns, end.died_ns);
	lifetime_meter_ended(living->meter, &end);
}

static int on_end(struct living *living, const struct record_header *header)
{
	uint64_t *ended_ns;

	if (!header->serial)
		return 0;
	living_classes_ended(living->classes, header);
	ended_ns = map64_slot(living->ended, header->serial, NULL);
	if (!ended_ns)
		return -ENOMEM;
	*ended_ns = header->time_ns;
	if (!living->left_first_ns)
		living->left_first_ns = header->time_ns;
	living->left_last_ns = header->time_ns;
	return 0;
}

int living_event(struct living *living, const struct event *event)
{
	int error = 0;

	switch (event->kind) {
	case RECORD_LIFETIME:
		living->event_count++;
		if (living->meter)
			life_end(living, event->lifetime);
		return living->error;
	case RECORD_CLASS:
		return living_classes_met(living->classes, event->class);
	case RECORD_CLASS_END:
		return living_classes_gone(living->classes, event->class);
	case RECORD_PROCESS_FORK:
		error = living_classes_fork(living->classes, event->process);
		break;
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
		error = on_end(living, event->header);
		break;
	default:
		break;
	}
	if (!error)
		error = allocators_event(living->allocators, event);
	if (!error && event->kind == RECORD_PROCESS_FOUND)
		error = living_classes_begin(living->classes);
	return error ? error : living->error;
}

/* ---- the run ---- */

int living_start(struct living *living, uint64_t start_ns)
{
	living->ticked_ns = start_ns;
	living->meter = lifetime_meter_new(living->profile->lifetimes, start_ns);
	return living->meter ? 0 : -ENOMEM;
}

int living_found(struct living *living)
{
	allocators_found(living->allocators);
	return living_classes_begin(living->classes);
}

void living_end(struct living *living)
{
	living_classes_end(living->classes);
	allocators_end(living->allocators);
}

/* When watching an object's process ended. */
static uint64_t until_ns(const struct living *living, uint32_t serial)
{
	uint64_t ended_ns;

	return map64_get(living->ended, serial, &ended_ns) ? ended_ns : living->end_ns;
}

static int on_object(void *arg, const struct lifetime_object_key *key,
		     const struct lifetime_object *object)
{
	struct living *living = arg;
	const struct living_class *class = living_class_of(living->classes, object->class_id);
	struct lifetime_end end = {
		.born_ns = object->born_ns,
		.died_ns = object->died_ns,
		.site = SITE_NONE,
	};

	if (object->state != LIFETIME_ALIVE && object->state != LIFETIME_UNTOLD)
		return 0;
	if (!class) {
		living->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	end.class_index = class->row;
	end.bytes = object->bytes + class->extra_bytes;
	if (object->born_ns)
		end.site = site_of(living, class, object->stack_id);
	if (object->state == LIFETIME_UNTOLD) {
		living_classes_life(living->classes, class, end.born_ns, end.died_ns);
		lifetime_meter_ended(living->meter, &end);
		return living->error;
	}
	living_classes_life(living->classes, class, object->born_ns, UINT64_MAX);
	end.died_ns = until_ns(living, key->serial);
	lifetime_meter_alive(living->meter, &end);
	return living->error;
}

/* ---- room ---- */

struct leaving {
	struct living *living;
	uint64_t before_ns;
};

/* What a process that ended before had alive then: it is in the profile as well now as at the end. */
static int on_left(void *arg, const struct lifetime_object_key *key,
		   const struct lifetime_object *object)
{
	const struct leaving *leaving = arg;
	uint64_t ended_ns;
	int error;

	if (!map64_get(leaving->living->ended, key->serial, &ended_ns) ||
	    ended_ns >= leaving->before_ns)
		return 0;
	error = on_object(leaving->living, key, object);
	return error ? error : 1;
}

/* In the kernel's list, by what is over since before `before_ns`: objects, and whole processes. */
static int room_make(struct living *living, uint64_t before_ns)
{
	struct leaving leaving = { living, before_ns };
	int error = capture_lifetime_sweep(living->capture, before_ns);

	if (error || !living->left_first_ns || living->left_first_ns >= before_ns)
		return error;
	living->left_first_ns = living->left_last_ns >= before_ns ? before_ns : 0;
	return capture_lifetime_take(living->capture, on_left, &leaving);
}

int living_tick(struct living *living, uint64_t now_ns)
{
	int error;

	if (now_ns - living->ticked_ns < TICK_NS)
		return 0;
	living->ticked_ns = now_ns;
	allocators_tick(living->allocators, now_ns);
	error = living_classes_begin(living->classes);
	if (!error && capture_lifetime_is_crowded(living->capture))
		error = room_make(living, now_ns - SWEEP_AGE_NS);
	return error;
}

int living_finish(struct living *living, uint64_t end_ns)
{
	struct lifetimes *lifetimes = living->profile->lifetimes;
	int error;

	living->end_ns = end_ns;
	error = capture_lifetime_objects(living->capture, on_object, living);
	if (!error)
		error = allocators_finish(living->allocators);
	if (error)
		return error;
	living_classes_finish(living->classes);
	error = lifetime_meter_finish(living->meter, end_ns);
	if (!error)
		error = lifetimes_to_stacks(lifetimes, living->profile, lifetimes->view);
	return error;
}
