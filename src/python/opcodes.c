// SPDX-License-Identifier: GPL-2.0-only
/* Looking things up in the table that scripts/gen-opcodes writes. */
#include "python/opcodes.h"

#include <stddef.h>

const struct opcodes *opcodes_of(unsigned int minor)
{
	for (const struct opcodes *opcodes = opcodes_table; opcodes->minor; opcodes++) {
		if (opcodes->minor == minor)
			return opcodes;
	}
	return NULL;
}

bool opcode_is_handled(const struct opcodes *opcodes, unsigned int number)
{
	return opcodes->handled[number / 64] >> number % 64 & 1;
}
