/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a whole hash map of the kernel, many elements at a time. */
#ifndef PYBPFPROF_CAPTURE_MAP_EACH_H
#define PYBPFPROF_CAPTURE_MAP_EACH_H

#include <bpf/libbpf.h>

typedef int (*map_each_fn)(void *arg, const void *key, const void *value);

/* Each element; a non-zero return ends it and is returned. 0 or -errno. */
int map_each(const struct bpf_map *map, map_each_fn on_element, void *arg);

#endif
