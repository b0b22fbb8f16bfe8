/* SPDX-License-Identifier: GPL-2.0-only */
/* Libraries of assembly, tests/unit/python/targets/NAME.S, as modules. */
#ifndef PYBPFPROF_TESTS_LIBRARY_H
#define PYBPFPROF_TESTS_LIBRARY_H

#include <stdint.h>

#include "python/allocator_modules.h"

/* `form`: its FORM. Skips the test where it cannot be built. */
void library_open(const char *name, int form, struct module *module);
/* Of a function, by name. */
uint64_t library_address(const struct module *module, const char *name);

#endif
