/* SPDX-License-Identifier: GPL-2.0-only */
/* Which class a method is of, for versions whose code objects have no qualified name. */
#ifndef PYBPFPROF_PYTHON_CLASS_H
#define PYBPFPROF_PYTHON_CLASS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct python_method {
	uint64_t code;	    /* address of the code object */
	uint64_t self;	    /* first argument of a call */
	uint64_t self_type; /* its type */
};

/*
 * The name of the class that defines the method, looked for along the method resolution order of
 * the object (or, for a class method, the class) it was called on. CPython 3.8 to 3.10. -ENODATA:
 * no such class has this very code object under this name, plain or as classmethod, staticmethod
 * or property; a decorated method is not found.
 */
int python_class_name(pid_t pid, unsigned int minor, const struct python_method *method, char *name,
		      size_t size);

#endif
