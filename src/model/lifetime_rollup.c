// SPDX-License-Identifier: GPL-2.0-only
/*
 * From classes and sites to rows. What a row is of, its identity, is given a dense number first, so that number
 * and thread are the key of the row.
 */
#include "model/lifetime_rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "model/memory_rollup.h"

struct builder {
	const struct profile *profile;
	const struct lifetimes *lifetimes;
	struct lifetime_rollup *out;
	bool split_threads;
	struct lifetimes_kept kept;
	struct map64 *identities; /* -> number + 1 */
	struct map64 *rows;	  /* (number, thread or PROFILE_NONE) -> index + 1 */
	struct map64 *seen;	  /* (row, class) */
	uint32_t row_capacity;
};

/* ---- what is kept ---- */

bool lifetime_class_matches(const struct profile *profile, const struct lifetime_class *row,
			    const char *const *globs, size_t glob_count)
{
	const char *name = profile_text(profile, row->name);
	struct buffer full;
	bool matches = false;
	size_t colon;

	buffer_init(&full);
	buffer_string(&full, profile_text(profile, row->module));
	colon = full.length;
	buffer_printf(&full, ":%s", name);
	for (size_t i = 0; i < glob_count && !matches; i++) {
		matches = text_glob(globs[i], name);
		if (matches || buffer_error(&full))
			continue;
		full.bytes[colon] = ':';
		matches = text_glob(globs[i], full.bytes);
		full.bytes[colon] = '.';
		matches = matches || text_glob(globs[i], full.bytes);
	}
	buffer_release(&full);
	return matches;
}

/* By stack: a function that matches is in it. NULL: out of memory. */
static bool *stacks_that_match(const struct profile *profile, const char *const *globs,
			       size_t glob_count)
{
	bool *functions = calloc(profile->function_count + 1ul, sizeof(*functions));
	bool *stacks = calloc(profile->stack_count + 1ul, sizeof(*stacks));

	if (!functions || !stacks) {
		free(functions);
		free(stacks);
		return NULL;
	}
	for (uint32_t i = 0; i < profile->function_count; i++)
		functions[i] = profile_function_matches(profile, i, globs, glob_count);
	/* A parent comes before its children. */
	for (uint32_t i = 1; i < profile->stack_count; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		stacks[i] =
			stacks[stack->parent] || functions[profile->frames[stack->frame].function];
	}
	free(functions);
	return stacks;
}

int lifetimes_keep(const struct profile *profile, const char *const *globs, size_t glob_count,
		   struct lifetimes_kept *out)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	struct lifetimes_kept kept = {
		.classes = calloc(lifetimes->class_count + 1ul, sizeof(bool)),
		.sites = calloc(lifetimes->site_count + 1ul, sizeof(bool)),
	};
	bool *stacks = stacks_that_match(profile, globs, glob_count);

	if (!kept.classes || !kept.sites || !stacks) {
		lifetimes_kept_release(&kept);
		free(stacks);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < lifetimes->class_count; i++)
		kept.classes[i] =
			!glob_count ||
			lifetime_class_matches(profile, &lifetimes->classes[i], globs, glob_count);
	for (uint32_t i = 0; i < lifetimes->site_count; i++) {
		const struct lifetime_site *site = &lifetimes->sites[i];

		kept.sites[i] = kept.classes[site->class_index] || stacks[site->stack];
	}
	free(stacks);
	*out = kept;
	return 0;
}

void lifetimes_kept_release(struct lifetimes_kept *kept)
{
	free(kept->classes);
	free(kept->sites);
	*kept = (struct lifetimes_kept){ NULL, NULL };
}

/* ---- rows ---- */

static uint64_t identity_of(const struct builder *builder, uint32_t class_index,
			    const struct lifetime_site *site)
{
	const struct profile *profile = builder->profile;
	uint32_t frame;

	switch (builder->out->by) {
	case ROLLUP_CLASS:
		return class_index;
	case ROLLUP_MODULE:
		return builder->lifetimes->classes[class_index].module;
	case ROLLUP_THREAD:
		return site->thread;
	case ROLLUP_PROCESS:
		return profile->threads[site->thread].process;
	default:
		frame = memory_rollup_frame(profile, site->stack);
		if (frame != PROFILE_NONE && builder->out->by != ROLLUP_LINE)
			frame = profile->frames[frame].function;
		return map64_pair(frame, class_index);
	}
}

static void row_init(const struct builder *builder, struct lifetime_row *row, uint32_t class_index,
		     const struct lifetime_site *site)
{
	const struct profile *profile = builder->profile;
	enum rollup_by by = builder->out->by;
	bool task = by == ROLLUP_THREAD || by == ROLLUP_PROCESS;
	uint32_t frame = PROFILE_NONE;

	*row = (struct lifetime_row){
		.class_index = task ? PROFILE_NONE : class_index,
		.function = PROFILE_NONE,
		.thread = PROFILE_NONE,
		.process = PROFILE_NONE,
		.whole = !site,
		.growth_known = !site,
		.census_end = site ? LIFETIME_UNKNOWN : 0,
		.age_min_ns = UINT64_MAX,
		.before_age_min_ns = UINT64_MAX,
		.births = LIFETIME_BIRTHS_PROBED,
	};
	if (!site)
		return;
	if (builder->split_threads || by == ROLLUP_THREAD)
		row->thread = site->thread;
	if (task)
		row->process = profile->threads[site->thread].process;
	if (by == ROLLUP_FUNCTION || by == ROLLUP_LINE)
		frame = memory_rollup_frame(profile, site->stack);
	if (frame == PROFILE_NONE)
		return;
	row->function = profile->frames[frame].function;
	row->line = by == ROLLUP_LINE ? profile->frames[frame].line :
					profile->functions[row->function].line;
}

/* The row for a class, or with `site` for one of its sites. NULL: out of memory. */
static struct lifetime_row *row_of(struct builder *builder, uint32_t class_index,
				   const struct lifetime_site *site)
{
	const struct lifetime_class *from = &builder->lifetimes->classes[class_index];
	struct lifetime_rollup *out = builder->out;
	struct lifetime_row *row;
	uint32_t thread = site && builder->split_threads ? site->thread : PROFILE_NONE;
	uint64_t *slot;
	bool added;

	if (GROW(out->rows, builder->row_capacity, out->row_count))
		return NULL;
	slot = map64_slot(builder->identities, identity_of(builder, class_index, site), &added);
	if (!slot)
		return NULL;
	if (added)
		*slot = map64_count(builder->identities);
	slot = map64_slot(builder->rows, map64_pair(*slot, thread), &added);
	if (!slot)
		return NULL;
	if (added) {
		row_init(builder, &out->rows[out->row_count], class_index, site);
		*slot = ++out->row_count;
	}
	row = &out->rows[*slot - 1];
	if (!map64_slot(builder->seen, map64_pair(row - out->rows, class_index), &added))
		return NULL;
	row->class_count += added;
	row->sampled = row->sampled || from->sampled;
	if (from->births == LIFETIME_BIRTHS_NONE)
		row->births = LIFETIME_BIRTHS_NONE;
	return row;
}

static void add_saturated(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

static int add_class(struct builder *builder, uint32_t class_index)
{
	const struct lifetime_class *from = &builder->lifetimes->classes[class_index];
	struct lifetime_row *row = row_of(builder, class_index, NULL);
	int64_t growth = 0;

	if (!row)
		return -ENOMEM;
	row->created += from->created;
	row->destroyed += from->destroyed;
	row->by_collector += from->by_collector;
	row->created_bytes += from->created_bytes;
	row->destroyed_bytes += from->destroyed_bytes;
	add_saturated(&row->age_sum_ns, from->age_sum_ns);
	add_saturated(&row->live_age_sum_ns, from->live_age_sum_ns);
	row->destroyed_before += from->destroyed_before;
	row->again += from->again;
	row->growth_known = lifetime_growth(from, &growth) && row->growth_known;
	row->growth += growth;
	if (row->census_end == LIFETIME_UNKNOWN || from->census_end == LIFETIME_UNKNOWN)
		row->census_end = LIFETIME_UNKNOWN;
	else
		row->census_end += from->census_end;
	if (from->age_min_ns < row->age_min_ns)
		row->age_min_ns = from->age_min_ns;
	if (from->age_max_ns > row->age_max_ns)
		row->age_max_ns = from->age_max_ns;
	if (from->before_age_min_ns < row->before_age_min_ns)
		row->before_age_min_ns = from->before_age_min_ns;
	if (from->before_age_max_ns > row->before_age_max_ns)
		row->before_age_max_ns = from->before_age_max_ns;
	for (int i = 0; i < LIFETIME_AGES; i++)
		row->live_by_age[i] += from->live_by_age[i];
	return histogram_merge(&row->ages, &from->ages);
}

static int add_site(struct builder *builder, const struct lifetime_site *site)
{
	struct lifetime_row *row = row_of(builder, site->class_index, site);

	if (!row)
		return -ENOMEM;
	/* Whole classes and some sites of others may be of one module: then it is not whole either. */
	row->whole = row->growth_known = false;
	row->census_end = LIFETIME_UNKNOWN;
	row->created += site->created;
	row->destroyed += site->destroyed;
	row->by_collector += site->by_collector;
	row->created_bytes += site->created_bytes;
	row->destroyed_bytes += site->destroyed_bytes;
	add_saturated(&row->age_sum_ns, site->age_sum_ns);
	add_saturated(&row->live_age_sum_ns, site->live_age_sum_ns);
	return 0;
}

/* Classes that are there, but of which none was made or ended, are for a census. */
static bool is_idle(const struct lifetime_class *row)
{
	int64_t growth = 0;

	return !row->created && !row->destroyed && !row->destroyed_before && !row->again &&
	       (!lifetime_growth(row, &growth) || !growth);
}

static int add_all(struct builder *builder)
{
	const struct lifetimes *lifetimes = builder->lifetimes;
	enum rollup_by by = builder->out->by;
	bool whole = (by == ROLLUP_CLASS || by == ROLLUP_MODULE) && !builder->split_threads;
	int err = 0;

	for (uint32_t i = 0; whole && i < lifetimes->class_count && !err; i++) {
		if (builder->kept.classes[i] && !is_idle(&lifetimes->classes[i]))
			err = add_class(builder, i);
	}
	for (uint32_t i = 0; i < lifetimes->site_count && !err; i++) {
		const struct lifetime_site *site = &lifetimes->sites[i];

		if (builder->kept.sites[i] && !(whole && builder->kept.classes[site->class_index]))
			err = add_site(builder, site);
	}
	return err;
}

/* ---- order ---- */

struct order {
	const struct profile *profile;
	enum rollup_by by;
	enum lifetime_sort sort;
};

static int64_t sort_value(const struct lifetime_row *row, enum lifetime_sort sort)
{
	uint64_t value;

	switch (sort) {
	case LIFETIME_SORT_LIVE:
		value = lifetime_row_live(row);
		break;
	case LIFETIME_SORT_BYTES:
		value = row->created_bytes - row->destroyed_bytes;
		break;
	case LIFETIME_SORT_AGE:
		value = lifetime_mean_ns(row->age_sum_ns, row->destroyed, &row->ages);
		break;
	case LIFETIME_SORT_DESTROYED:
		value = row->destroyed + row->destroyed_before;
		break;
	case LIFETIME_SORT_GROWTH:
		if (row->growth_known)
			return row->growth;
		value = lifetime_row_live(row);
		break;
	default:
		value = row->created;
	}
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int compare_numbers(uint64_t one, uint64_t other)
{
	return (one > other) - (one < other);
}

static int compare_texts(const struct profile *profile, uint32_t one, uint32_t other)
{
	return strcmp(profile_text(profile, one), profile_text(profile, other));
}

static int compare_names(const struct order *order, const struct lifetime_row *one,
			 const struct lifetime_row *other)
{
	const struct profile *profile = order->profile;
	const struct lifetimes *lifetimes = profile->lifetimes;
	int result = 0;

	if (one->class_index != PROFILE_NONE) {
		const struct lifetime_class *left = &lifetimes->classes[one->class_index];
		const struct lifetime_class *right = &lifetimes->classes[other->class_index];

		if (order->by != ROLLUP_MODULE)
			result = compare_texts(profile, left->name, right->name);
		if (!result)
			result = compare_texts(profile, left->module, right->module);
	}
	if (!result && one->function != PROFILE_NONE && other->function != PROFILE_NONE)
		result = compare_texts(profile, profile->functions[one->function].name,
				       profile->functions[other->function].name);
	if (!result)
		result = compare_numbers((uint32_t)one->line, (uint32_t)other->line);
	if (!result)
		result = compare_numbers(one->function, other->function);
	if (!result)
		result = compare_numbers(one->process, other->process);
	return result ? result : compare_numbers(one->thread, other->thread);
}

static int compare_rows(const void *left, const void *right, void *arg)
{
	const struct lifetime_row *one = left, *other = right;
	const struct order *order = arg;
	int result = 0;

	if (order->sort != LIFETIME_SORT_NAME) {
		int64_t first = sort_value(one, order->sort);
		int64_t second = sort_value(other, order->sort);

		result = (second > first) - (second < first);
		if (!result)
			result = compare_numbers(other->created, one->created);
		if (!result)
			result = compare_numbers(other->destroyed_before, one->destroyed_before);
	}
	return result ? result : compare_names(order, one, other);
}

/* ---- the whole ---- */

static void finish_rows(const struct builder *builder, enum lifetime_sort sort)
{
	struct lifetime_rollup *out = builder->out;
	struct order order = { builder->profile, out->by, sort };

	if (out->row_count)
		qsort_r(out->rows, out->row_count, sizeof(*out->rows), compare_rows, &order);
	for (uint32_t i = 0; i < out->row_count; i++) {
		const struct lifetime_row *row = &out->rows[i];

		out->created += row->created;
		out->destroyed += row->destroyed;
		out->live += lifetime_row_live(row);
		out->live_bytes += row->created_bytes - row->destroyed_bytes;
	}
}

int lifetime_rollup_build(const struct profile *profile, enum rollup_by by, enum lifetime_sort sort,
			  bool split_threads, const char *const *globs, size_t glob_count,
			  struct lifetime_rollup *out)
{
	struct builder builder = {
		.profile = profile,
		.lifetimes = profile->lifetimes,
		.out = out,
		.split_threads = split_threads,
		.identities = map64_new(),
		.rows = map64_new(),
		.seen = map64_new(),
	};
	int err = -ENOMEM;

	*out = (struct lifetime_rollup){ .by = by };
	if (builder.identities && builder.rows && builder.seen)
		err = lifetimes_keep(profile, globs, glob_count, &builder.kept);
	if (!err)
		err = add_all(&builder);
	if (err)
		lifetime_rollup_release(out);
	else
		finish_rows(&builder, sort);
	lifetimes_kept_release(&builder.kept);
	map64_free(builder.identities);
	map64_free(builder.rows);
	map64_free(builder.seen);
	return err;
}

void lifetime_rollup_release(struct lifetime_rollup *rollup)
{
	if (!rollup)
		return;
	for (uint32_t i = 0; i < rollup->row_count; i++)
		histogram_release(&rollup->rows[i].ages);
	free(rollup->rows);
	*rollup = (struct lifetime_rollup){ 0 };
}
