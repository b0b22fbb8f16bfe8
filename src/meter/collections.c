// SPDX-License-Identifier: GPL-2.0-only
/* See collections.h. */
#include "meter/collections.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"

#define NO_PROCESS UINT32_MAX

/* The collector of one interpreter of one process. */
struct chain {
	uint64_t collector;
	uint32_t serial;
	uint32_t process; /* NO_PROCESS: nobody has told yet */
	uint32_t next;	  /* 1 + index of another one of this serial; 0: none */
	bool heard;	  /* a record of it has come */
	uint64_t first[ABI_GC_GENERATIONS], last[ABI_GC_GENERATIONS];
	uint64_t seen[ABI_GC_GENERATIONS];
	uint64_t read[ABI_GC_GENERATIONS]; /* at the end; records of it may be still to come */
	uint64_t too_early, unseen;
};

struct collection_meter {
	struct collections *collections;
	uint64_t start_ns;
	struct chain *chains;
	uint32_t chain_count, chain_capacity;
	struct map64 *by_serial; /* -> 1 + index of its newest chain */
};

struct collection_meter *collection_meter_new(struct collections *collections, uint64_t start_ns)
{
	struct collection_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->collections = collections;
	meter->start_ns = start_ns;
	meter->by_serial = map64_new();
	if (!meter->by_serial) {
		free(meter);
		return NULL;
	}
	return meter;
}

void collection_meter_free(struct collection_meter *meter)
{
	if (!meter)
		return;
	map64_free(meter->by_serial);
	free(meter->chains);
	free(meter);
}

/* NULL: out of memory. *added: it was not there. Good until the next one. */
static struct chain *chain_of(struct collection_meter *meter, uint32_t serial, uint32_t process,
			      uint64_t collector, bool *added)
{
	uint64_t *newest = map64_slot(meter->by_serial, serial, NULL);
	struct chain *chain;

	*added = false;
	if (!newest)
		return NULL;
	for (uint64_t at = *newest; at; at = chain->next) {
		chain = &meter->chains[at - 1];
		if (chain->collector != collector)
			continue;
		if (chain->process == NO_PROCESS)
			chain->process = process;
		return chain;
	}
	if (GROW(meter->chains, meter->chain_capacity, meter->chain_count))
		return NULL;
	chain = &meter->chains[meter->chain_count++];
	*chain = (struct chain){
		.collector = collector,
		.serial = serial,
		.process = process,
		.next = *newest,
	};
	*newest = meter->chain_count;
	*added = true;
	return chain;
}

int collection_meter_before(struct collection_meter *meter, uint32_t serial, uint32_t process,
			    uint64_t collector, const struct gc_counts *counts)
{
	bool added;
	struct chain *chain = chain_of(meter, serial, process, collector, &added);

	if (!chain)
		return -ENOMEM;
	/* What a record has told is newer. */
	for (int i = 0; i < ABI_GC_GENERATIONS && added; i++)
		chain->first[i] = chain->last[i] = counts[i].collections;
	return 0;
}

int collection_meter_fork(struct collection_meter *meter, uint32_t parent_serial, uint32_t serial)
{
	uint64_t at = 0;
	bool added;

	map64_get(meter->by_serial, parent_serial, &at);
	while (at) {
		/* By index: chains move when one is added. */
		uint64_t collector = meter->chains[at - 1].collector;
		struct chain *chain = chain_of(meter, serial, NO_PROCESS, collector, &added);
		const struct chain *parent;

		if (!chain)
			return -ENOMEM;
		parent = &meter->chains[at - 1];
		for (int i = 0; i < ABI_GC_GENERATIONS && added; i++)
			chain->first[i] = chain->last[i] = parent->last[i];
		at = parent->next;
	}
	return 0;
}

/* A new chain, whose collections before this record were before we came. */
static void chain_begin(struct chain *chain, const struct record_gc *record)
{
	for (unsigned int i = 0; i < ABI_GC_GENERATIONS; i++)
		chain->first[i] = chain->last[i] =
			record->collections[i] - (i == record->generation);
}

/* It ended before the counters were read that the chain begins with. */
static bool goes_back(const struct chain *chain, const struct record_gc *record)
{
	for (unsigned int i = 0; i < ABI_GC_GENERATIONS; i++) {
		if (record->collections[i] < chain->last[i] + (i == record->generation))
			return true;
	}
	return false;
}

/*
 * What lies between: of the first record of a chain that was there before, what had begun by the time its
 * counters were read; of any other, records that are missing.
 */
static void gap_count(struct chain *chain, const struct record_gc *record)
{
	uint64_t missing = 0;

	for (unsigned int i = 0; i < ABI_GC_GENERATIONS; i++) {
		/* Counters never go back; what looks so is not ours to count. */
		if (record->collections[i] < chain->last[i])
			continue;
		missing += record->collections[i] - chain->last[i] - (i == record->generation);
	}
	if (missing && (!record->start_ns || !chain->heard)) {
		missing--;
		chain->too_early++;
	}
	chain->unseen += missing;
}

int collection_meter_ended(struct collection_meter *meter, const struct record_gc *record,
			   uint32_t process, uint32_t site)
{
	const struct record_header *header = &record->header;
	struct gc_collection collection = {
		.collected = record->collected,
		.uncollectable = record->uncollectable,
		.site = site,
		.generation = record->generation,
		.asked = record->asked,
	};
	bool added;
	struct chain *chain = chain_of(meter, header->serial, process, record->collector, &added);

	if (!chain)
		return -ENOMEM;
	added |= !chain->heard && goes_back(chain, record);
	if (added && !record->start_ns) {
		/* All that is known is that it has ended now. */
		for (int i = 0; i < ABI_GC_GENERATIONS; i++)
			chain->first[i] = chain->last[i] = record->collections[i];
		chain->too_early++;
		chain->heard = true;
		return 0;
	}
	if (added)
		chain_begin(chain, record);
	gap_count(chain, record);
	for (int i = 0; i < ABI_GC_GENERATIONS; i++)
		chain->last[i] = record->collections[i];
	chain->heard = true;
	if (!record->start_ns)
		return 0;
	chain->seen[record->generation]++;
	collection.start_ns =
		record->start_ns > meter->start_ns ? record->start_ns - meter->start_ns : 0;
	collection.pause_ns = header->time_ns - record->start_ns;
	return collections_add(meter->collections, &collection);
}

int collection_meter_after(struct collection_meter *meter, uint32_t serial, uint32_t process,
			   uint64_t collector, const struct gc_counts *counts)
{
	bool added;
	struct chain *chain = chain_of(meter, serial, process, collector, &added);

	if (!chain)
		return -ENOMEM;
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		if (added) /* Nobody was told what it had at the start: all of it is before. */
			chain->first[i] = chain->last[i] = counts[i].collections;
		chain->read[i] = counts[i].collections;
	}
	return 0;
}

/* What was read and no record has told. */
static void chain_end(struct chain *chain)
{
	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		if (chain->read[i] <= chain->last[i])
			continue;
		chain->unseen += chain->read[i] - chain->last[i];
		chain->last[i] = chain->read[i];
	}
}

int collection_meter_finish(struct collection_meter *meter, uint64_t *unseen, uint64_t *too_early)
{
	*unseen = *too_early = 0;
	for (uint32_t i = 0; i < meter->chain_count; i++) {
		struct chain *chain = &meter->chains[i];
		struct gc_process *row;

		chain_end(chain);
		if (chain->process == NO_PROCESS)
			continue;
		row = collections_process_of(meter->collections, chain->process);
		if (!row)
			return -ENOMEM;
		*unseen += chain->unseen;
		*too_early += chain->too_early;
		row->too_early += chain->too_early;
		for (int j = 0; j < ABI_GC_GENERATIONS; j++) {
			row->before[j] += chain->first[j];
			row->real[j] += chain->last[j] - chain->first[j];
			row->seen[j] += chain->seen[j];
		}
	}
	collections_sort(meter->collections);
	return 0;
}
