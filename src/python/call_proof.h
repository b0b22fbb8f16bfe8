/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proving a plan's sites by their first hits on the live process: in which register the frame is,
 * which one tells the code object, and that the site is what the plan says. Pure.
 */
#ifndef PYBPFPROF_PYTHON_CALL_PROOF_H
#define PYBPFPROF_PYTHON_CALL_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pybpfprof/abi.h"

enum call_proof_verdict {
	CALL_PROOF_PENDING,
	CALL_PROOF_PROVEN,    /* `site` is complete and may be used */
	CALL_PROOF_DISPROVED, /* no register holds what it must: the plan is wrong */
};

enum {
	CALL_PROOF_HITS = 24,	    /* that agree, before a site is believed */
	CALL_PROOF_STRANGERS = 400, /* leaving frames nobody saw enter, before a site is given up */
	CALL_PROOF_IPS = 4, /* different code objects before a register is said to tell them */
};

struct call_proof {
	struct call_site site;	  /* registers are filled in as they are proven */
	uint16_t frame_registers; /* bit n: register n has always held the frame */
	uint16_t ip_registers;	  /* has always been at the same distance from the frame's ip */
	int64_t ip_distance[ABI_REGISTERS];
	uint32_t agreed;
	uint32_t strangers;
	uint64_t ips[CALL_PROOF_IPS];
	uint32_t ip_count;
	enum call_proof_verdict verdict;
};

void call_proof_init(struct call_proof *proof, const struct call_site *site);

/*
 * Judges one hit. `frame` is the frame that entered or left as far as it is known otherwise: for an
 * entry the thread state's, for an exit the innermost of the stack followed so far (0: none).
 * Returns the frame that this hit is of, 0 unknown: an exit of a frame that nobody saw enter.
 */
uint64_t call_proof_hit(struct call_proof *proof, const struct record_call_proof *hit,
			uint64_t frame);

#endif
