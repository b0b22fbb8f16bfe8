// SPDX-License-Identifier: GPL-2.0-only
/*
 * From sites to rows. Every frame is given a dense key first (its function, its class, ...), then each
 * site walks its stack once; a stamp per key sees to it that recursion counts once.
 */
#include "model/memory_rollup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

/* Marks a module known by its file alone, so that it cannot meet a module of that name. */
#define BY_FILE (1ull << 32)
/* The key of what was asked for without any stack. */
#define NO_STACK PROFILE_NONE

struct builder {
	const struct profile *profile;
	struct memory_rollup *out;
	bool split_threads;
	bool filtered;
	bool *matches;	      /* by function */
	bool *kept;	      /* by stack: a function that matches is in it */
	uint32_t *frame_keys; /* by frame: its key, PROFILE_NONE: not listed */
	uint32_t *key_frames; /* by key: one frame of it */
	uint32_t *stamps;     /* by key: the last site that counted it, plus one */
	uint32_t key_count;
	struct map64 *rows; /* (key, thread or PROFILE_NONE) -> row */
	uint32_t row_capacity;
};

uint64_t memory_error_bytes(double variance)
{
	return variance > 0 ? (uint64_t)(1.96 * sqrt(variance) + 0.5) : 0;
}

uint64_t memory_mean_bytes(const struct memory_amount *amount)
{
	return amount->blocks ? amount->bytes / amount->blocks : 0;
}

bool memory_trend_grows(const struct memory_trend *trend)
{
	return trend->bytes_per_second > 0 && trend->confidence >= MEMORY_TREND_SURE;
}

uint32_t memory_rollup_frame(const struct profile *profile, uint32_t stack)
{
	uint32_t innermost = profile->stacks[stack].frame;

	for (; stack; stack = profile->stacks[stack].parent) {
		uint32_t frame = profile->stacks[stack].frame;

		if (profile->functions[profile->frames[frame].function].kind == FRAME_PYTHON)
			return frame;
	}
	return innermost;
}

static void amount_add(struct memory_amount *into, const struct memory_amount *amount)
{
	into->blocks += amount->blocks;
	into->bytes += amount->bytes;
}

static void trend_add(struct memory_sum *sum, const struct memory_trend *trend)
{
	double slope = fabs(trend->bytes_per_second);

	sum->trend.bytes_per_second += trend->bytes_per_second;
	if (!sum->trend.points || slope > sum->steepest) {
		sum->steepest = slope;
		sum->trend.confidence = trend->confidence;
		sum->trend.points = trend->points;
	}
}

void memory_sum_add(struct memory_sum *sum, const struct memory_site *site)
{
	for (int i = 0; i < MEMORY_VIEW_COUNT; i++)
		amount_add(&sum->amounts[i], &site->amounts[i]);
	amount_add(&sum->freed, &site->freed);
	sum->resized += site->resized;
	sum->failed += site->failed;
	for (int i = 0; i < MEMORY_AGES; i++)
		amount_add(&sum->ages[i], &site->ages[i]);
	amount_add(&sum->survivors, &site->survivors);
	sum->first_half_blocks += site->first_half_blocks;
	if (site->oldest_ns > sum->oldest_ns)
		sum->oldest_ns = site->oldest_ns;
	trend_add(sum, &site->trend);
	sum->allocated_variance += site->allocated_variance;
	sum->live_variance += site->live_variance;
}

static bool is_of_frames(enum rollup_by by)
{
	return by != ROLLUP_THREAD && by != ROLLUP_PROCESS;
}

static uint64_t frame_identity(const struct profile *profile, enum rollup_by by, uint32_t frame)
{
	uint32_t id = profile->frames[frame].function;
	const struct profile_function *function = &profile->functions[id];

	switch (by) {
	case ROLLUP_LINE:
		return frame;
	case ROLLUP_CLASS:
		return map64_pair(function->class_name, function->module);
	case ROLLUP_MODULE:
		return function->module ? function->module : BY_FILE | function->file;
	default:
		return id;
	}
}

static void match_stacks(struct builder *builder, const char *const *globs, size_t glob_count)
{
	const struct profile *profile = builder->profile;

	for (uint32_t i = 0; i < profile->function_count; i++)
		builder->matches[i] =
			!glob_count || profile_function_matches(profile, i, globs, glob_count);
	builder->kept[0] = !glob_count;
	/* A parent is always older than its child. */
	for (uint32_t i = 1; i < profile->stack_count; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		builder->kept[i] = builder->kept[stack->parent] ||
				   builder->matches[profile->frames[stack->frame].function];
	}
}

static int key_frames(struct builder *builder)
{
	const struct profile *profile = builder->profile;
	struct map64 *keys = map64_new();
	int err = -ENOMEM;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < profile->frame_count; i++) {
		bool added;
		uint64_t *slot;

		builder->frame_keys[i] = PROFILE_NONE;
		if (!builder->matches[profile->frames[i].function])
			continue;
		slot = map64_slot(keys, frame_identity(profile, builder->out->by, i), &added);
		if (!slot)
			goto out;
		if (added) {
			builder->key_frames[builder->key_count] = i;
			*slot = builder->key_count++;
		}
		builder->frame_keys[i] = *slot;
	}
	err = 0;
out:
	map64_free(keys);
	return err;
}

static void describe_row(const struct builder *builder, uint32_t key, uint32_t thread,
			 struct memory_row *row)
{
	const struct profile *profile = builder->profile;
	enum rollup_by by = builder->out->by;

	*row = (struct memory_row){
		.function = PROFILE_NONE,
		.thread = thread,
		.process = PROFILE_NONE,
	};
	if (by == ROLLUP_THREAD) {
		row->thread = key;
		row->process = profile->threads[key].process;
	} else if (by == ROLLUP_PROCESS) {
		row->process = key;
	} else if (key != NO_STACK) {
		const struct profile_frame *frame = &profile->frames[builder->key_frames[key]];

		row->function = frame->function;
		row->line =
			by == ROLLUP_LINE ? frame->line : profile->functions[frame->function].line;
	}
}

/* The row of the key, made when new. NULL when out of memory; good until the next call. */
static struct memory_row *row_of(struct builder *builder, uint32_t key, uint32_t thread)
{
	struct memory_rollup *out = builder->out;
	uint64_t *slot;
	bool added;

	if (!builder->split_threads)
		thread = PROFILE_NONE;
	if (GROW(out->rows, builder->row_capacity, out->row_count))
		return NULL;
	slot = map64_slot(builder->rows, map64_pair(key, thread), &added);
	if (!slot)
		return NULL;
	if (added) {
		*slot = out->row_count++;
		describe_row(builder, key, thread, &out->rows[*slot]);
	}
	return &out->rows[*slot];
}

static int count_row(struct builder *builder, uint32_t key, const struct memory_site *site,
		     bool self)
{
	struct memory_row *row = row_of(builder, key, site->thread);

	if (!row)
		return -ENOMEM;
	memory_sum_add(&row->total, site);
	if (!self)
		return 0;
	memory_sum_add(&row->self, site);
	return histogram_merge(&row->sizes, &site->sizes);
}

static int count_stack(struct builder *builder, uint32_t id)
{
	const struct profile *profile = builder->profile;
	const struct memory_site *site = &profile->memory->sites[id];
	uint32_t own = memory_rollup_frame(profile, site->stack), own_key;

	if (!site->stack)
		return builder->filtered ? 0 : count_row(builder, NO_STACK, site, true);
	own_key = builder->frame_keys[own];
	for (uint32_t stack = site->stack; stack; stack = profile->stacks[stack].parent) {
		uint32_t key = builder->frame_keys[profile->stacks[stack].frame];

		if (key == PROFILE_NONE || builder->stamps[key] == id + 1)
			continue;
		builder->stamps[key] = id + 1;
		if (count_row(builder, key, site, key == own_key))
			return -ENOMEM;
	}
	return 0;
}

static int count_sites(struct builder *builder)
{
	const struct profile *profile = builder->profile;
	const struct memory *memory = profile->memory;
	struct memory_rollup *out = builder->out;

	for (uint32_t i = 0; i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];
		int err = 0;

		memory_sum_add(&out->sum, site);
		if (is_of_frames(out->by))
			err = count_stack(builder, i);
		else if (builder->kept[site->stack])
			err = count_row(builder,
					out->by == ROLLUP_THREAD ?
						site->thread :
						profile->threads[site->thread].process,
					site, true);
		if (err)
			return err;
	}
	return 0;
}

struct order {
	const struct profile *profile;
	enum rollup_by by;
	enum memory_sort sort;
};

static int compare_numbers(uint64_t one, uint64_t other)
{
	return one < other ? -1 : one > other;
}

static const char *sort_name(const struct order *order, const struct memory_row *row)
{
	const struct profile *profile = order->profile;
	const struct profile_function *function;

	if (row->function == PROFILE_NONE) {
		if (order->by == ROLLUP_PROCESS)
			return profile_text(profile, profile->processes[row->process].command);
		return order->by != ROLLUP_THREAD ?
			       "" :
			       profile_text(profile, profile->threads[row->thread].name);
	}
	function = &profile->functions[row->function];
	if (order->by == ROLLUP_CLASS)
		return profile_text(profile, function->class_name);
	if (order->by == ROLLUP_MODULE)
		return profile_text(profile, function->module ? function->module : function->file);
	return profile_text(profile, function->name);
}

/* By name, then by everything else that tells rows apart: the order is the same in every run. */
static int compare_names(const struct order *order, const struct memory_row *one,
			 const struct memory_row *other)
{
	const struct profile *profile = order->profile;
	int result = strcmp(sort_name(order, one), sort_name(order, other));

	if (!result)
		result = one->line < other->line ? -1 : one->line > other->line;
	if (!result && one->function != PROFILE_NONE && other->function != PROFILE_NONE)
		result = strcmp(profile_text(profile, profile->functions[one->function].file),
				profile_text(profile, profile->functions[other->function].file));
	if (!result && one->thread != PROFILE_NONE && other->thread != PROFILE_NONE)
		result = compare_numbers(profile->threads[one->thread].tid,
					 profile->threads[other->thread].tid);
	if (!result)
		result = compare_numbers(one->process, other->process);
	if (!result)
		result = compare_numbers(one->function, other->function);
	return result;
}

/* What surely grows stands before what does not, however steep that looks. */
static int compare_growth(const struct memory_trend *one, const struct memory_trend *other)
{
	bool one_grows = memory_trend_grows(one), other_grows = memory_trend_grows(other);

	if (one_grows != other_grows)
		return one_grows ? -1 : 1;
	return one->bytes_per_second > other->bytes_per_second ?
		       -1 :
		       one->bytes_per_second < other->bytes_per_second;
}

static int compare_sums(const struct memory_sum *one, const struct memory_sum *other,
			enum memory_sort sort)
{
	const struct memory_amount *mine = &one->amounts[MEMORY_VIEW_ALLOCATED];
	const struct memory_amount *its = &other->amounts[MEMORY_VIEW_ALLOCATED];

	switch (sort) {
	case MEMORY_SORT_FREED:
		return compare_numbers(other->freed.bytes, one->freed.bytes);
	case MEMORY_SORT_ALLOCATIONS:
		return compare_numbers(its->blocks, mine->blocks);
	case MEMORY_SORT_SIZE:
		return compare_numbers(memory_mean_bytes(its), memory_mean_bytes(mine));
	case MEMORY_SORT_GROWTH:
		return compare_growth(&one->trend, &other->trend);
	default:
		return compare_numbers(other->amounts[sort].bytes, one->amounts[sort].bytes);
	}
}

static int compare_rows(const void *left, const void *right, void *arg)
{
	const struct order *order = arg;
	const struct memory_row *one = left, *other = right;
	enum memory_sort view = (enum memory_sort)order->profile->memory->view;
	int result = 0;

	if (order->sort == MEMORY_SORT_NAME)
		return compare_names(order, one, other);
	if (order->sort == MEMORY_SORT_TOTAL)
		return (result = compare_sums(&one->total, &other->total, view)) ?
			       result :
			       compare_names(order, one, other);
	result = compare_sums(&one->self, &other->self, order->sort);
	if (!result)
		result = compare_sums(&one->total, &other->total, order->sort);
	if (!result)
		result = compare_sums(&one->self, &other->self, view);
	return result ? result : compare_names(order, one, other);
}

static int builder_init(struct builder *builder)
{
	const struct profile *profile = builder->profile;

	builder->matches = calloc(profile->function_count + 1ul, sizeof(bool));
	builder->kept = calloc(profile->stack_count + 1ul, sizeof(bool));
	builder->frame_keys = calloc(profile->frame_count + 1ul, sizeof(uint32_t));
	builder->key_frames = calloc(profile->frame_count + 1ul, sizeof(uint32_t));
	builder->stamps = calloc(profile->frame_count + 1ul, sizeof(uint32_t));
	builder->rows = map64_new();
	return builder->matches && builder->kept && builder->frame_keys && builder->key_frames &&
			       builder->stamps && builder->rows ?
		       0 :
		       -ENOMEM;
}

static void builder_release(struct builder *builder)
{
	free(builder->matches);
	free(builder->kept);
	free(builder->frame_keys);
	free(builder->key_frames);
	free(builder->stamps);
	map64_free(builder->rows);
}

int memory_rollup_build(const struct profile *profile, enum rollup_by by, enum memory_sort sort,
			bool split_threads, const char *const *globs, size_t glob_count,
			struct memory_rollup *out)
{
	struct builder builder = {
		.profile = profile,
		.out = out,
		/* A thread is never split further. */
		.split_threads = split_threads && by != ROLLUP_THREAD,
		.filtered = glob_count,
	};
	struct order order = { profile, by, sort };
	int err;

	memset(out, 0, sizeof(*out));
	out->by = by;
	err = builder_init(&builder);
	if (!err) {
		match_stacks(&builder, globs, glob_count);
		err = key_frames(&builder);
	}
	if (!err)
		err = count_sites(&builder);
	if (!err && out->row_count)
		qsort_r(out->rows, out->row_count, sizeof(*out->rows), compare_rows, &order);
	if (err)
		memory_rollup_release(out);
	builder_release(&builder);
	return err;
}

void memory_rollup_release(struct memory_rollup *rollup)
{
	if (!rollup)
		return;
	for (uint32_t i = 0; i < rollup->row_count; i++)
		histogram_release(&rollup->rows[i].sizes);
	free(rollup->rows);
	memset(rollup, 0, sizeof(*rollup));
}
