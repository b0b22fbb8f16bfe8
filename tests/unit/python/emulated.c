// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions as the assembler writes them, and what arch/x86/kernel/uprobes.c does about each:
 * branch_setup_xol_ops() and push_setup_xol_ops() of Linux 5.10 to 6.18.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "python/emulated.h"

/* Each between a begin and an end label. */
#define CODE(name, text)                                                                           \
	extern const uint8_t name##_begin[], name##_end[];                                         \
	__asm__(".pushsection .rodata\n" #name "_begin:\n" text "\n" #name "_end:\n.popsection\n")
#define BYTES(name) name##_begin, (size_t)(name##_end - name##_begin)

CODE(push_low, "push %rbx");
CODE(push_high, "push %r15");
CODE(push_half, "pushw %bx");
CODE(push_constant, "push $1");
CODE(push_memory, "push (%rax)");
CODE(pop_low, "pop %rbx");
CODE(jump_short, "jmp .+2");
CODE(jump_near, ".byte 0xe9, 0, 1, 0, 0");
CODE(jump_register, "jmp *%rax");
CODE(jump_memory, "jmp *0x1000(,%rax,8)");
CODE(branch_short, "jne .+2");
CODE(branch_near, ".byte 0x0f, 0x84, 0, 1, 0, 0");
CODE(branch_last, "jg .+2");
CODE(branch_on_count, "jrcxz .+2");
CODE(call_near, ".byte 0xe8, 0, 1, 0, 0");
CODE(call_register, "call *%rax");
CODE(call_prefixed, ".byte 0x66, 0x48, 0xe8, 0, 1, 0, 0");
CODE(nop_one, "nop");
CODE(nop_five, ".byte 0x0f, 0x1f, 0x44, 0, 0");
CODE(exchange, "xchg %rax, %r8");
CODE(landing_pad, "endbr64");
CODE(move, "mov %r10, 0x38(%rbx)");
CODE(address, "lea 2(%r10), %rax");
CODE(compare, "cmpb $0, 0x44(%rbx)");
CODE(set_byte, "sete %al");
CODE(ret, "ret");
CODE(trap, "int3");

Test(emulated, what_the_kernel_emulates_is_known)
{
	static const struct {
		const char *what;
		const uint8_t *begin;
		const uint8_t *end;
		bool emulated;
	} CASES[] = {
#define CASE(name, emulated) { #name, name##_begin, name##_end, emulated }
		CASE(push_low, true),	    CASE(push_high, true),
		CASE(push_half, false),	    CASE(push_constant, false),
		CASE(push_memory, false),   CASE(pop_low, false),
		CASE(jump_short, true),	    CASE(jump_near, true),
		CASE(jump_register, false), CASE(jump_memory, false),
		CASE(branch_short, true),   CASE(branch_near, true),
		CASE(branch_last, true),    CASE(branch_on_count, false),
		CASE(call_near, true),	    CASE(call_register, false),
		CASE(call_prefixed, false), CASE(nop_one, true),
		CASE(nop_five, false),	    CASE(exchange, false),
		CASE(landing_pad, false),   CASE(move, false),
		CASE(address, false),	    CASE(compare, false),
		CASE(set_byte, false),	    CASE(ret, false),
		CASE(trap, false),
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(emulated_at(CASES[i].begin, (size_t)(CASES[i].end - CASES[i].begin)),
			     CASES[i].emulated, "%s", CASES[i].what);
}

Test(emulated, half_an_instruction_is_none)
{
	for (size_t i = 0; i < 5; i++)
		cr_expect_not(emulated_at(call_near_begin, i), "%zu bytes", i);
	cr_expect(emulated_at(call_near_begin, 5));
	cr_expect_not(emulated_at(push_high_begin, 1));
}

/* The start of a handler as gcc writes it. */
CODE(handler, "endbr64; mov (%rbx), %rax; lea 2(%r10), %rdi; mov %r10, 0x38(%rbx);"
	      "handler_jump: jne .+2; push %rbx");
extern const uint8_t handler_jump[];
CODE(only_moves, "endbr64; mov (%rbx), %rax; lea 2(%r10), %rdi");
CODE(returns_first, "mov %rax, %rbx; ret; push %rbx");
CODE(dispatches_first, "mov (%rbx), %rax; jmp *%rax; push %rbx");
CODE(calls_through_pointer_first, "mov (%rbx), %rax; call *0x30(%rax); push %rbx");
CODE(dies_first, "mov %rax, %rbx; ud2; push %rbx");
CODE(loops_first, "mov %rax, %rcx; loop .; push %rbx");
CODE(garbage_first, "mov %rax, %rbx; .byte 0x06; push %rbx");

Test(emulated, the_first_on_the_line_is_found)
{
	size_t offset = 99;

	cr_expect_eq(emulated_first(BYTES(handler), &offset), 0);
	cr_expect_eq(offset, (size_t)(handler_jump - handler_begin));
	cr_expect_eq(emulated_first(BYTES(push_low), &offset), 0);
	cr_expect_eq(offset, 0);
}

Test(emulated, none_is_found_where_control_may_go_elsewhere_first)
{
	static const struct {
		const char *what;
		const uint8_t *begin, *end;
	} CASES[] = {
#define LINE(name) { #name, name##_begin, name##_end }
		LINE(only_moves),	LINE(returns_first),
		LINE(dispatches_first), LINE(calls_through_pointer_first),
		LINE(dies_first),	LINE(loops_first),
		LINE(garbage_first),
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		size_t offset = 99;

		cr_expect_eq(emulated_first(CASES[i].begin, (size_t)(CASES[i].end - CASES[i].begin),
					    &offset),
			     -ENOENT, "%s", CASES[i].what);
		cr_expect_eq(offset, 99, "%s", CASES[i].what);
	}
}

Test(emulated, bytes_behind_the_end_are_not_looked_at)
{
	size_t offset;

	/* The jump is there, but its displacement is not. */
	cr_expect_eq(
		emulated_first(handler_begin, (size_t)(handler_jump - handler_begin) + 1, &offset),
		-ENOENT);
}
