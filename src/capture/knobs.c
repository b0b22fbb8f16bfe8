// SPDX-License-Identifier: GPL-2.0-only
/* See knobs.h. The linker gathers every family's knobs in .rodata; BTF's DATASEC lists them. */
#include "capture/knobs.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

static int knob_write(void *to, size_t size, uint64_t value)
{
	if (size < 8 && value >> (8 * size))
		return -ERANGE;
	memcpy(to, &value, size); /* little-endian: the low bytes come first */
	return 0;
}

static struct bpf_map *knob_map(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		size_t length = strlen(name);

		if (length >= 7 && !strcmp(name + length - 7, ".rodata"))
			return map;
	}
	return NULL;
}

int knob_set(struct bpf_object *object, const char *name, uint64_t value)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map = knob_map(object);
	int section_id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section;
	const struct btf_var_secinfo *variable;
	size_t bytes = 0;
	char *values;

	if (!map || section_id < 0)
		return -ENOENT;
	/* Constant in its type only: before loading this is where skeletons write, too. */
	values = (char *)bpf_map__initial_value(map, &bytes);
	section = btf__type_by_id(btf, section_id);
	variable = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) != 0)
			continue;
		if (!values || variable->offset + variable->size > bytes || variable->size > 8)
			return -EINVAL;
		return knob_write(values + variable->offset, variable->size, value);
	}
	return -ENOENT;
}
