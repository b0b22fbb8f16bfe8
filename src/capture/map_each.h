/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a whole hash map of the kernel, many elements at a time. */
#ifndef PYBPFPROF_CAPTURE_MAP_EACH_H
#define PYBPFPROF_CAPTURE_MAP_EACH_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

typedef int (*map_each_fn)(void *arg, const void *key, const void *value);

/* Each element; a non-zero return ends it and is returned. 0 or -errno. */
int map_each(const struct bpf_map *map, map_each_fn on_element, void *arg);

/* How far a map has been read; zeroed: not at all. */
struct map_cursor {
	uint32_t batch; /* the kernel's own mark */
	bool begun;
	bool over;
};

/* As map_each(), of the next few thousand elements. What is there all the time is met once. */
int map_each_next(const struct bpf_map *map, struct map_cursor *cursor, map_each_fn on_element,
		  void *arg);

#endif
