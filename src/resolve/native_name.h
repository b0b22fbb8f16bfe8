/* SPDX-License-Identifier: GPL-2.0-only */
/* A symbol's name as a reader wants it: demangled, without what compilers hang behind it. */
#ifndef PYBPFPROF_RESOLVE_NATIVE_NAME_H
#define PYBPFPROF_RESOLVE_NATIVE_NAME_H

#include "base/buffer.h"

enum {
	NATIVE_NAME_MAX_BYTES = 1024, /* of the result; a longer one is cut and ends in "..." */
};

/* Appends. Check buffer_error() afterwards. */
void native_name_append(struct buffer *out, const char *symbol);

#endif
