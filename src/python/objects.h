/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of another CPython process, read one by one: of which type, how large, what they refer to.
 * The process runs on: whatever is read may be half gone, so nothing is believed that does not look
 * like an object with a type that looks like a type, and every count is bounded by what is mapped.
 * Not thread-safe.
 */
#ifndef PYBPFPROF_PYTHON_OBJECTS_H
#define PYBPFPROF_PYTHON_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "python/objects_layout.h"
#include "python/objects_memory.h"
#include "python/python.h"

/* How an object of a type must be read. A subclass is read as what it is derived from. */
enum object_kind {
	OBJECT_PLAIN, /* words of its structure that are objects are what it refers to */
	OBJECT_NONE,
	OBJECT_STR,
	OBJECT_BYTES_KIND,
	OBJECT_BYTEARRAY,
	OBJECT_INT,
	OBJECT_FLOAT,
	OBJECT_COMPLEX,
	OBJECT_LIST,
	OBJECT_TUPLE,
	OBJECT_DICT,
	OBJECT_ODICT,
	OBJECT_SET,
	OBJECT_DEQUE,
	OBJECT_TYPE_KIND,
	OBJECT_CODE,
	OBJECT_FRAME,
	OBJECT_GENERATOR,
	OBJECT_WEAKREF,
	OBJECT_MODULE,
	OBJECT_ARRAY,
};

struct object_type {
	uint64_t address;
	enum object_kind kind;
	uint32_t flags;	      /* tp_flags */
	uint32_t basic_bytes; /* tp_basicsize */
	uint32_t item_bytes;  /* tp_itemsize */
	uint32_t
		payload_bytes; /* of the built-in it derives from: behind them the class's own begin */
	int64_t dict_offset; /* tp_dictoffset */
	int64_t weaklist_offset;
	uint64_t cached_keys; /* 3.11+: names of the attributes its instances keep in place */
	char *name;	      /* owned; qualified; "" when it could not be read */
	char *module;	      /* owned; "" when it could not be read */
};

struct object {
	uint64_t address;
	uint32_t type; /* index, objects_type_at() */
};

struct objects;

/* 0; -ENOTSUP (a version we have no table for), -ESRCH, -EPERM, -EFAULT, -ENOMEM. */
int objects_open(const struct python_process *python, size_t cache_bytes, struct objects **out);
void objects_close(struct objects *objects);

struct objects_memory *objects_memory_of(struct objects *objects);
const struct objects_layout *objects_layout_in(const struct objects *objects);
const struct layout *objects_walk_layout(const struct objects *objects);
const struct python_process *objects_process(const struct objects *objects);

/*
 * Whether an object with a plausible type lies there; *out is filled then. A type seen for the first time is
 * read now.
 */
bool objects_inspect(struct objects *objects, uint64_t address, struct object *out);

uint32_t objects_type_count(const struct objects *objects);
/* Borrowed until objects_close(); NULL past the last. */
const struct object_type *objects_type_at(const struct objects *objects, uint32_t index);

/* The type at that address, read now when it is new; NULL: there is none. Good until another is read. */
const struct object_type *objects_type_of(struct objects *objects, uint64_t address);
/*
 * Nothing is known any more: types are read anew when they are met, from memory as it is then, for at the
 * address of one another may lie. Indices and pointers from before are void. 0 or -ENOMEM.
 */
int objects_types_forget(struct objects *objects);
/* What lies in front of each of its instances and is counted with it by sys.getsizeof(). */
uint32_t objects_type_front_bytes(const struct objects *objects, const struct object_type *type);

/* What sys.getsizeof() says of it, a __sizeof__ of its own aside. */
uint64_t objects_size(struct objects *objects, const struct object *object);

/* ---- references ---- */

enum reference_kind {
	REFERENCE_FIELD,     /* detail: the offset in the object's structure */
	REFERENCE_ITEM,	     /* detail: the index in a list, tuple or deque */
	REFERENCE_MEMBER,    /* of a set */
	REFERENCE_KEY,	     /* of a dict */
	REFERENCE_VALUE,     /* detail: the address of the dict's key */
	REFERENCE_ATTRIBUTE, /* detail: the address of the name */
	REFERENCE_LOCAL,     /* detail: the index of the slot in the frame */
};

struct reference {
	uint64_t address; /* as found: not inspected yet, and 8-aligned */
	enum reference_kind kind;
	uint64_t detail;
};

/* A non-zero return stops. */
typedef int (*reference_visit)(const struct reference *reference, void *arg);

/* Whether objects of this type can refer to others at all. */
bool objects_type_refers(const struct object_type *type);
/* Every reference, some perhaps twice, in no promised order. 0 or what `visit` returned. */
int objects_references(struct objects *objects, const struct object *object, reference_visit visit,
		       void *arg);

/* Those of an interpreter frame (3.11+) at `frame`, which is no object. */
int objects_frame_references(struct objects *objects, uint64_t frame, reference_visit visit,
			     void *arg);
/* Words in a stretch of memory that may be objects: kind FIELD, detail the offset. */
int objects_words(struct objects *objects, uint64_t address, uint64_t bytes, reference_visit visit,
		  void *arg);

/* ---- words for people ---- */

/*
 * A short text of a built-in object: 'str', b'bytes', 42, 1.5, list of 7. Bounded; raw bytes of the target
 * are in it, so it must be made safe before it is printed. Nothing is appended for other types.
 */
void objects_preview(struct objects *objects, const struct object *object, struct buffer *out);
/* The text of a str as UTF-8, at most `limit` code points. -EINVAL: no str. */
int objects_text(struct objects *objects, uint64_t address, size_t limit, struct buffer *out);
/* How `holder` holds it: "[3]", "['key']", ".name", "local x", "(member)". */
void objects_reference_label(struct objects *objects, const struct object *holder,
			     const struct reference *reference, struct buffer *out);

#endif
