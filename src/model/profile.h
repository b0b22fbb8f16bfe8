/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The profile every report reads: who ran (processes, threads), what ran (functions, frames), in
 * which stacks, how much. Meters fill it, renderers read it, the store will keep it.
 * Pure: no clock, no files, no logging. All ids are dense indexes; strings are ids of `strings`.
 * Not thread-safe. Every adder returns UINT32_MAX (or -ENOMEM) when out of memory.
 */
#ifndef PYBPFPROF_MODEL_PROFILE_H
#define PYBPFPROF_MODEL_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/intern.h"
#include "base/map64.h"
#include "model/calls.h"
#include "pybpfprof/abi.h"

#define PROFILE_NONE UINT32_MAX

enum frame_kind {
	FRAME_PYTHON,
	FRAME_NATIVE,
	FRAME_KERNEL,
	FRAME_NOTE /* "[starting]" and the like */
};

/* What a report calls a function. Two code objects with equal fields are one function. */
struct profile_function {
	uint32_t name;	     /* qualified name where the version has one, else the bare name */
	uint32_t class_name; /* 0: none */
	uint32_t module;     /* 0: unknown; for native frames the file's base name */
	uint32_t file;
	int32_t line; /* first line; 0 unknown */
	enum frame_kind kind;
};

/* A function at a line: what a stack is made of. */
struct profile_frame {
	uint32_t function;
	int32_t line; /* executing line; 0 unknown */
};

/* A node of the stack tree: the path to the root is the stack. Node 0 is the empty stack. */
struct profile_stack {
	uint32_t parent;
	uint32_t frame; /* PROFILE_NONE in node 0 */
	uint32_t depth; /* 0 in node 0 */
};

struct profile_process {
	uint32_t pid;
	uint32_t serial;
	uint32_t command; /* the command line, shortened */
	uint32_t python;  /* "3.11.2"; 0 where it is no Python */
	uint32_t probes;  /* "sample", "usdt", "eval", "dispatch" */
	uint64_t cpu_ns;  /* while it was watched */
	bool exited;
	int32_t exit_status; /* as waitpid() gives it; meaningful when `exited` */
};

struct profile_thread {
	uint32_t process; /* index into processes */
	uint32_t tid;
	uint32_t name;
	uint64_t cpu_ns; /* while it was watched, from the scheduler, not from samples */
	uint64_t wall_ns;
};

/* The sum of all samples of one thread with one stack. */
struct profile_sum {
	uint32_t thread;
	uint32_t stack;
	uint64_t samples;
	uint64_t value; /* in `unit` */
};

enum profile_unit { UNIT_NS, UNIT_BYTES, UNIT_SAMPLES };

/* The kinds of questions that a run can ask, in the order in which reports answer them. */
enum profile_part {
	PART_CALLS,	  /* modes time, callgraph */
	PART_SAMPLES,	  /* cpu, line */
	PART_MEMORY,	  /* memory */
	PART_LIFETIMES,	  /* lifetime */
	PART_COLLECTIONS, /* gc */
	PART_COUNT
};

/* Of a run with several: what one of them came to, where the profile has one place for all. */
struct profile_answer {
	uint32_t mode; /* string: "time", "time,callgraph"; 0: not asked */
	enum profile_unit unit;
	bool estimate;
	uint64_t period_ns;
	struct profile_sum *sums; /* owned */
	uint32_t sum_count;
	uint64_t sample_count;
};

struct profile_cost {
	uint64_t hits;		 /* probe hits in all */
	uint64_t stepped_hits;	 /* of them, on instructions that the kernel single-steps */
	uint64_t stepped_hit_ns; /* cost of one of these; 0 not known */
	uint64_t target_ns; /* CPU time taken from the targets: sampled modes: by our BPF programs,
			       measured in them; exact modes: by the probes, estimated from hits */
	uint64_t profiler_cpu_ns;  /* our own process, user and system */
	bool stopped_early;	   /* --max-overhead took the probes away */
	uint64_t stopped_after_ns; /* of the run, when it did; 0 not known */
	uint32_t stop_reason;	   /* string: "they cost 31 % of ..."; 0 none */
};

struct profile {
	struct intern *strings;
	uint32_t mode; /* string id: "cpu", "line", ... */
	enum profile_unit unit;
	bool estimate; /* values are extrapolated from samples */
	uint64_t started_unix_ns;
	uint64_t duration_ns;
	uint64_t period_ns; /* value of one sample; 0 where not sampled */

	/* Arrays, each with its count; owned. Read freely, add through the functions below. */
	struct profile_function *functions;
	uint32_t function_count;
	struct profile_frame *frames;
	uint32_t frame_count;
	struct profile_stack *stacks;
	uint32_t stack_count;
	struct profile_process *processes;
	uint32_t process_count;
	struct profile_thread *threads;
	uint32_t thread_count;
	struct profile_sum *sums;
	uint32_t sum_count;

	uint64_t sample_count;
	uint64_t lost[DROP_COUNT];    /* by enum drop_reason; LOST kinds */
	uint64_t partial[DROP_COUNT]; /* samples with an incomplete stack, by reason */
	uint64_t unresolved;	      /* frames shown without their right name */
	struct profile_cost cost;
	struct calls *calls;	     /* exact modes: every call (model/calls.h), owned; else NULL */
	struct memory *memory;	     /* --mode memory (model/memory.h), owned; else NULL */
	struct lifetimes *lifetimes; /* --mode lifetime (model/lifetimes.h), owned; else NULL */
	struct collections *collections; /* --mode gc (model/collections.h), owned; else NULL */

	/* Of several questions: see model/parts.h. Its own mode names them all, it has no sums. */
	struct profile_answer answers[PART_COUNT];
	uint32_t answer_count; /* those that were asked; 0: there was one question */

	struct profile_index *index; /* how the adders find what is there already; private */
};

struct profile *profile_new(const char *mode, enum profile_unit unit); /* NULL: out of memory */
void profile_free(struct profile *profile);

uint32_t profile_string(struct profile *profile, const char *string);
const char *profile_text(const struct profile *profile, uint32_t string);

/* Finds the equal one or adds it. */
uint32_t profile_add_function(struct profile *profile, const struct profile_function *function);
uint32_t profile_add_frame(struct profile *profile, uint32_t function, int32_t line);
/* The child of `parent` for `frame`. Stacks are built root first, from node 0. */
uint32_t profile_add_stack(struct profile *profile, uint32_t parent, uint32_t frame);
/* A process is known by its serial, a thread by its process and tid. Fields are set by the caller. */
uint32_t profile_add_process(struct profile *profile, uint32_t serial, uint32_t pid);
uint32_t profile_add_thread(struct profile *profile, uint32_t process, uint32_t tid);
/* Adds to the sum of (thread, stack), and `samples` to sample_count. 0 or -ENOMEM. */
int profile_add_sample(struct profile *profile, uint32_t thread, uint32_t stack, uint64_t samples,
		       uint64_t value);

/*
 * Keeps the first `count` of the sums, which the caller has arranged, and makes sample_count
 * theirs. 0, or -ENOMEM and the sums can no longer be added to.
 */
int profile_replace_sums(struct profile *profile, uint32_t count);

/* Hands the sums over, as many as there were; there are none from now on. NULL: out of memory. */
struct profile_sum *profile_take_sums(struct profile *profile);

/* Totals by reason kind, from drops.def. */
uint64_t profile_lost_total(const struct profile *profile);
uint64_t profile_partial_total(const struct profile *profile);

#endif
