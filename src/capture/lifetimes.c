// SPDX-License-Identifier: GPL-2.0-only
/* See capture.h: what the kernel side keeps of objects and their classes. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "capture/capture_private.h"
#include "capture/map_each.h"

enum { SWEEP_PART = 2 /* of the room: then those that have ended are taken out */ };

struct object_visit {
	capture_object_fn on_object;
	void *arg;
};

static int object_visit(void *arg, const void *key, const void *value)
{
	const struct object_visit *visit = arg;

	return visit->on_object(visit->arg, key, value);
}

int capture_lifetime_objects(struct capture *capture, capture_object_fn on_object, void *arg)
{
	struct object_visit visit = { on_object, arg };

	return map_each(capture->skeleton->maps.lifetime_objects, object_visit, &visit);
}

bool capture_lifetime_is_crowded(const struct capture *capture)
{
	const struct pybpfprof_bpf__bss *bss = capture->skeleton->bss;

	return bss->lifetime_kept - bss->lifetime_swept >= capture->options.blocks_max / SWEEP_PART;
}

struct taking {
	capture_object_fn on_object;
	void *arg;
	struct lifetime_object_key *keys;
	size_t count, capacity;
};

static int object_take(void *arg, const void *key, const void *value)
{
	struct taking *taking = arg;
	struct lifetime_object_key *keys = taking->keys;
	int taken;

	if (taking->count == taking->capacity) {
		taking->capacity = taking->capacity ? 2 * taking->capacity : 4096;
		keys = reallocarray(keys, taking->capacity, sizeof(*keys));
		if (!keys)
			return -ENOMEM;
		taking->keys = keys;
	}
	taken = taking->on_object(taking->arg, key, value);
	if (taken <= 0)
		return taken;
	keys[taking->count++] = *(const struct lifetime_object_key *)key;
	return 0;
}

int capture_lifetime_take(struct capture *capture, capture_object_fn on_object, void *arg)
{
	const struct bpf_map *map = capture->skeleton->maps.lifetime_objects;
	struct taking taking = { .on_object = on_object, .arg = arg };
	int error = map_each(map, object_take, &taking);

	for (size_t i = 0; i < taking.count; i++) {
		if (!bpf_map_delete_elem(bpf_map__fd(map), &taking.keys[i]))
			__atomic_fetch_add(&capture->skeleton->bss->lifetime_swept, 1,
					   __ATOMIC_SEQ_CST);
	}
	free(taking.keys);
	return error;
}

int capture_lifetime_sweep(struct capture *capture, uint64_t before_ns)
{
	struct pybpfprof_bpf__bss *bss = capture->skeleton->bss;
	LIBBPF_OPTS(bpf_test_run_opts, options);

	bss->lifetime_sweep_before_ns = before_ns;
	return bpf_prog_test_run_opts(bpf_program__fd(capture->skeleton->progs.lifetime__sweep),
				      &options);
}

int capture_lifetime_class(struct capture *capture, const struct lifetime_class_key *key,
			   const struct lifetime_class_value *value)
{
	int error = bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.lifetime_classes), key,
					value, BPF_ANY);

	/* What threads remember of classes is looked up anew. */
	__atomic_fetch_add(&capture->skeleton->bss->lifetime_class_ends, 1, __ATOMIC_SEQ_CST);
	return error;
}
