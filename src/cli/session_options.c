// SPDX-License-Identifier: GPL-2.0-only
/* See session_options.h. */
#include "cli/session_options.h"

#include <string.h>
#include <unistd.h>

#include "cli/run_modes.h"

/* Room for live blocks: buckets of the kernel's map cost 16 bytes each, used or not. */
enum {
	BLOCKS_MIN = 1 << 18,
	BLOCKS_MAX = 1 << 24,
	BLOCK_BUCKET_BYTES = 16,
	BLOCKS_MEMORY_PART = 200, /* of the machine's memory that they may take */
};

enum {
	/* The ring is drained when it can be half full at the worst, within these bounds. */
	DRAIN_MIN_MS = 10,
	DRAIN_MAX_MS = 200,
	DRAIN_EXACT_MS = 50, /* what comes with each call or allocation needs a large ring anyway */
	DRAIN_RING_BYTES = 1 << 20,
};

static uint32_t blocks_max_default(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint32_t blocks = BLOCKS_MIN;

	while (blocks < BLOCKS_MAX &&
	       2ull * blocks * BLOCK_BUCKET_BYTES <= bytes / BLOCKS_MEMORY_PART)
		blocks *= 2;
	return blocks;
}

/* Whether somebody looks at more of a stack than the line that was running. */
static bool wants_stacks(const struct config *config)
{
	if (config->modes & ~(1u << CONFIG_MODE_LIFETIME))
		return true;
	for (size_t i = 0; i < config->report_count; i++) {
		const char *name = config->reports[i].format;

		if (strcmp(name, "table") != 0 && strcmp(name, "json") != 0)
			return true;
	}
	return config->native;
}

void session_options_fill(const struct config *config, struct capture_options *options)
{
	*options = (struct capture_options){
		.families = 1u << PROBE_LIFECYCLE | 1u << PROBE_CODE | run_modes_families(config) |
			    (config->resident ? 1u << PROBE_RSS : 0),
		.min_size_bytes = config->min_size_bytes,
		.sample_bytes = config->sample_bytes,
		.blocks_max = config->max_blocks ? config->max_blocks : blocks_max_default(),
		.one_in = config->sample_one_in,
		.frames_max = wants_stacks(config) ? 0 : 1,
		.rate_hz = config->rate_hz,
		.native = config->native,
		.kernel = config->kernel,
		.cgroup_path = config->cgroup,
		.scope = config->all	? CAPTURE_ALL :
			 config->cgroup ? CAPTURE_CGROUP :
					  CAPTURE_TARGETS,
	};
}

int session_drain_period_ms(const struct config *config)
{
	uint64_t bytes_per_second = (uint64_t)config->rate_hz * sizeof(struct record_sample) *
				    (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t ms;

	/* The ring is sixteen times as large when stacks are copied, the records nine times. */
	ms = DRAIN_RING_BYTES * 1000ull / (bytes_per_second + 1);
	if (!config_has_part(config, PART_SAMPLES))
		return DRAIN_EXACT_MS;
	if (config_part_count(config) > 1 && ms > DRAIN_EXACT_MS)
		return DRAIN_EXACT_MS;
	if (ms < DRAIN_MIN_MS)
		return DRAIN_MIN_MS;
	return ms > DRAIN_MAX_MS ? DRAIN_MAX_MS : (int)ms;
}
