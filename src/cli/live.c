// SPDX-License-Identifier: GPL-2.0-only
/* The live line: "12.3 s of 30 s · 198/s · 0 lost · cost 0.02 % of the target, 0.4 % of a core". */
#include "cli/live.h"

#include "base/log.h"

#define LIVE_INTERVAL_NS 250000000ull

static void append_share(struct buffer *out, uint64_t part, uint64_t whole, const char *of)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;

	buffer_printf(out, percent < 10 ? "%.2g %%%s" : "%.0f %%%s", percent, of);
}

/* Calls come by the million, samples by the hundred. */
static void append_rate(struct buffer *out, double per_second, bool exact)
{
	const char *of = exact ? " events/s" : "/s";

	if (per_second >= 1e6)
		buffer_printf(out, " · %.2fM%s", per_second / 1e6, of);
	else if (per_second >= 1e5)
		buffer_printf(out, " · %.0fk%s", per_second / 1e3, of);
	else
		buffer_printf(out, per_second < 10 ? " · %.1f%s" : " · %.0f%s", per_second, of);
}

static void append_elapsed(struct buffer *out, uint64_t time_ns)
{
	uint64_t tenths = time_ns / 100000000u;
	uint64_t seconds = tenths / 10;

	if (seconds < 60)
		buffer_printf(out, "%u.%u s", (unsigned int)seconds, (unsigned int)(tenths % 10));
	else if (seconds < 3600)
		buffer_printf(out, "%u:%02u min", (unsigned int)(seconds / 60),
			      (unsigned int)(seconds % 60));
	else
		buffer_printf(out, "%u:%02u:%02u h", (unsigned int)(seconds / 3600),
			      (unsigned int)(seconds / 60 % 60), (unsigned int)(seconds % 60));
}

void live_append(struct buffer *out, const struct live *live, const struct live_counts *counts)
{
	append_elapsed(out, counts->elapsed_ns);
	if (counts->duration_ns) {
		buffer_string(out, " of ");
		append_elapsed(out, counts->duration_ns);
	}
	append_rate(out, (double)live->rate_milli_hz / 1000, counts->exact);
	buffer_printf(out, " · %llu lost", (unsigned long long)counts->lost);
	buffer_string(out, " · cost ");
	if (counts->target_cpu_ns)
		append_share(out, counts->target_cost_ns, counts->target_cpu_ns,
			     " of the target, ");
	append_share(out, counts->profiler_cpu_ns, counts->elapsed_ns, " of a core");
}

void live_update(struct live *live, const struct live_counts *counts)
{
	uint64_t interval_ns = counts->elapsed_ns - live->shown.elapsed_ns;
	struct buffer line;

	if (counts->elapsed_ns < live->shown.elapsed_ns || interval_ns < LIVE_INTERVAL_NS)
		return;
	live->rate_milli_hz = (uint64_t)((double)(counts->samples - live->shown.samples) * 1e12 /
					 (double)interval_ns);
	live->shown = *counts;

	buffer_init(&line);
	live_append(&line, live, counts);
	if (!buffer_error(&line))
		log_live("%s", line.bytes);
	buffer_release(&line);
}

void live_end(const struct live *live)
{
	if (live->shown.elapsed_ns)
		log_live(NULL);
}
