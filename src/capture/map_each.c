// SPDX-License-Identifier: GPL-2.0-only
/* See map_each.h. */
#include "capture/map_each.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

enum { ELEMENTS_A_BATCH = 4096 };

struct batch {
	char *keys, *values;
	size_t key_bytes, value_bytes;
};

static int batch_make(struct batch *batch, const struct bpf_map *map)
{
	batch->key_bytes = bpf_map__key_size(map);
	batch->value_bytes = bpf_map__value_size(map);
	batch->keys = calloc(ELEMENTS_A_BATCH, batch->key_bytes);
	batch->values = calloc(ELEMENTS_A_BATCH, batch->value_bytes);
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static void batch_release(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
}

static int batch_read(const struct bpf_map *map, struct batch *batch, struct map_cursor *cursor,
		      map_each_fn on_element, void *arg)
{
	uint32_t count = ELEMENTS_A_BATCH;
	int error = bpf_map_lookup_batch(bpf_map__fd(map), cursor->begun ? &cursor->batch : NULL,
					 &cursor->batch, batch->keys, batch->values, &count, NULL);

	cursor->begun = true;
	cursor->over = error;
	/* -ENOENT: these are the last ones. */
	if (error == -ENOENT)
		error = 0;
	for (uint32_t i = 0; i < count && !error; i++)
		error = on_element(arg, batch->keys + i * batch->key_bytes,
				   batch->values + i * batch->value_bytes);
	return error;
}

int map_each_next(const struct bpf_map *map, struct map_cursor *cursor, map_each_fn on_element,
		  void *arg)
{
	struct batch batch = { 0 };
	int error = batch_make(&batch, map);

	if (!error)
		error = batch_read(map, &batch, cursor, on_element, arg);
	batch_release(&batch);
	return error;
}

int map_each(const struct bpf_map *map, map_each_fn on_element, void *arg)
{
	struct map_cursor cursor = { 0 };
	struct batch batch = { 0 };
	int error = batch_make(&batch, map);

	while (!error && !cursor.over)
		error = batch_read(map, &batch, &cursor, on_element, arg);
	batch_release(&batch);
	return error;
}
