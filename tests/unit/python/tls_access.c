// SPDX-License-Identifier: GPL-2.0-only
/* Code as compilers write it for each model of thread-local storage, assembled here. */
#include <criterion/criterion.h>
#include <string.h>

#include "python/tls_access.h"

/* Each between a begin and an end label; the assembler is the ground truth of the encodings. */
#define CODE(name, text)                                                                           \
	extern const uint8_t name##_begin[], name##_end[];                                         \
	__asm__(".pushsection .rodata\n" #name "_begin:\n" text "\n" #name "_end:\n.popsection\n")

CODE(local_exec, "endbr64; movq %fs:-40, %rax; ret");
CODE(local_by_thread, "movq %fs:0, %rax; movq -24(%rax), %rax; ret");
CODE(local_by_constant, "movq $-16, %rax; movq %fs:(%rax), %rax; ret");
CODE(initial_exec, "movq 0x1000(%rip), %rax; movq %fs:(%rax), %rax; ret");
CODE(initial_by_sum, "movq %fs:0, %rax; addq 0x1000(%rip), %rax; movq 8(%rax), %rax; ret");
CODE(general,
     "subq $8, %rsp; .byte 0x66; leaq 0x1000(%rip), %rdi; .word 0x6666; rex64; call .+0x2000;"
     "movq (%rax), %rax; addq $8, %rsp; ret");
CODE(local_dynamic, "pushq %rbx; leaq 0x1000(%rip), %rdi; call .+0x2000; movq 0x28(%rax), %rax;"
		    "popq %rbx; ret");
CODE(descriptor, "leaq 0x1000(%rip), %rax; call *(%rax); movq %fs:(%rax), %rax; ret");
CODE(canary, "movq %fs:0x28, %rax; xorl %eax, %eax; ret");
CODE(none, "movq 0x1000(%rip), %rax; movq 8(%rax), %rax; ret");
CODE(after_branch, "cmpq $0, 0x1000(%rip); je 1f; movq %fs:-8, %rax; ret; 1: xorl %eax, %eax; ret");
CODE(lost_over_call, "movq 0x1000(%rip), %rcx; xorl %edi, %edi; call .+0x2000;"
		     "movq %fs:(%rcx), %rax; ret");
CODE(garbage, ".byte 0x06, 0x06, 0x06, 0xff, 0xff");

enum { AT = 0x400000, GOT_AT = 0x1000 };

struct access_case {
	const char *what;
	const uint8_t *begin, *end;
	size_t count;
	struct tls_access access;
	size_t got_instruction_end; /* rip-relative addresses count from there */
};

#define CASE(name) #name, name##_begin, name##_end

Test(tls_access, each_model_is_understood)
{
	const struct access_case CASES[] = {
		{ CASE(local_exec), 1, { TLS_LOCAL_EXEC, -40, 0 }, 0 },
		{ CASE(local_by_thread), 1, { TLS_LOCAL_EXEC, -24, 0 }, 0 },
		{ CASE(local_by_constant), 1, { TLS_LOCAL_EXEC, -16, 0 }, 0 },
		{ CASE(initial_exec), 1, { TLS_INITIAL_EXEC, 0, 0 }, 7 },
		{ CASE(initial_by_sum), 1, { TLS_INITIAL_EXEC, 8, 0 }, 9 + 7 },
		{ CASE(general), 1, { TLS_GENERAL_DYNAMIC, 0, 0 }, 4 + 8 },
		{ CASE(local_dynamic), 1, { TLS_GENERAL_DYNAMIC, 0x28, 0 }, 1 + 7 },
		{ CASE(descriptor), 1, { TLS_DESCRIPTOR, 0, 0 }, 7 },
		{ CASE(after_branch), 1, { TLS_LOCAL_EXEC, -8, 0 }, 0 },
		{ CASE(canary), 0, { 0 }, 0 },
		{ CASE(none), 0, { 0 }, 0 },
		{ CASE(lost_over_call), 0, { 0 }, 0 },
		{ CASE(garbage), 0, { 0 }, 0 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct tls_access accesses[4] = { 0 };
		uint64_t jump;
		size_t count =
			tls_access_decode(CASES[i].begin, (size_t)(CASES[i].end - CASES[i].begin),
					  AT, accesses, 4, &jump);
		uint64_t got = CASES[i].got_instruction_end ?
				       AT + CASES[i].got_instruction_end + GOT_AT :
				       0;

		cr_expect_eq(count, CASES[i].count, "%s: %zu", CASES[i].what, count);
		cr_expect_eq(jump, 0, "%s", CASES[i].what);
		if (!count)
			continue;
		cr_expect_eq(accesses[0].kind, CASES[i].access.kind, "%s", CASES[i].what);
		cr_expect_eq(accesses[0].offset, CASES[i].access.offset, "%s", CASES[i].what);
		cr_expect_eq(accesses[0].got, got, "%s: %lx", CASES[i].what,
			     (unsigned long)accesses[0].got);
	}
}

CODE(tail, "endbr64; jmp .+0x100");

Test(tls_access, a_function_that_only_jumps_says_where_to)
{
	struct tls_access access;
	uint64_t jump;

	cr_expect_eq(tls_access_decode(tail_begin, (size_t)(tail_end - tail_begin), AT, &access, 1,
				       &jump),
		     0);
	cr_expect_eq(jump, AT + 4 + 0x100);
}

Test(tls_access, no_more_is_stored_than_there_is_room_for)
{
	struct tls_access accesses[2] = { { .offset = 1 }, { .offset = 1 } };
	uint64_t jump;

	cr_expect_eq(tls_access_decode(local_exec_begin,
				       (size_t)(local_exec_end - local_exec_begin), AT, accesses, 0,
				       &jump),
		     0);
	cr_expect_eq(accesses[0].offset, 1);
	/* Cut in the middle of the instruction: nothing, and no read behind it. */
	cr_expect_eq(tls_access_decode(local_exec_begin, 7, AT, accesses, 2, &jump), 0);
}
