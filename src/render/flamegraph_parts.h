/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that write the flame graph's data share. Private to flamegraph*.c. */
#ifndef PYBPFPROF_RENDER_FLAMEGRAPH_PARTS_H
#define PYBPFPROF_RENDER_FLAMEGRAPH_PARTS_H

#include "render/json_writer.h"
#include "render/render.h"

/* A string as the page shows it: controls visible, nothing that reorders what stands around it. */
void flamegraph_text(struct json_writer *json, const char *key, const char *bytes, size_t length);
/* The next number of an array; breaks its lines, for editors choke on one of megabytes. */
void flamegraph_number(struct json_writer *json, uint64_t number, uint32_t index);

/* --mode lifetime: the views, and what was alive of the largest classes over time. */
void flamegraph_write_lifetimes(struct json_writer *json, const struct profile *profile,
				const struct render_options *options);

/* --mode gc: the views, and the collector's share of time over time. */
void flamegraph_write_gc(struct json_writer *json, const struct profile *profile,
			 const struct render_options *options);

#endif
