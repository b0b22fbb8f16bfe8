/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that make an instance of the type that is their first argument, with as many items as the
 * second one says, as compilers write them and as they had better not: one for each case of
 * lifetime_births.c, named alike. With FORM 1 nothing here is called PyErr_NoMemory().
 */
#define TP_ITEMSIZE 0x28
#define TP_FLAGS 0xa8

#if FORM == 1
#define NO_MEMORY PyErr_NoMemorx
#else
#define NO_MEMORY PyErr_NoMemory
#endif

	.text
	.macro	function name
	.p2align 4
	.type	\name, @function
\name:
	.endm

	/* Up to where there is memory: the type is in %rbx, how many items in %rbp. */
	.macro	maker name
	function \name
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	imul	TP_ITEMSIZE(%rdi), %rsi
	call	get
	test	%rax, %rax
	je	\name\()_failed
	.endm

	.macro	back
	pop	%rbx
	pop	%rbp
	ret
	.endm

	/* The end of it. */
	.macro	made name
	back
\name\()_failed:
	pop	%rbx
	pop	%rbp
	jmp	no_memory
	.endm

	/* Where an instance is to be met: instructions that the kernel emulates. */
	.macro	place name
	.type	place_\name, @function
place_\name:
	call	track
	.endm

function get
	xor	%eax, %eax
	ret

function track
	ret

	.globl	NO_MEMORY
function NO_MEMORY
no_memory:
	endbr64
	push	%rcx
	test	%rdi, %rdi
	je	1f
no_memory_middle:
	call	get
1:	xor	%eax, %eax
	pop	%rcx
	ret

	/* ---- as it should be ---- */

maker proper
	movq	$1, (%rax)
	mov	%rbx, 8(%rax)
	place	proper
	made	proper

	/* Two ways to make one, in other registers, with room before the object. */
maker two_ways
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 24(%rax)
	place	two_ways
	back
1:	mov	%rbx, %r12
	mov	%rbp, %r13
	mov	%rax, %r14
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	mov	%r12, 8(%r14)
	place	two_ways_2
	made	two_ways

maker behind_16
	mov	%rbx, 24(%rax)
	place	behind_16
	made	behind_16

maker behind_32
	mov	%rbx, 40(%rax)
	place	behind_32
	made	behind_32

	/* The probe is met before the instruction changes anything. */
maker pushed
	mov	%rbx, 8(%rax)
	.type	place_pushed, @function
place_pushed:
	push	%rax
	pop	%rax
	made	pushed

	/* As far behind the store as is looked. */
maker far
	mov	%rbx, 8(%rax)
	.rept	15
	inc	%ecx
	.endr
	place	far
	made	far

	/* What is in two registers is in one of them at the place. */
maker overwritten
	mov	%rbx, %r12
	mov	%rbp, %r13
	mov	%rbx, 8(%rax)
	pop	%rbx
	pop	%rbp
	place	overwritten
	ret
overwritten_failed:
	jmp	no_memory

	/* ---- how many items ---- */

	/* A copy for no items. */
function no_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	call	get
	test	%rax, %rax
	je	no_items_failed
	mov	%rbx, 8(%rax)
	place	no_items
	made	no_items

function cleared_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	xor	%esi, %esi
	call	get
	test	%rax, %rax
	je	cleared_items_failed
	mov	%rbx, 8(%rax)
	place	cleared_items
	made	cleared_items

function moved_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	xor	%ebp, %ebp
	call	get
	test	%rax, %rax
	je	moved_items_failed
	mov	%rbx, 8(%rax)
	place	moved_items
	made	moved_items

function lost_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	imul	TP_ITEMSIZE(%rdi), %rsi
	call	get
	test	%rax, %rax
	je	lost_items_failed
	mov	%rbx, 8(%rax)
	call	track
	made	lost_items

	/* To add an address is to read, too. */
function lost_address
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	lea	1(,%rsi,8), %rdi
	call	get
	test	%rax, %rax
	je	lost_address_failed
	mov	%rbx, 8(%rax)
	call	track
	made	lost_address

function stacked_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, -8(%rsp)
	call	get
	test	%rax, %rax
	je	stacked_items_failed
	mov	%rbx, 8(%rax)
	call	track
	made	stacked_items

	/* Kept on one way only. */
function meeting_items
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	test	%rsi, %rsi
	je	1f
	mov	%rsi, %rbp
1:	call	get
	test	%rax, %rax
	je	meeting_items_failed
	mov	%rbx, 8(%rax)
	call	track
	made	meeting_items

	/* They are there after the store, and not any more at the place. */
maker late_items
	mov	%rbx, 8(%rax)
	xor	%ebp, %ebp
	call	track
	made	late_items

	/* ---- ways around the store ---- */

maker avoided
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 8(%rax)
	call	track
1:	made	avoided

maker avoided_by_call
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 8(%rax)
	call	track
	back
1:	call	get
	made	avoided_by_call

maker avoided_by_jump
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 8(%rax)
	call	track
	back
1:	pop	%rbx
	pop	%rbp
	jmp	get
avoided_by_jump_failed:
	jmp	no_memory

maker avoided_indirectly
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 8(%rax)
	call	track
	back
1:	jmp	*TP_ITEMSIZE(%rbx)
avoided_indirectly_failed:
	jmp	no_memory

maker memory_called
	mov	%rbx, 8(%rax)
	place	memory_called
	back
memory_called_failed:
	call	no_memory
	back

maker memory_middle
	mov	%rbx, 8(%rax)
	place	memory_middle
	back
memory_middle_failed:
	jmp	no_memory_middle

maker memory_middle_called
	mov	%rbx, 8(%rax)
	place	memory_middle_called
	back
memory_middle_called_failed:
	call	no_memory_middle
	back

maker memory_linked
	mov	%rbx, 8(%rax)
	place	memory_linked
	back
memory_linked_failed:
	call	NO_MEMORY@PLT
	back

maker memory_linked_jump
	mov	%rbx, 8(%rax)
	place	memory_linked_jump
	back
memory_linked_jump_failed:
	pop	%rbx
	pop	%rbp
	jmp	NO_MEMORY@PLT

	/* ---- more than one store ---- */

maker twice
	mov	%rbx, 8(%rax)
	call	track
	mov	%rbx, 8(%rbp)
	call	track
	made	twice

maker again
1:	mov	%rbx, 8(%rax)
	call	track
	test	%rax, %rax
	je	1b
	made	again

	/* One way's place is in the other's line. */
maker landed
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 24(%rax)
	jmp	2f
1:	mov	%rbx, 8(%rax)
2:	movq	$1, (%rax)
	call	track
	made	landed

	/* The place itself is where two ways meet. */
maker landed_on_place
	testb	$0x40, TP_FLAGS + 1(%rbx)
	je	1f
	mov	%rbx, 24(%rax)
	jmp	2f
1:	mov	%rbx, 8(%rax)
2:	call	track
	made	landed_on_place

	.macro	one_of_many
	dec	%ecx
	je	1f
	mov	%rbx, 8(%rax)
	call	track
	back
1:
	.endm

	/* As many places as there is room for; and one more. */
maker five_ways
	.rept	4
	one_of_many
	.endr
	mov	%rbx, 8(%rax)
	call	track
	made	five_ways

maker four_ways
	.macro	numbered number
	dec	%ecx
	je	1f
	mov	%rbx, 8(%rax)
	place	four_ways_\number
	back
1:
	.endm
	numbered 1
	numbered 2
	numbered 3
	mov	%rbx, 8(%rax)
	place	four_ways_4
	made	four_ways

	/* ---- between the store and the place ---- */

maker lost_object
	mov	%rbx, 8(%rax)
	mov	%rax, %rdi
	xor	%eax, %eax
	call	track
	made	lost_object

	/* To overwrite a part of it is enough. */
maker torn_object
	mov	%rbx, 8(%rax)
	mov	$1, %al
	call	track
	made	torn_object

maker lost_type
	mov	%rbx, 8(%rax)
	pop	%rbx
	jmp	track
lost_type_failed:
	jmp	no_memory

maker branching
	mov	%rbx, 8(%rax)
	mov	%rbp, %rcx
	jrcxz	1f
	call	track
1:	made	branching

maker too_far
	mov	%rbx, 8(%rax)
	.rept	16
	inc	%ecx
	.endr
	call	track
	made	too_far

	/* Nothing behind the store that the kernel emulates. */
maker no_place
	mov	%rbx, 8(%rax)
	made	no_place

	/* ---- what is no store of the type ---- */

maker stack
	mov	%rbx, 8(%rsp)
	call	track
	mov	%rbp, %r12
	mov	%rbx, 8(%r12)
	place	stack
	made	stack

	/* A type is an object itself, with one of its own. */
maker itself
	mov	%rbx, 8(%rbx)
	call	track
	mov	%rbp, %r12
	mov	%rbx, 8(%r12)
	place	itself
	made	itself

maker half
	mov	%ebx, 8(%rax)
	call	track
	made	half

maker indexed
	mov	%rbx, 8(%rax,%rcx,8)
	call	track
	made	indexed

maker before_type
	mov	%rbx, -8(%rax)
	call	track
	made	before_type

maker unaligned
	mov	%rbx, 16(%rax)
	call	track
	made	unaligned

maker too_far_behind
	mov	%rbx, 56(%rax)
	call	track
	made	too_far_behind

maker another
	mov	%rbp, 8(%rax)
	call	track
	made	another

maker read
	mov	8(%rax), %rbx
	call	track
	made	read

	/* ---- where the type is ---- */

function half_moved
	push	%rbp
	push	%rbx
	mov	%edi, %ebx
	call	get
	test	%rax, %rax
	je	half_moved_failed
	mov	%rbx, 8(%rax)
	call	track
	made	half_moved

	/* A call may change it. */
function in_argument
	push	%rbp
	push	%rbx
	call	get
	test	%rax, %rax
	je	in_argument_failed
	mov	%rdi, 8(%rax)
	call	track
	made	in_argument

	/* On one way in one register, on the other in another. */
function meeting
	push	%rbp
	push	%rbx
	testb	$0x40, TP_FLAGS + 1(%rdi)
	je	1f
	mov	%rdi, %rbx
	jmp	2f
1:	mov	%rdi, %r12
2:	call	get
	test	%rax, %rax
	je	meeting_failed
	mov	%rbx, 8(%rax)
	call	track
	made	meeting

	/* And in a third one on both. */
function meeting_in_third
	push	%rbp
	push	%rbx
	mov	%rdi, %r13
	testb	$0x40, TP_FLAGS + 1(%rdi)
	je	1f
	mov	%rdi, %rbx
	jmp	2f
1:	mov	%rdi, %r12
2:	call	get
	test	%rax, %rax
	je	meeting_in_third_failed
	mov	%r13, 8(%rax)
	place	meeting_in_third
	made	meeting_in_third

	/* The first time round it is in both. */
function around
	push	%rbp
	push	%rbx
	mov	%rdi, %rbx
	mov	%rdi, %r12
1:	call	get
	test	%rax, %rax
	jne	2f
	mov	%rax, %rbx
	call	track
	test	%rax, %rax
	jne	1b
	jmp	around_failed
2:	mov	%r12, 8(%rax)
	place	around
	made	around

	/* ---- how large ---- */

maker large
	.rept	1900
	inc	%ecx
	.endr
	mov	%rbx, 8(%rax)
	place	large
	made	large

maker too_large
	.rept	2048
	inc	%ecx
	.endr
	mov	%rbx, 8(%rax)
	call	track
	made	too_large

	.section .note.GNU-stack, "", @progbits
