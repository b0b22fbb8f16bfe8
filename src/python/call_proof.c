// SPDX-License-Identifier: GPL-2.0-only
/*
 * See call_proof.h. A register is right when it agrees at every hit: a wrong one agrees with an
 * address that changes from call to call only by accident, and not two dozen times.
 */
#include "python/call_proof.h"

#include <string.h>

enum {
	REGISTER_RSP = 4,
	IP_DISTANCE_MAX = 64, /* of next_instr from what the frame has stored of it */
};

/*
 * A bit for each register, the callee-saved ones first: they hold what the interpreter keeps in
 * registers throughout, the others what happened to be there.
 */
static const uint8_t PREFERRED[] = { 3, 5, 12, 13, 14, 15, 6, 7, 0, 1, 2, 8, 9, 10, 11 };

void call_proof_init(struct call_proof *proof, const struct call_site *site)
{
	memset(proof, 0, sizeof(*proof));
	proof->site = *site;
	proof->frame_registers = 0xffff & ~(1u << REGISTER_RSP);
	proof->ip_registers = site->kind == CALL_ENTER ? proof->frame_registers : 0;
}

static uint16_t registers_equal(const struct record_call_proof *hit, uint64_t value)
{
	uint16_t equal = 0;

	for (unsigned int n = 0; n < ABI_REGISTERS; n++) {
		if (hit->registers[n] == value)
			equal |= 1u << n;
	}
	return equal;
}

static uint8_t register_best(uint16_t candidates)
{
	for (size_t i = 0; i < sizeof(PREFERRED); i++) {
		if (candidates >> PREFERRED[i] & 1)
			return PREFERRED[i];
	}
	return ABI_NO_REGISTER;
}

/* Which registers keep their distance from the instruction pointer the frame has stored. */
static void ip_judge(struct call_proof *proof, const struct record_call_proof *hit)
{
	bool known = false;

	if (hit->kind != CALL_ENTER || !hit->ip)
		return; /* where a generator goes on, what the frame has stored is not at RESUME yet */
	for (uint32_t i = 0; i < proof->ip_count; i++)
		known |= proof->ips[i] == hit->ip;
	for (unsigned int n = 0; n < ABI_REGISTERS; n++) {
		int64_t distance = (int64_t)(hit->registers[n] - hit->ip);

		if (!proof->ip_count)
			proof->ip_distance[n] = distance;
		if (distance != proof->ip_distance[n] || distance > IP_DISTANCE_MAX ||
		    distance < -IP_DISTANCE_MAX)
			proof->ip_registers &= ~(1u << n);
	}
	if (!known && proof->ip_count < CALL_PROOF_IPS)
		proof->ips[proof->ip_count++] = hit->ip;
}

static void proof_conclude(struct call_proof *proof)
{
	if (!proof->frame_registers) {
		proof->verdict = CALL_PROOF_DISPROVED;
		return;
	}
	if (proof->agreed < CALL_PROOF_HITS)
		return;
	/* More different functions are waited for, not for ever: a loop of one has no others. */
	if (proof->site.ip_register == ABI_NO_REGISTER && proof->ip_registers &&
	    proof->ip_count < CALL_PROOF_IPS && proof->agreed < 8 * CALL_PROOF_HITS)
		return;
	if (proof->site.frame_register == ABI_NO_REGISTER ||
	    !(proof->frame_registers >> proof->site.frame_register & 1))
		proof->site.frame_register = register_best(proof->frame_registers);
	/* What the code has told needs no more than not to be contradicted. */
	if (proof->site.ip_register != ABI_NO_REGISTER &&
	    proof->ip_registers >> proof->site.ip_register & 1)
		goto proven;
	proof->site.ip_register = proof->ip_count >= CALL_PROOF_IPS ?
					  register_best(proof->ip_registers) :
					  ABI_NO_REGISTER;
proven:
	proof->site.proven = 1;
	proof->verdict = CALL_PROOF_PROVEN;
}

static uint64_t enter_hit(struct call_proof *proof, const struct record_call_proof *hit,
			  uint64_t frame)
{
	if (!frame || !hit->code_id) {
		if (++proof->strangers >= CALL_PROOF_STRANGERS)
			proof->verdict = CALL_PROOF_DISPROVED;
		return frame;
	}
	/*
	 * In a sub-interpreter's frame, the thread state that is found is the first interpreter's: the
	 * register the code has told then holds a frame, with a code object, of which it knows nothing.
	 */
	if (proof->site.frame_register != ABI_NO_REGISTER && frame != hit->current_frame &&
	    !proof->site.before_link)
		return frame;
	proof->frame_registers &= registers_equal(hit, frame);
	ip_judge(proof, hit);
	proof->agreed++;
	proof_conclude(proof);
	return frame;
}

/*
 * Where the code has told the register. The interpreter's own frames leave here as well, with the
 * innermost frame we know as the one they were called from: it would be in other registers then, and
 * so must not be looked for there.
 */
static uint64_t leave_hinted_hit(struct call_proof *proof, const struct record_call_proof *hit,
				 uint64_t frame)
{
	uint64_t leaves = hit->registers[proof->site.frame_register & (ABI_REGISTERS - 1)];
	bool is_known = frame && leaves == frame;
	bool is_own = hit->code && hit->frame == leaves && hit->ip == frame;

	if (is_known || is_own) {
		proof->frame_registers = 1u << proof->site.frame_register;
		proof->agreed++;
		proof_conclude(proof);
		return is_known ? frame : 0;
	}
	if (++proof->strangers >= CALL_PROOF_STRANGERS && !proof->agreed)
		proof->verdict = CALL_PROOF_DISPROVED;
	return 0;
}

static uint64_t leave_hit(struct call_proof *proof, const struct record_call_proof *hit,
			  uint64_t frame)
{
	uint16_t equal = frame ? registers_equal(hit, frame) & proof->frame_registers : 0;

	if (proof->site.frame_register != ABI_NO_REGISTER)
		return leave_hinted_hit(proof, hit, frame);
	if (!equal) {
		/* A frame that was running unseen, or the interpreter's own, which nobody enters. */
		if (++proof->strangers >= CALL_PROOF_STRANGERS && !proof->agreed)
			proof->verdict = CALL_PROOF_DISPROVED;
		return 0;
	}
	proof->frame_registers = equal;
	proof->agreed++;
	proof_conclude(proof);
	return frame;
}

uint64_t call_proof_hit(struct call_proof *proof, const struct record_call_proof *hit,
			uint64_t frame)
{
	bool entering = proof->site.kind == CALL_ENTER || proof->site.kind == CALL_THROW;

	return entering ? enter_hit(proof, hit, frame) : leave_hit(proof, hit, frame);
}
