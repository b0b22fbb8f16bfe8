// SPDX-License-Identifier: GPL-2.0-only
/*
 * From sums of stacks to rows. Every frame is given a dense key first (its function, its class, ...);
 * then each sum walks its stack once, and a stamp per key sees to it that recursion counts once.
 */
#include "model/rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"

/* Marks a module known by its file alone, so that it cannot meet a module of that name. */
#define ROLLUP_BY_FILE (1ull << 32)

struct rollup_builder {
	const struct profile *profile;
	struct rollup *out;
	bool split_threads;
	uint32_t *frame_keys; /* by frame: its key, PROFILE_NONE: not listed */
	uint32_t *key_frames; /* by key: one frame of it */
	uint32_t *stamps;     /* by key: the last sum that counted it, plus one */
	uint32_t key_count;
	struct map64 *rows; /* (key, thread or PROFILE_NONE) -> row */
	uint32_t row_capacity;
};

static bool rollup_is_of_frames(enum rollup_by by)
{
	return by != ROLLUP_THREAD && by != ROLLUP_PROCESS;
}

static uint64_t rollup_identity(const struct profile *profile, enum rollup_by by, uint32_t frame)
{
	uint32_t id = profile->frames[frame].function;
	const struct profile_function *function = &profile->functions[id];

	switch (by) {
	case ROLLUP_LINE:
		return frame;
	case ROLLUP_CLASS:
		return map64_pair(function->class_name, function->module);
	case ROLLUP_MODULE:
		return function->module ? function->module : ROLLUP_BY_FILE | function->file;
	default:
		return id;
	}
}

bool profile_function_matches(const struct profile *profile, uint32_t id, const char *const *globs,
			      size_t glob_count)
{
	const struct profile_function *function = &profile->functions[id];
	const char *name = profile_text(profile, function->name);
	struct buffer full;
	bool matches = false;

	buffer_init(&full);
	buffer_printf(&full, "%s:%s", profile_text(profile, function->module), name);
	for (size_t i = 0; i < glob_count && !matches; i++)
		matches = text_glob(globs[i], name) ||
			  text_glob(globs[i], profile_text(profile, function->file)) ||
			  (!full.error && text_glob(globs[i], full.bytes));
	buffer_release(&full);
	return matches;
}

/* By function: whether it matches. Owned by the caller; NULL when out of memory. */
static bool *rollup_matches_new(const struct profile *profile, const char *const *globs,
				size_t glob_count)
{
	bool *matches = calloc(profile->function_count + 1, sizeof(*matches));

	if (!matches)
		return NULL;
	for (uint32_t i = 0; i < profile->function_count; i++)
		matches[i] = !glob_count || profile_function_matches(profile, i, globs, glob_count);
	return matches;
}

static int rollup_key_frames(struct rollup_builder *builder, const bool *matches)
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
		if (!matches[profile->frames[i].function])
			continue;
		slot = map64_slot(keys, rollup_identity(profile, builder->out->by, i), &added);
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

static void rollup_describe(const struct rollup_builder *builder, uint32_t key, uint32_t thread,
			    struct rollup_row *row)
{
	const struct profile *profile = builder->profile;
	enum rollup_by by = builder->out->by;

	*row = (struct rollup_row){
		.function = PROFILE_NONE,
		.thread = PROFILE_NONE,
		.process = PROFILE_NONE,
	};
	if (rollup_is_of_frames(by)) {
		const struct profile_frame *frame = &profile->frames[builder->key_frames[key]];

		row->function = frame->function;
		row->line =
			by == ROLLUP_LINE ? frame->line : profile->functions[frame->function].line;
		row->thread = thread;
	} else if (by == ROLLUP_THREAD) {
		row->thread = key;
		row->process = profile->threads[key].process;
	} else {
		row->process = key;
		row->thread = thread;
	}
}

/* The row of the key, made when new. NULL when out of memory; good until the next call. */
static struct rollup_row *rollup_row_of(struct rollup_builder *builder, uint32_t key,
					uint32_t thread)
{
	struct rollup *out = builder->out;
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
		rollup_describe(builder, key, thread, &out->rows[*slot]);
	}
	return &out->rows[*slot];
}

static int rollup_count(struct rollup_builder *builder, uint32_t key, const struct profile_sum *sum,
			bool self, bool total)
{
	struct rollup_row *row = rollup_row_of(builder, key, sum->thread);

	if (!row)
		return -ENOMEM;
	row->self += self ? sum->value : 0;
	row->self_samples += self ? sum->samples : 0;
	row->total += total ? sum->value : 0;
	row->total_samples += total ? sum->samples : 0;
	return 0;
}

static int rollup_count_stack(struct rollup_builder *builder, uint32_t sum_id)
{
	const struct profile *profile = builder->profile;
	const struct profile_sum *sum = &profile->sums[sum_id];

	for (uint32_t stack = sum->stack; stack; stack = profile->stacks[stack].parent) {
		uint32_t key = builder->frame_keys[profile->stacks[stack].frame];

		if (key == PROFILE_NONE || builder->stamps[key] == sum_id + 1)
			continue;
		builder->stamps[key] = sum_id + 1;
		if (rollup_count(builder, key, sum, stack == sum->stack, true))
			return -ENOMEM;
	}
	return 0;
}

static int rollup_count_all(struct rollup_builder *builder)
{
	const struct profile *profile = builder->profile;
	struct rollup *out = builder->out;

	for (uint32_t i = 0; i < profile->sum_count; i++) {
		const struct profile_sum *sum = &profile->sums[i];
		uint32_t key = sum->thread;
		int err;

		out->value += sum->value;
		out->samples += sum->samples;
		if (out->by == ROLLUP_PROCESS)
			key = profile->threads[sum->thread].process;
		if (rollup_is_of_frames(out->by))
			err = rollup_count_stack(builder, i);
		else
			err = rollup_count(builder, key, sum, true, true);
		if (err)
			return err;
	}
	return 0;
}

struct rollup_order {
	const struct profile *profile;
	enum rollup_by by;
	enum rollup_sort sort;
};

static int rollup_compare_numbers(uint64_t one, uint64_t other)
{
	return one < other ? -1 : one > other;
}

static const char *rollup_sort_name(const struct rollup_order *order, const struct rollup_row *row)
{
	const struct profile *profile = order->profile;
	const struct profile_function *function;

	if (row->function == PROFILE_NONE)
		return row->thread == PROFILE_NONE ?
			       "" :
			       profile_text(profile, profile->threads[row->thread].name);
	function = &profile->functions[row->function];
	if (order->by == ROLLUP_CLASS)
		return profile_text(profile, function->class_name);
	if (order->by == ROLLUP_MODULE)
		return profile_text(profile, function->module ? function->module : function->file);
	return profile_text(profile, function->name);
}

/* By name, then by everything else that tells rows apart: the order is the same in every run. */
static int rollup_compare_names(const struct rollup_order *order, const struct rollup_row *one,
				const struct rollup_row *other)
{
	const struct profile *profile = order->profile;
	int result = strcmp(rollup_sort_name(order, one), rollup_sort_name(order, other));

	if (!result)
		result = one->line < other->line ? -1 : one->line > other->line;
	if (!result && one->function != PROFILE_NONE && other->function != PROFILE_NONE)
		result = strcmp(profile_text(profile, profile->functions[one->function].file),
				profile_text(profile, profile->functions[other->function].file));
	if (!result && one->thread != PROFILE_NONE && other->thread != PROFILE_NONE)
		result = rollup_compare_numbers(profile->threads[one->thread].tid,
						profile->threads[other->thread].tid);
	if (!result)
		result = rollup_compare_numbers(one->process, other->process);
	if (!result)
		result = rollup_compare_numbers(one->function, other->function);
	return result;
}

static int rollup_compare(const void *left, const void *right, void *arg)
{
	const struct rollup_order *order = arg;
	const struct rollup_row *one = left, *other = right;
	int result = 0;

	switch (order->sort) {
	case ROLLUP_SORT_TOTAL:
		result = rollup_compare_numbers(other->total, one->total);
		break;
	case ROLLUP_SORT_SAMPLES:
		result = rollup_compare_numbers(other->self_samples, one->self_samples);
		break;
	case ROLLUP_SORT_SELF:
		break;
	case ROLLUP_SORT_NAME:
		return rollup_compare_names(order, one, other);
	}
	if (!result)
		result = rollup_compare_numbers(other->self, one->self);
	if (!result)
		result = rollup_compare_numbers(other->total, one->total);
	return result ? result : rollup_compare_names(order, one, other);
}

int rollup_build_matching(const struct profile *profile, enum rollup_by by, enum rollup_sort sort,
			  bool split_threads, const char *const *globs, size_t glob_count,
			  struct rollup *out)
{
	struct rollup_builder builder = {
		.profile = profile,
		.out = out,
		.split_threads = split_threads,
	};
	struct rollup_order order = { profile, by, sort };
	bool *matches = rollup_matches_new(profile, globs, glob_count);
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->by = by;
	builder.frame_keys = calloc(profile->frame_count + 1, sizeof(uint32_t));
	builder.key_frames = calloc(profile->frame_count + 1, sizeof(uint32_t));
	builder.stamps = calloc(profile->frame_count + 1, sizeof(uint32_t));
	builder.rows = map64_new();
	if (matches && builder.frame_keys && builder.key_frames && builder.stamps && builder.rows)
		err = rollup_key_frames(&builder, matches);
	if (!err)
		err = rollup_count_all(&builder);
	if (!err && out->row_count)
		qsort_r(out->rows, out->row_count, sizeof(*out->rows), rollup_compare, &order);
	if (err)
		rollup_release(out);
	free(matches);
	free(builder.frame_keys);
	free(builder.key_frames);
	free(builder.stamps);
	map64_free(builder.rows);
	return err;
}

int rollup_build(const struct profile *profile, enum rollup_by by, enum rollup_sort sort,
		 bool split_threads, struct rollup *out)
{
	return rollup_build_matching(profile, by, sort, split_threads, NULL, 0, out);
}

void rollup_release(struct rollup *rollup)
{
	if (!rollup)
		return;
	free(rollup->rows);
	memset(rollup, 0, sizeof(*rollup));
}

int profile_filter(struct profile *profile, const char *const *globs, size_t glob_count,
		   uint64_t *dropped)
{
	bool *matches = rollup_matches_new(profile, globs, glob_count);
	bool *kept = calloc(profile->stack_count, sizeof(*kept));
	uint64_t dropped_samples = 0;
	uint32_t count = 0;
	int err = -ENOMEM;

	if (!matches || !kept)
		goto out;
	/* A parent is always older than its child, so one pass from the root on is enough. */
	for (uint32_t i = 1; i < profile->stack_count; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		kept[i] = kept[stack->parent] || matches[profile->frames[stack->frame].function];
	}
	for (uint32_t i = 0; i < profile->sum_count; i++) {
		if (kept[profile->sums[i].stack])
			profile->sums[count++] = profile->sums[i];
		else
			dropped_samples += profile->sums[i].samples;
	}
	err = profile_replace_sums(profile, count);
	if (!err)
		*dropped = dropped_samples;
out:
	free(matches);
	free(kept);
	return err;
}
