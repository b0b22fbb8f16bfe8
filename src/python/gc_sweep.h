/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The collector's objects, found without its lists: every block of pymalloc's pools is looked at by itself,
 * so nothing depends on what else changes meanwhile. Objects of more than 512 bytes are elsewhere.
 */
#ifndef PYBPFPROF_PYTHON_GC_SWEEP_H
#define PYBPFPROF_PYTHON_GC_SWEEP_H

#include "python/gc_lists.h"

/* Every tracked object, as list 0 of interpreter 0. 0, -ENOENT (no pymalloc), what `visit` said < 0. */
int gc_sweep(struct objects *objects, gc_visit visit, void *arg);

#endif
