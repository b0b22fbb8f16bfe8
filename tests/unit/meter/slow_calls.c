// SPDX-License-Identifier: GPL-2.0-only
/* See slow_calls.h. */
#include "slow_calls.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint32_t caller_at(const struct slow_thread *thread, unsigned int at)
{
	return at ? thread->frames[at - 1].function : NOBODY;
}

/* Whether what stands at `at` is there for the first time from the outside in. */
static bool first_function(const struct slow_thread *thread, unsigned int at)
{
	for (unsigned int i = 0; i < at; i++) {
		if (thread->frames[i].function == thread->frames[at].function)
			return false;
	}
	return true;
}

static bool first_edge(const struct slow_thread *thread, unsigned int at)
{
	for (unsigned int i = 0; i < at; i++) {
		if (thread->frames[i].function == thread->frames[at].function &&
		    caller_at(thread, i) == caller_at(thread, at))
			return false;
	}
	return true;
}

static struct slow_path *path_of(struct slow *slow, uint32_t thread_id, unsigned int depth)
{
	const struct slow_thread *thread = &slow->threads[thread_id];
	struct slow_path path = { .thread = thread_id, .depth = depth };

	for (unsigned int i = 0; i < depth; i++)
		path.functions[i] = thread->frames[i].function;
	for (size_t i = 0; i < slow->path_count; i++) {
		if (slow->paths[i].thread == thread_id && slow->paths[i].depth == depth &&
		    !memcmp(slow->paths[i].functions, path.functions, sizeof(path.functions)))
			return &slow->paths[i];
	}
	cr_assert_lt(slow->path_count, PATHS_MAX);
	slow->paths[slow->path_count] = path;
	return &slow->paths[slow->path_count++];
}

static void slow_gap(struct slow *slow, uint32_t thread_id, uint64_t wall_ns, uint64_t cpu_ns)
{
	struct slow_thread *thread = &slow->threads[thread_id];

	for (unsigned int i = 0; i < thread->depth; i++) {
		struct sums *function = &slow->functions[thread->frames[i].function];
		struct sums *edge = &slow->edges[caller_at(thread, i)][thread->frames[i].function];
		bool innermost = i + 1 == thread->depth;

		thread->frames[i].wall_ns += wall_ns;
		if (first_function(thread, i)) {
			function->total_ns += wall_ns;
			function->cpu_total_ns += cpu_ns;
		}
		if (first_edge(thread, i)) {
			edge->total_ns += wall_ns;
			edge->cpu_total_ns += cpu_ns;
		}
		path_of(slow, thread_id, i + 1)->total_ns += wall_ns;
		if (!innermost)
			continue;
		function->self_ns += wall_ns;
		function->cpu_self_ns += cpu_ns;
		edge->self_ns += wall_ns;
		edge->cpu_self_ns += cpu_ns;
		path_of(slow, thread_id, i + 1)->self_ns += wall_ns;
	}
	if (!thread->depth)
		thread->outside_ns += wall_ns;
}

static void slow_advance(struct slow *slow, uint32_t thread_id, uint64_t time_ns)
{
	struct slow_thread *thread = &slow->threads[thread_id];
	uint64_t gap_ns = time_ns > thread->time_ns ? time_ns - thread->time_ns : 0;
	uint64_t end_ns = thread->time_ns + gap_ns, off_ns = thread->off_ns, cost_ns;

	if (thread->off && end_ns > thread->off_since_ns)
		off_ns += end_ns - thread->off_since_ns;
	off_ns = off_ns < gap_ns ? off_ns : gap_ns;
	cost_ns = thread->cost_ns < gap_ns - off_ns ? thread->cost_ns : gap_ns - off_ns;
	slow_gap(slow, thread_id, gap_ns - cost_ns, gap_ns - off_ns - cost_ns);
	slow->compensated_ns += cost_ns;
	thread->followed_ns += gap_ns;
	thread->time_ns = end_ns;
	thread->off_ns = 0;
	thread->off = false;
	thread->cost_ns = 0;
}

static void keep_duration(struct sums *sums, uint64_t wall_ns)
{
	if (!(sums->duration_count & (sums->duration_count - 1)))
		sums->durations = realloc(sums->durations, (sums->duration_count * 2 + 1) *
								   sizeof(*sums->durations));
	sums->durations[sums->duration_count++] = wall_ns;
}

static void slow_pop(struct slow *slow, struct slow_thread *thread, bool exception, bool unfinished)
{
	const struct slow_frame *frame = &thread->frames[thread->depth - 1];
	struct sums *function = &slow->functions[frame->function];
	struct sums *edge = &slow->edges[caller_at(thread, thread->depth - 1)][frame->function];

	function->exceptions += exception;
	edge->exceptions += exception;
	function->unfinished += unfinished;
	if (!unfinished && !frame->running) {
		keep_duration(function, frame->wall_ns);
		keep_duration(edge, frame->wall_ns);
	}
	thread->depth--;
}

static void slow_push(struct slow *slow, uint32_t thread_id, uint64_t frame, uint32_t function_id,
		      bool running)
{
	struct slow_thread *thread = &slow->threads[thread_id];
	struct sums *function = &slow->functions[function_id];
	struct sums *edge = &slow->edges[caller_at(thread, thread->depth)][function_id];

	thread->frames[thread->depth++] =
		(struct slow_frame){ .frame = frame, .function = function_id, .running = running };
	function->running += running;
	if (running)
		return;
	function->calls++;
	edge->calls++;
	function->recursive += !first_function(thread, thread->depth - 1);
	edge->recursive += !first_edge(thread, thread->depth - 1);
	path_of(slow, thread_id, thread->depth)->calls++;
}

static void slow_follow(struct slow_thread *thread, uint64_t time_ns)
{
	if (thread->followed)
		return;
	thread->followed = true;
	thread->entered = thread->off = false;
	thread->time_ns = time_ns;
	thread->off_ns = thread->cost_ns = 0;
}

/* From the inside out; depth: it does not run. */
static unsigned int slow_find(const struct slow_thread *thread, uint64_t frame)
{
	for (unsigned int i = thread->depth; i-- > 0;) {
		if (thread->frames[i].frame == frame)
			return i;
	}
	return thread->depth;
}

static void slow_enter(struct slow *slow, uint32_t thread_id, bool resumes, uint64_t frame,
		       uint32_t function)
{
	struct slow_thread *thread = &slow->threads[thread_id];
	unsigned int at = slow_find(thread, frame);

	if (at + 1 == thread->depth && thread->entered && thread->frames[at].function == function)
		return;
	while (thread->depth > at) {
		slow_pop(slow, thread, false, false);
		slow->unseen++;
	}
	slow_push(slow, thread_id, frame, function, false);
	slow->functions[function].resumes += resumes;
	slow->edges[caller_at(thread, thread->depth - 1)][function].resumes += resumes;
	thread->entered = true;
}

static void slow_leave(struct slow *slow, uint32_t thread_id, bool exception, uint64_t frame)
{
	struct slow_thread *thread = &slow->threads[thread_id];
	unsigned int at = slow_find(thread, frame);

	thread->entered = false;
	if (!frame && thread->depth)
		at = thread->depth - 1;
	if (at == thread->depth) {
		slow->stray++;
		return;
	}
	while (thread->depth > at + 1) {
		slow_pop(slow, thread, false, false);
		slow->unseen++;
	}
	slow_pop(slow, thread, exception, false);
}

void slow_event(struct slow *slow, uint32_t thread_id, enum call_event_kind kind, uint64_t time_ns,
		uint64_t frame, uint32_t function)
{
	struct slow_thread *thread = &slow->threads[thread_id];
	bool enters = kind == CALL_ENTER || kind == CALL_RESUME || kind == CALL_THROW;

	slow_follow(thread, time_ns);
	slow_advance(slow, thread_id, time_ns);
	thread->cost_ns = enters ? ENTER_NS : LEAVE_NS;
	if (enters)
		slow_enter(slow, thread_id, kind != CALL_ENTER, frame, function);
	else
		slow_leave(slow, thread_id, kind == CALL_UNWIND, frame);
}

void slow_off_cpu(struct slow_thread *thread, uint64_t time_ns, bool goes, uint64_t off_ns)
{
	if (!thread->followed)
		return;
	if (!goes) {
		thread->off_ns += off_ns;
		thread->off = false;
	} else if (!thread->off) {
		thread->off = true;
		thread->off_since_ns = time_ns > thread->time_ns ? time_ns : thread->time_ns;
	}
}

void slow_end(struct slow *slow, uint32_t thread_id, uint64_t time_ns)
{
	struct slow_thread *thread = &slow->threads[thread_id];

	if (!thread->followed)
		return;
	slow_advance(slow, thread_id, time_ns);
	while (thread->depth)
		slow_pop(slow, thread, false, true);
	thread->followed = false;
}

void slow_start(struct slow *slow, uint32_t thread_id, uint64_t time_ns,
		const struct call_running *frames, size_t count)
{
	struct slow_thread *thread = &slow->threads[thread_id];

	slow->resynchronised += thread->followed;
	slow_end(slow, thread_id, time_ns);
	slow_follow(thread, time_ns);
	thread->entered = false;
	for (size_t i = 0; i < count; i++)
		slow_push(slow, thread_id, frames[i].frame, frames[i].function, true);
}
