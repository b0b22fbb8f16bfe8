/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks that try something out: bpf(), perf_event_open(), reading memory; private. */
#ifndef PYBPFPROF_CAPTURE_KERNEL_TRIAL_H
#define PYBPFPROF_CAPTURE_KERNEL_TRIAL_H

#include "capture/kernel_check.h"

/* From linux/capability.h; the C library has no numbers for them. */
enum {
	CAPABILITY_SYS_PTRACE = 19,
	CAPABILITY_SYS_ADMIN = 21,
	CAPABILITY_PERFMON = 38,
	CAPABILITY_BPF = 39,
};

/* Whether it is effective in this process. */
bool kernel_has_capability(unsigned int number);

/* Each fills state, error, finding and fix of a zeroed line. */
void kernel_trial_bpf(struct kernel_check_line *line);
void kernel_trial_ring(struct kernel_check_line *line);
void kernel_trial_perf(struct kernel_check_line *line);
void kernel_trial_program(struct kernel_check_line *line);
void kernel_trial_trace(struct kernel_check_line *line);
void kernel_trial_memory(struct kernel_check_line *line);
void kernel_trial_calls(struct kernel_check_line *line);

/* What the checks say with. State OK leaves `fix` empty. */
void kernel_line_ok(struct kernel_check_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void kernel_line_degraded(struct kernel_check_line *line, const char *fix, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void kernel_line_missing(struct kernel_check_line *line, int error, const char *fix,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The number at the start of a small file; `fallback` when there is none. */
long kernel_file_number(const char *path, long fallback);
/* The file's first line, without its newline; "" when it cannot be read. */
void kernel_file_line(const char *path, char *out, size_t size);

#endif
