/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where CPython keeps its things, one table per minor version: what the BPF walker needs (struct
 * python_layout), and what only this room needs to prove a process. The tables are written by
 * scripts/gen-layouts from CPython's own headers; a version without a table does not exist here.
 */
#ifndef PYBPFPROF_PYTHON_LAYOUT_H
#define PYBPFPROF_PYTHON_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "pybpfprof/abi.h"

/* The fields that _Py_DebugOffsets tells, in the order of debug_offsets.def. */
enum {
#define X(field, member, size_member, kind) +1
	DEBUG_FIELD_COUNT = 0
#include "python/debug_offsets.def"
#undef X
};

/* Where in _Py_DebugOffsets a field's offset is told, and the size of the structure it is in. */
struct debug_position {
	uint16_t offset_at, size_at;
};

struct layout {
	struct python_layout walk;

	uint16_t tstate_status;		  /* 3.12+: bits, see enum tstate_status_bit */
	uint16_t tstate_native_thread_id; /* 3.11+: the tid in the target's own pid namespace */
	uint16_t runtime_tss_key; /* <= 3.14: Py_tss_t { int is_initialized; uint32_t key } */
	uint16_t interp_sysdict;

	/* To read sys.hexversion where the binary does not tell its version. */
	uint16_t dict_keys;
	uint16_t keys_size;		/* <= 3.10: number of slots, Py_ssize_t */
	uint16_t keys_index_log2_bytes; /* 3.11+: log2 of the index table's size */
	uint16_t keys_kind;		/* 3.11+: 0 when each entry keeps its hash */
	uint16_t keys_entry_count;
	uint16_t keys_indices;
	uint16_t long_digits;
	uint16_t type_name;

	/* pymalloc. Up to 3.11 its state and the allocator tables are static variables. */
	uint16_t runtime_allocators; /* 3.12+: the tables raw, mem, obj, one behind the other */
	uint16_t interp_obmalloc;
	uint16_t obmalloc_arenas, obmalloc_maxarenas;
	uint16_t obmalloc_inline; /* 3.12: the state itself lies there, not a pointer to it */
	uint16_t pool_bytes;

	uint16_t debug_bytes; /* 3.13+: size of _Py_DebugOffsets; 0: this version has none */
	struct debug_position debug[DEBUG_FIELD_COUNT];
};

/* PyThreadState._status, the same bits in 3.12 to 3.15. */
enum tstate_status_bit {
	TSTATE_BOUND = 1 << 1,		/* belongs to an OS thread: thread_id is valid */
	TSTATE_BOUND_GILSTATE = 1 << 3, /* the one the thread's TSD or TLS slot names */
};

#define X(minor) extern const struct layout layout_3_##minor;
#include "python/versions.def"
#undef X

enum { LAYOUT_MINOR_FIRST = 8, LAYOUT_MINOR_LAST = 15 };

/* The table of CPython 3.`minor`; NULL for one we do not know. */
const struct layout *layout_of(unsigned int minor);

#endif
