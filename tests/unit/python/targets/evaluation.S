/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An evaluation function as a compiler makes it of CPython 3.9's: (tstate, f, throwflag), a table of
 * handlers, one way out. It only sleeps; what is defined when it is assembled changes one thing:
 *	LINK_TWICE	the slow way in has a link of its own
 *	FRAME_LOST	the way out overwrites the register with the frame
 *	OWN_CHECK	_Py_CheckFunctionResult() was inlined
 *	EXIT_UNSEEN	a handler returns without unlinking the frame
 *	EXIT_SHARED	a call that is refused passes the place where a frame is left
 *	NO_LINK		the frame is put elsewhere
 *	NO_UNLINK	what was put there is another thing
 *	NO_TABLE	the table has a word too few that is code
 */
	.text
	.globl main, _PyEval_EvalFrameDefault
	.globl entered, entered_slowly, decided, gave_up, left, left_inlined
main:
	sub $8, %rsp
again:	call pause
	jmp again

	.type _PyEval_EvalFrameDefault, @function
_PyEval_EvalFrameDefault:
	push %rbp
	push %rbx
	mov %edx, -8(%rsp)
	mov 0x20(%rdi), %eax
	mov %rdi, %rbp
	mov %rsi, %rbx
	cmp 0x40(%rdi), %eax
	jg slow
link:	mov 0x30(%rbp), %eax
#ifdef NO_LINK
	mov %rbx, 0x10(%rbp)
#else
	mov %rbx, 0x18(%rbp)
#endif
	test %eax, %eax
entered:
	jne traced
begin:
	movzbl (%r12), %eax
	jmp *table(, %rax, 8)
nothing:
	movzbl 2(%r12), %eax
	/* A tuple's first item is where a thread state has its frame. */
	mov 0x18(%r13), %r14
	mov %r14, 0x18(%r15)
	test %r14, %r14
	je done
	jmp *table(, %rax, 8)
return_value:
	mov -8(%r13), %r14
	jmp done
yield_value:
	mov -16(%r13), %r14
	jmp done
#ifdef EXIT_UNSEEN
bare:	pop %rbx
	pop %rbp
	ret
#endif
done:	cmpl $0, 0x30(%rbp)
decided:
	jne traced_out
leave:
#ifdef FRAME_LOST
	mov 0x18(%rbx), %rbx
	mov %rbx, 0x18(%rbp)
#elif defined(NO_UNLINK)
	mov 0x20(%rbx), %rax
	mov %rax, 0x18(%rbp)
#else
	mov 0x18(%rbx), %rax
	mov %rax, 0x18(%rbp)
#endif
#ifdef OWN_CHECK
	test %r14, %r14
left_inlined:
	je no_result
	mov %r14, %rax
	pop %rbx
	pop %rbp
	ret
no_result:
	mov %rbp, %rdi
	mov %r14, %rdx
	mov $name, %ecx
#else
	mov %r14, %rdx
	mov $name, %ecx
#endif
check:	xor %esi, %esi
left:	call result_check
out:	pop %rbx
	pop %rbp
	ret
slow:
	call limit_check
	test %eax, %eax
	je slow_link
	xor %eax, %eax
#ifdef EXIT_SHARED
	jmp check
#else
	jmp out
#endif
slow_link:
#ifdef LINK_TWICE
	mov %rbx, 0x18(%rbp)
entered_slowly:
	jmp begin
#else
	jmp link
#endif
traced:
	call limit_check
	test %eax, %eax
	je begin
	xor %r14d, %r14d
gave_up:
	jmp leave
traced_out:
	call limit_check
	jmp leave
	.size _PyEval_EvalFrameDefault, . - _PyEval_EvalFrameDefault

result_check:
	mov %rdx, %rax
	ret
limit_check:
	xor %eax, %eax
	ret

	.section .rodata
name:	.asciz "_PyEval_EvalFrameDefault"
	.balign 8
table:	.rept 84
	.8byte nothing, return_value
#ifdef EXIT_UNSEEN
	.8byte bare
#else
	.8byte yield_value
#endif
	.endr
	.8byte nothing, nothing, nothing
#ifdef NO_TABLE
	.8byte table
#else
	.8byte nothing
#endif
	.section .note.GNU-stack, "", @progbits
