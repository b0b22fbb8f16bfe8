// SPDX-License-Identifier: GPL-2.0-only
/* Hits as a right plan, a wrong one and an interpreter's own frames make them. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "python/call_proof.h"

enum { RBX = 3, RSP = 4, RBP = 5, R12 = 12, R13 = 13 };

static const struct call_site entering = {
	.kind = CALL_ENTER,
	.frame_register = ABI_NO_REGISTER,
	.ip_register = ABI_NO_REGISTER,
	.result_register = ABI_NO_REGISTER,
	.throw_register = ABI_NO_REGISTER,
};

static struct call_site leaving(void)
{
	struct call_site site = entering;

	site.kind = CALL_RETURN;
	return site;
}

/* The n-th hit: a frame, a code object of five, and registers that hold neither. */
static struct record_call_proof hit_make(uint32_t n)
{
	struct record_call_proof hit = {
		.kind = CALL_ENTER,
		.code_id = 1 + n % 5,
		.frame = 0x7f0000001000 + n * 0x60ull,
		.ip = 0x7f0000100000 + n % 5 * 0x1000ull,
	};

	for (unsigned int i = 0; i < ABI_REGISTERS; i++)
		hit.registers[i] = 0x1111 * i + n * 7919ull;
	return hit;
}

Test(call_proof, an_entry_is_proven_by_the_registers_that_always_agree)
{
	struct call_proof proof;
	uint32_t n = 0;

	call_proof_init(&proof, &entering);
	for (; proof.verdict == CALL_PROOF_PENDING && n < 1000; n++) {
		struct record_call_proof hit = hit_make(n);

		hit.registers[R12] = hit.frame;
		hit.registers[RBX] = n < 3 ? hit.frame : 0; /* by accident, for a while */
		hit.registers[R13] = hit.ip + 2;
		cr_assert_eq(call_proof_hit(&proof, &hit, hit.frame), hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_PROVEN);
	cr_expect_eq(proof.site.frame_register, R12);
	cr_expect_eq(proof.site.ip_register, R13);
	cr_expect_eq(proof.site.proven, 1);
	cr_expect_geq(n, CALL_PROOF_HITS);
}

Test(call_proof, one_function_alone_tells_no_register_from_a_constant)
{
	struct call_proof proof;

	call_proof_init(&proof, &entering);
	for (uint32_t n = 0; proof.verdict == CALL_PROOF_PENDING && n < 1000; n++) {
		struct record_call_proof hit = hit_make(n);

		hit.ip = 0x7f0000100000;
		hit.registers[RBX] = hit.frame;
		hit.registers[R13] = hit.ip + 2; /* perhaps next_instr, perhaps just a number */
		call_proof_hit(&proof, &hit, hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_PROVEN);
	cr_expect_eq(proof.site.frame_register, RBX);
	cr_expect_eq(proof.site.ip_register, ABI_NO_REGISTER);
}

Test(call_proof, an_entry_whose_frame_is_in_no_register_is_disproved)
{
	struct call_proof proof;
	struct record_call_proof hit = hit_make(0);

	call_proof_init(&proof, &entering);
	hit.registers[RSP] = hit.frame; /* never the stack pointer */
	call_proof_hit(&proof, &hit, hit.frame);
	cr_expect_eq(proof.verdict, CALL_PROOF_DISPROVED);
}

Test(call_proof, what_enters_must_be_a_code_object)
{
	struct call_proof proof;

	call_proof_init(&proof, &entering);
	for (uint32_t n = 0; proof.verdict == CALL_PROOF_PENDING && n < 10000; n++) {
		struct record_call_proof hit = hit_make(n);

		hit.code_id = 0;
		hit.registers[RBX] = hit.frame;
		call_proof_hit(&proof, &hit, hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_DISPROVED);
}

Test(call_proof, an_exit_is_proven_by_the_innermost_frame_strangers_apart)
{
	struct call_site site = leaving();
	struct call_proof proof;

	call_proof_init(&proof, &site);
	for (uint32_t n = 0; proof.verdict == CALL_PROOF_PENDING && n < 1000; n++) {
		struct record_call_proof hit = hit_make(n);
		bool stranger = n % 3 == 0; /* the interpreter's own frame, which nobody enters */

		hit.registers[RBP] = stranger ? 0x7f0000abc000 : hit.frame;
		cr_assert_eq(call_proof_hit(&proof, &hit, hit.frame), stranger ? 0 : hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_PROVEN);
	cr_expect_eq(proof.site.frame_register, RBP);
	cr_expect_gt(proof.strangers, 0);
}

Test(call_proof, an_exit_that_never_agrees_is_disproved_in_the_end)
{
	struct call_site site = leaving();
	struct call_proof proof;
	uint32_t n = 0;

	call_proof_init(&proof, &site);
	for (; proof.verdict == CALL_PROOF_PENDING && n < 10000; n++) {
		struct record_call_proof hit = hit_make(n);

		call_proof_hit(&proof, &hit, hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_DISPROVED);
	cr_expect_eq(n, CALL_PROOF_STRANGERS);
}

Test(call_proof, what_the_code_said_is_believed_when_it_agrees)
{
	struct call_site site = leaving();
	struct call_proof proof;

	site.frame_register = 6; /* rsi: an argument */
	call_proof_init(&proof, &site);
	for (uint32_t n = 0; proof.verdict == CALL_PROOF_PENDING && n < 1000; n++) {
		struct record_call_proof hit = hit_make(n);

		hit.registers[6] = hit.frame;
		hit.registers[RBX] = hit.frame;
		call_proof_hit(&proof, &hit, hit.frame);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_PROVEN);
	cr_expect_eq(proof.site.frame_register, 6);
}

/*
 * A class call in 3.12: the interpreter's own frame returns where __init__ was called from, with that
 * one, the innermost we know, in another register.
 */
Test(call_proof, the_interpreters_own_frame_does_not_mislead)
{
	struct call_site site = leaving();
	struct call_proof proof;

	site.frame_register = 6;
	call_proof_init(&proof, &site);
	for (uint32_t n = 0; proof.verdict == CALL_PROOF_PENDING && n < 1000; n++) {
		struct record_call_proof hit = hit_make(n);
		uint64_t known = hit.frame;
		bool own = n % 4 != 0;

		hit.registers[RBX] = own ? known : 0x7f0000000100;
		hit.registers[6] = own ? known + 0x100 : known;
		hit.frame = hit.registers[6];
		hit.code = 0x7f0000aaa000;
		hit.ip = own ? known : 0x7f0000000100;
		cr_assert_eq(call_proof_hit(&proof, &hit, known), own ? 0 : known);
	}
	cr_expect_eq(proof.verdict, CALL_PROOF_PROVEN);
	cr_expect_eq(proof.site.frame_register, 6);
	cr_expect_eq(proof.strangers, 0);
}
