/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a site's live bytes went, in few numbers however long the run: its time is cut into at most 32
 * equal spans, the same for all sites; when there would be more, each two become one. For each span
 * the least that was alive is kept: what comes and goes within it is not seen, what stays is.
 *
 * A site whose events are all of one span, as most are, has no table.
 */
#ifndef PYBPFPROF_METER_MEMORY_HISTORY_H
#define PYBPFPROF_METER_MEMORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "model/memory_trend.h"

enum { HISTORY_SPANS = MEMORY_TREND_READINGS };

struct history_table {
	int64_t low_bytes[HISTORY_SPANS];   /* of spans that are over, while the site was known */
	int64_t born_blocks[HISTORY_SPANS]; /* allocated, chains of reallocs by their beginning */
};

/* Of one site. Zeroed: nothing happened yet. */
struct history {
	uint8_t span; /* it is in: of its latest event */
	uint8_t first_span;
	bool started;
	int64_t low_bytes;	     /* of the span it is in */
	int64_t born_blocks;	     /* in the span it is in; more may be in the table */
	struct history_table *table; /* owned, or NULL */
};

/*
 * It is in `span` now, with live_bytes from before: for when history_is_in() is false. A span that is over
 * already is not gone back to. 0 or -ENOMEM.
 */
int history_enter(struct history *history, uint32_t span, int64_t live_bytes);
/* Blocks that began in `span`, of history_enter() or before; negative: taken back. */
int history_add_born(struct history *history, uint32_t span, int64_t blocks);
/* Each two spans become one. */
void history_halve(struct history *history);
/* Blocks that began before `span`. */
int64_t history_born_before(const struct history *history, uint32_t span);
/*
 * The trend, where spans up to `end` are over and live_bytes is what there is since the latest event. The
 * span in which the site came up is left out.
 */
void history_trend(const struct history *history, uint32_t end, int64_t live_bytes,
		   uint64_t span_ns, struct memory_trend *out);
void history_release(struct history *history);

static inline bool history_is_in(const struct history *history, uint32_t span)
{
	return history->started && history->span >= span;
}

static inline void history_see(struct history *history, int64_t live_bytes)
{
	if (live_bytes < history->low_bytes)
		history->low_bytes = live_bytes;
}

#endif
