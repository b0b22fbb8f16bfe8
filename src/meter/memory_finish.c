// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a run: what the kernel's list of live blocks says, put beside what the events told. Where
 * the two differ something was lost, and the list is right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "meter/memory_private.h"

/* Upper ends of all ages but the last. */
static const uint64_t AGE_ENDS_NS[MEMORY_AGES - 1] = {
	1000000000ull,
	10000000000ull,
	60000000000ull,
	600000000000ull,
};

/* From here on where the run's halves meet, and how old things are, no longer moves. */
void memory_meter_end(struct memory_meter *meter, uint64_t end_ns)
{
	uint64_t end = meter_since_start(meter, end_ns), span_ns;

	if (meter->ended)
		return;
	meter->ended = true;
	meter->end_ns = end > meter->latest_ns ? end : meter->latest_ns;
	meter_span(meter, meter->end_ns);
	/* Births are known by spans: the end of a span that is nearest the middle. */
	span_ns = 1ull << meter->span_shift;
	meter->half_span = (meter->end_ns + span_ns) >> (meter->span_shift + 1);
}

static int meter_alive_reach(struct memory_meter *meter, uint32_t count)
{
	while (meter->alive_count < count) {
		if (GROW(meter->alive, meter->alive_capacity, meter->alive_count))
			return -ENOMEM;
		meter->alive[meter->alive_count++] =
			(struct meter_alive){ .oldest_ns = UINT64_MAX };
	}
	return 0;
}

/* When the site's process ended, or else the run did. */
static uint64_t meter_site_end(const struct memory_meter *meter, uint32_t site_index)
{
	if (site_index < meter->site_count && meter->sites[site_index].gone)
		return meter->sites[site_index].gone_ns;
	return meter->end_ns;
}

static struct meter_amount meter_alive_add(const struct memory_meter *meter,
					   struct meter_alive *alive, uint64_t born, uint64_t end,
					   uint64_t size)
{
	uint64_t age = end - born;
	unsigned int which = 0;
	double variance;
	struct meter_amount amount = meter_weigh(meter, size, &variance);

	meter_amount_add(&alive->live, &amount);
	alive->variance += variance;
	while (which < MEMORY_AGES - 1 && age >= AGE_ENDS_NS[which])
		which++;
	meter_amount_add(&alive->ages[which], &amount);
	if (born < alive->oldest_ns)
		alive->oldest_ns = born;
	return amount;
}

static bool meter_is_first_half(const struct memory_meter *meter, uint64_t born)
{
	return born >> meter->span_shift < meter->half_span;
}

int memory_meter_alive(struct memory_meter *meter, uint32_t site_index, uint64_t born_ns,
		       uint64_t size)
{
	uint64_t born = meter_since_start(meter, born_ns), end;
	struct meter_amount amount;

	memory_meter_end(meter, 0);
	if (meter_alive_reach(meter, site_index + 1))
		return -ENOMEM;
	end = meter_site_end(meter, site_index);
	born = born < end ? born : end;
	amount = meter_alive_add(meter, &meter->alive[site_index], born, end, size);
	if (meter_is_first_half(meter, born))
		meter_amount_add(&meter->alive[site_index].survivors, &amount);
	return 0;
}

/* ---- what ended processes had ---- */

/* Spans only become longer, so that where one began is enough to tell what half it is in. */
static struct meter_left *meter_left_of(struct memory_meter *meter, uint32_t site_index,
					uint64_t born)
{
	uint64_t span = born >> meter->span_shift, *slot;

	if (meter->left_index && meter->left_shift != meter->span_shift) {
		map64_free(meter->left_index);
		meter->left_index = NULL;
	}
	if (!meter->left_index)
		meter->left_index = map64_new();
	meter->left_shift = meter->span_shift;
	slot = meter->left_index ?
		       map64_slot(meter->left_index, map64_pair(site_index, span), NULL) :
		       NULL;
	if (!slot)
		return NULL;
	if (!*slot) {
		if (GROW(meter->left, meter->left_capacity, meter->left_count))
			return NULL;
		meter->left[meter->left_count++] = (struct meter_left){
			.site = site_index,
			.born_ns = span << meter->span_shift,
		};
		*slot = meter->left_count;
	}
	return &meter->left[*slot - 1];
}

int memory_meter_left(struct memory_meter *meter, uint32_t site_index, uint64_t born_ns,
		      uint64_t size, uint64_t ended_ns)
{
	uint64_t born = meter_since_start(meter, born_ns), end = meter_since_start(meter, ended_ns);
	struct meter_amount amount;
	struct meter_left *left;

	born = born < end ? born : end;
	left = meter_left_of(meter, site_index, born);
	if (!left || meter_alive_reach(meter, site_index + 1))
		return -ENOMEM;
	amount = meter_alive_add(meter, &meter->alive[site_index], born, end, size);
	meter_amount_add(&left->amount, &amount);
	return 0;
}

static void meter_left_finish(struct memory_meter *meter)
{
	for (uint32_t i = 0; i < meter->left_count; i++) {
		const struct meter_left *left = &meter->left[i];

		if (meter_is_first_half(meter, left->born_ns))
			meter_amount_add(&meter->alive[left->site].survivors, &left->amount);
	}
	meter->left_count = 0;
}

/* ---- the sums ---- */

/* Parts of blocks become blocks. */
static uint64_t whole(const struct memory_meter *meter, int64_t blocks)
{
	if (blocks <= 0)
		return 0;
	return (blocks + (1ll << meter->fraction_bits) / 2) >> meter->fraction_bits;
}

static struct memory_amount finished(const struct memory_meter *meter, struct meter_amount amount)
{
	return (struct memory_amount){
		.blocks = whole(meter, amount.blocks),
		.bytes = amount.bytes > 0 ? amount.bytes : 0,
	};
}

static int64_t larger(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

/* What must have been allocated, with all that was seen freed and all that is alive. */
static struct meter_amount meter_all_allocated(const struct meter_site *site,
					       const struct meter_alive *alive)
{
	struct meter_amount freed = {
		site->allocated.blocks - site->live.blocks,
		site->allocated.bytes - site->live.bytes,
	};

	return (struct meter_amount){
		larger(site->allocated.blocks, freed.blocks + alive->live.blocks),
		larger(site->allocated.bytes, freed.bytes + alive->live.bytes),
	};
}

/* How much of a peak was this site's. */
static struct meter_amount meter_site_peak(const struct memory_meter *meter,
					   const struct meter_site *site)
{
	if (site->peak_number == meter->peak_number)
		return site->peak;
	return site->gone ? (struct meter_amount){ 0, 0 } : site->live;
}

/*
 * A trend is worth nothing where frees were lost in numbers: a quarter of the growth it tells of is not
 * there.
 */
static void meter_doubt_trend(const struct meter_site *site, const struct meter_alive *alive,
			      double seconds, struct memory_trend *trend)
{
	double growth = trend->bytes_per_second * seconds;

	if (site->live.bytes - alive->live.bytes > growth / 4)
		trend->confidence = 0;
}

static void meter_finish_trend(struct memory_meter *meter, uint32_t site_index,
			       struct memory_site *out)
{
	const struct meter_site *site = &meter->sites[site_index];
	uint64_t span_ns = 1ull << meter->span_shift;
	uint32_t end = meter_site_end(meter, site_index) >> meter->span_shift;

	memset(&out->trend, 0, sizeof(out->trend));
	/* What has nothing in the end does not leak. */
	if (!site->history.started || !meter->alive[site_index].live.bytes)
		return;
	history_trend(&site->history, end, site->live.bytes, span_ns, &out->trend);
	if (out->trend.confidence > 0)
		meter_doubt_trend(site, &meter->alive[site_index],
				  out->trend.points * (span_ns / 1e9), &out->trend);
}

static void meter_finish_alive(const struct memory_meter *meter, uint32_t site_index,
			       struct memory_site *out)
{
	const struct meter_alive *alive = &meter->alive[site_index];

	out->amounts[MEMORY_VIEW_LIVE] = finished(meter, alive->live);
	for (unsigned int i = 0; i < MEMORY_AGES; i++)
		out->ages[i] = finished(meter, alive->ages[i]);
	out->survivors = finished(meter, alive->survivors);
	out->live_variance = alive->variance;
	out->oldest_ns = 0;
	if (alive->oldest_ns < meter_site_end(meter, site_index))
		out->oldest_ns = meter_site_end(meter, site_index) - alive->oldest_ns;
}

static void meter_finish_site(struct memory_meter *meter, uint32_t site_index,
			      struct memory_site *out)
{
	struct meter_site *site = &meter->sites[site_index];
	struct memory_amount allocated =
		finished(meter, meter_all_allocated(site, &meter->alive[site_index]));
	const struct memory_amount *live = &out->amounts[MEMORY_VIEW_LIVE];

	meter_finish_alive(meter, site_index, out);
	out->amounts[MEMORY_VIEW_ALLOCATED] = allocated;
	out->freed.blocks = allocated.blocks - live->blocks;
	out->freed.bytes = allocated.bytes - live->bytes;
	out->amounts[MEMORY_VIEW_TEMPORARY] = finished(meter, site->temporary);
	out->amounts[MEMORY_VIEW_PEAK] = finished(meter, meter_site_peak(meter, site));
	out->resized = whole(meter, site->resized);
	out->allocated_variance = site->allocated_variance;
	out->first_half_blocks =
		whole(meter, history_born_before(&site->history, meter->half_span));
	if (out->first_half_blocks < out->survivors.blocks)
		out->first_half_blocks = out->survivors.blocks;
	histogram_release(&out->sizes);
	out->sizes = site->sizes;
	memset(&site->sizes, 0, sizeof(site->sizes));
	meter_finish_trend(meter, site_index, out);
}

/* More is alive than ever was told: allocations were lost, and the peak is now. */
static void meter_raise_peak(struct memory_meter *meter)
{
	struct memory *memory = meter->memory;
	int64_t live = 0;

	for (uint32_t i = 0; i < meter->memory->site_count; i++)
		live += meter->sites[i].gone ? 0 : meter->alive[i].live.bytes;
	if (live <= meter->peak_bytes)
		return;
	memory->peak_at_ns = meter->end_ns;
	for (uint32_t i = 0; i < memory->site_count; i++) {
		struct memory_amount *amounts = memory->sites[i].amounts;

		memset(&amounts[MEMORY_VIEW_PEAK], 0, sizeof(amounts[MEMORY_VIEW_PEAK]));
		if (!meter->sites[i].gone)
			amounts[MEMORY_VIEW_PEAK] = amounts[MEMORY_VIEW_LIVE];
	}
}

int memory_meter_finish(struct memory_meter *meter, uint64_t end_ns)
{
	struct memory *memory = meter->memory;

	memory_meter_end(meter, end_ns);
	if (meter_sites_reach(meter, memory->site_count) ||
	    meter_alive_reach(meter, memory->site_count))
		return -ENOMEM;
	meter_left_finish(meter);
	for (uint32_t i = 0; i < memory->site_count; i++)
		meter_finish_site(meter, i, &memory->sites[i]);
	memory->peak_at_ns = meter->peak_ns;
	meter_raise_peak(meter);
	return memory_sum(memory);
}
