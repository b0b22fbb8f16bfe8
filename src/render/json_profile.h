/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of -f json; what they share. Private to the files json*.c. */
#ifndef PYBPFPROF_RENDER_JSON_PROFILE_H
#define PYBPFPROF_RENDER_JSON_PROFILE_H

#include "render/json_writer.h"
#include "render/render.h"

/* A string of the profile; "" is null where `nullable`. */
void json_profile_text(struct json_writer *json, const char *key, const struct profile *profile,
		       uint32_t id, bool nullable);
/* The keys that tell a function from others: name, class, module, file, line. */
void json_function_keys(struct json_writer *json, const struct profile *profile, uint32_t id);
/* Everything in front of the functions: who was profiled, what was lost, what it cost. */
void json_write_head(struct json_writer *json, const struct profile *profile,
		     const struct render_options *options);

/* What the numbers are of: unit, samples; calls in all. Part of the head where there is one mode. */
void json_write_meaning(struct json_writer *json, const struct profile *profile);

/* "stacks": one for each of the sums. 0 or -ENOMEM. */
int json_write_stacks(struct json_writer *json, const struct profile *profile,
		      const struct profile_sum *sums, uint32_t count);

/*
 * --mode memory: functions, stacks, lines, threads, memory. The profile has memory. 0 or -ENOMEM.
 */
int json_write_memory(struct json_writer *json, const struct profile *profile,
		      const struct render_options *options);

/* --mode lifetime: stacks, lifetime. The profile has lifetimes. 0 or -ENOMEM. */
int json_write_lifetimes(struct json_writer *json, const struct profile *profile,
			 const struct render_options *options);

/* --mode gc: stacks, gc. The profile has collections. 0 or -ENOMEM. */
int json_write_gc(struct json_writer *json, const struct profile *profile,
		  const struct render_options *options);

/*
 * Exact calls: functions, then classes and threads (time), edges (callgraph), paths (--by tree).
 * The profile has calls. 0 or -ENOMEM.
 */
int json_write_calls(struct json_writer *json, const struct profile *profile,
		     const struct render_options *options);

#endif
