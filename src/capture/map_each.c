// SPDX-License-Identifier: GPL-2.0-only
/* See map_each.h. */
#include "capture/map_each.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

enum { ELEMENTS_A_BATCH = 4096 };

int map_each(const struct bpf_map *map, map_each_fn on_element, void *arg)
{
	const size_t key_bytes = bpf_map__key_size(map), value_bytes = bpf_map__value_size(map);
	char *keys = calloc(ELEMENTS_A_BATCH, key_bytes);
	char *values = calloc(ELEMENTS_A_BATCH, value_bytes);
	uint32_t batch = 0, count;
	void *from = NULL;
	int error = 0;
	bool more = keys && values;

	if (!more)
		error = -ENOMEM;
	while (more) {
		count = ELEMENTS_A_BATCH;
		error = bpf_map_lookup_batch(bpf_map__fd(map), from, &batch, keys, values, &count,
					     NULL);
		/* -ENOENT: these are the last ones. */
		more = !error;
		if (error == -ENOENT)
			error = 0;
		for (uint32_t i = 0; i < count && !error; i++)
			error = on_element(arg, keys + i * key_bytes, values + i * value_bytes);
		from = &batch;
		more = more && !error;
	}
	free(keys);
	free(values);
	return error;
}
