/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which thread-local variables a piece of machine code reads. CPython 3.15 keeps a thread's state in
 * one that no symbol names; the exported function that returns it does.
 */
#ifndef PYBPFPROF_PYTHON_TLS_ACCESS_H
#define PYBPFPROF_PYTHON_TLS_ACCESS_H

#include <stddef.h>
#include <stdint.h>

/* The ways of the x86-64 psABI to address thread-local storage. */
enum tls_access_kind {
	TLS_LOCAL_EXEC,	     /* variable = fs + offset */
	TLS_INITIAL_EXEC,    /* variable = fs + *(got) + offset */
	TLS_GENERAL_DYNAMIC, /* {module, base} = *(got); variable = block(module) + base + offset */
	TLS_DESCRIPTOR, /* {function, argument} = *(got); variable = fs + function() + offset */
};

struct tls_access {
	enum tls_access_kind kind;
	int64_t offset;
	uint64_t got; /* address in the file */
};

enum { TLS_ACCESS_CODE_BYTES = 512 };

/*
 * Decodes `bytes` bytes of code that lie at `address` and stores the reads of 8-byte thread-local
 * variables, in order, at most `size`. Returns how many. When the code does nothing but jump
 * elsewhere, *jump is where to (0 otherwise). Reads of the stack protector's canary do not count.
 */
size_t tls_access_decode(const uint8_t *code, size_t bytes, uint64_t address,
			 struct tls_access *out, size_t size, uint64_t *jump);

#endif
