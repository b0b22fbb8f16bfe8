/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends of objects, and what is alive when all is over, into model/lifetimes.h. An object's making is not told
 * by itself: who ends says when and where it was made, who does not is alive at the end.
 */
#ifndef PYBPFPROF_METER_LIFETIMES_H
#define PYBPFPROF_METER_LIFETIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/lifetimes.h"

struct lifetime_meter;

/* `lifetimes` must outlive it. Times are CLOCK_MONOTONIC ns. NULL: out of memory. */
struct lifetime_meter *lifetime_meter_new(struct lifetimes *lifetimes, uint64_t start_ns);
void lifetime_meter_free(struct lifetime_meter *meter); /* takes NULL */

/* One whole life, or the end of one. */
struct lifetime_end {
	uint64_t born_ns; /* 0: its making was not seen */
	/* Then: it was there, or is only known to have been made, since; 0: the start of the run. */
	uint64_t since_ns;
	uint64_t died_ns;
	uint64_t bytes;
	uint32_t class_index;
	uint32_t site; /* UINT32_MAX: its making was not seen */
	bool by_collector;
};

/* Times may come in any order, and before the start: then they count as the start. */
void lifetime_meter_ended(struct lifetime_meter *meter, const struct lifetime_end *end);
/* It had ended already. */
void lifetime_meter_again(struct lifetime_meter *meter, uint32_t class_index);
/* Alive when watching it ended, at `died_ns`: the end of the run, or of its process. */
void lifetime_meter_alive(struct lifetime_meter *meter, const struct lifetime_end *alive);
/* All were told: sums. 0; -ENOMEM: also of any call before. */
int lifetime_meter_finish(struct lifetime_meter *meter, uint64_t end_ns);

#endif
