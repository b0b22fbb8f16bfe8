/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which static variables a function reads. In a stripped file no symbol names them; the exported
 * functions whose business they are do.
 */
#ifndef PYBPFPROF_PYTHON_STATIC_READS_H
#define PYBPFPROF_PYTHON_STATIC_READS_H

#include <stddef.h>
#include <stdint.h>

enum { STATIC_READS_MAX = 64, STATIC_READS_CODE_BYTES = 16384 };

struct static_read {
	uint64_t address; /* as in the file: add the load bias */
	uint32_t bytes;
};

struct static_reads {
	const char *function; /* in: its name */
	struct static_read reads[STATIC_READS_MAX];
	size_t count; /* each once, in the order of the code */
};

/*
 * Decodes `bytes` bytes of code that lie at `address`, straight on, and adds the reads of 4 and 8
 * bytes at fixed addresses to `reads`. Returns the first address outside that the code jumps to,
 * where compilers may have put the rest of the function; 0: none.
 */
uint64_t static_reads_decode(const uint8_t *code, size_t bytes, uint64_t address,
			     struct static_reads *reads);

/*
 * The same for functions of a file, from the file and not from memory, where a breakpoint may lie in
 * the code. A function the file does not name has none. 0 or -errno.
 */
int static_reads_find(const char *path, struct static_reads *functions, size_t count);

#endif
