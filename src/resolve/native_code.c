// SPDX-License-Identifier: GPL-2.0-only
/* Patterns of machine code (Intel's manual, volume 2). The contract is in native_code.h. */
#include "resolve/native_code.h"

#include <string.h>

enum {
	CALL_MAX_BYTES = 7,
	EPILOGUE_MAX_BYTES = 48,
};

static size_t code_read(const struct native_elf *elf, uint64_t address, uint8_t *code, size_t bytes)
{
	uint64_t offset;

	if (!native_elf_offset_of(elf, address, &offset))
		return 0;
	return native_elf_read_some(elf, offset, code, bytes);
}

/* Length of "call *operand" (ff /2) by its operand's bytes. */
static size_t indirect_call_bytes(const uint8_t *code, size_t bytes)
{
	uint8_t mode = code[1] >> 6, operand = code[1] & 7;
	size_t length = 2;

	if (mode != 3 && operand == 4) {
		length++; /* an index byte, which may ask for a displacement */
		if (mode == 0 && bytes > 2 && (code[2] & 7) == 5)
			length += 4;
	}
	if (mode == 1)
		length += 1;
	else if (mode == 2 || (mode == 0 && operand == 5))
		length += 4;
	return length;
}

bool native_code_follows_call(const struct native_elf *elf, uint64_t address)
{
	uint8_t code[CALL_MAX_BYTES];

	if (address < sizeof(code) ||
	    code_read(elf, address - sizeof(code), code, sizeof(code)) != sizeof(code))
		return false;
	if (code[CALL_MAX_BYTES - 5] == 0xe8)
		return true;
	for (size_t i = 0; i + 2 <= CALL_MAX_BYTES; i++) {
		if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x10 &&
		    indirect_call_bytes(code + i, CALL_MAX_BYTES - i) == CALL_MAX_BYTES - i)
			return true;
	}
	return false;
}

/* What may stand between the last pops and the end. 0: nothing of that. */
static size_t epilogue_step(const uint8_t *code)
{
	if ((code[0] & 0xf8) == 0x58 || code[0] == 0xc9) /* pop, leave */
		return 1;
	if (code[0] == 0x41 && (code[1] & 0xf8) == 0x58) /* pop r8..r15 */
		return 2;
	if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xc4) /* add $8, %rsp */
		return 4;
	if (code[0] == 0x48 && code[1] == 0x81 && code[2] == 0xc4)
		return 7;
	if (code[0] == 0xc5 && code[1] == 0xf8 && code[2] == 0x77) /* vzeroupper */
		return 3;
	if (code[0] == 0x31 && code[1] == 0xc0) /* xor %eax, %eax */
		return 2;
	return 0;
}

/* ret, and jumps: the function called last is jumped to. */
static bool is_end(const uint8_t *code)
{
	if (code[0] == 0xf2 || code[0] == 0xf3 || code[0] == 0x41 || code[0] == 0x3e)
		code++;
	return code[0] == 0xc3 || code[0] == 0xc2 || code[0] == 0xe9 || code[0] == 0xeb ||
	       (code[0] == 0xff && (code[1] & 0x38) == 0x20);
}

bool native_code_is_epilogue(const struct native_elf *elf, uint64_t address)
{
	uint8_t code[EPILOGUE_MAX_BYTES + 8] = { 0 };
	size_t bytes = code_read(elf, address, code, EPILOGUE_MAX_BYTES);
	size_t step;

	for (size_t at = 0; at < bytes; at += step) {
		if (is_end(code + at))
			return true;
		step = epilogue_step(code + at);
		if (!step)
			return false;
	}
	return false;
}

static bool section_holds(const struct native_elf *elf, const char *name, uint64_t address)
{
	const Elf64_Shdr *section = native_elf_section(elf, name);

	return section && address >= section->sh_addr &&
	       address - section->sh_addr < section->sh_size;
}

/* [endbr64] [bnd] jmp *slot(%rip) */
bool native_code_is_linkage(const struct native_elf *elf, uint64_t address)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint8_t code[8] = { 0 };
	size_t at = 0;

	if (!section_holds(elf, ".plt", address) && !section_holds(elf, ".plt.got", address) &&
	    !section_holds(elf, ".plt.sec", address) && !section_holds(elf, ".iplt", address))
		return false;
	if (code_read(elf, address, code, sizeof(code)) != sizeof(code))
		return false;
	if (memcmp(code, endbr64, sizeof(endbr64)) == 0)
		at = sizeof(endbr64);
	if (code[at] == 0xf2)
		at++;
	return code[at] == 0xff && code[at + 1] == 0x25;
}
