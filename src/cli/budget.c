// SPDX-License-Identifier: GPL-2.0-only
/* See budget.h. */
#include "cli/budget.h"

enum { CPU_KNOWN_NS = 1000000 /* CPU time of which a share can be told at all */ };

static double clamp(double value, double low, double high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

double budget_share(const struct budget_reading *from, const struct budget_reading *to)
{
	if (to->cpu_ns <= from->cpu_ns || to->cost_ns <= from->cost_ns)
		return 0;
	return (double)(to->cost_ns - from->cost_ns) / (double)(to->cpu_ns - from->cpu_ns);
}

uint64_t budget_hits_ns(uint64_t hits, uint64_t stepped, uint32_t hit_ns, uint32_t stepped_ns)
{
	/* They are counted by CPU, and read while they grow. */
	if (stepped > hits)
		hits = stepped;
	return (hits - stepped) * (hit_ns ? hit_ns : BUDGET_HIT_GUESS_NS) +
	       stepped * (stepped_ns ? stepped_ns : BUDGET_STEPPED_GUESS_NS);
}

/* ---- the limit ---- */

void budget_init(struct budget *budget, double limit_percent, const struct budget_reading *start)
{
	*budget = (struct budget){
		.limit = limit_percent / 100,
		.look_ns = start->time_ns + BUDGET_LOOK_NS,
		.last = *start,
		.before = *start,
	};
}

bool budget_look(struct budget *budget, const struct budget_reading *now)
{
	bool over;

	budget->look_ns = now->time_ns + BUDGET_LOOK_NS;
	if (now->cpu_ns < budget->last.cpu_ns + BUDGET_CPU_NS)
		return false;
	over = budget_share(&budget->last, now) > budget->limit;
	if (over && budget->was_over)
		return true;
	budget->was_over = over;
	budget->before = budget->last;
	budget->last = *now;
	return false;
}

/* ---- windows ---- */

void duty_init(struct duty *duty, double limit_percent, const struct budget_reading *start)
{
	*duty = (struct duty){
		.limit = limit_percent / 100,
		.in = true,
		.look_ns = start->time_ns + DUTY_WINDOW_FIRST_NS,
		.window_ns = DUTY_WINDOW_FIRST_NS,
		.last = *start,
		.changed = *start,
		.window_start_ns = start->time_ns,
	};
}

/* What a window would cost more than it earns. */
static double window_price_ns(const struct duty *duty)
{
	double price_ns = (duty->share - duty->limit) * duty->cpus * (double)duty->window_ns;

	return price_ns > 0 ? price_ns : 0;
}

static double toggle_price_ns(const struct duty *duty)
{
	return (double)duty->in_cost_ns + (double)duty->out_cost_ns;
}

static void window_size(struct duty *duty)
{
	double rate = duty->share * duty->cpus;
	double wanted_ns = DUTY_WINDOW_MAX_NS;

	if (rate * DUTY_WINDOW_MAX_NS > DUTY_TOGGLES_PER_WINDOW * toggle_price_ns(duty))
		wanted_ns = DUTY_TOGGLES_PER_WINDOW * toggle_price_ns(duty) / rate;
	duty->window_ns = (uint64_t)clamp(wanted_ns, DUTY_WINDOW_MIN_NS, DUTY_WINDOW_MAX_NS);
}

/* Books what happened since the last look. */
static void duty_book(struct duty *duty, const struct budget_reading *now)
{
	double time_ns = (double)(now->time_ns - duty->changed.time_ns);
	double cpu_ns = (double)(now->cpu_ns - duty->changed.cpu_ns);
	double savings_ns = duty->limit * DUTY_SAVINGS_NS;

	duty->earned_ns += duty->limit * (double)(now->cpu_ns - duty->last.cpu_ns) -
			   (double)(now->cost_ns - duty->last.cost_ns);
	duty->last = *now;
	if (time_ns > 0 && cpu_ns >= CPU_KNOWN_NS)
		duty->cpus = cpu_ns / time_ns;
	if (duty->in && cpu_ns >= CPU_KNOWN_NS)
		duty->share = budget_share(&duty->changed, now);
	/* Else a window that costs more than that would never come. */
	if (savings_ns < window_price_ns(duty) + toggle_price_ns(duty))
		savings_ns = window_price_ns(duty) + toggle_price_ns(duty);
	if (duty->earned_ns > savings_ns)
		duty->earned_ns = savings_ns;
}

static enum duty_step look_in(struct duty *duty, const struct budget_reading *now)
{
	if (now->time_ns < duty->changed.time_ns + duty->window_ns) {
		duty->look_ns = duty->changed.time_ns + duty->window_ns;
		return DUTY_STAY;
	}
	if (duty->earned_ns < window_price_ns(duty))
		return DUTY_OUT;
	/* One more window, at whose end the share is that window's own. */
	duty->changed = *now;
	window_size(duty);
	duty->look_ns = now->time_ns + duty->window_ns;
	return DUTY_STAY;
}

static enum duty_step look_out(struct duty *duty, const struct budget_reading *now)
{
	double missing_ns = window_price_ns(duty) + toggle_price_ns(duty) - duty->earned_ns;
	double wait_ns = DUTY_LOOK_MAX_NS;

	if (missing_ns <= 0 && now->time_ns >= duty->changed.time_ns + DUTY_PAUSE_MIN_NS)
		return DUTY_IN;
	if (missing_ns <= 0)
		wait_ns = (double)(duty->changed.time_ns + DUTY_PAUSE_MIN_NS - now->time_ns);
	else if (duty->cpus > 0)
		wait_ns = missing_ns / (duty->limit * duty->cpus);
	duty->look_ns = now->time_ns + (uint64_t)clamp(wait_ns, DUTY_LOOK_MIN_NS, DUTY_LOOK_MAX_NS);
	return DUTY_STAY;
}

enum duty_step duty_look(struct duty *duty, const struct budget_reading *now)
{
	duty_book(duty, now);
	return duty->in ? look_in(duty, now) : look_out(duty, now);
}

void duty_changed(struct duty *duty, bool in, uint64_t boundary_ns, uint64_t cost_ns,
		  const struct budget_reading *now)
{
	duty_book(duty, now);
	duty->in = in;
	duty->changed = *now;
	duty->earned_ns -= (double)cost_ns;
	window_size(duty);
	if (in) {
		duty->in_cost_ns = cost_ns;
		duty->window_start_ns = boundary_ns;
		duty->look_ns = now->time_ns + duty->window_ns;
		return;
	}
	duty->out_cost_ns = cost_ns;
	duty->windows_ns += boundary_ns - duty->window_start_ns;
	duty->window_count++;
	duty->look_ns = now->time_ns + DUTY_PAUSE_MIN_NS;
}

double duty_observed(const struct duty *duty, uint64_t start_ns, uint64_t end_ns)
{
	uint64_t in_ns = duty->windows_ns;

	if (end_ns <= start_ns)
		return 1;
	if (duty->in && end_ns > duty->window_start_ns)
		in_ns += end_ns - duty->window_start_ns;
	return clamp((double)in_ns / (double)(end_ns - start_ns), 0, 1);
}
