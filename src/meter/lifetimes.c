// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life by life. What ends counts as made in the span of the timeline where it was made, however late it
 * is told.
 */
#include "meter/lifetimes.h"

#include <errno.h>
#include <stdlib.h>

struct lifetime_meter {
	struct lifetimes *lifetimes;
	uint64_t start_ns;
	uint64_t latest_ns; /* since the start: that anything was told of */
	bool out_of_memory;
};

struct lifetime_meter *lifetime_meter_new(struct lifetimes *lifetimes, uint64_t start_ns)
{
	struct lifetime_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->lifetimes = lifetimes;
	meter->start_ns = start_ns;
	return meter;
}

void lifetime_meter_free(struct lifetime_meter *meter)
{
	if (!meter)
		return;
	free(meter);
}

static uint64_t since_start(const struct lifetime_meter *meter, uint64_t time_ns)
{
	return time_ns > meter->start_ns ? time_ns - meter->start_ns : 0;
}

/* Sums stay where they are beyond counting. */
static void add_saturated(uint64_t *sum, uint64_t value, uint64_t times)
{
	uint64_t product;

	if (__builtin_mul_overflow(value, times, &product) ||
	    __builtin_add_overflow(*sum, product, sum))
		*sum = UINT64_MAX;
}

static uint64_t weight_of(const struct lifetime_meter *meter, const struct lifetime_class *row)
{
	return row->sampled ? meter->lifetimes->sample_one_in : 1;
}

/* ---- the timeline ---- */

static uint32_t sum_of_spans(uint32_t one, uint32_t other)
{
	return one > UINT32_MAX - other ? UINT32_MAX : one + other;
}

static void spans_halve(struct lifetime_span *spans)
{
	for (int i = 0; i < LIFETIME_SPANS / 2; i++) {
		const struct lifetime_span *pair = &spans[2 * i];

		spans[i] = (struct lifetime_span){
			.created = sum_of_spans(pair[0].created, pair[1].created),
			.destroyed = sum_of_spans(pair[0].destroyed, pair[1].destroyed),
		};
	}
	for (int i = LIFETIME_SPANS / 2; i < LIFETIME_SPANS; i++)
		spans[i] = (struct lifetime_span){ 0 };
}

/* The span of a time since the start, once there is one. */
static uint32_t span_of(struct lifetimes *lifetimes, uint64_t since_ns)
{
	while (since_ns / lifetimes->span_ns >= LIFETIME_SPANS) {
		for (uint32_t i = 0; i < lifetimes->class_count; i++)
			spans_halve(lifetimes->classes[i].spans);
		lifetimes->span_ns *= 2;
	}
	return since_ns / lifetimes->span_ns;
}

static void timeline_add(struct lifetime_meter *meter, struct lifetime_class *row,
			 uint64_t since_ns, bool destroyed)
{
	struct lifetime_span *span = &row->spans[span_of(meter->lifetimes, since_ns)];
	uint32_t *count = destroyed ? &span->destroyed : &span->created;
	uint64_t weight = weight_of(meter, row);

	*count = sum_of_spans(*count, weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight);
	if (since_ns > meter->latest_ns)
		meter->latest_ns = since_ns;
}

/* ---- ends ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void count_before(struct lifetime_class *row, uint64_t weight, uint64_t age_ns)
{
	row->destroyed_before += weight;
	if (age_ns < row->before_age_min_ns)
		row->before_age_min_ns = age_ns;
	if (age_ns > row->before_age_max_ns)
		row->before_age_max_ns = age_ns;
}

static void count_site(struct lifetime_site *site, const struct lifetime_end *end, uint64_t weight,
		       uint64_t age_ns)
{
	site->created += weight;
	site->destroyed += weight;
	site->created_bytes += end->bytes * weight;
	site->destroyed_bytes += end->bytes * weight;
	site->by_collector += end->by_collector ? weight : 0;
	add_saturated(&site->age_sum_ns, age_ns, weight);
}

void lifetime_meter_ended(struct lifetime_meter *meter, const struct lifetime_end *end)
{
	struct lifetime_class *row = &meter->lifetimes->classes[end->class_index];
	uint64_t born_ns = since_start(meter, end->born_ns);
	uint64_t died_ns = since_start(meter, end->died_ns);
	uint64_t weight = weight_of(meter, row), age_ns;

	if (end->by_collector)
		row->by_collector += weight;
	timeline_add(meter, row, died_ns, true);
	if (!end->born_ns) {
		count_before(row, weight,
			     died_ns - smaller(since_start(meter, end->since_ns), died_ns));
		return;
	}
	/* Clocks of two CPUs may differ by a little. */
	age_ns = died_ns > born_ns ? died_ns - born_ns : 0;
	timeline_add(meter, row, born_ns, false);
	row->created += weight;
	row->destroyed += weight;
	row->created_bytes += end->bytes * weight;
	row->destroyed_bytes += end->bytes * weight;
	if (histogram_add(&row->ages, age_ns))
		meter->out_of_memory = true;
	if (age_ns < row->age_min_ns)
		row->age_min_ns = age_ns;
	if (age_ns > row->age_max_ns)
		row->age_max_ns = age_ns;
	add_saturated(&row->age_sum_ns, age_ns, weight);
	if (end->site != UINT32_MAX)
		count_site(&meter->lifetimes->sites[end->site], end, weight, age_ns);
}

void lifetime_meter_again(struct lifetime_meter *meter, uint32_t class_index)
{
	struct lifetime_class *row = &meter->lifetimes->classes[class_index];

	row->again += weight_of(meter, row);
}

static unsigned int age_class(uint64_t age_ns)
{
	unsigned int i = 0;

	while (i < LIFETIME_AGES - 1 && age_ns >= lifetime_age_limits_ns[i])
		i++;
	return i;
}

void lifetime_meter_alive(struct lifetime_meter *meter, const struct lifetime_end *alive)
{
	struct lifetime_class *row = &meter->lifetimes->classes[alive->class_index];
	uint64_t born_ns = since_start(meter, alive->born_ns);
	uint64_t until_ns = since_start(meter, alive->died_ns);
	uint64_t weight = weight_of(meter, row);
	uint64_t age_ns = until_ns > born_ns ? until_ns - born_ns : 0;
	struct lifetime_site *site;

	timeline_add(meter, row, born_ns, false);
	row->created += weight;
	row->created_bytes += alive->bytes * weight;
	if (histogram_add(&row->live_ages, age_ns))
		meter->out_of_memory = true;
	row->live_by_age[age_class(age_ns)] += weight;
	if (age_ns > row->live_age_max_ns)
		row->live_age_max_ns = age_ns;
	add_saturated(&row->live_age_sum_ns, age_ns, weight);
	if (alive->site == UINT32_MAX)
		return;
	site = &meter->lifetimes->sites[alive->site];
	site->created += weight;
	site->created_bytes += alive->bytes * weight;
	add_saturated(&site->live_age_sum_ns, age_ns, weight);
}

/* ---- the end ---- */

/*
 * No probe told of its makings: how many there were follows from the ends and the censuses. Which of those
 * that ended were there before does not; that what is young ends first is the better guess, and what is
 * new and alive is then just what the class grew by. When it was made is not known of any of them, so
 * nothing is known of ages either.
 */
static void balance(struct lifetime_class *row)
{
	uint64_t ended = row->destroyed + row->destroyed_before;

	row->before_age_min_ns = UINT64_MAX;
	row->before_age_max_ns = 0;
	if (row->census_start == LIFETIME_UNKNOWN || row->census_end == LIFETIME_UNKNOWN)
		return;
	row->created = ended + row->census_end > row->census_start ?
			       ended + row->census_end - row->census_start :
			       0;
	row->destroyed = row->created < ended ? row->created : ended;
	row->destroyed_before = ended - row->destroyed;
}

static void sum_up(struct lifetimes *lifetimes)
{
	lifetimes->created = lifetimes->destroyed = 0;
	lifetimes->destroyed_before = lifetimes->by_collector = 0;
	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		struct lifetime_class *row = &lifetimes->classes[i];

		/* Told of even one making, it is counted as what is told. */
		if (row->births == LIFETIME_BIRTHS_NONE && !row->created)
			balance(row);
		lifetimes->created += row->created;
		lifetimes->destroyed += row->destroyed;
		lifetimes->destroyed_before += row->destroyed_before;
		lifetimes->by_collector += row->by_collector;
	}
}

int lifetime_meter_finish(struct lifetime_meter *meter, uint64_t end_ns)
{
	struct lifetimes *lifetimes = meter->lifetimes;
	uint64_t run_ns = since_start(meter, end_ns);

	if (run_ns < meter->latest_ns)
		run_ns = meter->latest_ns;
	if (meter->out_of_memory)
		return -ENOMEM;
	lifetimes->span_count = span_of(lifetimes, run_ns) + 1;
	sum_up(lifetimes);
	return 0;
}
