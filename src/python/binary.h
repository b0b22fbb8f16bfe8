/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one file tells of the CPython in it, without any process: cached, so that fifty processes of
 * one interpreter cost one parse.
 */
#ifndef PYBPFPROF_PYTHON_BINARY_H
#define PYBPFPROF_PYTHON_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/elf_file.h"
#include "proc/maps.h"
#include "python/tls_access.h"

enum binary_kind {
	BINARY_OTHER,	    /* no CPython in it (it may still load one) */
	BINARY_CPYTHON,	    /* _PyRuntime was found */
	BINARY_CPYTHON_OLD, /* a CPython before 3.8: `old_version` names it as well as it can */
	BINARY_PYPY,
	BINARY_STRIPPED, /* named like an interpreter, but nothing of one can be found in it */
	BINARY_FOREIGN,	 /* named like an interpreter, for another machine (32-bit, say) */
};

enum { BINARY_ACCESSES_MAX = 4, BINARY_SEGMENTS_MAX = 8 };

struct binary {
	enum binary_kind kind;
	bool stripped;	      /* no .symtab */
	bool debug;	      /* Py_DEBUG */
	bool trace_refs;      /* Py_TRACE_REFS: another object header up to 3.12 */
	bool musl;	      /* its dynamic loader is musl's */
	bool needs_libpython; /* linked to a libpython of its own */
	uint32_t hexversion;  /* PY_VERSION_HEX; 0: the file does not tell */
	uint64_t runtime;     /* addresses in the file, 0: not found */
	uint64_t code_type;
	uint32_t probes; /* enum python_probe */
	const char *old_version;
	struct tls_access accesses[BINARY_ACCESSES_MAX]; /* of the thread state's accessor */
	size_t access_count;
	/* To find the load bias: the segments that are mapped executable. */
	struct elf_code_segment segments[BINARY_SEGMENTS_MAX];
	size_t segment_count;
};

/* Fills *out whole. `path` is only looked at for its name. */
void binary_read(int fd, const char *path, bool is_main, struct binary *out);

/* Whether a path's last component is what interpreters and their libraries are called. */
bool binary_name_is_python(const char *path);

/* -ENOENT: that part of the file is in none of its executable segments. */
int binary_bias(const struct binary *binary, const struct mapping *mapping, uint64_t *bias);

#endif
