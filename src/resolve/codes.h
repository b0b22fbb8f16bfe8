/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Code objects by the numbers the kernel side gave them: their names, made printable text, and
 * their line tables. Turns (code id, instruction offset) into a frame of the profile.
 */
#ifndef PYBPFPROF_RESOLVE_CODES_H
#define PYBPFPROF_RESOLVE_CODES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "decode/event.h"
#include "model/profile.h"

struct codes;

/* What is known of the process a code object belongs to. */
struct codes_process {
	pid_t pid;
	unsigned int minor; /* of its CPython: tells the format of its line tables */
};

/* Frames are added to `profile`, which must outlive it. NULL when out of memory. */
struct codes *codes_new(struct profile *profile);
void codes_free(struct codes *codes);

/*
 * Takes over a RECORD_CODE. A line table too long for the record is completed from the process's
 * memory, if it is still what it was. 0 or -ENOMEM.
 */
int codes_add(struct codes *codes, const struct record_code *code,
	      const struct codes_process *process);

/*
 * The profile's frame for an instruction of a code object; an unknown code object (its record was
 * lost) gives the frame "[name lost]", and *known = false. PROFILE_NONE when out of memory.
 */
uint32_t codes_frame(struct codes *codes, uint32_t code_id, int32_t lasti, bool *known);

/* The profile's function of a code object; PROFILE_NONE: an unknown one. */
uint32_t codes_function(const struct codes *codes, uint32_t code_id);

/* A frame that is no function but a word to the reader, such as "[stack cut]". */
uint32_t codes_note(struct codes *codes, const char *note);

#endif
