// SPDX-License-Identifier: GPL-2.0-only
/* See collections_rollup.h. Rows are found by a key of two ids: what the row is of, and whose. */
#include "model/collections_rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

struct build {
	const struct profile *profile;
	enum rollup_by by;
	bool split_threads;
	struct map64 *frames; /* what a frame is counted under -> 1 + a number of it */
	struct map64 *rows;   /* (that number, thread or process) -> 1 + row */
	uint32_t number_count, row_capacity;
	struct gc_rollup *out;
};

uint32_t gc_rollup_frame(const struct profile *profile, uint32_t stack)
{
	uint32_t innermost = stack ? profile->stacks[stack].frame : PROFILE_NONE;

	for (; stack; stack = profile->stacks[stack].parent) {
		const struct profile_frame *frame = &profile->frames[profile->stacks[stack].frame];

		if (profile->functions[frame->function].kind == FRAME_PYTHON)
			return profile->stacks[stack].frame;
	}
	return innermost;
}

bool *gc_stacks_matching(const struct profile *profile, const char *const *globs, size_t glob_count)
{
	bool *matching = calloc(profile->stack_count + 1, sizeof(*matching));

	if (!matching)
		return NULL;
	matching[0] = !glob_count;
	/* A parent comes before its children. */
	for (uint32_t i = 1; i < profile->stack_count; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		matching[i] =
			matching[stack->parent] ||
			profile_function_matches(profile, profile->frames[stack->frame].function,
						 globs, glob_count);
	}
	return matching;
}

/* What tells the rows apart that a frame can be in. */
static uint64_t frame_key(const struct build *build, const struct profile_frame *frame)
{
	const struct profile_function *function = &build->profile->functions[frame->function];

	switch (build->by) {
	case ROLLUP_LINE:
		return map64_pair(frame->function, (uint32_t)frame->line);
	case ROLLUP_CLASS:
		return map64_pair(function->module, function->class_name);
	case ROLLUP_MODULE:
		return map64_pair(function->module, function->module ? 0 : function->file);
	default:
		return frame->function;
	}
}

/* 0: out of memory. */
static uint32_t frame_number(struct build *build, uint32_t frame)
{
	uint64_t key = UINT64_MAX, *slot;

	if (frame != PROFILE_NONE)
		key = frame_key(build, &build->profile->frames[frame]);
	slot = map64_slot(build->frames, key, NULL);
	if (slot && !*slot)
		*slot = ++build->number_count;
	return slot ? *slot : 0;
}

static void row_init(const struct build *build, struct gc_row *row, uint32_t frame, uint32_t thread)
{
	const struct profile *profile = build->profile;
	bool of_tasks = build->by == ROLLUP_THREAD || build->by == ROLLUP_PROCESS;

	*row = (struct gc_row){
		.function = PROFILE_NONE,
		.thread = PROFILE_NONE,
		.process = PROFILE_NONE,
	};
	if (of_tasks)
		row->process = profile->threads[thread].process;
	if (build->by == ROLLUP_THREAD || (build->split_threads && build->by != ROLLUP_PROCESS))
		row->thread = thread;
	if (of_tasks || frame == PROFILE_NONE)
		return;
	row->function = profile->frames[frame].function;
	row->line = build->by == ROLLUP_LINE ? profile->frames[frame].line :
					       profile->functions[row->function].line;
}

/* NULL: out of memory. */
static struct gc_row *row_of(struct build *build, const struct gc_site_sum *site)
{
	uint32_t frame = gc_rollup_frame(build->profile, site->stack), number = 1, whose = 0;
	uint64_t *slot;

	if (build->by == ROLLUP_PROCESS)
		whose = build->profile->threads[site->thread].process;
	else if (build->by == ROLLUP_THREAD || build->split_threads)
		whose = site->thread;
	if (build->by != ROLLUP_PROCESS && build->by != ROLLUP_THREAD)
		number = frame_number(build, frame);
	slot = number ? map64_slot(build->rows, map64_pair(number, whose), NULL) : NULL;
	if (!slot)
		return NULL;
	if (*slot)
		return &build->out->rows[*slot - 1];
	if (GROW(build->out->rows, build->row_capacity, build->out->row_count))
		return NULL;
	*slot = ++build->out->row_count;
	row_init(build, &build->out->rows[*slot - 1], frame, site->thread);
	return &build->out->rows[*slot - 1];
}

static int site_add(struct build *build, const struct gc_site_sum *site)
{
	struct gc_row *row = row_of(build, site);

	if (!row)
		return -ENOMEM;
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		gc_amount_merge(&row->amounts[i], &site->amounts[i]);
		gc_amount_merge(&row->amount, &site->amounts[i]);
		gc_amount_merge(&build->out->amount, &site->amounts[i]);
	}
	return 0;
}

/* ---- order ---- */

struct order {
	const struct profile *profile;
	enum gc_sort sort;
};

static uint64_t row_value(const struct gc_row *row, enum gc_sort sort)
{
	switch (sort) {
	case GC_SORT_COUNT:
		return row->amount.count;
	case GC_SORT_MAX:
		return row->amount.max_ns;
	case GC_SORT_COLLECTED:
		return row->amount.collected;
	case GC_SORT_UNCOLLECTABLE:
		return row->amount.uncollectable;
	case GC_SORT_NAME:
		return 0;
	default:
		return row->amount.pause_ns;
	}
}

static const char *row_name(const struct profile *profile, const struct gc_row *row)
{
	if (row->function == PROFILE_NONE)
		return "";
	return profile_text(profile, profile->functions[row->function].name);
}

static int row_compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	const struct gc_row *x = a, *y = b;
	uint64_t x_value = row_value(x, order->sort), y_value = row_value(y, order->sort);
	int names;

	if (x_value != y_value)
		return x_value < y_value ? 1 : -1;
	names = strcmp(row_name(order->profile, x), row_name(order->profile, y));
	if (names)
		return names;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

int gc_rollup_build(const struct profile *profile, enum rollup_by by, enum gc_sort sort,
		    bool split_threads, const char *const *globs, size_t glob_count,
		    struct gc_rollup *out)
{
	struct build build = {
		.profile = profile,
		.by = by,
		.split_threads = split_threads,
		.frames = map64_new(),
		.rows = map64_new(),
		.out = out,
	};
	const struct collections *collections = profile->collections;
	bool *matching = gc_stacks_matching(profile, globs, glob_count);
	struct order order = { profile, sort };
	int err = build.frames && build.rows && matching ? 0 : -ENOMEM;

	*out = (struct gc_rollup){ 0 };
	for (uint32_t i = 0; i < collections->site_count && !err; i++) {
		const struct gc_site_sum *site = &collections->sites[i];

		if (matching[site->stack])
			err = site_add(&build, site);
	}
	if (!err && out->row_count)
		qsort_r(out->rows, out->row_count, sizeof(*out->rows), row_compare, &order);
	free(matching);
	map64_free(build.frames);
	map64_free(build.rows);
	if (err)
		gc_rollup_release(out);
	return err;
}

void gc_rollup_release(struct gc_rollup *rollup)
{
	if (!rollup)
		return;
	free(rollup->rows);
	*rollup = (struct gc_rollup){ 0 };
}
