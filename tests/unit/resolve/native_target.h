/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs to look at: built from tests/unit/resolve/targets with the compiler's flags under test,
 * run up to a trap, their registers and stack read with ptrace, as a sample would carry them.
 * Failures to do so end the test.
 */
#ifndef TESTS_RESOLVE_NATIVE_TARGET_H
#define TESTS_RESOLVE_NATIVE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolve/native.h"

enum { TARGET_STACK_BYTES = 65536, TARGET_FRAMES = 256 };

struct target {
	pid_t pid;
	pid_t tid; /* of the thread that trapped last */
	int status;
	char path[128];
};

struct target_sample {
	struct native_registers registers;
	uint8_t stack[TARGET_STACK_BYTES];
	size_t stack_bytes;
};

struct target_backtrace {
	uint64_t ips[TARGET_FRAMES];
	size_t count;
	bool complete;
};

/* "gcc -O2" and the like; the program lies in a new file, whose name *path gets. */
void target_build(const char *compiler, const char *source, char *path, size_t path_size);
/* Runs up to its first trap. */
void target_start(struct target *target, const char *const *argv);
/* Runs up to the next trap; false: it ended. */
bool target_continue(struct target *target);
/* One instruction; false: it ended. */
bool target_step(struct target *target);
/* Whatever it is doing now. */
void target_interrupt(struct target *target);
void target_kill(struct target *target);

void target_sample(const struct target *target, struct target_sample *out);
size_t target_read(const struct target *target, uint64_t address, void *out, size_t bytes);

void target_unwind(struct native_resolver *resolver, const struct target *target,
		   const struct target_sample *sample, struct target_backtrace *out);
/* Of a frame: callers are looked up one byte before. */
const char *target_name(struct native_resolver *resolver, const struct target *target,
			const struct target_backtrace *backtrace, size_t index);

/* A line of what a command prints, until it returns false. The command must succeed. */
void target_each_line(const char *command, void (*line)(char *text, void *arg), void *arg);

#endif
