// SPDX-License-Identifier: GPL-2.0-only
/* See memory_history.h. */
#include "meter/memory_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int history_need_table(struct history *history)
{
	if (!history->table)
		history->table = calloc(1, sizeof(*history->table));
	return history->table ? 0 : -ENOMEM;
}

int history_enter(struct history *history, uint32_t span, int64_t live_bytes)
{
	int err;

	if (!history->started) {
		history->started = true;
		history->first_span = span;
		history->span = span;
		history->low_bytes = live_bytes;
		return 0;
	}
	if (span <= history->span)
		return 0;
	err = history_need_table(history);
	if (err)
		return err;
	history->table->low_bytes[history->span] = history->low_bytes;
	history->table->born_blocks[history->span] += history->born_blocks;
	for (uint32_t i = history->span + 1u; i < span; i++)
		history->table->low_bytes[i] = live_bytes;
	history->span = span;
	history->low_bytes = live_bytes;
	history->born_blocks = 0;
	return 0;
}

int history_add_born(struct history *history, uint32_t span, int64_t blocks)
{
	int err;

	if (span >= history->span) {
		history->born_blocks += blocks;
		return 0;
	}
	err = history_need_table(history);
	if (!err)
		history->table->born_blocks[span] += blocks;
	return err;
}

static void history_halve_table(struct history *history)
{
	struct history_table *table = history->table;
	uint32_t half = HISTORY_SPANS / 2;

	/* The span it is in has no low in the table yet; the one before may become part of it. */
	if (history->span % 2)
		history_see(history, table->low_bytes[history->span - 1]);
	for (uint32_t i = 0; i < half; i++) {
		int64_t one = table->low_bytes[2 * i], other = table->low_bytes[2 * i + 1];

		table->low_bytes[i] = one < other ? one : other;
		table->born_blocks[i] = table->born_blocks[2 * i] + table->born_blocks[2 * i + 1];
	}
	memset(&table->low_bytes[half], 0, half * sizeof(table->low_bytes[0]));
	memset(&table->born_blocks[half], 0, half * sizeof(table->born_blocks[0]));
}

void history_halve(struct history *history)
{
	if (history->table)
		history_halve_table(history);
	history->first_span /= 2;
	history->span /= 2;
}

int64_t history_born_before(const struct history *history, uint32_t span)
{
	int64_t blocks = history->span < span ? history->born_blocks : 0;

	for (uint32_t i = 0; history->table && i < span && i < HISTORY_SPANS; i++)
		blocks += history->table->born_blocks[i];
	return blocks;
}

void history_trend(const struct history *history, uint32_t end, int64_t live_bytes,
		   uint64_t span_ns, struct memory_trend *out)
{
	double readings[HISTORY_SPANS];
	uint32_t count = 0;

	for (uint32_t i = history->first_span + 1u; i < end && i < HISTORY_SPANS; i++) {
		int64_t low = live_bytes;

		if (i == history->span)
			low = history->low_bytes;
		else if (i < history->span && history->table)
			low = history->table->low_bytes[i];
		readings[count++] = low < 0 ? 0 : low;
	}
	memory_trend_make(readings, count, span_ns / 1e9, out);
}

void history_release(struct history *history)
{
	free(history->table);
	memset(history, 0, sizeof(*history));
}
