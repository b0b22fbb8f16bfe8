// SPDX-License-Identifier: GPL-2.0-only
/* See capture.h: what the kernel side keeps of objects and their classes. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "capture/capture_private.h"

enum {
	OBJECTS_A_BATCH = 4096,
	SWEEP_PART = 2, /* of the room: then those that have ended are taken out */
};

int capture_lifetime_objects(struct capture *capture, capture_object_fn on_object, void *arg)
{
	const int fd = bpf_map__fd(capture->skeleton->maps.lifetime_objects);
	struct lifetime_object_key *keys = calloc(OBJECTS_A_BATCH, sizeof(*keys));
	struct lifetime_object *objects = calloc(OBJECTS_A_BATCH, sizeof(*objects));
	uint32_t batch = 0, count;
	void *from = NULL;
	int error = 0;
	bool more = keys && objects;

	if (!more)
		error = -ENOMEM;
	while (more) {
		count = OBJECTS_A_BATCH;
		error = bpf_map_lookup_batch(fd, from, &batch, keys, objects, &count, NULL);
		/* -ENOENT: these are the last ones. */
		more = !error;
		if (error == -ENOENT)
			error = 0;
		for (uint32_t i = 0; i < count && !error; i++)
			error = on_object(arg, &keys[i], &objects[i]);
		from = &batch;
		more = more && !error;
	}
	free(keys);
	free(objects);
	return error;
}

int capture_lifetime_sweep(struct capture *capture, uint64_t before_ns)
{
	struct pybpfprof_bpf__bss *bss = capture->skeleton->bss;
	LIBBPF_OPTS(bpf_test_run_opts, options);

	if (bss->lifetime_kept - bss->lifetime_swept < capture->options.blocks_max / SWEEP_PART)
		return 0;
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
