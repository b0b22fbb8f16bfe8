// SPDX-License-Identifier: GPL-2.0-only
/* Machine code as compilers make it of reads of static variables. */
#include <criterion/criterion.h>
#include <string.h>

#include "python/static_reads.h"

enum { AT = 0x401000 };

static uint64_t decode(const char *code, size_t bytes, struct static_reads *reads)
{
	*reads = (struct static_reads){ 0 };
	return static_reads_decode((const uint8_t *)code, bytes, AT, reads);
}

struct row {
	const char *what;
	const char *code;
	size_t bytes;
	size_t count;
	struct static_read reads[2];
};

#define ROW(what, code, ...)                                                                       \
	{                                                                                          \
		what, code, sizeof(code) - 1, __VA_ARGS__                                          \
	}

Test(static_reads, of_single_instructions)
{
	static const struct row ROWS[] = {
		ROW("mov rax, [rip+0x10]", "\x48\x8b\x05\x10\x00\x00\x00", 1, { { AT + 0x17, 8 } }),
		ROW("mov r9d, [rip+0x10]", "\x44\x8b\x0d\x10\x00\x00\x00", 1, { { AT + 0x17, 4 } }),
		ROW("cmp [rip+0x10], edi", "\x39\x3d\x10\x00\x00\x00", 1, { { AT + 0x16, 4 } }),
		ROW("add rax, [rip-0x10]", "\x48\x03\x05\xf0\xff\xff\xff", 1, { { AT - 9, 8 } }),
		ROW("jmp [rip+0x10]", "\xff\x25\x10\x00\x00\x00", 1, { { AT + 0x16, 8 } }),
		ROW("call [rip+0x10]", "\xff\x15\x10\x00\x00\x00", 1, { { AT + 0x16, 8 } }),
		ROW("add qword [rip+0x10], 1", "\x48\x83\x05\x10\x00\x00\x00\x01", 1,
		    { { AT + 0x18, 8 } }),
		ROW("mov rax, [0x601000]", "\x48\x8b\x04\x25\x00\x10\x60\x00", 1,
		    { { 0x601000, 8 } }),
		ROW("mov [rip+0x10], rax", "\x48\x89\x05\x10\x00\x00\x00", 0, { { 0 } }),
		ROW("lea rax, [rip+0x10]", "\x48\x8d\x05\x10\x00\x00\x00", 0, { { 0 } }),
		ROW("mov rax, fs:[0x28]", "\x64\x48\x8b\x04\x25\x28\x00\x00\x00", 0, { { 0 } }),
		ROW("mov rax, [rdi+0x10]", "\x48\x8b\x47\x10", 0, { { 0 } }),
		ROW("mov rax, [0x601000+rax*8]", "\x48\x8b\x04\xc5\x00\x10\x60\x00", 0, { { 0 } }),
		ROW("movzx eax, byte [rip+0x10]", "\x0f\xb6\x05\x10\x00\x00\x00", 0, { { 0 } }),
		ROW("the same twice", "\xff\x25\x10\x00\x00\x00\xff\x25\x0a\x00\x00\x00", 1,
		    { { AT + 0x16, 8 } }),
		ROW("two in the order of the code",
		    "\x48\x8b\x3d\x10\x00\x00\x00\xff\x25\x00\x00\x00\x00", 2,
		    { { AT + 0x17, 8 }, { AT + 0xd, 8 } }),
		ROW("cut off", "\x48\x8b\x05\x10\x00\x00", 0, { { 0 } }),
		ROW("no instruction", "\x06\x48\x8b\x05\x10\x00\x00\x00", 0, { { 0 } }),
	};

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct static_reads reads;

		decode(ROWS[i].code, ROWS[i].bytes, &reads);
		cr_expect_eq(reads.count, ROWS[i].count, "%s: %zu", ROWS[i].what, reads.count);
		for (size_t j = 0; j < ROWS[i].count && j < reads.count; j++) {
			cr_expect_eq(reads.reads[j].address, ROWS[i].reads[j].address, "%s: %lx",
				     ROWS[i].what, reads.reads[j].address);
			cr_expect_eq(reads.reads[j].bytes, ROWS[i].reads[j].bytes, "%s",
				     ROWS[i].what);
		}
	}
}

Test(static_reads, the_rest_of_a_function_is_where_it_jumps_out)
{
	struct static_reads reads;

	cr_expect_eq(decode("\x74\x01\x90\xe9\x00\x01\x00\x00", 8, &reads), AT + 0x108);
	cr_expect_eq(decode("\x0f\x84\x00\x01\x00\x00\xc3", 7, &reads), AT + 0x106);
	cr_expect_eq(decode("\xeb\xee", 2, &reads), AT - 0x10);
	cr_expect_eq(decode("\xe8\x00\x01\x00\x00\xeb\x00\xc3", 8, &reads), 0, "a call, a branch");
}

Test(static_reads, more_than_there_is_room_for_are_left_out)
{
	struct static_reads reads;
	char code[6 * (STATIC_READS_MAX + 5)];

	/* jmp [rip+n], each of another address */
	for (size_t i = 0; i < sizeof(code) / 6; i++)
		memcpy(code + 6 * i, (char[]){ '\xff', '\x25', (char)i, 0, 0, 0 }, 6);
	decode(code, sizeof(code), &reads);
	cr_expect_eq(reads.count, (size_t)STATIC_READS_MAX);
}

Test(static_reads, of_functions_of_a_file)
{
	struct static_reads functions[] = { { .function = "_PyObject_DebugMallocStats" },
					    { .function = "no_such_function" } };

	if (static_reads_find("/usr/bin/python3.11", functions, 2) == -2)
		cr_skip_test("no /usr/bin/python3.11");
	cr_expect_gt(functions[0].count, 1);
	cr_expect_eq(functions[1].count, 0);
}

Test(static_reads, of_what_is_no_file_or_no_elf_file_are_none)
{
	struct static_reads function = { .function = "main", .count = 7 };

	cr_expect_lt(static_reads_find("/nowhere", &function, 1), 0);
	cr_expect_lt(static_reads_find("/etc/passwd", &function, 1), 0);
	cr_expect_eq(function.count, 0);
}
