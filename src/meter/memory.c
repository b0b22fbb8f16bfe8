// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event by event. A site's part in the peak is not copied when the peak rises, which it does with nearly
 * every event of a program that grows, but when the site changes for the first time after it: so
 * a peak of all sites costs no event more than a copy of one.
 */
#include "meter/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/grow.h"
#include "meter/memory_private.h"

enum {
	/* Blocks that stand for others come in parts; so many that 10^14 still fit. */
	FRACTION_BITS = 16,
	/* A millisecond: runs of 16 ms and more have 16 spans at least. */
	FIRST_SPAN_SHIFT = 20,
};

struct memory_meter *memory_meter_new(struct memory *memory, uint64_t start_ns)
{
	struct memory_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->memory = memory;
	meter->start_ns = start_ns;
	meter->fraction_bits = memory->sample_bytes ? FRACTION_BITS : 0;
	meter->span_shift = FIRST_SPAN_SHIFT;
	meter->peak_number = 1;
	return meter;
}

void memory_meter_free(struct memory_meter *meter)
{
	if (!meter)
		return;
	for (uint32_t i = 0; i < meter->site_count; i++) {
		history_release(&meter->sites[i].history);
		histogram_release(&meter->sites[i].sizes);
	}
	free(meter->sites);
	free(meter->alive);
	free(meter->left);
	map64_free(meter->left_index);
	free(meter);
}

/* Blocks in parts of 2^-16, bytes rounded: the same for a size whenever it is asked. */
struct meter_amount meter_weigh(const struct memory_meter *meter, uint64_t size, double *variance)
{
	struct meter_amount exact = { 1ll << meter->fraction_bits, size };
	double probability, bytes;

	*variance = 0;
	/* No sample point is in a block of no bytes: it stands for itself. */
	if (!meter->memory->sample_bytes || !size)
		return exact;
	probability = -expm1(-(double)size / meter->memory->sample_bytes);
	bytes = size / probability;
	*variance = bytes * bytes * (1 - probability);
	return (struct meter_amount){ llround((1 << FRACTION_BITS) / probability), llround(bytes) };
}

uint64_t meter_since_start(const struct memory_meter *meter, uint64_t time_ns)
{
	return time_ns > meter->start_ns ? time_ns - meter->start_ns : 0;
}

uint32_t meter_span(struct memory_meter *meter, uint64_t since_ns)
{
	while (since_ns >> meter->span_shift >= HISTORY_SPANS) {
		for (uint32_t i = 0; i < meter->site_count; i++)
			history_halve(&meter->sites[i].history);
		meter->span_shift++;
	}
	return since_ns >> meter->span_shift;
}

int meter_sites_reach(struct memory_meter *meter, uint32_t count)
{
	while (meter->site_count < count) {
		if (GROW(meter->sites, meter->site_capacity, meter->site_count))
			return -ENOMEM;
		meter->sites[meter->site_count++] = (struct meter_site){ 0 };
	}
	return 0;
}

/* The site, ready for a change at that time. NULL: out of memory. */
static struct meter_site *meter_site_at(struct memory_meter *meter, uint32_t site_index,
					uint64_t since_ns)
{
	uint32_t span = meter_span(meter, since_ns);
	struct meter_site *site;

	if (site_index >= meter->site_count && meter_sites_reach(meter, site_index + 1))
		return NULL;
	site = &meter->sites[site_index];
	if (!history_is_in(&site->history, span) &&
	    history_enter(&site->history, span, site->live.bytes))
		return NULL;
	if (site->peak_number != meter->peak_number) {
		site->peak_number = meter->peak_number;
		site->peak = site->gone ? (struct meter_amount){ 0, 0 } : site->live;
	}
	if (since_ns > meter->latest_ns)
		meter->latest_ns = since_ns;
	return site;
}

/* When a block came up that something happens to now. */
static uint32_t meter_born_span(struct memory_meter *meter, uint64_t born_ns, uint64_t since_ns)
{
	uint64_t born = meter_since_start(meter, born_ns);

	return meter_span(meter, born < since_ns ? born : since_ns);
}

static void meter_see_peak(struct memory_meter *meter, uint64_t since_ns)
{
	if (meter->live.bytes > meter->point_peak_bytes)
		meter->point_peak_bytes = meter->live.bytes;
	/* Of equal peaks the first. */
	if (meter->live.bytes <= meter->peak_bytes)
		return;
	meter->peak_bytes = meter->live.bytes;
	meter->peak_ns = since_ns;
	meter->peak_number++;
}

/* Where every block is recorded, a size counts once; else as many times as whole blocks came together. */
static int meter_count_size(const struct memory_meter *meter, struct meter_site *site,
			    uint64_t size, int64_t blocks)
{
	unsigned int bits = meter->fraction_bits;
	int64_t before = site->allocated.blocks;

	if (!bits)
		return histogram_add(&site->sizes, size);
	return histogram_add_many(&site->sizes, size,
				  ((before + blocks) >> bits) - (before >> bits));
}

int memory_meter_allocated(struct memory_meter *meter, uint32_t site_index, uint64_t time_ns,
			   uint64_t born_ns, uint64_t size, bool resized)
{
	uint64_t since_ns = meter_since_start(meter, time_ns);
	struct meter_site *site = meter_site_at(meter, site_index, since_ns);
	struct meter_amount amount;
	double variance;

	if (!site)
		return -ENOMEM;
	amount = meter_weigh(meter, size, &variance);
	if (history_add_born(&site->history, meter_born_span(meter, born_ns, since_ns),
			     amount.blocks) ||
	    meter_count_size(meter, site, size, amount.blocks))
		return -ENOMEM;
	meter_amount_add(&site->allocated, &amount);
	meter_amount_add(&site->live, &amount);
	site->allocated_variance += variance;
	if (resized)
		site->resized += amount.blocks;
	if (site->gone)
		return 0;
	meter_amount_add(&meter->live, &amount);
	meter_see_peak(meter, since_ns);
	return 0;
}

static bool meter_is_temporary(const struct memory *memory, const struct memory_free *freed)
{
	uint64_t age_ns = freed->time_ns > freed->born_ns ? freed->time_ns - freed->born_ns : 0;

	if (freed->resized)
		return false;
	return (memory->temporary_distance && freed->distance != UINT32_MAX &&
		freed->distance <= memory->temporary_distance) ||
	       (memory->temporary_ns && age_ns <= memory->temporary_ns);
}

int memory_meter_freed(struct memory_meter *meter, uint32_t site_index,
		       const struct memory_free *freed)
{
	uint64_t since_ns = meter_since_start(meter, freed->time_ns);
	struct meter_site *site = meter_site_at(meter, site_index, since_ns);
	struct meter_amount amount, less;
	uint32_t born_span;
	double variance;

	if (!site)
		return -ENOMEM;
	amount = meter_weigh(meter, freed->size, &variance);
	less = (struct meter_amount){ -amount.blocks, -amount.bytes };
	if (freed->resized) {
		/* A chain of reallocs goes on elsewhere, and is counted there. */
		born_span = meter_born_span(meter, freed->born_ns, since_ns);
		if (history_add_born(&site->history, born_span, less.blocks))
			return -ENOMEM;
	}
	if (meter_is_temporary(meter->memory, freed))
		meter_amount_add(&site->temporary, &amount);
	meter_amount_add(&site->live, &less);
	history_see(&site->history, site->live.bytes);
	if (!site->gone)
		meter_amount_add(&meter->live, &less);
	return 0;
}

void memory_meter_failed(struct memory_meter *meter, uint32_t site_index)
{
	meter->memory->sites[site_index].failed++;
}

int memory_meter_gone(struct memory_meter *meter, uint32_t site_index, uint64_t time_ns)
{
	uint64_t since_ns = meter_since_start(meter, time_ns);
	struct meter_site *site = meter_site_at(meter, site_index, since_ns);

	if (!site)
		return -ENOMEM;
	if (site->gone)
		return 0;
	site->gone = true;
	site->gone_ns = since_ns;
	meter->live.blocks -= site->live.blocks;
	meter->live.bytes -= site->live.bytes;
	return 0;
}

static uint64_t meter_positive(int64_t value)
{
	return value > 0 ? value : 0;
}

int memory_meter_tick(struct memory_meter *meter, uint64_t time_ns, uint64_t resident_bytes)
{
	struct memory_point point = {
		.time_ns = meter_since_start(meter, time_ns),
		.live_bytes = meter_positive(meter->live.bytes),
		.resident_bytes = resident_bytes,
		.peak_bytes = meter_positive(meter->point_peak_bytes),
	};

	meter_span(meter, point.time_ns);
	if (point.time_ns > meter->latest_ns)
		meter->latest_ns = point.time_ns;
	memory_add_point(meter->memory, &point);
	meter->point_peak_bytes = meter->live.bytes;
	return 0;
}

struct memory_amount memory_meter_live(const struct memory_meter *meter)
{
	return (struct memory_amount){
		.blocks = meter_positive(meter->live.blocks) >> meter->fraction_bits,
		.bytes = meter_positive(meter->live.bytes),
	};
}
