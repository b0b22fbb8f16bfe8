/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own functions, by /proc/kallsyms. Read once, at first use: 4 MB, some 50 ms.
 * Addresses hidden by kernel.kptr_restrict are all zero there; then no name is known.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_KERNEL_H
#define PYBPFPROF_RESOLVE_NATIVE_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct native_kernel;

struct native_kernel *native_kernel_new(void); /* NULL: out of memory */
void native_kernel_free(struct native_kernel *kernel);

/* Adds what a file in the format of /proc/kallsyms tells. -EPERM: addresses are hidden; -ENOMEM. */
int native_kernel_read(struct native_kernel *kernel, FILE *symbols);
/* The same for /proc/modules: where each module ends. */
int native_kernel_read_modules(struct native_kernel *kernel, FILE *modules);

/*
 * Name and module ("" for the kernel itself) of the function an address is in, borrowed until
 * kernel is freed. -ENOENT: in none that is known.
 */
int native_kernel_find(const struct native_kernel *kernel, uint64_t address, const char **name,
		       const char **module);

#endif
