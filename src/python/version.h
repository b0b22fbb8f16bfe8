/* SPDX-License-Identifier: GPL-2.0-only */
/* PY_VERSION_HEX: its words, which ones we take, and reading it from sys.hexversion. */
#ifndef PYBPFPROF_PYTHON_VERSION_H
#define PYBPFPROF_PYTHON_VERSION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"

static inline unsigned int version_minor(uint32_t hexversion)
{
	return hexversion >> 16 & 0xff;
}

/* "3.11.2", "3.15.0b2" */
void version_words(uint32_t hexversion, char *out, size_t size);

/* 0 and nothing said; -ENOTSUP and a line that names what is refused. */
int version_check(uint32_t hexversion, char *reason, size_t size);

/*
 * What sys.hexversion of an interpreter is, if `layout` is its layout. -ENODATA: there is no sys
 * module yet. -EUCLEAN: nothing that makes sense was found: the layout is another's.
 */
int version_read_sys(pid_t pid, const struct layout *layout, uint64_t interpreter,
		     uint32_t *hexversion);

#endif
