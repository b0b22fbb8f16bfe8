/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From records of collections to struct collections. Each record carries its collector's own counters, which
 * count every collection once: they are the records' sequence numbers. What is missing between two records,
 * or between the last one and what was read from the process at the end, was not seen, and counted.
 */
#ifndef PYBPFPROF_METER_COLLECTIONS_H
#define PYBPFPROF_METER_COLLECTIONS_H

#include <stdint.h>

#include "model/collections.h"
#include "pybpfprof/abi.h"

struct collection_meter;

/* `collections` must outlive it; times count from start_ns. NULL: out of memory. */
struct collection_meter *collection_meter_new(struct collections *collections, uint64_t start_ns);
void collection_meter_free(struct collection_meter *meter); /* takes NULL */

/*
 * What a collector of the process `serial` (row `process` of the profile) had counted when its probes were
 * in. One of which this is not told before its first record had counted what that one says. 0 or -ENOMEM.
 */
int collection_meter_before(struct collection_meter *meter, uint32_t serial, uint32_t process,
			    uint64_t collector, const struct gc_counts *counts);
/* A child begins with what its parent's collectors have counted by then. 0 or -ENOMEM. */
int collection_meter_fork(struct collection_meter *meter, uint32_t parent_serial, uint32_t serial);
/* A record, of that row; `site` is where it began. 0 or -ENOMEM. */
int collection_meter_ended(struct collection_meter *meter, const struct record_gc *record,
			   uint32_t process, uint32_t site);
/* What the collector had counted when it was read last. 0 or -ENOMEM. */
int collection_meter_after(struct collection_meter *meter, uint32_t serial, uint32_t process,
			   uint64_t collector, const struct gc_counts *counts);

/*
 * Nothing more comes: fills what the processes' rows know. *unseen: how many collections there were that no
 * record told; *too_early: how many had begun before their start could be seen. 0 or -ENOMEM.
 */
int collection_meter_finish(struct collection_meter *meter, uint64_t *unseen, uint64_t *too_early);

#endif
