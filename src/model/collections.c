// SPDX-License-Identifier: GPL-2.0-only
/* See collections.h. */
#include "model/collections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "model/profile.h"

#define SPAN_FIRST_NS 1000000ull

struct collections *collections_new(void)
{
	struct collections *collections = calloc(1, sizeof(*collections));

	if (!collections)
		return NULL;
	collections->span_ns = SPAN_FIRST_NS;
	collections->site_by_key = map64_new();
	if (!collections->site_by_key) {
		collections_free(collections);
		return NULL;
	}
	return collections;
}

void collections_free(struct collections *collections)
{
	if (!collections)
		return;
	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		histogram_release(&collections->generations[i].pauses);
	histogram_release(&collections->pauses);
	map64_free(collections->site_by_key);
	free(collections->sites);
	free(collections->listed);
	free(collections->processes);
	free(collections);
}

uint32_t collections_site_of(struct collections *collections, uint32_t thread, uint32_t stack)
{
	uint64_t *slot = map64_slot(collections->site_by_key, map64_pair(thread, stack), NULL);

	if (!slot)
		return UINT32_MAX;
	if (*slot)
		return *slot - 1;
	if (GROW(collections->sites, collections->site_capacity, collections->site_count))
		return UINT32_MAX;
	collections->sites[collections->site_count] =
		(struct gc_site_sum){ .thread = thread, .stack = stack };
	*slot = ++collections->site_count;
	return collections->site_count - 1;
}

struct gc_process *collections_process_of(struct collections *collections, uint32_t process)
{
	while (collections->process_count <= process) {
		if (GROW(collections->processes, collections->process_capacity,
			 collections->process_count))
			return NULL;
		collections->processes[collections->process_count++] = (struct gc_process){ 0 };
	}
	return &collections->processes[process];
}

/* ---- sums ---- */

void gc_amount_add(struct gc_amount *amount, const struct gc_collection *collection)
{
	if (!amount->count || collection->pause_ns < amount->min_ns)
		amount->min_ns = collection->pause_ns;
	if (collection->pause_ns > amount->max_ns)
		amount->max_ns = collection->pause_ns;
	amount->count++;
	amount->asked += collection->asked;
	amount->pause_ns += collection->pause_ns;
	amount->collected += collection->collected;
	amount->uncollectable += collection->uncollectable;
}

void gc_amount_merge(struct gc_amount *into, const struct gc_amount *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	into->asked += from->asked;
	into->pause_ns += from->pause_ns;
	into->collected += from->collected;
	into->uncollectable += from->uncollectable;
}

/* ---- the timeline ---- */

static void spans_halve(struct collections *collections)
{
	for (uint32_t i = 0; i < GC_SPANS / 2; i++) {
		const struct gc_span *a = &collections->spans[2 * i], *b = a + 1;

		collections->spans[i] = (struct gc_span){
			.collections = a->collections + b->collections,
			.pause_ns = a->pause_ns + b->pause_ns,
			.max_ns = a->max_ns > b->max_ns ? a->max_ns : b->max_ns,
		};
	}
	memset(collections->spans + GC_SPANS / 2, 0, sizeof(collections->spans) / 2);
	collections->span_count = (collections->span_count + 1) / 2;
	collections->span_ns *= 2;
}

/* A pause is of all the spans it lies in. */
static void timeline_add(struct collections *collections, const struct gc_collection *collection)
{
	uint64_t at_ns = collection->start_ns, end_ns = at_ns + collection->pause_ns;
	struct gc_span *first;

	while (end_ns / collections->span_ns >= GC_SPANS)
		spans_halve(collections);
	first = &collections->spans[at_ns / collections->span_ns];
	first->collections++;
	if (collection->pause_ns > first->max_ns)
		first->max_ns = collection->pause_ns;
	for (;;) {
		uint64_t index = at_ns / collections->span_ns;
		uint64_t until_ns = (index + 1) * collections->span_ns;

		if (until_ns > end_ns)
			until_ns = end_ns;
		collections->spans[index].pause_ns += until_ns - at_ns;
		if (index >= collections->span_count)
			collections->span_count = index + 1;
		if (until_ns == end_ns)
			return;
		at_ns = until_ns;
	}
}

/* ---- the worst: a heap whose first is the shortest of them ---- */

static bool is_worse(const struct gc_collection *a, const struct gc_collection *b)
{
	return a->pause_ns != b->pause_ns ? a->pause_ns > b->pause_ns : a->start_ns < b->start_ns;
}

static void worst_sink(struct collections *collections, const struct gc_collection *collection)
{
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < collections->worst_count &&
		    is_worse(&collections->worst[child], &collections->worst[child + 1]))
			child++;
		if (child >= collections->worst_count ||
		    !is_worse(collection, &collections->worst[child]))
			break;
		collections->worst[at] = collections->worst[child];
		at = child;
	}
	collections->worst[at] = *collection;
}

static void worst_add(struct collections *collections, const struct gc_collection *collection)
{
	uint32_t at = collections->worst_count;

	if (at == GC_WORST_MAX) {
		if (is_worse(collection, &collections->worst[0]))
			worst_sink(collections, collection);
		return;
	}
	collections->worst_count++;
	for (; at && is_worse(&collections->worst[(at - 1) / 2], collection); at = (at - 1) / 2)
		collections->worst[at] = collections->worst[(at - 1) / 2];
	collections->worst[at] = *collection;
}

static int collection_compare(const void *a, const void *b)
{
	return is_worse(b, a) - is_worse(a, b);
}

void collections_sort(struct collections *collections)
{
	qsort(collections->worst, collections->worst_count, sizeof(collections->worst[0]),
	      collection_compare);
}

int collections_add(struct collections *collections, const struct gc_collection *collection)
{
	struct gc_generation *generation = &collections->generations[collection->generation];
	int err = histogram_add(&generation->pauses, collection->pause_ns);

	if (!err)
		err = histogram_add(&collections->pauses, collection->pause_ns);
	if (err)
		return err;
	gc_amount_add(&generation->amount, collection);
	gc_amount_add(&collections->amount, collection);
	gc_amount_add(&collections->sites[collection->site].amounts[collection->generation],
		      collection);
	timeline_add(collections, collection);
	worst_add(collections, collection);
	if (collections->listed_count == GC_LISTED_MAX)
		return 0;
	if (GROW(collections->listed, collections->listed_capacity, collections->listed_count))
		return -ENOMEM;
	collections->listed[collections->listed_count++] = *collection;
	return 0;
}

/* ---- for reports ---- */

int collections_to_stacks(const struct collections *collections, struct profile *profile)
{
	int err = profile_replace_sums(profile, 0);

	for (uint32_t i = 0; i < collections->site_count && !err; i++) {
		const struct gc_site_sum *site = &collections->sites[i];
		struct gc_amount amount = { 0 };

		for (int j = 0; j < ABI_GC_GENERATIONS; j++)
			gc_amount_merge(&amount, &site->amounts[j]);
		if (amount.count)
			err = profile_add_sample(profile, site->thread, site->stack, amount.count,
						 amount.pause_ns);
	}
	return err;
}

uint64_t collections_watched_ns(const struct collections *collections)
{
	uint64_t sum_ns = 0;

	for (uint32_t i = 0; i < collections->process_count; i++)
		sum_ns += collections->processes[i].watched_ns;
	return sum_ns;
}

bool collections_any_incremental(const struct collections *collections)
{
	for (uint32_t i = 0; i < collections->process_count; i++) {
		if (collections->processes[i].incremental)
			return true;
	}
	return false;
}

const char *gc_generation_name(unsigned int generation, bool incremental)
{
	static const char *const names[2][ABI_GC_GENERATIONS] = {
		{ "generation 0", "generation 1", "generation 2" },
		{ "young", "increment", "full" },
	};

	return generation < ABI_GC_GENERATIONS ? names[incremental][generation] : "unknown";
}
