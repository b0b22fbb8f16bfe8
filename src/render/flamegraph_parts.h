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

/*
 * The name of a view, "peak"; of several modes with that of its own, "memory peak" (`mode` NULL: there is one).
 */
void flamegraph_view_name(struct json_writer *json, const char *mode, const char *name);

/* The views of a mode, each an element of "views"; what was when, which the chart above the graph shows. */
void flamegraph_write_lifetime_views(struct json_writer *json, const struct profile *profile,
				     const struct render_options *options, const char *mode);
void flamegraph_write_lifetime_course(struct json_writer *json, const struct profile *profile,
				      const struct render_options *options);
void flamegraph_write_gc_views(struct json_writer *json, const struct profile *profile,
			       const struct render_options *options, const char *mode);
void flamegraph_write_gc_course(struct json_writer *json, const struct profile *profile);

#endif
