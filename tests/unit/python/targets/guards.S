/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probes and their guards as a compiler makes them of CPython's, never run: two ways in, one way out.
 * OTHER_USE: a counter is also read in another way. TWO_COUNTERS: two places, each with a counter of
 * its own. NO_RETURN: function__return is missing. NOT_NOP: what is noted is no nop.
 */
	.text
	.globl main, entry_hot, entry_copied, return_hot, entry_probe, return_probe
main:	xor %eax, %eax
	ret

	cmpw $0, entry_counter(%rip)
entry_hot:
	jne entry_cold
	/* Scheduled in between, as gcc does; a long and a short branch. */
	cmpw $0, entry_counter(%rip)
	mov %rsi, 0x48(%r12)
	movabs $0x1122334455667788, %rax
	mov %rax, 0x100(%rsp)
	lea -2(%rcx), %eax
entry_copied:
	je entry_back
	nop
entry_back:
	cmpw $0, return_counter(%rip)
return_hot:
	jne return_cold
#ifdef OTHER_USE
	movzwl entry_counter(%rip), %eax
	test %ax, %ax
	jne entry_cold
#endif
	ret

	.skip 200, 0xcc
entry_cold:
	call main
entry_probe:
#ifdef NOT_NOP
	push %rax
#else
	nop
#endif
	jmp entry_back
return_cold:
	call main
return_probe:
	nop
	ret

	.section .probes, "aw"
	.globl entry_counter, return_counter
entry_counter:
	.2byte 0
return_counter:
	.2byte 0
other_counter:
	.2byte 0

	.macro probe place, counter, name
	.pushsection .note.stapsdt, "?", "note"
	.balign 4
	.4byte 992f - 991f, 994f - 993f, 3
991:	.asciz "stapsdt"
992:	.balign 4
993:	.8byte \place, 0, \counter
	.asciz "python"
	.asciz "\name"
	.asciz "8@%r12 8@%r13 -4@%eax"
994:	.balign 4
	.popsection
	.endm

	probe entry_probe, entry_counter, function__entry
#ifdef TWO_COUNTERS
	probe entry_probe, other_counter, function__entry
#endif
#ifndef NO_RETURN
	probe return_probe, return_counter, function__return
#endif
	.section .note.GNU-stack, "", @progbits
