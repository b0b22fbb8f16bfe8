// SPDX-License-Identifier: GPL-2.0-only
/* Where functions can be probed: prologues as compilers write them, with a label where it must be. */
#include <criterion/criterion.h>
#include <string.h>

#include "python/allocator_place.h"

/* Between a begin and an end label; the place wanted may have one, too. */
#define CODE(name, text)                                                                           \
	extern const uint8_t name##_begin[], name##_end[];                                         \
	__asm__(".pushsection .rodata\n" #name "_begin:\n" text "\n" #name "_end:\n.popsection\n")
#define PLACED(name, before, text)                                                                 \
	extern const uint8_t name##_place[];                                                       \
	CODE(name, before "\n" #name "_place:\n" text)

/* glibc's malloc() of 2.36, 2.31 and 2.43, calloc(), free() */
PLACED(push_first, "", "push %r12; push %rbp; mov %rdi, %rbx; ret");
PLACED(load_first, "mov 0x1000(%rip), %rax", "push %r12; mov %rdi, %rbp; ret");
PLACED(test_first, "test %rdi, %rdi", "js 1f; lea 0x17(%rdi), %rax; 1: ret");
PLACED(product, "mov %rdi, %rax; mul %rsi", "jo 1f; 1: ret");
PLACED(landing_pad, "endbr64; test %rdi, %rdi", "je 1f; 1: ret");
PLACED(stack_first, "sub $0x18, %rsp; mov 0x1000(%rip), %rax", "jne 1f; 1: ret");
PLACED(jump_only, "", ".byte 0xe9, 0, 1, 0, 0");
PLACED(call_first, "mov %rdi, %rbx", ".byte 0xe8, 0, 1, 0, 0; ret");
/* An argument that does not count may go: memalign() of 2.31. */
PLACED(third_goes, "mov (%rsp), %rdx", ".byte 0xe9, 0, 1, 0, 0");
/* It may go and come back. */
PLACED(kept_elsewhere, "mov %rdi, %rax; xor %edi, %edi; mov %rax, %rdi", "push %rbx; ret");
/* mimalloc's malloc() and realloc(): a heap is put before the arguments */
PLACED(context_comes, "mov %rdi, %rsi; mov %fs:(%rax), %rdi; cmp $0x400, %rsi", "ja 1f; 1: ret");
PLACED(context_comes_2, "mov %rsi, %rdx; mov %rdi, %rsi; mov %rax, %rdi", "jmp 1f; 1: ret");
/* CPython's _PyObject_Malloc(ctx, size) */
PLACED(has_context, "lea -1(%rsi), %rax; cmp $0x1ff, %rax", "ja 1f; 1: ret");
PLACED(loop_behind, "test %rdi, %rdi", "je 2f; 1: dec %rdi; jne 1b; 2: ret");

CODE(size_lost, "mov %rdi, %rax; mov %fs:(%rdx), %rdi; cmp $1, %rax; je 1f; 1: ret");
CODE(size_halved, "mov %edi, %edi; push %rbx; ret");
CODE(size_shifted, "shl $4, %rdi; push %rbx; ret");
CODE(second_lost, "mul %rdx; mov %rax, %rsi; jo 1f; 1: ret");
CODE(third_lost, "xor %edx, %edx; push %rbx; ret");
CODE(popped, "pop %rdi; push %rbx; ret");
CODE(system_call, "mov $0xb, %eax; syscall; cmp $-4095, %rax; jae 1f; 1: ret");
CODE(jumps_back, "mov (%rdi), %rax; 1: test %rax, %rax; js 2f; dec %rax; jmp 1b; 2: ret");
CODE(jumps_to_place, "test %rdi, %rdi; 1: js 2f; dec %rax; jmp 1b; 2: ret");
CODE(only_return, "mov %rdi, %rax; ret");
CODE(indirect, "jmp *%rax; push %rbx; ret");
CODE(trapped, "ud2; push %rbx; ret");
CODE(no_code, ".byte 0x06, 0x06, 0x06");
CODE(halved, ".byte 0x48, 0x8b, 0x05, 0");

#define BYTES(name) name##_begin, (size_t)(name##_end - name##_begin)

struct place_case {
	const char *what;
	const uint8_t *text;
	size_t bytes;
	const uint8_t *place;
	struct place_needs needs;
	uint8_t context;
};

#define CASE(name, arguments, context, returns, place_context)                                     \
	{                                                                                          \
#name, BYTES(name), name##_place, { arguments, context, returns }, place_context   \
	}
#define NONE(name, arguments, context, returns)                                                    \
	{                                                                                          \
#name, BYTES(name), NULL, { arguments, context, returns }, context                 \
	}

static void expect_places(const struct place_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct place_case *expected = &cases[i];
		struct place place = { .offset = 99 };

		place_find(expected->text, expected->bytes, &expected->needs, &place);
		cr_expect_eq(place.stepped, expected->place == NULL, "%s", expected->what);
		cr_expect_eq(place.offset,
			     expected->place ? (size_t)(expected->place - expected->text) : 0,
			     "%s: %u", expected->what, place.offset);
		cr_expect_eq(place.context, expected->context, "%s", expected->what);
	}
}

Test(allocator_place, it_is_the_first_emulated_instruction)
{
	const struct place_case CASES[] = {
		CASE(push_first, 1, 0, true, 0),  CASE(load_first, 1, 0, true, 0),
		CASE(test_first, 1, 0, true, 0),  CASE(product, 2, 0, true, 0),
		CASE(landing_pad, 1, 0, true, 0), CASE(jump_only, 4, 0, true, 0),
		CASE(call_first, 1, 0, true, 0),  CASE(has_context, 1, 1, true, 1),
		CASE(loop_behind, 1, 0, true, 0),
	};

	expect_places(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

Test(allocator_place, only_the_arguments_that_count_must_be_there)
{
	const struct place_case CASES[] = {
		CASE(third_goes, 2, 0, true, 0), CASE(kept_elsewhere, 1, 0, true, 0),
		NONE(third_goes, 3, 0, true),	 NONE(size_lost, 2, 0, true),
		NONE(size_halved, 1, 0, true),	 NONE(size_shifted, 1, 0, true),
		NONE(second_lost, 3, 0, true),	 NONE(popped, 1, 0, false),
		CASE(call_first, 4, 0, true, 0), NONE(has_context, 1, 0, false),
		NONE(third_lost, 2, 1, true),
	};

	expect_places(CASES, sizeof(CASES) / sizeof(CASES[0]) - 2);
	/* The size is the second there: for a function without a context it does not matter. */
	expect_places(&(struct place_case)CASE(has_context, 1, 0, true, 0), 1);
	expect_places(&CASES[sizeof(CASES) / sizeof(CASES[0]) - 1], 1);
}

Test(allocator_place, arguments_that_moved_up_by_one_are_known_to)
{
	const struct place_case CASES[] = {
		CASE(context_comes, 1, 0, true, 1),
		CASE(context_comes_2, 2, 0, true, 1),
		/* One more, and it is lost. */
		NONE(context_comes_2, 3, 0, true),
	};

	expect_places(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

Test(allocator_place, a_return_probe_needs_the_stack_as_it_was)
{
	const struct place_case CASES[] = {
		CASE(stack_first, 1, 0, false, 0),
		NONE(stack_first, 1, 0, true),
	};

	expect_places(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

Test(allocator_place, where_calls_pass_never_or_twice_there_is_none)
{
	const struct place_case CASES[] = {
		NONE(system_call, 2, 0, false),	  NONE(jumps_back, 1, 0, false),
		NONE(jumps_to_place, 1, 0, true), NONE(only_return, 1, 0, true),
		NONE(indirect, 1, 0, true),	  NONE(trapped, 1, 0, true),
		NONE(no_code, 1, 0, true),	  NONE(halved, 1, 0, true),
	};

	expect_places(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

/* ---- functions that only forward ---- */

enum { AT = 0x400000, OTHER = AT + 0x1000, STRANGER = AT + 0x2000 };

static bool is_other(uint64_t address, void *arg)
{
	(void)arg;
	return address == OTHER;
}

/* Jumps, calls and branches to what lies outside, whose distances the assembler knows. */
#define TO(name, instruction, target) instruction " " #name "_begin + " target " - 0x400000"
#define OTHER_TEXT "0x401000"
#define STRANGER_TEXT "0x402000"

CODE(forward, TO(forward, "jmp", OTHER_TEXT));
CODE(forward_far, TO(forward_far, "jmp", STRANGER_TEXT));
/* glibc's reallocarray(), musl's */
CODE(or_null,
     "mov %rsi, %rax; mul %rdx; mov %rax, %rsi; jo 1f;" TO(
	     or_null, "jmp",
	     OTHER_TEXT) "; 1: mov 0x1000(%rip), %rax; movl $0xc, %fs:(%rax); xor %eax, %eax; ret");
CODE(or_null_call,
     "test %rdx, %rdx; je 1f; imul %rdx, %rsi;" TO(
	     or_null_call, "jmp",
	     OTHER_TEXT) "; 1: push %rax;" TO(or_null_call, "call",
					      STRANGER_TEXT) "; xor %eax, %eax; pop %rdx; ret");
CODE(or_result,
     "test %rdx, %rdx; je 1f;" TO(or_result, "jmp",
				  OTHER_TEXT) "; 1: xor %eax, %eax;" TO(or_result, "call",
									STRANGER_TEXT) "; ret");
CODE(or_stranger,
     "test %rdx, %rdx; je 1f;" TO(or_stranger, "jmp", OTHER_TEXT) ";1:" TO(or_stranger, "jmp",
									   STRANGER_TEXT));
CODE(or_half_null,
     "test %rdx, %rdx; je 1f;" TO(or_half_null, "jmp", OTHER_TEXT) "; 1: xor %al, %al; ret");
CODE(only_calls, TO(only_calls, "call", OTHER_TEXT) "; ret");
CODE(only_null, "xor %eax, %eax; ret");
CODE(endless, "1: jmp 1b");
CODE(indirectly, "jmp *0x1000(%rip)");
CODE(runs_out, "test %rdi, %rdi");

Test(allocator_place, a_function_that_only_leads_on_is_known_to)
{
	const struct {
		const char *what;
		const uint8_t *text;
		size_t bytes;
		bool forwards;
	} CASES[] = {
#define FORWARDS(name, forwards) { #name, BYTES(name), forwards }
		FORWARDS(forward, true),       FORWARDS(or_null, true),
		FORWARDS(or_null_call, true),  FORWARDS(forward_far, false),
		FORWARDS(or_result, false),    FORWARDS(or_stranger, false),
		FORWARDS(or_half_null, false), FORWARDS(only_calls, false),
		FORWARDS(only_null, false),    FORWARDS(endless, false),
		FORWARDS(indirectly, false),   FORWARDS(runs_out, false),
		FORWARDS(no_code, false),
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(place_forwards(CASES[i].text, CASES[i].bytes, AT, is_other, NULL),
			     CASES[i].forwards, "%s", CASES[i].what);
}
