/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Code as compilers make of calls of a type's tp_alloc, for a library: FORM says how it is compared with
 * PyType_GenericAlloc() and what follows. The functions do what they are named for, as far as it shows.
 */
#define TP_BASICSIZE 0x20
#define TP_ITEMSIZE 0x28
#define TP_FLAGS 0xa8
#define TP_BASE 0x100
#define TP_ALLOC 0x130

	.text
	.macro	function name
	.p2align 4
	.type	\name, @function
\name:
	.endm

	/* The instructions that begin an allocation. */
	.macro	work
	push	%rbx
	mov	%rdi, %rbx
	mov	TP_FLAGS(%rbx), %rax
	mov	TP_BASICSIZE(%rdi), %rdi
	call	get
	.endm

function get
	xor	%eax, %eax
	ret

	/* Does it all itself. */
	.globl	PyType_GenericAlloc
function PyType_GenericAlloc
generic:
	push	%rbp
	mov	%rsi, %rbp
	imul	TP_ITEMSIZE(%rdi), %rsi
	work
	pop	%rbx
	pop	%rbp
	ret

	/* What a copy for no items has become. */
function copy
	work
	pop	%rbx
	ret

	/* Leads on to it, and then keeps a list. */
function leading
	push	%rbx
	mov	%rdi, %rbx
	call	copy
	testb	$0x40, TP_FLAGS + 1(%rbx)
	pop	%rbx
	ret

function thunk
	endbr64
	jmp	copy

	/* As not optimised: everything goes by way of the stack. */
function spelled_out
	push	%rbp
	mov	%rsp, %rbp
	sub	$0x20, %rsp
	mov	%rdi, -0x18(%rbp)
	mov	%rsi, -0x20(%rbp)
	mov	%rdi, %dr0
	mov	-0x18(%rbp), %rax
	mov	TP_BASICSIZE(%rax), %rax
	mov	%rax, -0x8(%rbp)
	mov	-0x18(%rbp), %rax
	mov	TP_FLAGS(%rax), %rax
	call	get
	leave
	ret

	/* The same, but what is on the stack has changed. */
function overwritten
	push	%rbp
	mov	%rsp, %rbp
	mov	%rdi, -0x18(%rbp)
	mov	%rsi, -0x18(%rbp)
	mov	-0x18(%rbp), %rax
	mov	TP_BASICSIZE(%rax), %rcx
	mov	TP_FLAGS(%rax), %rax
	xor	%edi, %edi
	call	get
	leave
	ret

	/* Takes a type, too, and reads more of it than an allocation does. */
function inherit
	push	%rbx
	mov	TP_BASICSIZE(%rdi), %rbx
	mov	TP_FLAGS(%rdi), %rax
	mov	TP_BASE(%rdi), %rcx
	call	get
	pop	%rbx
	ret

	/* The like of object_new(): the type is its first argument. */
function make
	push	%r12
	mov	%rdi, %r12
#if FORM == 1 /* an address relative to the code */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	copy
#elif FORM == 2 /* loaded long before, on the other side, and compared the other way round */
	lea	generic(%rip), %r14
	mov	TP_ALLOC(%rdi), %rdx
	test	%rsi, %rsi
	je	done
	cmp	%r14, %rdx
	mov	%r12, %rdi
	je	equal
	jmp	slow
	nop
equal:	call	leading
#elif FORM == 3 /* from the global offset table */
	mov	PyType_GenericAlloc@GOTPCREL(%rip), %rax
	cmp	%rax, TP_ALLOC(%rdi)
	jne	slow
	call	leading
#elif FORM == 4 /* compared there */
	mov	TP_ALLOC(%rdi), %rax
	cmp	PyType_GenericAlloc@GOTPCREL(%rip), %rax
	jne	slow
	call	copy
#elif FORM == 5 /* a call in the end is a jump; others call it */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	pop	%r12
	jmp	copy
#elif FORM == 6 /* by way of a function that is a jump */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	thunk
#elif FORM == 7 /* the exported function, by the linkage table */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	PyType_GenericAlloc@PLT
#elif FORM == 8 /* no allocation follows */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	inherit
#elif FORM == 9 /* nobody is called: it is all here */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	mov	TP_FLAGS(%r12), %rax
	mov	TP_BASICSIZE(%r12), %rdi
	call	get
#elif FORM == 10 /* another function is what it is compared with */
	lea	copy(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	copy
#elif FORM == 11 /* a copy that is not optimised */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	spelled_out
#elif FORM == 12 /* what reads fields of its second argument */
	lea	generic(%rip), %rcx
	cmp	%rcx, TP_ALLOC(%rdi)
	jne	slow
	call	overwritten
#endif
done:	pop	%r12
	ret
slow:	xor	%esi, %esi
	call	*TP_ALLOC(%r12)
	jmp	done

	/* The like of a module's tp_new. */
	.globl	module_new
function module_new
	xor	%esi, %esi
	call	copy
	ret

	.section .note.GNU-stack, "", @progbits
