/* SPDX-License-Identifier: GPL-2.0-only */
/* Tuning an opened, not yet loaded object: its read-only variables, by name through its BTF. */
#ifndef PYBPFPROF_CAPTURE_KNOBS_H
#define PYBPFPROF_CAPTURE_KNOBS_H

#include <stdint.h>

struct bpf_object;

/* Sets `const volatile` NAME of 1, 2, 4 or 8 bytes. -ENOENT: no such knob; -ERANGE: too large. */
int knob_set(struct bpf_object *object, const char *name, uint64_t value);

#endif
