/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses to names, for native and kernel frames, and the native stack itself: unwound from a
 * copy of its top and the registers, by the unwind tables of the files mapped, so that builds
 * without frame pointers give true stacks. A stack that cannot be followed to its root is given as
 * far as it is certain and says so; nothing is guessed. In particular it ends at code that no file
 * holds (JIT compilers), and where the copy of the stack ends.
 *
 * One resolver serves all processes; it opens each process's mapped files through /proc/PID and
 * keeps what it parsed, within bounds. Where a process has code mapped is read at first sight and
 * kept after its end, until it is forgotten. Not thread-safe. Errors: -ESRCH the process is gone
 * and was never seen, -ENOMEM, -ENOENT no such mapping; the caller shows the frame by its address
 * then.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_H
#define PYBPFPROF_RESOLVE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct native_resolver;

struct native_registers {
	uint64_t ip, sp, bp, rbx, r12, r13, r14, r15;
};

struct native_symbol {
	const char *name;   /* demangled where it is C++/Rust; "[unknown]" where there is none */
	const char *object; /* path of the mapped file as the target names it, or "[vdso]", "" */
	const char *file;   /* source file; "" where there is no debug information */
	int32_t line;	    /* source line, 0 unknown */
	bool is_eval;	    /* this is CPython's evaluation loop: Python frames belong here */
};

struct native_resolver *native_resolver_new(void); /* NULL: out of memory */
void native_resolver_free(struct native_resolver *resolver);
/* The process execed, mapped new files, or ended: forget what was known of it. */
void native_resolver_forget(struct native_resolver *resolver, pid_t pid);

/*
 * The user stack of a thread of `pid`, innermost first, into ips[0..*count). Return addresses are
 * given as they are (the caller's symbol is looked up at ip - 1). *complete tells whether the
 * outermost frame was reached.
 */
int native_unwind(struct native_resolver *resolver, pid_t pid,
		  const struct native_registers *registers, const void *stack, size_t stack_bytes,
		  uint64_t *ips, size_t ips_size, size_t *count, bool *complete);

/* Strings in *symbol are borrowed until the resolver is freed. */
int native_symbol_of(struct native_resolver *resolver, pid_t pid, uint64_t address,
		     struct native_symbol *symbol);
/*
 * `object` is "[kernel]" or the module's name in brackets. An address without a name fills *symbol
 * with "[kernel]" all the same, and says why: -ENOENT none is known, -EPERM the kernel hides its
 * addresses (kernel.kptr_restrict, or no CAP_SYSLOG).
 */
int native_kernel_symbol_of(struct native_resolver *resolver, uint64_t address,
			    struct native_symbol *symbol);

#endif
