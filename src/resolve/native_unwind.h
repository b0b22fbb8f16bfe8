/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Following a stack upwards by unwind rows. Rows are kept in tables of fixed size for all files, so
 * that after a warm-up a frame costs a look at its mapping and one at its row. Return addresses are
 * few and come again: their rows are kept by address. Where a thread is interrupted is new nearly
 * every time: those rows are kept by the piece of code around.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_UNWIND_H
#define PYBPFPROF_RESOLVE_NATIVE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolve/native.h"
#include "resolve/native_row.h"

enum {
	NATIVE_ROWS = 8192, /* powers of two; 64 bytes each */
	NATIVE_PIECES = 2048,
	NATIVE_PIECE_SHIFT = 8, /* pieces of 256 bytes */
};

struct native_rows {
	struct native_row *by_address;
	struct native_row *by_piece;
};

struct native_module;

int native_rows_init(struct native_rows *rows); /* -ENOMEM */
void native_rows_release(struct native_rows *rows);
/* The row of the byte before a return address, with NATIVE_ROW_CALLED. */
const struct native_row *native_rows_get(struct native_rows *rows, struct native_module *module,
					 uint64_t address);
/* The row of any address; NATIVE_ROW_CALLED tells nothing. */
const struct native_row *native_rows_get_near(struct native_rows *rows,
					      struct native_module *module, uint64_t address);

/* Registers of one frame and which of them are known. */
struct native_frame_state {
	uint64_t registers[NATIVE_REGISTER_COUNT]; /* by enum native_register; NATIVE_RA: the pc */
	uint32_t known;				   /* bits */
	bool is_exact; /* the pc is where the frame is, not where a call returns to */
};

/* A copy of the stack's top, which begins at `start`. */
struct native_stack_copy {
	const uint8_t *bytes;
	uint64_t start;
	size_t length;
};

void native_frame_start(struct native_frame_state *frame, const struct native_registers *registers);
/*
 * Whether a register is said to lie below the stack pointer. Tables are not kept true between a
 * function's last pops: then it has been popped, and is in its register. But it may also have been
 * put there for good, in the 128 bytes that a function without calls may use. The code tells.
 */
bool native_frame_is_below(const struct native_frame_state *frame, const struct native_row *row,
			   const struct native_stack_copy *stack);
/*
 * From a frame to its caller. `popped`: registers below the stack pointer are back in place. False:
 * what the row needs is lost or beyond the copy.
 */
bool native_frame_step(struct native_frame_state *frame, const struct native_row *row,
		       const struct native_stack_copy *stack, bool popped);

#endif
