/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where chains of references begin: imported modules, the frames that run, and, since C code holds
 * objects too, the states of threads and interpreters and the variables of C.
 */
#ifndef PYBPFPROF_PYTHON_OBJECTS_ROOTS_H
#define PYBPFPROF_PYTHON_OBJECTS_ROOTS_H

#include "python/gc_lists.h"
#include "python/objects.h"

/* From what people want to read of to what is only known to be there. */
enum object_root_kind {
	ROOT_MODULE,
	ROOT_FRAME,
	ROOT_THREAD,
	ROOT_INTERPRETER,
	ROOT_VARIABLE, /* in the data of a C library or of the interpreter itself */
	ROOT_KINDS,
};

struct object_root {
	enum object_root_kind kind;
	uint64_t
		address; /* of the module's name, the frame, the thread state, the interpreter, the data */
	uint64_t code; /* of a frame */
};

/* A non-zero return stops. `root` is good until then; the reference is not inspected yet. */
typedef int (*root_visit)(const struct object_root *root, const struct reference *reference,
			  void *arg);

/* Every reference of every root of this kind. 0, what `visit` returned, or -errno. */
int objects_roots(struct objects *objects, const struct gc_lists *lists, enum object_root_kind kind,
		  root_visit visit, void *arg);

/* "module app", "frame run() app.py:12", "thread state", "interpreter state", "variables of libx.so". */
void objects_root_name(struct objects *objects, const struct object_root *root, struct buffer *out);
/* How the root holds the object: "local x"; nothing where there is no word for it. */
void objects_root_label(struct objects *objects, const struct object_root *root,
			const struct reference *reference, struct buffer *out);

#endif
