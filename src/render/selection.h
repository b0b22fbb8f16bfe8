/* SPDX-License-Identifier: GPL-2.0-only */
/* Which stacks -F keeps, for those formats that read more of them than the profile's sums. */
#ifndef PYBPFPROF_RENDER_SELECTION_H
#define PYBPFPROF_RENDER_SELECTION_H

#include "render/render.h"

/*
 * By stack: whether a function that a glob names is in it; without globs every stack is kept. NULL: out
 * of memory. The caller frees it.
 */
bool *selection_of_stacks(const struct profile *profile, const struct render_options *options);

#endif
