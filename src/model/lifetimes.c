// SPDX-License-Identifier: GPL-2.0-only
/* The arrays of struct lifetimes, what follows from their numbers, and how they become stacks. */
#include "model/lifetimes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "model/profile.h"

/* About a millisecond: in a run of a tenth of a second something is to be seen already. */
#define LIFETIMES_FIRST_SPAN_NS (1ull << 20)

const uint64_t lifetime_age_limits_ns[LIFETIME_AGES - 1] = { 1000000000, 10000000000, 60000000000,
							     600000000000 };

struct lifetimes *lifetimes_new(void)
{
	struct lifetimes *lifetimes = calloc(1, sizeof(*lifetimes));

	if (!lifetimes)
		return NULL;
	lifetimes->span_ns = LIFETIMES_FIRST_SPAN_NS;
	lifetimes->sample_one_in = 1;
	lifetimes->class_by_key = map64_new();
	lifetimes->site_by_key = map64_new();
	if (!lifetimes->class_by_key || !lifetimes->site_by_key)
		goto fail;
	return lifetimes;

fail:
	lifetimes_free(lifetimes);
	return NULL;
}

void lifetimes_free(struct lifetimes *lifetimes)
{
	if (!lifetimes)
		return;
	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		histogram_release(&lifetimes->classes[i].ages);
		histogram_release(&lifetimes->classes[i].live_ages);
	}
	map64_free(lifetimes->class_by_key);
	map64_free(lifetimes->site_by_key);
	free(lifetimes->classes);
	free(lifetimes->sites);
	free(lifetimes);
}

uint32_t lifetimes_class_of(struct lifetimes *lifetimes, uint32_t module, uint32_t name)
{
	uint32_t id = lifetimes->class_count;
	uint64_t *slot;

	/* Room first: a slot once made must get its class. */
	if (GROW(lifetimes->classes, lifetimes->class_capacity, id))
		return UINT32_MAX;
	slot = map64_slot(lifetimes->class_by_key, map64_pair(module, name), NULL);
	if (!slot)
		return UINT32_MAX;
	if (*slot)
		return *slot - 1;
	lifetimes->classes[id] = (struct lifetime_class){
		.name = name,
		.module = module,
		.census_start = LIFETIME_UNKNOWN,
		.census_end = LIFETIME_UNKNOWN,
		.age_min_ns = UINT64_MAX,
		.before_age_min_ns = UINT64_MAX,
	};
	lifetimes->class_count++;
	*slot = lifetimes->class_count;
	return id;
}

/*
 * Three ids are one too many for a key: first (thread, stack) gets a number, then (class, number). That
 * number is the first site of the pair; the two kinds of keys are told apart by their highest bit.
 */
uint32_t lifetimes_site_of(struct lifetimes *lifetimes, uint32_t class_index, uint32_t thread,
			   uint32_t stack)
{
	uint32_t id = lifetimes->site_count, place;
	uint64_t *slot;

	if (GROW(lifetimes->sites, lifetimes->site_capacity, id))
		return UINT32_MAX;
	slot = map64_slot(lifetimes->site_by_key, map64_pair(thread | 1u << 31, stack), NULL);
	if (!slot)
		return UINT32_MAX;
	if (!*slot)
		*slot = id + 1;
	place = *slot - 1;
	slot = map64_slot(lifetimes->site_by_key, map64_pair(class_index, place), NULL);
	if (!slot)
		return UINT32_MAX;
	if (*slot)
		return *slot - 1;
	lifetimes->sites[id] = (struct lifetime_site){
		.class_index = class_index,
		.thread = thread,
		.stack = stack,
	};
	lifetimes->site_count++;
	*slot = lifetimes->site_count;
	return id;
}

/* ---- what follows from the numbers ---- */

int64_t lifetime_imbalance(const struct lifetime_class *row)
{
	int64_t off, uncertain = (int64_t)row->census_uncertain;

	if (row->census_start == LIFETIME_UNKNOWN || row->census_end == LIFETIME_UNKNOWN)
		return 0;
	off = (int64_t)(row->created - row->destroyed - row->destroyed_before -
			(row->census_end - row->census_start));
	return off < -uncertain ? off + uncertain : off > uncertain ? off - uncertain : 0;
}

bool lifetime_growth(const struct lifetime_class *row, int64_t *growth)
{
	if (row->census_start != LIFETIME_UNKNOWN && row->census_end != LIFETIME_UNKNOWN)
		*growth = (int64_t)(row->census_end - row->census_start);
	else if (row->births == LIFETIME_BIRTHS_PROBED)
		*growth = (int64_t)(row->created - row->destroyed - row->destroyed_before);
	else
		return false;
	return true;
}

uint64_t lifetime_mean_ns(uint64_t age_sum_ns, uint64_t count, const struct histogram *ages)
{
	uint64_t octaves[HISTOGRAM_OCTAVES] = { 0 };
	double sum_ns = 0, all = 0;

	if (!count)
		return 0;
	if (age_sum_ns != UINT64_MAX)
		return age_sum_ns / count;
	histogram_octaves(ages, octaves);
	for (unsigned int i = 0; i < HISTOGRAM_OCTAVES; i++) {
		all += octaves[i];
		sum_ns += octaves[i] * 1.5 * (double)(1ull << i);
	}
	return all > 0 ? (uint64_t)(sum_ns / all) : 0;
}

const char *lifetime_view_name(enum lifetime_view view)
{
	static const char *const names[LIFETIME_VIEW_COUNT] = {
		[LIFETIME_VIEW_CREATED] = "created",
		[LIFETIME_VIEW_LIVE] = "live",
		[LIFETIME_VIEW_BYTES] = "bytes",
		[LIFETIME_VIEW_AGE] = "age",
	};

	return names[view];
}

/* ---- stacks ---- */

uint64_t lifetime_site_value(const struct lifetime_site *site, enum lifetime_view view,
			     uint64_t *objects)
{
	uint64_t live = site->created - site->destroyed, age_ns;

	*objects = view == LIFETIME_VIEW_LIVE || view == LIFETIME_VIEW_BYTES ? live : site->created;
	switch (view) {
	case LIFETIME_VIEW_BYTES:
		return site->created_bytes - site->destroyed_bytes;
	case LIFETIME_VIEW_AGE:
		/* No reader takes more. */
		if (__builtin_add_overflow(site->age_sum_ns, site->live_age_sum_ns, &age_ns) ||
		    age_ns > INT64_MAX)
			return INT64_MAX;
		return age_ns;
	default:
		return *objects;
	}
}

static enum profile_unit view_unit(enum lifetime_view view)
{
	switch (view) {
	case LIFETIME_VIEW_BYTES:
		return UNIT_BYTES;
	case LIFETIME_VIEW_AGE:
		return UNIT_NS;
	default:
		return UNIT_SAMPLES;
	}
}

/* The frame that stands for a class. PROFILE_NONE: out of memory. */
static uint32_t class_frame(struct profile *profile, const struct lifetime_class *row)
{
	struct profile_function function = {
		.name = row->name,
		.module = row->module,
		.kind = FRAME_NOTE,
	};
	uint32_t id = profile_add_function(profile, &function);

	return id == PROFILE_NONE ? PROFILE_NONE : profile_add_frame(profile, id, 0);
}

int lifetimes_to_stacks(struct lifetimes *lifetimes, struct profile *profile,
			enum lifetime_view view)
{
	int err = profile_replace_sums(profile, 0);

	profile->unit = view_unit(view);
	for (uint32_t i = 0; i < lifetimes->site_count && !err; i++) {
		struct lifetime_site *site = &lifetimes->sites[i];
		uint64_t objects, value = lifetime_site_value(site, view, &objects);
		uint32_t frame, stack;

		frame = class_frame(profile, &lifetimes->classes[site->class_index]);
		if (frame == PROFILE_NONE)
			return -ENOMEM;
		stack = profile_add_stack(profile, site->stack, frame);
		if (stack == PROFILE_NONE)
			return -ENOMEM;
		site->leaf = stack;
		if (objects || value)
			err = profile_add_sample(profile, site->thread, stack, objects, value);
	}
	return err;
}
