/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * _Py_DebugOffsets, with which CPython 3.13+ begins _PyRuntime: the build's own word on its layout.
 * Works on a copy of its bytes, which may be forged.
 */
#ifndef PYBPFPROF_PYTHON_DEBUG_OFFSETS_H
#define PYBPFPROF_PYTHON_DEBUG_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/layout.h"

enum { DEBUG_OFFSETS_HEAD_BYTES = 24, DEBUG_OFFSETS_MAX_BYTES = 1024 };

struct debug_offsets_head {
	uint32_t hexversion;
	bool free_threaded;
};

/* Of the first DEBUG_OFFSETS_HEAD_BYTES; -ENOENT: this is no _Py_DebugOffsets. */
int debug_offsets_head_parse(const uint8_t *bytes, struct debug_offsets_head *out);

/*
 * Lets layout->debug_bytes bytes overrule `layout`, which is a copy of the version's table.
 * -EBADMSG when they make no sense, or when they put a structure in another order than this version
 * was released with; *field is then the name of the first such member. Layout is only changed on 0.
 */
int debug_offsets_apply(const uint8_t *bytes, struct layout *layout, const char **field);

#endif
