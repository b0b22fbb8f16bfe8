// SPDX-License-Identifier: GPL-2.0-only
/* See library.h. */
#include "unit/python/library.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void library_open(const char *name, int form, struct module *module)
{
	struct python_process python = { 0 };
	char command[1024];
	int err;

	snprintf(python.binary_open, sizeof(python.binary_open), "/tmp/pybpfprof-%d-%s-%d.so",
		 getpid(), name, form);
	snprintf(command, sizeof(command),
		 "gcc -shared -nostdlib -DFORM=%d -Wl,--no-relax -o '%s' "
		 "tests/unit/python/targets/%s.S 2>/dev/null",
		 form, python.binary_open, name);
	if (system(command) != 0)
		cr_skip_test("cannot be built here");
	err = module_open_python(&python, module);
	unlink(python.binary_open);
	cr_assert_eq(err, 0, "%d", err);
}

uint64_t library_address(const struct module *module, const char *name)
{
	struct elf_symbol symbol = { .name = name };

	cr_assert_eq(module_symbols_find(module, true, &symbol, 1), 1u, "%s", name);
	return symbol.address;
}
