// SPDX-License-Identifier: GPL-2.0-only
/*
 * --by tree: who was called along which path, the longest first.
 *
 *	CALLS    SELF    TOTAL  TOTAL%  PATH            FILE:LINE
 *	    1  0.50 s   4.00 s   100.0  <module>        app.py:1
 *	   10  1.50 s   3.50 s    87.5    Worker.run    app/jobs.py:10
 *	   40  2.00 s   2.00 s    50.0      fib         app/jobs.py:20
 *
 * Paths of all threads are one tree, with -t each thread has its own. A path's total is that of every
 * activation along it, so that children and self time add up to their parent's total.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "render/format.h"
#include "render/table_rows.h"

enum {
	TREE_TEXT_NARROWEST = 8,
	TREE_PATH_COMFORT = 34,
	TREE_PLACE_COMFORT = 14,
	TREE_INDENTED = 8,	/* deeper paths are not moved to the right, but say how deep */
	TREE_PRUNED_PPM = 1000, /* paths of less than a tenth of a percent are not shown */
};

/* A path, in all threads or in one. Place 0 is nobody. */
struct tree_path {
	uint32_t parent;
	uint32_t first_child, next; /* 0: none */
	uint32_t function;	    /* CALLS_NONE: a thread's root */
	uint32_t thread;	    /* of roots */
	uint32_t depth;		    /* 0 for what stands leftmost */
	bool matches;
	bool kept; /* matches, or stands above or below what does */
	bool shown;
	bool running, unfinished;
	struct call_times times;
};

struct tree {
	struct tree_path *paths;
	uint32_t count;
	uint64_t total_ns;
	enum call_rollup_sort sort;
	bool marks;
	bool exceptions;
	const struct profile *profile;
};

/* One path for all nodes with the same functions above them. Parents come before their children. */
static int tree_merge(struct tree *tree, bool split)
{
	const struct calls *calls = tree->profile->calls;
	struct map64 *places = map64_new();
	uint32_t *merged = calloc(calls->node_count + 1, sizeof(*merged));
	int err = -ENOMEM;

	if (!places || !merged)
		goto out;
	for (uint32_t i = 1; i < calls->node_count; i++) {
		const struct call_node *node = &calls->nodes[i];
		bool root = node->function == CALLS_NONE, added;
		struct tree_path *path;
		uint64_t *place;

		if (root && !split)
			continue; /* all roots are place 0 */
		place = map64_slot(places,
				   map64_pair(merged[node->parent],
					      root ? UINT32_MAX - node->thread : node->function),
				   &added);
		if (!place)
			goto out;
		if (added)
			*place = ++tree->count;
		merged[i] = *place;
		path = &tree->paths[*place];
		path->parent = merged[node->parent];
		path->function = node->function;
		path->thread = node->thread;
		if (root)
			continue; /* its numbers are its children's */
		path->running = path->running || node->running_count;
		path->unfinished = path->unfinished || node->unfinished_count;
		path->times.calls += node->times.calls;
		path->times.exceptions += node->times.exceptions;
		path->times.self_ns += node->times.self_ns;
		path->times.cpu_self_ns += node->times.cpu_self_ns;
		path->times.total_ns += node->times.total_ns;
	}
	err = 0;
out:
	map64_free(places);
	free(merged);
	return err;
}

/* Children are never before their parents. */
static void tree_sum_roots(struct tree *tree)
{
	for (uint32_t i = 1; i <= tree->count; i++) {
		struct tree_path *path = &tree->paths[i], *parent = &tree->paths[path->parent];

		path->depth = path->parent ? parent->depth + 1 : 0;
		tree->total_ns += path->times.self_ns;
		if (path->parent && parent->function == CALLS_NONE)
			parent->times.total_ns += path->times.total_ns;
	}
}

/* What -F names, with the way there and what it called. */
static int tree_keep(struct tree *tree, const struct render_options *options)
{
	bool *matches = calloc(tree->profile->function_count + 1, sizeof(*matches));

	if (!matches)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->profile->function_count; i++)
		matches[i] = !options->glob_count ||
			     profile_function_matches(tree->profile, i, options->globs,
						      options->glob_count);
	for (uint32_t i = 1; i <= tree->count; i++) {
		struct tree_path *path = &tree->paths[i];

		path->matches = tree->paths[path->parent].matches ||
				(path->function != CALLS_NONE && matches[path->function]);
		path->kept = path->matches;
	}
	for (uint32_t i = tree->count; i; i--) {
		if (tree->paths[i].kept)
			tree->paths[tree->paths[i].parent].kept = true;
	}
	free(matches);
	return 0;
}

/* The longest first; of equals the older, so that no path comes before the one it hangs on. */
static int tree_compare_totals(const void *left, const void *right, void *arg)
{
	const struct tree_path *paths = arg;
	uint32_t one = *(const uint32_t *)left, other = *(const uint32_t *)right;

	if (paths[one].times.total_ns != paths[other].times.total_ns)
		return paths[one].times.total_ns > paths[other].times.total_ns ? -1 : 1;
	return one < other ? -1 : one > other;
}

/* Shows `place` and what it hangs on. How many rows that made. */
static uint32_t tree_show(struct tree *tree, uint32_t place)
{
	uint32_t rows = 0;

	for (; place && !tree->paths[place].shown; place = tree->paths[place].parent) {
		tree->paths[place].shown = true;
		rows++;
	}
	return rows;
}

/* The paths that the limit leaves, the longest of all, whole branches. */
static int tree_prune(struct tree *tree, uint32_t limit)
{
	uint32_t *order = calloc(tree->count + 1ul, sizeof(*order));
	uint32_t rows = 0, count = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 1; i <= tree->count; i++) {
		if (tree->paths[i].kept)
			order[count++] = i;
	}
	qsort_r(order, count, sizeof(*order), tree_compare_totals, tree->paths);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t total_ns = tree->paths[order[i]].times.total_ns;

		if (limit && (rows >= limit ||
			      (rows && format_ppm(total_ns, tree->total_ns) < TREE_PRUNED_PPM)))
			break;
		rows += tree_show(tree, order[i]);
	}
	free(order);
	return 0;
}

static int tree_compare_names(const struct tree *tree, const struct tree_path *one,
			      const struct tree_path *other)
{
	const struct profile *profile = tree->profile;

	if (one->function == CALLS_NONE || other->function == CALLS_NONE)
		return 0;
	return strcmp(profile_text(profile, profile->functions[one->function].name),
		      profile_text(profile, profile->functions[other->function].name));
}

static uint64_t tree_sort_value(const struct tree *tree, const struct tree_path *path)
{
	switch (tree->sort) {
	case CALL_SORT_CALLS:
		return path->times.calls;
	case CALL_SORT_EXCEPTIONS:
		return path->times.exceptions;
	case CALL_SORT_CPU:
		return path->times.cpu_self_ns;
	default:
		return path->times.total_ns;
	}
}

static int tree_compare_siblings(const void *left, const void *right, void *arg)
{
	const struct tree *tree = arg;
	const struct tree_path *one = &tree->paths[*(const uint32_t *)left];
	const struct tree_path *other = &tree->paths[*(const uint32_t *)right];
	uint64_t one_value = tree_sort_value(tree, one);
	uint64_t other_value = tree_sort_value(tree, other);
	int result = 0;

	if (tree->sort == CALL_SORT_NAME)
		result = tree_compare_names(tree, one, other);
	if (!result && one_value != other_value)
		result = one_value > other_value ? -1 : 1;
	if (!result)
		result = tree_compare_names(tree, one, other);
	return result ? result : (one < other ? -1 : one > other);
}

/* Hangs what is shown on its parents, siblings in order. */
static int tree_link(struct tree *tree)
{
	uint32_t *order = calloc(tree->count + 1ul, sizeof(*order)), count = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 1; i <= tree->count; i++) {
		if (tree->paths[i].shown)
			order[count++] = i;
	}
	qsort_r(order, count, sizeof(*order), tree_compare_siblings, tree);
	/* Each is put before its siblings, so the first comes last. */
	while (count--) {
		struct tree_path *path = &tree->paths[order[count]];

		path->next = tree->paths[path->parent].first_child;
		tree->paths[path->parent].first_child = order[count];
	}
	free(order);
	return 0;
}

static void tree_columns(struct grid *grid, const struct tree *tree)
{
	grid_column(grid, "CALLS", true, 0);
	if (tree->marks)
		grid_column(grid, "", false, 0);
	grid_column(grid, "SELF", true, 0);
	grid_column(grid, "TOTAL", true, 0);
	grid->heat_column = grid->column_count;
	grid_column(grid, "TOTAL%", true, 0);
	grid_ranked_column(grid, "CPU", 1);
	if (tree->exceptions)
		grid_ranked_column(grid, "EXC", 2);
	grid_text_column(grid, "PATH", TREE_TEXT_NARROWEST, TREE_PATH_COMFORT);
	grid_text_column(grid, "FILE:LINE", TREE_TEXT_NARROWEST, TREE_PLACE_COMFORT);
}

static void tree_name_cells(struct grid *grid, const struct tree *tree,
			    const struct tree_path *path)
{
	const struct profile *profile = tree->profile;
	struct buffer cell;

	if (path->function == CALLS_NONE) {
		table_thread_cell(grid, profile, path->thread);
		grid_cell(grid, "-", 1);
		return;
	}
	buffer_init(&cell);
	if (path->depth <= TREE_INDENTED)
		buffer_printf(&cell, "%*s", (int)path->depth * 2, "");
	else
		buffer_printf(&cell, "%*s(%u) ", TREE_INDENTED * 2, "", path->depth);
	buffer_append(&cell, profile_text(profile, profile->functions[path->function].name),
		      intern_length(profile->strings, profile->functions[path->function].name));
	grid_take(grid, &cell);
	table_place_cell(grid, profile, &profile->functions[path->function],
			 profile->functions[path->function].line);
	buffer_release(&cell);
}

/* A thread was not called and does nothing by itself. */
static void tree_number_cell(struct grid *grid, bool root, enum profile_unit unit, uint64_t value)
{
	if (root)
		grid_cell(grid, "", 0);
	else
		table_value_cell(grid, unit, value);
}

static void tree_row(struct grid *grid, const struct tree *tree, const struct tree_path *path)
{
	bool root = path->function == CALLS_NONE;

	tree_number_cell(grid, root, UNIT_SAMPLES, path->times.calls);
	if (tree->marks)
		table_mark_cell(grid, path->running, path->unfinished);
	tree_number_cell(grid, root, UNIT_NS, path->times.self_ns);
	table_ns_cell(grid, path->times.total_ns);
	table_percent_cell(grid, path->times.total_ns, tree->total_ns);
	tree_number_cell(grid, root, UNIT_NS, path->times.cpu_self_ns);
	if (tree->exceptions)
		tree_number_cell(grid, root, UNIT_SAMPLES, path->times.exceptions);
	tree_name_cells(grid, tree, path);
	grid_end_row(grid, root ? GRID_BOLD : table_heat(path->times.self_ns, tree->total_ns));
}

/* What the rows will not say. */
static void tree_tell_rest(struct tree *tree, struct table_rest *rest)
{
	for (uint32_t i = 1; i <= tree->count; i++) {
		const struct tree_path *path = &tree->paths[i];

		if (path->shown) {
			tree->exceptions = tree->exceptions || path->times.exceptions;
			rest->running = rest->running || path->running;
			rest->unfinished = rest->unfinished || path->unfinished;
		} else if (path->kept) {
			rest->hidden++;
			rest->hidden_self_ns += path->times.self_ns;
		}
	}
	rest->self_ns = tree->total_ns;
}

/* Depth first, without recursion: a stack may be as deep as the target likes. */
static void tree_write(struct grid *grid, const struct tree *tree)
{
	uint32_t at = tree->paths[0].first_child;

	while (at) {
		const struct tree_path *path = &tree->paths[at];

		tree_row(grid, tree, path);
		if (path->first_child) {
			at = path->first_child;
			continue;
		}
		while (at && !tree->paths[at].next)
			at = tree->paths[at].parent;
		at = tree->paths[at].next;
	}
}

int table_fill_tree(struct grid *grid, const struct profile *profile,
		    const struct render_options *options, struct table_rest *rest)
{
	struct tree tree = { .profile = profile, .sort = options->call_sort };
	int err = -ENOMEM;

	tree.paths = calloc(profile->calls->node_count + 1ul, sizeof(*tree.paths));
	if (tree.paths)
		err = tree_merge(&tree, options->split_threads);
	if (!err) {
		tree_sum_roots(&tree);
		err = tree_keep(&tree, options);
	}
	if (!err)
		err = tree_prune(&tree, options->limit);
	if (!err)
		err = tree_link(&tree);
	if (!err) {
		tree_tell_rest(&tree, rest);
		tree.marks = rest->running || rest->unfinished;
		tree_columns(grid, &tree);
		tree_write(grid, &tree);
	}
	free(tree.paths);
	return err;
}
