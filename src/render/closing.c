// SPDX-License-Identifier: GPL-2.0-only
/* The lines around the numbers. */
#include "render/closing.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "model/drops.h"
#include "model/parts.h"
#include "render/format.h"

#define DOT " \xc2\xb7 "

enum {
	/* Sampled and measured CPU time may differ by so much before we say a word. */
	CLOSING_TOLERATED_PPM = 50000,
	CLOSING_TOLERATED_PERIODS = 10,
};

uint64_t closing_cpu_ns(const struct profile *profile)
{
	uint64_t cpu_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++)
		cpu_ns += profile->processes[i].cpu_ns;
	return cpu_ns;
}

uint64_t closing_rate_hz(const struct profile *profile)
{
	if (!profile->period_ns)
		return 0;
	return (1000000000 + profile->period_ns / 2) / profile->period_ns;
}

void closing_sum_calls(const struct profile *profile, struct closing_calls *out)
{
	const struct calls *calls = profile->calls;

	*out = (struct closing_calls){ 0 };
	for (uint32_t i = 0; i < calls->function_count; i++) {
		const struct call_function *function = &calls->functions[i];

		out->calls += function->times.calls;
		out->primitive += function->times.calls - function->recursive_calls;
		out->self_ns += function->times.self_ns;
		out->cpu_self_ns += function->times.cpu_self_ns;
	}
}

static uint64_t closing_value(const struct profile *profile)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < profile->sum_count; i++)
		value += profile->sums[i].value;
	return value;
}

/* Whether sampled and measured CPU time can be compared: not once samples were filtered away. */
static bool closing_is_comparable(const struct profile *profile,
				  const struct render_options *options)
{
	return profile->unit == UNIT_NS && profile->period_ns && !profile->calls &&
	       !options->glob_count && closing_cpu_ns(profile);
}

static void closing_append_text(struct buffer *out, const struct profile *profile, uint32_t id)
{
	text_append_safe(out, profile_text(profile, id), intern_length(profile->strings, id));
}

void closing_append_targets(struct buffer *out, const struct profile *profile, uint32_t limit)
{
	uint32_t shown = profile->process_count;

	/* A last line of "1 more" would take the room of the one. */
	if (limit && shown > limit)
		shown = limit - 1;
	for (uint32_t i = 0; i < shown; i++) {
		const struct profile_process *process = &profile->processes[i];

		closing_append_text(out, profile, process->command);
		buffer_printf(out, "%spid %u", process->command ? DOT : "", process->pid);
		if (process->python) {
			buffer_string(out, DOT "CPython ");
			closing_append_text(out, profile, process->python);
		}
		if (profile->calls && process->probes) {
			buffer_string(out, DOT "probes: ");
			closing_append_text(out, profile, process->probes);
		}
		if (profile->memory)
			closing_append_memory_target(out, profile, i);
		buffer_byte(out, '\n');
	}
	if (shown < profile->process_count)
		buffer_printf(out, "\xe2\x80\xa6 %u more processes: --by process shows all\n",
			      profile->process_count - shown);
}

static void closing_append_calls(struct buffer *out, const struct profile *profile)
{
	struct closing_calls sum;

	closing_sum_calls(profile, &sum);
	closing_append_text(out, profile, profile->mode);
	buffer_string(out, DOT);
	format_ns(out, profile->duration_ns);
	buffer_printf(out, DOT "%" PRIu64 " call%s", sum.calls, sum.calls == 1 ? "" : "s");
	if (sum.primitive != sum.calls)
		buffer_printf(out, " (%" PRIu64 " primitive)", sum.primitive);
	buffer_string(out, DOT);
	format_ns(out, sum.self_ns);
	buffer_string(out, " wall" DOT);
	format_ns(out, sum.cpu_self_ns);
	buffer_string(out, " CPU\n");
}

/* Of several modes, one line each. */
static void closing_append_summaries(struct buffer *out, const struct profile *profile,
				     const struct render_options *options)
{
	for (enum profile_part part = 0; part < PART_COUNT; part++) {
		struct profile view;

		if (!profile_has_part(profile, part))
			continue;
		profile_part_view(profile, part, &view);
		closing_append_summary(out, &view, options);
	}
}

void closing_append_summary(struct buffer *out, const struct profile *profile,
			    const struct render_options *options)
{
	if (profile->answer_count) {
		closing_append_summaries(out, profile, options);
		return;
	}
	if (profile->memory) {
		closing_append_memory_summary(out, profile);
		return;
	}
	if (profile->lifetimes) {
		closing_append_lifetime_summary(out, profile);
		return;
	}
	if (profile->collections) {
		closing_append_gc_summary(out, profile);
		return;
	}
	if (profile->calls) {
		closing_append_calls(out, profile);
		return;
	}
	closing_append_text(out, profile, profile->mode);
	buffer_string(out, DOT);
	format_ns(out, profile->duration_ns);
	buffer_printf(out, DOT "%" PRIu64 " sample%s", profile->sample_count,
		      profile->sample_count == 1 ? "" : "s");
	if (profile->period_ns)
		buffer_printf(out, " at %" PRIu64 " Hz", closing_rate_hz(profile));
	if (closing_is_comparable(profile, options)) {
		buffer_string(out, DOT "sampled ");
		format_ns(out, closing_value(profile));
		buffer_string(out, " of ");
		format_ns(out, closing_cpu_ns(profile));
		buffer_string(out, " CPU");
	}
	buffer_byte(out, '\n');
}

static void closing_append_drops(struct buffer *out, const struct profile *profile)
{
	for (unsigned int i = 0; i < DROP_COUNT; i++) {
		uint64_t count = drop_is_lost(i) ? profile->lost[i] : profile->partial[i];

		if (!count || !drop_words(i))
			continue;
		buffer_printf(out, "%s: %" PRIu64 " %s: %s\n",
			      drop_is_lost(i) ? "lost" : "incomplete", count,
			      drop_is_lost(i) ? (count == 1 ? "record" : "records") :
						(count == 1 ? "stack" : "stacks"),
			      drop_words(i));
	}
}

/* Samples that add up to clearly more or less than the scheduler counted. */
static void closing_append_mismatch(struct buffer *out, const struct profile *profile,
				    const struct render_options *options)
{
	uint64_t sampled_ns = closing_value(profile), cpu_ns = closing_cpu_ns(profile);
	uint64_t apart_ns = sampled_ns > cpu_ns ? sampled_ns - cpu_ns : cpu_ns - sampled_ns;

	if (!closing_is_comparable(profile, options) ||
	    apart_ns <= CLOSING_TOLERATED_PERIODS * profile->period_ns ||
	    format_ppm(apart_ns, cpu_ns) <= CLOSING_TOLERATED_PPM)
		return;
	buffer_string(out, "note: the samples stand for ");
	format_ns(out, sampled_ns);
	buffer_string(out, " where the scheduler counted ");
	format_ns(out, cpu_ns);
	buffer_string(out, " of CPU: ");
	format_share(out, apart_ns, cpu_ns);
	buffer_string(out, sampled_ns > cpu_ns ? " too much\n" : " was not sampled\n");
}

/* What the probes cost, and where that went. */
static void closing_append_probes(struct buffer *out, const struct profile *profile)
{
	const struct calls *calls = profile->calls;
	/* Of several modes those of the others are in the cost above, not here. */
	uint64_t hits = profile->answer_count ? calls->probe_hits : profile->cost.hits;

	buffer_printf(out, "probes: %" PRIu64 " hit%s", hits, hits == 1 ? "" : "s");
	if (!calls->probe_hit_ns) {
		buffer_string(out, " of a cost not known: it is in the times above\n");
	} else {
		buffer_string(out, ", about ");
		format_ns(out, calls->probe_hit_ns);
		buffer_string(out, " each");
		if (calls->stepped_hits) {
			buffer_printf(out, ", and %" PRIu64 " of them ", calls->stepped_hits);
			format_ns(out, calls->stepped_hit_ns);
		}
		buffer_string(out, ": ");
		if (calls->raw) {
			buffer_string(out, "left in the times above (--raw)\n");
		} else {
			format_ns(out, calls->compensated_ns);
			buffer_string(out, " taken out of the times above\n");
		}
	}
	if (calls->observed_share > 0 && calls->observed_share < 1) {
		buffer_string(out, "duty: the probes were in for ");
		format_share(out, (uint64_t)(calls->observed_share * 1000000 + 0.5), 1000000);
		buffer_string(out, " of the time: counts and times are of those windows\n");
	}
	if (calls->resynchronised)
		buffer_printf(out,
			      "note: after a loss %" PRIu64 " thread%s taken up anew: the calls in "
			      "between are missing\n",
			      calls->resynchronised,
			      calls->resynchronised == 1 ? " was" : "s were");
}

static void closing_append_early_end(struct buffer *out, const struct profile *profile)
{
	const struct profile_cost *cost = &profile->cost;

	buffer_string(out, "note: the probes were taken away ");
	if (cost->stopped_after_ns) {
		buffer_string(out, "after ");
		format_ns(out, cost->stopped_after_ns);
	} else {
		buffer_string(out, "early");
	}
	buffer_string(out, ": ");
	if (cost->stop_reason)
		closing_append_text(out, profile, cost->stop_reason);
	else
		buffer_string(out, "they cost more than --max-overhead allows");
	if (profile->answer_count)
		buffer_string(out, "; so was everything else, and the run ended; what was seen "
				   "until then is in the numbers, but what was alive then may "
				   "have ended since; --max-overhead none lifts the limit, fewer "
				   "modes cost less\n");
	else if (profile->memory)
		buffer_string(out, "; what was seen until then is in the numbers, but what was "
				   "alive may have been freed since; to see more: --sample 512k "
				   "costs less, --max-overhead none lifts the limit\n");
	else if (profile->lifetimes)
		buffer_string(out, "; what was seen until then is in the numbers, but what was "
				   "alive then may have ended since; --max-overhead none lifts "
				   "the limit\n");
	else if (profile->collections)
		buffer_string(out, "; what was seen until then is exact, --max-overhead none lifts "
				   "the limit\n");
	else
		buffer_string(out,
			      "\n      what was seen until then is exact; to see more: --duty "
			      "keeps within the limit,\n      --max-overhead none lifts it, --mode "
			      "cpu samples at hardly any cost\n");
}

void closing_append_cost(struct buffer *out, const struct profile *profile,
			 const struct render_options *options)
{
	uint64_t partial = profile_partial_total(profile);
	bool estimated =
		(profile->calls || profile->memory || profile->lifetimes || profile->collections) &&
		profile->cost.target_ns;
	struct profile samples;

	/* Of probes only their hits are counted: what one costs was measured beforehand. */
	buffer_string(out, estimated ? "cost: about " : "cost: ");
	format_share(out, profile->cost.target_ns, closing_cpu_ns(profile));
	buffer_printf(out, " of the target%s, ", profile->process_count > 1 ? "s" : "");
	format_share(out, profile->cost.profiler_cpu_ns, profile->duration_ns);
	buffer_printf(
		out, " of a core for pybpfprof" DOT "%" PRIu64 " lost" DOT "%" PRIu64 " unresolved",
		profile_lost_total(profile), profile->unresolved);
	if (partial)
		buffer_printf(out, DOT "%" PRIu64 " incomplete", partial);
	buffer_byte(out, '\n');
	closing_append_drops(out, profile);
	if (profile_has_part(profile, PART_SAMPLES)) {
		profile_part_view(profile, PART_SAMPLES, &samples);
		closing_append_mismatch(out, &samples, options);
	}
	if (profile->answer_count && (profile->calls || profile_has_part(profile, PART_SAMPLES)))
		buffer_string(out, "note: what the probes of one mode cost is in the times that "
				   "another shows\n");
	if (profile->calls)
		closing_append_probes(out, profile);
	if (profile->memory)
		closing_append_memory_notes(out, profile);
	if (profile->lifetimes)
		closing_append_lifetime_notes(out, profile);
	if (profile->collections)
		closing_append_gc_notes(out, profile);
	if (profile->cost.stopped_early)
		closing_append_early_end(out, profile);
}
