/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who holds whom: the references of a census walked once more. Forwards from the roots, breadth first, for the
 * shortest chain to an object and for what no chain leads to; or object by object, for who refers to
 * the ones asked for. What is found goes into the census.
 */
#ifndef PYBPFPROF_CLI_HEAP_GRAPH_H
#define PYBPFPROF_CLI_HEAP_GRAPH_H

#include "cli/heap_scan.h"

struct heap_graph;

/* All: after heap_scan_run(). 0, -ENOMEM, -ESRCH, or what the scan's `turn` said. */

/* --referrers: at most `limit` rows. */
int heap_graph_referrers(struct heap_scan *scan, uint32_t limit);

/* Follows every root. *out is to be freed whatever is returned. */
int heap_graph_build(struct heap_scan *scan, struct heap_graph **out);
void heap_graph_free(struct heap_graph *graph);
/* --path: at most `limit` shapes of chains. */
int heap_graph_paths(struct heap_graph *graph, uint32_t limit);
/* --retained: by type, what is in the collector's lists, but no root leads to. */
int heap_graph_retained(struct heap_graph *graph);

#endif
