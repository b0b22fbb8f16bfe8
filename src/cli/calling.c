// SPDX-License-Identifier: GPL-2.0-only
/* See calling.h. */
#include "cli/calling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/map64.h"
#include "meter/calls.h"
#include "python/call_plan.h"
#include "python/call_proof.h"
#include "python/code_death.h"
#include "resolve/codes.h"

enum {
	UNSEEN_FREE = 100,  /* exits not seen that are no reason to doubt */
	UNSEEN_PART = 1000, /* and one in so many */
};

struct known_plan {
	dev_t device;
	ino_t inode;
	struct call_plan plan;
};

struct called_thread {
	struct call_thread *stack; /* NULL: a slot that is free */
	uint32_t serial;
	uint32_t pid;
	uint32_t
		sequence; /* of the next record; of a free slot: 1 + index of the next one, 0 none */
	bool synchronised; /* its stack is known */
	bool outside;	   /* not since the current window began */
	uint64_t ended_ns; /* 0: it lives */
};

struct calling {
	const struct config *config;
	struct capture *capture;
	struct watch *watch;
	struct profile *profile;
	struct codes *codes; /* borrowed */
	struct calls *calls;
	struct call_meter *meter;
	uint32_t stepped_ns;
	struct call_proof *proofs; /* by site */
	bool *proof_known;
	const char *site_refusals[ABI_CALL_SITES]; /* call_plan_site.refusal */
	struct known_plan *plans;		   /* by interpreter file */
	size_t plan_count;
	const char *template_probes[ABI_TEMPLATES]; /* NULL: not ours */
	uint32_t placed_site;			    /* of the last plan that was put in place */
	const char *placed_way;
	struct map64 *by_thread; /* (serial, tid) -> index of threads + 1 */
	struct called_thread *threads;
	uint32_t thread_count;
	uint32_t free_thread; /* 1 + index of a slot to use again; 0: none */
	uint64_t last_key;    /* a thread's records come in rows */
	uint32_t last_thread;
	uint64_t until_ns;  /* later events do not count */
	uint64_t since_ns;  /* nor do earlier ones; 0: all do */
	uint32_t lost_name; /* the function that stands for those whose name was lost */
	bool started;
	bool unbalanced;
	char refusal[512];
};

static const char *on_target(void *arg, struct python_process *python);
static void on_placed(void *arg, const struct python_process *python);

struct calling *calling_new(const struct run_parts *parts)
{
	const struct config *config = parts->config;
	const struct calling_cost *cost = &parts->cost->calls;
	struct calling *calling = calloc(1, sizeof(*calling));

	if (!calling)
		return NULL;
	calling->config = config;
	calling->capture = parts->capture;
	calling->watch = parts->watch;
	calling->profile = parts->profile;
	calling->lost_name = PROFILE_NONE;
	calling->until_ns = UINT64_MAX;
	calling->codes = stacks_codes(parts->stacks);
	calling->calls = calls_new();
	calling->by_thread = map64_new();
	calling->proofs = calloc(ABI_CALL_SITES, sizeof(*calling->proofs));
	calling->proof_known = calloc(ABI_CALL_SITES, sizeof(*calling->proof_known));
	if (!calling->calls || !calling->by_thread || !calling->proofs || !calling->proof_known)
		goto fail;
	calling->calls->raw = config->raw;
	calling->calls->observed_share = 1;
	calling->stepped_ns = config->raw ? 0 : cost->stepped_ns;
	calling->calls->probe_hit_ns = (cost->enter_ns + cost->leave_ns) / 2;
	calling->meter = call_meter_new(calling->calls, config->raw ? 0 : cost->enter_ns,
					config->raw ? 0 : cost->leave_ns);
	if (!calling->meter)
		goto fail;
	watch_on_target(parts->watch, on_target, on_placed, calling);
	return calling;
fail:
	calling_free(calling);
	return NULL;
}

void calling_free(struct calling *calling)
{
	if (!calling)
		return;
	call_meter_free(calling->meter);
	calls_free(calling->calls);
	map64_free(calling->by_thread);
	free(calling->plans);
	free(calling->threads);
	free(calling->proofs);
	free(calling->proof_known);
	free(calling);
}

const char *calling_refusal(const struct calling *calling)
{
	return *calling->refusal ? calling->refusal : NULL;
}

uint64_t calling_event_count(const struct calling *calling)
{
	const struct calls *calls = calling->calls ? calling->calls : calling->profile->calls;

	return calls ? calls->event_count : 0;
}

void calling_start(struct calling *calling)
{
	calling->started = true;
}

void calling_until(struct calling *calling, uint64_t end_ns)
{
	if (end_ns < calling->until_ns)
		calling->until_ns = end_ns;
}

/* ---- plans ---- */

static int plan_make(const struct calling *calling, const struct python_process *python,
		     struct call_plan *plan, char *reason, size_t reason_size)
{
	if (calling->config->probes >= 0)
		return call_plan_make(python, calling->config->probes, plan, reason, reason_size);
	return call_plan_choose(python, plan, reason, reason_size);
}

/* Made once for each file: it takes milliseconds, in which a process just started goes on. */
static int plan_find(struct calling *calling, const struct python_process *python,
		     struct call_plan *plan, char *reason, size_t reason_size)
{
	struct stat file;
	struct known_plan *known;
	int error;

	if (stat(python->binary_open, &file))
		return plan_make(calling, python, plan, reason, reason_size);
	for (size_t i = 0; i < calling->plan_count; i++) {
		known = &calling->plans[i];
		if (known->device != file.st_dev || known->inode != file.st_ino)
			continue;
		*plan = known->plan;
		return 0;
	}
	error = plan_make(calling, python, plan, reason, reason_size);
	if (error)
		return error;
	known = reallocarray(calling->plans, calling->plan_count + 1, sizeof(*known));
	if (!known)
		return 0;
	calling->plans = known;
	known[calling->plan_count++] = (struct known_plan){
		.device = file.st_dev,
		.inode = file.st_ino,
		.plan = *plan,
	};
	return 0;
}

/* The plan tells by which of its probes hits are dear; the events do from then on. */
static void proofs_start(struct calling *calling, const struct call_plan *plan, uint32_t first_site)
{
	for (size_t i = 0; i < plan->site_count; i++) {
		if (calling->proof_known[first_site + i])
			continue;
		call_proof_init(&calling->proofs[first_site + i], &plan->sites[i].site);
		calling->site_refusals[first_site + i] = plan->sites[i].refusal;
		calling->proof_known[first_site + i] = true;
	}
}

/* Whether other processes that run the same file may have to be followed as well. */
static bool follows_others(const struct config *config)
{
	return config->subprocesses || config->all || config->cgroup || config->argv;
}

/* Whether the ends of its code objects are seen: then an address seen once needs no second look. */
static bool deaths_see(struct calling *calling, const struct python_process *python)
{
	uint64_t offset;

	return !python_code_death_offset(python, &offset) &&
	       !capture_code_deaths_watch(calling->capture, python->binary_open, offset);
}

/* Others that run the same interpreter are followed from their first call on. */
static void on_placed(void *arg, const struct python_process *python)
{
	struct calling *calling = arg;
	uint32_t index;

	if (!calling->placed_way || !(python->target.flags & PYTHON_TARGET_CALLS) ||
	    !follows_others(calling->config))
		return;
	if (!capture_calls_template(calling->capture, calling->placed_site, python,
				    python->target.flags, &index) &&
	    !watch_template_keep(calling->watch, index, python))
		calling->template_probes[index] = calling->placed_way;
}

static int probes_place(struct calling *calling, struct python_process *python,
			struct call_plan *plan, char *reason, size_t reason_size)
{
	pid_t only_pid = follows_others(calling->config) ? 0 : python->pid;
	uint32_t first_site;
	int error = plan_find(calling, python, plan, reason, reason_size);

	calling->placed_way = NULL;
	if (error)
		return error;
	error = capture_calls_attach(calling->capture, python->binary_open, only_pid, plan,
				     &first_site);
	if (error) {
		snprintf(reason, reason_size, "its probes cannot be put in: %s", strerror(-error));
		return error;
	}
	proofs_start(calling, plan, first_site);
	if (deaths_see(calling, python))
		python->target.flags |= PYTHON_TARGET_DEATHS_SEEN;
	python->target.flags |= PYTHON_TARGET_CALLS;
	calling->placed_way = call_way_name(plan->way);
	calling->placed_site = first_site;
	return 0;
}

int calling_prepare(struct calling *calling, struct python_process *python)
{
	struct call_plan plan;
	char reason[256];
	int error = probes_place(calling, python, &plan, reason, sizeof(reason));

	if (!error)
		on_placed(calling, python);
	return error;
}

static const char *on_target(void *arg, struct python_process *python)
{
	struct calling *calling = arg;
	const size_t plan_count = calling->plan_count;
	struct call_plan plan;
	char reason[384];

	if (!probes_place(calling, python, &plan, reason, sizeof(reason))) {
		/* It began while we watch, with an interpreter that nobody had seen before. */
		if (calling->started && calling->plan_count > plan_count)
			calling->profile->partial[DROP_CALLS_TOO_EARLY]++;
		return call_way_name(plan.way);
	}
	snprintf(calling->refusal, sizeof(calling->refusal),
		 "pid %d: CPython %s: its calls cannot be followed: %s", python->pid,
		 python->version, reason);
	log_warn("%s", calling->refusal);
	return NULL;
}

/* ---- threads ---- */

static struct called_thread *thread_slot_take(struct calling *calling)
{
	struct called_thread *threads;
	uint32_t slot = calling->free_thread;

	if (slot) {
		calling->free_thread = calling->threads[slot - 1].sequence;
		return &calling->threads[slot - 1];
	}
	threads = reallocarray(calling->threads, calling->thread_count + 1, sizeof(*threads));
	if (!threads)
		return NULL;
	calling->threads = threads;
	threads[calling->thread_count] = (struct called_thread){ 0 };
	return &threads[calling->thread_count++];
}

static void thread_slot_give(struct calling *calling, struct called_thread *thread)
{
	*thread = (struct called_thread){ .sequence = calling->free_thread };
	calling->free_thread = thread - calling->threads + 1;
}

static struct called_thread *thread_new(struct calling *calling, const struct record_header *header,
					uint64_t *slot)
{
	uint32_t index = watch_thread(calling->watch, header->serial, header->tid, header->time_ns);
	struct called_thread *thread;

	if (index == PROFILE_NONE)
		return NULL;
	thread = thread_slot_take(calling);
	if (!thread)
		return NULL;
	*thread = (struct called_thread){
		.stack = call_meter_add(calling->meter, index),
		.serial = header->serial,
		.pid = header->pid,
	};
	if (!thread->stack) {
		thread_slot_give(calling, thread);
		return NULL;
	}
	*slot = thread - calling->threads + 1;
	return thread;
}

/* NULL: out of memory, or its process was never announced. */
static struct called_thread *thread_of(struct calling *calling, const struct record_header *header)
{
	uint64_t key = map64_pair(header->serial, header->tid);
	struct called_thread *thread;
	uint64_t *slot;

	if (key == calling->last_key && calling->thread_count)
		return &calling->threads[calling->last_thread];
	slot = map64_slot(calling->by_thread, key, NULL);
	if (!slot)
		return NULL;
	thread = *slot ? &calling->threads[*slot - 1] : thread_new(calling, header, slot);
	if (!thread)
		return NULL;
	calling->last_key = key;
	calling->last_thread = thread - calling->threads;
	return thread;
}

static uint32_t function_of(struct calling *calling, uint32_t code_id)
{
	uint32_t function = codes_function(calling->codes, code_id);
	struct profile_function lost = { .kind = FRAME_NOTE };

	if (function != PROFILE_NONE)
		return function;
	calling->profile->unresolved++;
	if (calling->lost_name == PROFILE_NONE) {
		lost.name = profile_string(calling->profile, "[name lost]");
		calling->lost_name = profile_add_function(calling->profile, &lost);
	}
	return calling->lost_name;
}

/* False: what comes cannot be understood without a record that was lost. */
static bool sequence_follows(struct called_thread *thread, uint32_t sequence)
{
	if (sequence != thread->sequence)
		thread->synchronised = false;
	thread->sequence = sequence + 1;
	return thread->synchronised;
}

/* ---- records ---- */

static int on_stack(struct calling *calling, const struct record_call_stack *record)
{
	struct called_thread *thread = thread_of(calling, &record->header);
	struct call_running running[ABI_STACK_FRAMES];
	uint32_t count = record->frame_count;

	if (!thread)
		return 0;
	thread->outside = record->header.time_ns < calling->since_ns ||
			  record->header.time_ns > calling->until_ns;
	if (thread->outside)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct call_stack_frame *frame = &record->frames[count - 1 - i];

		running[i].frame = frame->frame;
		running[i].function = function_of(calling, frame->code_id);
		if (running[i].function == PROFILE_NONE)
			return -ENOMEM;
	}
	if (record->status != DROP_NONE)
		calling->profile->partial[record->status]++;
	thread->sequence = record->sequence + 1;
	thread->synchronised = true;
	return call_thread_start(calling->meter, thread->stack, record->header.time_ns, running,
				 count);
}

static int event_feed(struct calling *calling, struct called_thread *thread,
		      const struct call_event *event, uint64_t time_ns)
{
	enum call_event_kind kind = call_event_kind(event);
	uint32_t function = PROFILE_NONE;
	int error;

	/* How long it was off the CPU is told when it is back. */
	if (time_ns > calling->until_ns &&
	    !(kind == CALL_OFF_CPU && event->code_id == CALL_OFF_CPU_WAS &&
	      call_thread_is_off_cpu(thread->stack)))
		return 0;
	switch (kind) {
	case CALL_OFF_CPU:
		call_thread_off_cpu(calling->meter, thread->stack, time_ns,
				    event->code_id == CALL_OFF_CPU_GOES,
				    call_event_off_cpu_ns(event));
		return 0;
	case CALL_ENTER:
	case CALL_RESUME:
	case CALL_THROW:
		function = function_of(calling, event->code_id);
		if (function == PROFILE_NONE)
			return -ENOMEM;
		break;
	default:
		break;
	}
	error = call_thread_event(calling->meter, thread->stack, kind, time_ns,
				  call_event_frame(event), function);
	if (function == PROFILE_NONE && event->code_id)
		call_thread_hit(thread->stack, calling->stepped_ns);
	return error;
}

static int on_calls(struct calling *calling, const struct record_calls *record)
{
	struct called_thread *thread = thread_of(calling, &record->header);
	int error = 0;

	if (thread && thread->outside)
		return 0;
	if (!thread || !sequence_follows(thread, record->sequence)) {
		calling->profile->lost[DROP_CALL_EVENTS] += record->event_count;
		return 0;
	}
	for (uint32_t i = 0; i < record->event_count && !error; i++)
		error = event_feed(calling, thread, &record->events[i],
				   record->header.time_ns + record->events[i].delta_ns);
	return error;
}

static bool throws(const struct record_call_proof *hit, const struct call_site *site)
{
	return site->throw_register != ABI_NO_REGISTER &&
	       (uint32_t)hit->registers[site->throw_register & 15];
}

static enum call_event_kind proof_kind(const struct record_call_proof *hit,
				       const struct call_site *site)
{
	if (hit->kind == CALL_RESUME && throws(hit, site))
		return CALL_THROW;
	if (site->result_register != ABI_NO_REGISTER)
		return hit->registers[site->result_register & 15] ? site->kind : CALL_UNWIND;
	return hit->kind;
}

/* Where every Python of a host is looked at, one that cannot be followed does not speak for the rest. */
static void refuse_all(struct calling *calling)
{
	if (!calling->config->all && !calling->config->cgroup)
		calling->unbalanced = true;
}

static void site_disproved(struct calling *calling, const struct record_call_proof *hit)
{
	const struct call_proof *proof = &calling->proofs[hit->site];

	if (*calling->refusal)
		return;
	snprintf(calling->refusal, sizeof(calling->refusal),
		 "pid %u: its calls cannot be followed exactly: at probe %u no register holds the "
		 "frame (%u hits agreed, %u did not)",
		 hit->header.pid, hit->site, proof->agreed, proof->strangers);
	log_warn("%s", calling->refusal);
	refuse_all(calling);
	capture_target_remove(calling->capture, hit->header.pid);
}

/* What no plan foresaw shows itself by a hit. */
static void site_refuses(struct calling *calling, const struct record_call_proof *hit)
{
	if (*calling->refusal)
		return;
	snprintf(calling->refusal, sizeof(calling->refusal),
		 "pid %u: its calls cannot be followed: %s", hit->header.pid,
		 calling->site_refusals[hit->site]);
	log_warn("%s", calling->refusal);
	refuse_all(calling);
	capture_target_remove(calling->capture, hit->header.pid);
}

static int on_proof(struct calling *calling, const struct record_call_proof *hit)
{
	struct called_thread *thread = thread_of(calling, &hit->header);
	struct call_proof *proof = &calling->proofs[hit->site];
	struct call_event event = { .code_id = hit->code_id };
	bool entering, pending = proof->verdict == CALL_PROOF_PENDING;
	uint64_t frame;

	if (thread && thread->outside)
		return 0;
	if (!thread || !calling->proof_known[hit->site] ||
	    !sequence_follows(thread, hit->sequence)) {
		calling->profile->lost[DROP_CALL_EVENTS]++;
		return 0;
	}
	if (calling->site_refusals[hit->site]) {
		site_refuses(calling, hit);
		return 0;
	}
	entering = proof->site.kind == CALL_ENTER || proof->site.kind == CALL_THROW;
	frame = call_proof_hit(proof, hit,
			       entering ? hit->frame : call_thread_frame(thread->stack));
	if (pending && proof->verdict == CALL_PROOF_PROVEN) {
		log_debug("probe %u: frame in register %u, instruction pointer in %u", hit->site,
			  proof->site.frame_register, proof->site.ip_register);
		capture_calls_prove(calling->capture, hit->site, &proof->site);
	}
	if (proof->verdict == CALL_PROOF_DISPROVED)
		site_disproved(calling, hit);
	if (hit->off_cpu_ns)
		call_thread_off_cpu(calling->meter, thread->stack, hit->header.time_ns, false,
				    hit->off_cpu_ns);
	if (!frame && !entering)
		return 0;
	event.what = (frame & ~7ull) | proof_kind(hit, &proof->site);
	return event_feed(calling, thread, &event, hit->header.time_ns);
}

static int on_found(struct calling *calling, const struct record_process *record)
{
	const char *probes = record->parent_serial < ABI_TEMPLATES ?
				     calling->template_probes[record->parent_serial] :
				     NULL;

	if (probes)
		watch_seen_by(calling->watch, record->header.serial, probes);
	return 0;
}

static void threads_ended(struct calling *calling, const struct record_header *header, bool all)
{
	uint64_t index;

	if (!all) {
		if (map64_get(calling->by_thread, map64_pair(header->serial, header->tid),
			      &index) &&
		    index)
			calling->threads[index - 1].ended_ns = header->time_ns;
		return;
	}
	for (uint32_t i = 0; i < calling->thread_count; i++) {
		struct called_thread *thread = &calling->threads[i];

		if (thread->serial == header->serial && !thread->ended_ns)
			thread->ended_ns = header->time_ns;
	}
}

static int thread_end(struct calling *calling, const struct called_thread *thread, uint64_t end_ns)
{
	if (thread->ended_ns && thread->ended_ns < end_ns)
		end_ns = thread->ended_ns;
	return call_thread_end(calling->meter, thread->stack, end_ns);
}

/* Nothing is heard of it any more, and its number may be another thread's from now on. */
static int thread_forget(struct calling *calling, const struct record_header *header)
{
	uint64_t key = map64_pair(header->serial, header->tid), index;
	struct called_thread *thread;
	int error;

	if (!map64_get(calling->by_thread, key, &index) || !index)
		return 0;
	thread = &calling->threads[index - 1];
	if (!thread->ended_ns)
		thread->ended_ns = header->time_ns;
	error = thread_end(calling, thread, calling->until_ns);
	call_meter_drop(calling->meter, thread->stack);
	thread_slot_give(calling, thread);
	map64_remove(calling->by_thread, key);
	calling->last_key = 0;
	return error;
}

int calling_event(struct calling *calling, const struct event *event)
{
	switch (event->kind) {
	case RECORD_CALLS:
		return on_calls(calling, event->calls);
	case RECORD_CALL_STACK:
		return on_stack(calling, event->call_stack);
	case RECORD_CALL_PROOF:
		return on_proof(calling, event->call_proof);
	case RECORD_PROCESS_FOUND:
		return on_found(calling, event->process);
	case RECORD_THREAD_EXIT:
		threads_ended(calling, event->header, false);
		return 0;
	case RECORD_THREAD_FREE:
		return thread_forget(calling, event->header);
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
		threads_ended(calling, event->header, true);
		return 0;
	default:
		return 0;
	}
}

/*
 * Entries and exits must balance, or the plan has missed a way in or out and its times are no use. A
 * handful may be out of step: a recursion limit hit on the way in.
 */
static void balance_check(struct calling *calling)
{
	const struct calls *calls = calling->calls;

	calling->profile->partial[DROP_CALL_END_UNSEEN] += calls->unseen_exits;
	calling->profile->partial[DROP_PROFILE_FULL] += calls->folded_calls;
	if (*calling->refusal ||
	    calls->unseen_exits <= UNSEEN_FREE + calls->event_count / UNSEEN_PART)
		return;
	snprintf(
		calling->refusal, sizeof(calling->refusal),
		"its calls cannot be followed exactly: %llu of %llu entries and exits were not seen",
		(unsigned long long)calls->unseen_exits, (unsigned long long)calls->event_count);
	log_warn("%s", calling->refusal);
	refuse_all(calling);
}

bool calling_refused(const struct calling *calling)
{
	return calling->unbalanced || (*calling->refusal && !calling_event_count(calling));
}

/* What runs then goes on unseen: nobody's call ends by it. */
int calling_window(struct calling *calling, uint64_t since_ns)
{
	int error = 0;

	for (uint32_t i = 0; i < calling->thread_count && !error; i++) {
		struct called_thread *thread = &calling->threads[i];

		if (!thread->stack)
			continue;
		error = thread_end(calling, thread, calling->until_ns);
		thread->outside = true;
	}
	calling->since_ns = since_ns;
	calling->until_ns = UINT64_MAX;
	return error;
}

static void proofs_log(const struct calling *calling)
{
	for (uint32_t site = 0; site < ABI_CALL_SITES; site++) {
		const struct call_proof *proof = &calling->proofs[site];

		if (calling->proof_known[site] && (proof->agreed || proof->strangers))
			log_debug("probe %u: kind %u, verdict %d, %u hits agreed, %u did not", site,
				  proof->site.kind, (int)proof->verdict, proof->agreed,
				  proof->strangers);
	}
}

int calling_finish(struct calling *calling, uint64_t end_ns)
{
	struct profile *profile = calling->profile;
	int error = 0;

	calling_until(calling, end_ns);
	end_ns = calling->until_ns;
	for (uint32_t i = 0; i < calling->thread_count && !error; i++) {
		if (calling->threads[i].stack)
			error = thread_end(calling, &calling->threads[i], end_ns);
	}
	if (!error)
		error = call_meter_end(calling->meter, end_ns);
	balance_check(calling);
	proofs_log(calling);
	if (!error)
		error = calls_finish(calling->calls, profile->function_count);
	if (!error)
		error = calls_to_stacks(calling->calls, profile);
	if (error)
		return error;
	profile->calls = calling->calls;
	calling->calls = NULL;
	return 0;
}
