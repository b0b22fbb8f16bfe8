// SPDX-License-Identifier: GPL-2.0-only
/* Memory in words. */
#include "render/memory_words.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "model/memory_trend.h"
#include "render/format.h"

/* Growth below this is told by the hour. */
#define SLOW_BYTES_PER_SECOND 1024

void memory_append_text(struct buffer *out, const struct profile *profile, uint32_t id)
{
	text_append_safe(out, profile_text(profile, id), intern_length(profile->strings, id));
}

void memory_append_count(struct buffer *out, uint64_t count)
{
	if (count >= 1000) {
		memory_append_count(out, count / 1000);
		buffer_printf(out, ",%03u", (unsigned int)(count % 1000));
	} else {
		buffer_printf(out, "%u", (unsigned int)count);
	}
}

void memory_append_counted(struct buffer *out, uint64_t count, const char *noun)
{
	memory_append_count(out, count);
	buffer_printf(out, " %s%s", noun,
		      count == 1		    ? "" :
		      noun[strlen(noun) - 1] == 's' ? "es" :
						      "s");
}

void memory_append_bytes(struct buffer *out, uint64_t bytes)
{
	format_value(out, UNIT_BYTES, bytes);
}

void memory_append_error(struct buffer *out, uint64_t error_bytes)
{
	if (!error_bytes)
		return;
	buffer_string(out, " \xc2\xb1 ");
	memory_append_bytes(out, error_bytes);
}

void memory_append_temporary(struct buffer *out, const struct memory *memory)
{
	buffer_string(out, "freed within ");
	if (memory->temporary_distance)
		memory_append_counted(out, memory->temporary_distance, "allocation");
	if (memory->temporary_distance && memory->temporary_ns)
		buffer_string(out, " or ");
	if (memory->temporary_ns)
		format_ns(out, memory->temporary_ns);
}

const char *memory_view_words(enum memory_view view)
{
	static const char *const words[MEMORY_VIEW_COUNT] = {
		[MEMORY_VIEW_PEAK] = "alive at the peak", [MEMORY_VIEW_LIVE] = "alive at the end",
		[MEMORY_VIEW_ALLOCATED] = "allocated",	  [MEMORY_VIEW_TEMPORARY] = "temporary",
		[MEMORY_VIEW_RESIDENT] = "made resident", [MEMORY_VIEW_FAULTED] = "page faults",
		[MEMORY_VIEW_MAPPED] = "mapped",	  [MEMORY_VIEW_ARENAS] = "arenas taken",
	};

	return words[view];
}

double memory_growth_seconds(double bytes_per_second)
{
	return fabs(bytes_per_second) < SLOW_BYTES_PER_SECOND ? 3600 : 1;
}

void memory_append_growth(struct buffer *out, double bytes_per_second, double seconds)
{
	double bytes = fabs(bytes_per_second) * seconds + 0.5;

	if (bytes >= 1 && bytes_per_second < 0)
		buffer_byte(out, '-');
	memory_append_bytes(out, bytes < 0x1p63 ? (uint64_t)bytes : 1ull << 63);
}

void memory_append_confidence(struct buffer *out, const struct memory_trend *trend)
{
	/* Rounded down: what is sure is never shown as more than that. */
	unsigned int permille = (unsigned int)(trend->confidence * 1000);

	if (trend->points < MEMORY_TREND_ENOUGH)
		buffer_string(out, "-");
	else if (trend->bytes_per_second <= 0 || !permille)
		buffer_string(out, "no");
	else if (permille >= 990)
		buffer_printf(out, "99.%u %%", permille >= 999 ? 9 : permille % 10);
	else
		buffer_printf(out, "%u %%", permille / 10);
}

uint64_t memory_view_error(const struct memory_sum *sum, enum memory_view view)
{
	const struct memory_amount *allocated = &sum->amounts[MEMORY_VIEW_ALLOCATED];
	double share;

	switch (view) {
	case MEMORY_VIEW_LIVE:
		return memory_error_bytes(sum->live_variance);
	case MEMORY_VIEW_ALLOCATED:
		return memory_error_bytes(sum->allocated_variance);
	case MEMORY_VIEW_PEAK:
	case MEMORY_VIEW_TEMPORARY:
		break;
	default:
		return 0; /* counted, not estimated */
	}
	if (!allocated->bytes)
		return 0;
	share = (double)sum->amounts[view].bytes / (double)allocated->bytes;
	return memory_error_bytes(sum->allocated_variance * share);
}

const struct memory_process *memory_process_at(const struct profile *profile, uint32_t process)
{
	const struct memory *memory = profile->memory;

	return memory && process < memory->process_count ? &memory->processes[process] : NULL;
}

void memory_append_signal(struct buffer *out, int number)
{
	const char *name = sigabbrev_np(number);

	if (name)
		buffer_printf(out, "SIG%s", name);
	else
		buffer_printf(out, "signal %d", number);
}

bool memory_append_end(struct buffer *out, const struct profile *profile, uint32_t id)
{
	const struct profile_process *process = &profile->processes[id];
	const struct memory_process *memory = memory_process_at(profile, id);
	int status = process->exit_status;

	if (!process->exited)
		return false;
	if (!WIFSIGNALED(status)) {
		buffer_printf(out, "exited with status %d", WEXITSTATUS(status));
		return true;
	}
	buffer_string(out, "killed by ");
	memory_append_signal(out, WTERMSIG(status));
	if (memory && memory->oom_killed)
		buffer_string(out, " (out of memory)");
	return true;
}

bool memory_misses_objects(const struct memory_process *process)
{
	bool pymalloc = process->pools_start.known || process->pools_end.known;

	switch (process->coverage) {
	case MEMORY_COVERAGE_NONE:
		return pymalloc;
	case MEMORY_COVERAGE_WHOLE:
		return false;
	case MEMORY_COVERAGE_INLINED:
	case MEMORY_COVERAGE_UNKNOWN:
		return true;
	}
	return false;
}

bool memory_has_gap(const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);

	return process && (process->refusal || process->note || memory_misses_objects(process));
}

void memory_append_gap(struct buffer *out, const struct profile *profile, uint32_t id)
{
	const struct memory_process *process = memory_process_at(profile, id);

	buffer_printf(out, "pid %u: ", profile->processes[id].pid);
	if (process->refusal) {
		buffer_string(out, "its allocations are not seen: ");
		memory_append_text(out, profile, process->refusal);
		return;
	}
	if (process->note) {
		memory_append_text(out, profile, process->note);
	} else if (process->coverage == MEMORY_COVERAGE_INLINED) {
		buffer_string(out,
			      "this build has CPython's object allocator inlined: objects of up "
			      "to 512 bytes are not seen one by one, larger ones are");
	} else if (process->coverage == MEMORY_COVERAGE_UNKNOWN) {
		buffer_string(out, "whether all objects of up to 512 bytes were seen is not known");
	} else {
		buffer_string(out, "objects of up to 512 bytes are in CPython's own arenas, not in "
				   "these numbers (see --allocator object)");
	}
	if (process->coverage == MEMORY_COVERAGE_INLINED && process->coverage_share >= 0) {
		buffer_string(out, "; about ");
		format_share(out, (uint64_t)(process->coverage_share * 1000000 + 0.5), 1000000);
		buffer_string(out, " of what they did was seen");
	}
}
