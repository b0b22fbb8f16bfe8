/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Following a stack upwards by unwind rows. Rows are kept in one table of fixed size for all files,
 * so that after a warm-up a frame costs a look at its mapping and one at its row.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_UNWIND_H
#define PYBPFPROF_RESOLVE_NATIVE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolve/native.h"
#include "resolve/native_row.h"

enum {
	NATIVE_ROWS = 8192, /* a power of two; 56 bytes each */
};

struct native_rows {
	struct native_row *slots;
};

struct native_module;

int native_rows_init(struct native_rows *rows); /* -ENOMEM */
void native_rows_release(struct native_rows *rows);
const struct native_row *native_rows_get(struct native_rows *rows, struct native_module *module,
					 uint64_t address);

/* Registers of one frame and which of them are known. */
struct native_frame_state {
	uint64_t registers[NATIVE_REGISTER_COUNT]; /* by enum native_register; NATIVE_RA: the pc */
	uint32_t known; /* bits */
	bool is_exact;	/* the pc is where the frame is, not where a call returns to */
};

/* A copy of the stack's top, which begins at `start`. */
struct native_stack_copy {
	const uint8_t *bytes;
	uint64_t start;
	size_t length;
};

void native_frame_start(struct native_frame_state *frame, const struct native_registers *registers);
/* From a frame to its caller. False: what the row needs is lost or beyond the copy. */
bool native_frame_step(struct native_frame_state *frame, const struct native_row *row,
		       const struct native_stack_copy *stack);

#endif
