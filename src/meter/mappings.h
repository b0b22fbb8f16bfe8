/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What processes have mapped for themselves, by mmap() and its like, and who did: address ranges that may
 * be cut, replaced or taken away in parts. Bytes are of address space, touched or not: they are told apart
 * from what is allocated.
 */
#ifndef PYBPFPROF_METER_MAPPINGS_H
#define PYBPFPROF_METER_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/memory.h"

struct mappings;

struct mappings *mappings_new(struct memory *memory); /* borrowed. NULL: out of memory */
void mappings_free(struct mappings *mappings);	      /* takes NULL */

/*
 * `process` names an address space, `flags` are mmap()'s. Replaces whatever was there. `size` is rounded up to
 * pages. 0 or -ENOMEM.
 */
int mappings_mapped(struct mappings *mappings, uint32_t process, uint32_t site, uint64_t address,
		    uint64_t size, uint32_t flags);
/* What was there in that range is gone; parts of a mapping stay. */
int mappings_unmapped(struct mappings *mappings, uint32_t process, uint64_t address, uint64_t size);

/* Those of `process` that begin at one of `addresses` (any order) are arenas of pymalloc. */
void mappings_arenas(struct mappings *mappings, uint32_t process, const uint64_t *addresses,
		     size_t count);
/* The same for a process that cannot be asked any more: those of the size and the flags of one. */
void mappings_arenas_like(struct mappings *mappings, uint32_t process, uint64_t arena_bytes);
/* Bytes that are mapped and no arenas. */
uint64_t mappings_bytes(const struct mappings *mappings, uint32_t process);

/*
 * The process has ended: what it still has mapped is counted for its sites, and the process forgotten. A
 * later mappings_bytes() says 0.
 */
void mappings_end(struct mappings *mappings, uint32_t process);

/* Fills the sites' MEMORY_VIEW_MAPPED and MEMORY_VIEW_ARENAS. Once, before the sites are summed. */
void mappings_finish(struct mappings *mappings);

#endif
