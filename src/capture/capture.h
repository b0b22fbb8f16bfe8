/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel side, loaded and run: open, tune, load, attach, drain, close. The only room that
 * knows libbpf. Every function returns 0 or -errno; the words for the user are in `obstacle`.
 * Not thread-safe; one capture at a time in a process is enough.
 */
#ifndef PYBPFPROF_CAPTURE_CAPTURE_H
#define PYBPFPROF_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pybpfprof/abi.h"
#include "python/allocator.h"
#include "python/call_plan.h"
#include "python/collector.h"

enum probe_family {
#define X(id, prefix) PROBE_##id,
#include "capture/probes.def"
#undef X
	PROBE_FAMILY_COUNT
};

enum capture_scope { CAPTURE_TARGETS, CAPTURE_ALL, CAPTURE_CGROUP };

struct capture_options {
	uint32_t families; /* bits: 1 << enum probe_family */
	uint32_t rate_hz;  /* of PROBE_SAMPLE */
	bool native;	   /* user stacks for unwinding with each sample */
	bool kernel;	   /* kernel stacks with each sample */
	enum capture_scope scope;
	const char *cgroup_path; /* CAPTURE_CGROUP: the directory */
	uint32_t ring_bytes;	 /* a power of two; 0: what suits the rate */
	/* Of PROBE_MEMORY. */
	uint64_t min_size_bytes; /* smaller blocks are not recorded */
	uint64_t sample_bytes;	 /* one sample point in so many bytes; 0: every block is recorded */
	uint32_t blocks_max;	 /* live blocks (PROBE_LIFETIME: objects) there is room for */
	/* Of PROBE_LIFETIME. */
	uint32_t one_in;     /* one address of so many is followed; 0: each */
	uint32_t frames_max; /* of a stack, innermost first; 0: as many as can be kept */
};

struct capture;

/*
 * Opens, tunes and loads the programs; nothing runs yet. On error `obstacle` (size at least 256)
 * holds one plain line; -ENOENT: the cgroup is none.
 */
int capture_open(const struct capture_options *options, struct capture **out, char *obstacle,
		 size_t obstacle_size);
/* Attaches everything; from here on records come. */
int capture_attach(struct capture *capture, char *obstacle, size_t obstacle_size);
/* CPUs come online and go: to be called now and then. 0 or -errno. */
int capture_cpus_follow(struct capture *capture);
/* Takes every probe away; records already made can still be drained. Idempotent. */
void capture_detach(struct capture *capture);
void capture_free(struct capture *capture); /* takes NULL */

/*
 * Has every end of a code object reported, in all processes that run the interpreter in the file at
 * `path` (see python/code_death.h for `file_offset`). Once for each file; later calls for the same
 * file cost a look at it. Only then may a target say PYTHON_TARGET_DEATHS_SEEN.
 */
int capture_code_deaths_watch(struct capture *capture, const char *path, uint64_t file_offset);

/*
 * Has the calls of all processes that run the interpreter in the file at `path` seen (`only_pid` not 0:
 * of that one), as `plan` says. Once for each file and process; *first_site is the number that records
 * give to the plan's first site, the others follow. Only then may a target say PYTHON_TARGET_CALLS.
 * -ENOSPC: more interpreters than there is room for.
 */
int capture_calls_attach(struct capture *capture, const char *path, pid_t only_pid,
			 const struct call_plan *plan, uint32_t *first_site);
/*
 * Processes in scope that run the interpreter whose first site this is are targets from their first
 * call on, like `python`, with these flags besides; a RECORD_PROCESS_FOUND, whose parent_serial is
 * *template_index, tells of each. 0 or -errno.
 */
int capture_calls_template(struct capture *capture, uint32_t first_site,
			   const struct python_process *python, uint32_t flags,
			   uint32_t *template_index);
/* A site proven (see python/call_proof.h): its events come in batches from now on. */
int capture_calls_prove(struct capture *capture, uint32_t site, const struct call_site *proven);
/*
 * Takes away the probes on calls, also those to be attached later, until all of them are put back; every
 * thread's stack is then sent anew. All are in place since *since_ns, CLOCK_MONOTONIC.
 */
void capture_calls_detach(struct capture *capture);
int capture_calls_reattach(struct capture *capture, uint64_t *since_ns);
/*
 * The only process that the plan with that first site is for has ended: its probes stay where they are,
 * which costs nobody anything, until the capture is freed, since to take them away lasts.
 */
void capture_calls_retire(struct capture *capture, uint32_t first_site);

/*
 * Has the allocator that `plan` describes watched in `pid` by a family, PROBE_MEMORY or PROBE_LIFETIME (then
 * the plan is of where objects are made and ended), each of which has probes of its own; also if the process has yet to exec: files are
 * known by what they are. Only then may a target say PYTHON_TARGET_MEMORY.
 */
int capture_memory_attach(struct capture *capture, enum probe_family family, pid_t pid,
			  const struct allocator_plan *plan);
/*
 * Processes in scope that run the interpreter of `python` are targets from the moment it begins to run their
 * program (see python/run_main.h), like `python`, with these flags besides; a RECORD_PROCESS_FOUND, whose
 * parent_serial is *template_index, tells of each. 0 or -errno.
 */
int capture_memory_start(struct capture *capture, enum probe_family family,
			 const struct python_process *python, uint32_t flags,
			 uint32_t *template_index);
/* Of all processes; waits until they are gone. */
void capture_memory_detach(struct capture *capture, enum probe_family family);
/* Of one, which may have ended: a live one has no new hits from now on; does not wait. */
void capture_memory_detach_from(struct capture *capture, enum probe_family family, pid_t pid);
/* Returns trap also where nobody awaits them: to measure what they cost. */
void capture_memory_await_all(struct capture *capture, bool all);
/* Each block that is alive and was recorded; a non-zero return ends it and is returned. 0, -errno. */
typedef int (*capture_block_fn)(void *arg, const struct memory_block_key *key,
				const struct memory_block *block);
int capture_memory_blocks(struct capture *capture, capture_block_fn on_block, void *arg);
/*
 * Blocks of processes that have ended: nobody frees them any more, nor are they alive. Each is taken out
 * of the kernel's list and then handed over, once; what is left in after an error capture_memory_blocks()
 * still has.
 */
struct capture_sweep {
	bool (*has_ended)(void *arg, uint32_t serial);
	capture_block_fn on_block;
	void *arg;
};
/*
 * First those that have slots, a millisecond's work; *spilled: about how many blocks, of whomever, have
 * none. Then, if that is worth it, the others: some ten thousand blocks are looked at in a call, of
 * about 0.3 us each. *more: there are more to look at. 0 or -errno.
 */
int capture_memory_sweep_slots(struct capture *capture, const struct capture_sweep *sweep,
			       uint64_t *spilled);
int capture_memory_sweep_spilled(struct capture *capture, const struct capture_sweep *sweep,
				 bool *more);
/* How many blocks without a slot there can be. */
uint64_t capture_memory_room(const struct capture *capture);

/* Each object that was made while watched, and what has ended; as above. */
typedef int (*capture_object_fn)(void *arg, const struct lifetime_object_key *key,
				 const struct lifetime_object *object);
int capture_lifetime_objects(struct capture *capture, capture_object_fn on_object, void *arg);
/* Of PROBE_LIFETIME: whether half of the room for objects is taken. */
bool capture_lifetime_is_crowded(const struct capture *capture);
/* As capture_lifetime_objects(); those for which on_object returns 1 are taken out of the kernel's list. */
int capture_lifetime_take(struct capture *capture, capture_object_fn on_object, void *arg);
/* Forgets those that have ended before `before_ns`. 0 or -errno. */
int capture_lifetime_sweep(struct capture *capture, uint64_t before_ns);
/* From now on instances of that type of the process are followed. `class_id` has LIFETIME_C_TYPE. */
int capture_lifetime_class(struct capture *capture, const struct lifetime_class_key *key,
			   const struct lifetime_class_value *value);

/*
 * Has the collections of all processes that run the interpreter of `python` seen, as `plan` says. Once for
 * each file; later calls for the same file cost a look at it. Only then may a target say PYTHON_TARGET_GC.
 * -ENOSPC: more interpreters than there is room for.
 */
int capture_gc_attach(struct capture *capture, const struct python_process *python,
		      const struct collector_plan *plan);
/*
 * Processes in scope that run that interpreter are targets from their first collection on, like `python`,
 * with these flags besides; a RECORD_PROCESS_FOUND, whose parent_serial is *template_index, tells of each.
 * 0 or -errno.
 */
int capture_gc_template(struct capture *capture, const struct python_process *python,
			uint32_t flags, uint32_t *template_index);
void capture_gc_detach(struct capture *capture); /* waits until the probes are gone */
/*
 * Takes the collections of a process (serial 0: of all) that have not ended out of the kernel's list of them,
 * each handed over once. A non-zero return ends it and is returned.
 */
typedef int (*capture_gc_fn)(void *arg, const struct gc_running_key *key,
			     const struct gc_running *running);
int capture_gc_running_take(struct capture *capture, uint32_t serial, capture_gc_fn on_running,
			    void *arg);

/*
 * Makes `pid` a target (or replaces what was known of it) and gives it a serial that no other
 * process of this run has, in *serial. -EEXIST: the kernel side has made it one by itself.
 */
int capture_target_add(struct capture *capture, pid_t pid, const struct python_target *target,
		       uint32_t *serial);
/* Changes what is known of a target that is still there under that serial; -ENOENT: it is not. */
int capture_target_update(struct capture *capture, pid_t pid, const struct python_target *target,
			  uint32_t serial);
int capture_target_remove(struct capture *capture, pid_t pid);
/* Everything `pid` forks or execs from now on is in scope. */
int capture_follow(struct capture *capture, pid_t pid);

/* Called for each record; the bytes are borrowed and 8-aligned. Non-zero stops the drain. */
typedef int (*capture_record_fn)(void *arg, const void *record, size_t size);
/*
 * Records handed over in one drain: a target may make them faster than they can be understood, and
 * the caller must get to look at its clock and its signals.
 */
enum { CAPTURE_DRAIN_RECORDS = 2048 };
/*
 * Waits up to timeout_ms for an urgent record or until *other_fd (-1: none) is readable, then hands
 * over what there is. Records handed over (CAPTURE_DRAIN_RECORDS: there may be more), or -errno.
 */
int capture_drain(struct capture *capture, int timeout_ms, int other_fd,
		  capture_record_fn on_record, void *arg);
/* Nothing is drained any more: gives the ring's memory back. */
void capture_ring_release(struct capture *capture);
int capture_stats(struct capture *capture, struct kernel_stats *sum);
/* All of them are 0 again. Only while nothing runs that counts. */
int capture_stats_reset(struct capture *capture);

#endif
