/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where CPython keeps what a census reads and the walker does not: the collector's state, and the
 * insides of the types that everything is made of. One row per minor version.
 */
#ifndef PYBPFPROF_PYTHON_OBJECTS_LAYOUT_H
#define PYBPFPROF_PYTHON_OBJECTS_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "python/layout.h"
#include "python/python.h"

/* The same in CPython 3.8 to 3.15. */
enum {
	OBJECT_REFCOUNT = 0,
	OBJECT_TYPE = 8,
	OBJECT_BYTES = 16,
	VAR_SIZE = 16,
	GC_HEAD_BYTES = 16,
	GC_HEAD_NEXT = 0,
	GC_HEAD_PREVIOUS = 8,
	GC_GENERATION_BYTES = 24,
	GC_GENERATIONS = 3,
	TYPE_NAME = 24,
	TYPE_BASICSIZE = 32,
	TYPE_ITEMSIZE = 40,
	TYPE_DEALLOC = 48,
	TYPE_FLAGS = 168,
	TYPE_WEAKLIST_OFFSET = 208,
	TYPE_BASE = 256,
	TYPE_DICT = 264,
	TYPE_DICT_OFFSET = 288,
	TYPE_READ_BYTES = 296, /* all of the above */
	DICT_USED = 16,
	DICT_KEYS = 32,
	DICT_VALUES = 40,
	DICT_BYTES = 48,
	LIST_ITEMS = 24,
	LIST_ALLOCATED = 32,
	LIST_BYTES = 40,
	SET_USED = 24,
	SET_MASK = 32,
	SET_TABLE = 40,
	SET_SMALL_TABLE = 64,
	SET_BYTES = 200,
	SET_ENTRY_BYTES = 16,
	BYTEARRAY_ALLOCATED = 24,
	FLOAT_VALUE = 16,
	WEAKREF_OBJECT = 16,
	WEAKREF_PREVIOUS = 40,
	WEAKREF_NEXT = 48,
	MODULE_DEFINITION = 24, /* <= 3.14 */
	DEFINITION_STATE_BYTES = 56,
	DEQUE_LEFT_BLOCK = 24,
	DEQUE_LEFT_INDEX = 40,
	DEQUE_BLOCK_ITEMS = 64,
	DEQUE_BLOCK_DATA = 8,
	DEQUE_BLOCK_RIGHT = DEQUE_BLOCK_DATA + 8 * DEQUE_BLOCK_ITEMS,
	DEQUE_BLOCK_BYTES = DEQUE_BLOCK_RIGHT + 8,
	ARRAY_ALLOCATED = 32,
	ARRAY_DESCRIPTION = 40,
	ARRAY_DESCRIPTION_ITEM_BYTES = 4,
	ODICT_FIRST = 48,
	ODICT_FAST_NODES_COUNT = 72,
	ODICT_NODE_BYTES = 32,
	ODICT_BYTES = 112,
};

/* tp_flags */
enum {
	TYPE_INLINE_VALUES = 1 << 2,   /* 3.13+ */
	TYPE_MANAGED_WEAKREF = 1 << 3, /* 3.12+ */
	TYPE_MANAGED_DICT = 1 << 4,    /* 3.11+ */
	TYPE_HEAP = 1 << 9,
	TYPE_HAVE_GC = 1 << 14,
	TYPE_LONG_SUBCLASS = 1 << 24,
	TYPE_LIST_SUBCLASS = 1 << 25,
	TYPE_TUPLE_SUBCLASS = 1 << 26,
	TYPE_BYTES_SUBCLASS = 1 << 27,
	TYPE_UNICODE_SUBCLASS = 1 << 28,
	TYPE_DICT_SUBCLASS = 1 << 29,
};
#define TYPE_TYPE_SUBCLASS (1u << 31)

struct objects_layout {
	uint8_t minor;

	/* The collector. */
	uint16_t gc;		 /* in the interpreter; 3.8: in _PyRuntime */
	uint16_t gc_generations; /* upstream; Debian's 3.13 differs, and gc_generation0 tells */
	uint16_t gc_generation0; /* a pointer to generations[0]; ABI_NO_OFFSET: there is none */
	uint16_t gc_permanent;
	uint16_t gc_collecting;
	uint16_t gc_garbage; /* a list */

	/* The interpreter. */
	uint32_t interp_bytes;
	uint16_t interp_id;
	int16_t modules_from_sysdict; /* bytes from interp->sysdict to interp's sys.modules */
	int16_t builtins_from_sysdict;

	/* Types and frames. */
	uint16_t type_bytes, heap_type_bytes;
	uint16_t heap_type_qualname;
	uint16_t heap_type_cached_keys;
	uint16_t module_state;
	uint16_t module_state_bytes; /* 3.15+, else the module's definition tells */
	uint16_t tuple_items;
	uint16_t unicode_bytes; /* PyUnicodeObject: a str in two blocks */
	uint16_t unicode_utf8_length;
	uint16_t unicode_wstr; /* <= 3.11, else ABI_NO_OFFSET */
	uint16_t unicode_wstr_length;
	uint16_t keys_bytes;   /* PyDictKeysObject without its tables */
	uint16_t values_first; /* 3.11+: of PyDictValues */
	uint16_t code_stacksize;
	uint16_t code_nlocals;		       /* <= 3.10; 3.11+: co_nlocalsplus */
	uint16_t code_cellvars, code_freevars; /* <= 3.10 */
	uint16_t code_cell2arg;		       /* <= 3.10 */
	uint16_t code_extra;
	uint16_t generator_frame; /* 3.11+: gi_iframe */
	uint16_t generator_state; /* 3.11+: one signed byte */
	int8_t generator_cleared; /* from this state on nothing is in the frame */
	uint16_t frame_data;	  /* 3.11+: of a frame object, its own interpreter frame */
	uint16_t frame_frame;	  /* 3.11+: of a frame object, the one it is about */
	uint16_t
		frame_stacktop; /* 3.11-3.13: int; 3.14+: a pointer; <= 3.9: a pointer; 3.10: int */
	uint16_t frame_valuestack; /* <= 3.10 */
};

/* NULL: no census of this version. */
const struct objects_layout *objects_layout_of(unsigned int minor);

/*
 * The version's table and layout with what this very process tells of itself (3.13+:
 * _Py_DebugOffsets): copies, as the process has them. 0; -ENOTSUP; -EFAULT and the like.
 */
int objects_layout_read(const struct python_process *python, struct objects_layout *objects,
			struct layout *layout);

#endif
