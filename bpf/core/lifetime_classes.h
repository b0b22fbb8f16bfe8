/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Classes whose objects are followed, by the address of their type: those that end in subtype_dealloc() are
 * met here first, those of C's are put in by user space.
 */
#ifndef PYBPFPROF_BPF_LIFETIME_CLASSES_H
#define PYBPFPROF_BPF_LIFETIME_CLASSES_H

#include "core/emit.h"
#include "python/read.h"

enum {
	/* Of a PyTypeObject, the same in every version (Include/cpython/object.h). */
	TYPE_NAME = 24,
	TYPE_SIZES = 32, /* tp_basicsize, tp_itemsize, tp_dealloc */
	TYPE_FLAGS = 168,
	TYPE_FLAG_HEAP = 1 << 9,
	LIFETIME_CLASS_MEMOS = 16, /* that a thread remembers; a power of two */
};

/* What a thread remembers of a class. */
struct lifetime_class_memo {
	__u64 type;
	__u64 ends; /* lifetime_class_ends while which it holds */
	struct lifetime_class_value class;
	__u32 serial; /* 0: nothing is remembered */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, struct lifetime_class_key);
	__type(value, struct lifetime_class_value);
} lifetime_classes SEC(".maps") __weak;

__u32 lifetime_next_class_id __weak;
/* Classes that have ended, or were changed by user space: what threads remember is then stale. */
__u64 lifetime_class_ends __weak;

/* `probe` is one that knows where subtype_dealloc() lies: all do. */
static __noinline int lifetime_class_learn(__u64 type, __u64 subtype_dealloc, __u32 serial)
{
	struct lifetime_class_key key = { .type = type, .serial = serial };
	struct lifetime_class_value value = {};
	struct record_class record = { .type = type };
	__u64 sizes[3], flags, name;

	if (read_user(sizes, sizeof(sizes), type + TYPE_SIZES) ||
	    read_user(&flags, 8, type + TYPE_FLAGS))
		return 1;
	if (flags & TYPE_FLAG_HEAP && sizes[2] == subtype_dealloc) {
		value.class_id = __sync_fetch_and_add(&lifetime_next_class_id, 1) + 1;
		value.bytes = sizes[0];
		value.item_bytes = sizes[1];
		if (!read_user(&name, 8, type + TYPE_NAME))
			bpf_probe_read_user_str(record.name, sizeof(record.name),
						(const void *)name);
		record.class_id = value.class_id;
		header_fill(&record.header, RECORD_CLASS, bpf_ktime_get_ns(), serial);
		/* At once: its module is read from the process, which may end soon. */
		if (emit_now(&record, sizeof(record)))
			return 1;
	}
	if (bpf_map_update_elem(&lifetime_classes, &key, &value, BPF_ANY)) {
		drop(DROP_LIFETIME_TABLE_FULL);
		return 1;
	}
	return 0;
}

/* NULL: it cannot be known. */
static __always_inline const struct lifetime_class_value *
lifetime_class(__u64 type, const struct memory_probe *probe, __u64 bias, __u32 serial)
{
	struct lifetime_class_key key = { .type = type, .serial = serial };
	const struct lifetime_class_value *class = bpf_map_lookup_elem(&lifetime_classes, &key);

	/* What is derived from a C type ends there, too; which types of C's are followed is known. */
	if (class || probe->first_argument)
		return class;
	if (lifetime_class_learn(type, probe->inside_start + bias, serial))
		return NULL;
	return bpf_map_lookup_elem(&lifetime_classes, &key);
}

/* The same, with the thread's LIFETIME_CLASS_MEMOS to ask first. */
static __always_inline const struct lifetime_class_value *
lifetime_class_memo(struct lifetime_class_memo *memos, __u64 type, const struct memory_probe *probe,
		    __u64 bias, __u32 serial)
{
	struct lifetime_class_memo *memo =
		&memos[(type >> 4 ^ type >> 9) & (LIFETIME_CLASS_MEMOS - 1)];
	__u64 ends = *(volatile __u64 *)&lifetime_class_ends;
	const struct lifetime_class_value *class;

	if (memo->type == type && memo->serial == serial && memo->ends == ends)
		return &memo->class;
	class = lifetime_class(type, probe, bias, serial);
	if (!class)
		return NULL;
	memo->type = type;
	memo->serial = serial;
	memo->ends = ends;
	memo->class = *class;
	return &memo->class;
}

/* Not inline: its record would leave too little stack for lifetime_class_learn() (before Linux 6.13). */
static __noinline void lifetime_class_ended(__u64 type, __u32 serial)
{
	struct lifetime_class_key key = { .type = type, .serial = serial };
	const struct lifetime_class_value *class = bpf_map_lookup_elem(&lifetime_classes, &key);
	struct record_class record = { .type = type };

	if (!class)
		return;
	record.class_id = class->class_id;
	bpf_map_delete_elem(&lifetime_classes, &key);
	__sync_fetch_and_add(&lifetime_class_ends, 1);
	if (!record.class_id)
		return;
	header_fill(&record.header, RECORD_CLASS_END, bpf_ktime_get_ns(), serial);
	emit(&record, sizeof(record));
}

#endif
