// SPDX-License-Identifier: GPL-2.0-only
/* Calls followed event by event: sequences written down with the times that come of them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "meter/calls.h"

enum { A, B, C, D, FUNCTION_COUNT };

enum { FA = 0x1000, FB = 0x1100, FC = 0x1200, FD = 0x1300, FE = 0x1400 };

static struct calls *calls;
static struct call_meter *meter;
static struct call_thread *thread;

static void teardown(void)
{
	call_meter_free(meter);
	calls_free(calls);
}

/* In place of what setup() made: probe hits that cost something. */
static void setup_cost(uint32_t enter_ns, uint32_t leave_ns)
{
	teardown();
	calls = calls_new();
	meter = call_meter_new(calls, enter_ns, leave_ns);
	thread = call_meter_add(meter, 0);
}

static void setup(void)
{
	setup_cost(0, 0);
}

TestSuite(calls_meter, .init = setup, .fini = teardown);

static void event(enum call_event_kind kind, uint64_t time_ns, uint64_t frame, uint32_t function)
{
	cr_assert_eq(call_thread_event(meter, thread, kind, time_ns, frame, function), 0);
}

static void enter(uint64_t time_ns, uint64_t frame, uint32_t function)
{
	event(CALL_ENTER, time_ns, frame, function);
}

static void leave(uint64_t time_ns, uint64_t frame)
{
	event(CALL_RETURN, time_ns, frame, CALLS_NONE);
}

static void off_cpu(uint64_t time_ns, uint64_t off_ns)
{
	call_thread_off_cpu(meter, thread, time_ns, false, off_ns);
}

static void goes_off_cpu(uint64_t time_ns)
{
	call_thread_off_cpu(meter, thread, time_ns, true, 0);
}

static void finish(uint64_t time_ns)
{
	cr_assert_eq(call_meter_end(meter, time_ns), 0);
	cr_assert_eq(calls_finish(calls, FUNCTION_COUNT), 0);
}

static const struct call_function *function(uint32_t id)
{
	return &calls->functions[id];
}

static const struct call_edge *edge(uint32_t caller, uint32_t callee)
{
	for (uint32_t i = 0; i < calls->edge_count; i++) {
		if (calls->edges[i].caller == caller && calls->edges[i].callee == callee)
			return &calls->edges[i];
	}
	cr_assert_fail("no edge from %u to %u", caller, callee);
	return NULL;
}

static const struct call_times *root_times(void)
{
	return &calls->nodes[calls_root(calls, 0)].times;
}

struct want {
	uint64_t calls, self_ns, total_ns, cpu_self_ns, cpu_total_ns;
};

static void expect_times(const char *name, const struct call_times *times, struct want want)
{
	cr_expect_eq(times->calls, want.calls, "%s: calls %lu", name, times->calls);
	cr_expect_eq(times->self_ns, want.self_ns, "%s: self %lu", name, times->self_ns);
	cr_expect_eq(times->total_ns, want.total_ns, "%s: total %lu", name, times->total_ns);
	cr_expect_eq(times->cpu_self_ns, want.cpu_self_ns, "%s: CPU self %lu", name,
		     times->cpu_self_ns);
	cr_expect_eq(times->cpu_total_ns, want.cpu_total_ns, "%s: CPU total %lu", name,
		     times->cpu_total_ns);
}

#define EXPECT(id, calls, self, total, cpu_self, cpu_total)                                        \
	expect_times(#id, &function(id)->times,                                                    \
		     (struct want){ calls, self, total, cpu_self, cpu_total })

Test(calls_meter, nested_calls_share_out_their_time)
{
	enter(100, FA, A);
	enter(110, FB, B);
	enter(130, FC, C);
	leave(170, FC);
	leave(250, FB);
	enter(260, FB, C);
	leave(290, FB);
	leave(300, FA);
	finish(500);
	EXPECT(A, 1, 30, 200, 30, 200);
	EXPECT(B, 1, 100, 140, 100, 140);
	EXPECT(C, 2, 70, 70, 70, 70);
	cr_expect_eq(function(C)->min_ns, 30);
	cr_expect_eq(function(C)->max_ns, 40);
	cr_expect_eq(edge(A, C)->times.total_ns, 30);
	cr_expect_eq(edge(B, C)->times.total_ns, 40);
	cr_expect_eq(edge(CALLS_NONE, A)->times.calls, 1);
	cr_expect_eq(root_times()->self_ns, 200, "time outside any function");
	cr_expect_eq(root_times()->total_ns, 400);
	cr_expect_eq(calls->event_count, 8);
	cr_expect_eq(calls->unfinished_count, 0);
}

/* f(3) calls f(2) calls f(1): only the outermost is in the total. */
Test(calls_meter, self_recursion_counts_once_in_total)
{
	enter(0, FA, A);
	enter(10, FB, B);
	enter(20, FC, B);
	enter(40, FD, B);
	leave(70, FD);
	leave(110, FC);
	leave(160, FB);
	leave(200, FA);
	finish(200);
	EXPECT(A, 1, 50, 200, 50, 200);
	EXPECT(B, 3, 150, 150, 150, 150);
	cr_expect_eq(function(B)->recursive_calls, 2);
	cr_expect_eq(edge(A, B)->times.total_ns, 150);
	cr_expect_eq(edge(A, B)->times.self_ns, 10 + 50);
	cr_expect_eq(edge(B, B)->times.calls, 2);
	cr_expect_eq(edge(B, B)->times.total_ns, 90, "%lu", edge(B, B)->times.total_ns);
	cr_expect_eq(edge(B, B)->recursive_calls, 1);
	cr_expect_eq(function(B)->min_ns, 30, "of every activation");
	cr_expect_eq(function(B)->max_ns, 150);
	cr_expect_eq(function(B)->p50_ns, 89, "%lu", function(B)->p50_ns); /* of 30, 90, 150 */
}

/* A, B, A, B: the inner ones are recursive, and so is the inner pair of A and B. */
Test(calls_meter, mutual_recursion_counts_once_in_total)
{
	enter(0, FA, A);
	enter(10, FB, B);
	enter(30, FC, A);
	enter(60, FD, B);
	leave(100, FD);
	leave(150, FC);
	leave(210, FB);
	leave(280, FA);
	finish(280);
	EXPECT(A, 2, 80 + 80, 280, 160, 280);
	EXPECT(B, 2, 80 + 40, 200, 120, 200);
	cr_expect_eq(function(A)->recursive_calls, 1);
	cr_expect_eq(function(B)->recursive_calls, 1);
	cr_expect_eq(edge(A, B)->times.total_ns, 200);
	cr_expect_eq(edge(A, B)->recursive_calls, 1);
	cr_expect_eq(edge(B, A)->times.total_ns, 120);
	cr_expect_eq(edge(B, A)->recursive_calls, 0);
}

/* A generator's frame comes and goes, also below another caller. */
Test(calls_meter, resumes_are_calls)
{
	enter(0, FA, A);
	enter(10, FB, B);
	event(CALL_YIELD, 20, FB, CALLS_NONE);
	event(CALL_RESUME, 30, FB, B);
	event(CALL_YIELD, 50, FB, CALLS_NONE);
	enter(60, FC, C);
	event(CALL_THROW, 70, FB, B);
	event(CALL_UNWIND, 100, FB, CALLS_NONE);
	leave(110, FC);
	leave(120, FA);
	finish(120);
	EXPECT(B, 3, 60, 60, 60, 60);
	cr_expect_eq(function(B)->times.resumes, 2);
	cr_expect_eq(function(B)->times.exceptions, 1);
	cr_expect_eq(function(B)->min_ns, 10);
	cr_expect_eq(function(B)->max_ns, 30);
	cr_expect_eq(edge(C, B)->times.calls, 1);
	cr_expect_eq(edge(C, B)->times.resumes, 1);
	cr_expect_eq(edge(A, B)->times.exceptions, 0);
	cr_expect_eq(function(A)->times.exceptions, 0);
}

Test(calls_meter, an_exception_is_counted_where_it_left)
{
	enter(0, FA, A);
	enter(10, FB, B);
	enter(20, FC, C);
	event(CALL_UNWIND, 30, FC, CALLS_NONE);
	event(CALL_UNWIND, 40, FB, CALLS_NONE);
	leave(50, FA);
	finish(50);
	cr_expect_eq(function(C)->times.exceptions, 1);
	cr_expect_eq(function(B)->times.exceptions, 1);
	cr_expect_eq(function(A)->times.exceptions, 0);
	cr_expect_eq(calls->unseen_exits, 0);
}

/* No probe saw C and D leave: they ended, but nobody says by an exception. */
Test(calls_meter, an_exit_ends_what_is_above_it)
{
	enter(0, FA, A);
	enter(10, FB, B);
	enter(20, FC, C);
	enter(30, FD, D);
	event(CALL_UNWIND, 60, FB, CALLS_NONE);
	cr_expect_eq(call_thread_frame(thread), FA);
	leave(70, FA);
	finish(70);
	EXPECT(D, 1, 30, 30, 30, 30);
	EXPECT(C, 1, 10, 40, 10, 40);
	EXPECT(B, 1, 10, 50, 10, 50);
	cr_expect_eq(function(B)->times.exceptions, 1);
	cr_expect_eq(function(C)->times.exceptions, 0);
	cr_expect_eq(function(D)->times.exceptions, 0);
	cr_expect_eq(calls->unseen_exits, 2);
	cr_expect_eq(histogram_count(&edge(C, D)->durations), 1);
}

Test(calls_meter, an_exit_without_a_frame_is_of_the_innermost)
{
	leave(0, 0);
	enter(10, FA, A);
	enter(20, FB, B);
	event(CALL_LEAVE, 50, 0, CALLS_NONE);
	cr_expect_eq(call_thread_frame(thread), FA);
	event(CALL_LEAVE, 60, 0, CALLS_NONE);
	cr_expect_eq(call_thread_frame(thread), 0);
	finish(60);
	EXPECT(B, 1, 30, 30, 30, 30);
	cr_expect_eq(calls->stray_exits, 1);
}

/* The interpreter's slow path runs the instruction of the entry a second time. */
Test(calls_meter, entering_twice_without_leaving_is_one_entry)
{
	enter(0, FA, A);
	enter(5, FA, A);
	enter(10, FB, B);
	enter(15, FB, B);
	enter(20, FB, B);
	leave(40, FB);
	leave(50, FA);
	finish(50);
	EXPECT(A, 1, 20, 50, 20, 50);
	EXPECT(B, 1, 30, 30, 30, 30);
	cr_expect_eq(calls->event_count, 7, "all of them were hits");
	cr_expect_eq(calls->unseen_exits, 0);
}

/* Something has left since, or the function is another: the same address is another activation. */
Test(calls_meter, a_frame_used_again_is_another_call)
{
	enter(0, FA, A);
	enter(10, FB, B);
	leave(20, FB);
	enter(30, FA, A);
	enter(40, FB, B);
	enter(50, FB, C);
	leave(60, FB);
	leave(70, FA);
	finish(70);
	EXPECT(A, 2, 10 + 10 + 10 + 10, 70, 40, 70);
	EXPECT(B, 2, 20, 20, 20, 20);
	EXPECT(C, 1, 10, 10, 10, 10);
	cr_expect_eq(function(A)->recursive_calls, 0);
	cr_expect_eq(calls->unseen_exits, 2);
}

Test(calls_meter, entering_a_frame_further_out_ends_all_from_there)
{
	enter(0, FA, A);
	enter(10, FB, B);
	enter(20, FC, C);
	enter(30, FD, D);
	enter(40, FB, D);
	cr_expect_eq(call_thread_frame(thread), FB);
	cr_expect(call_thread_has_frame(thread, FA));
	cr_expect(call_thread_has_frame(thread, FB));
	cr_expect_not(call_thread_has_frame(thread, FC));
	cr_expect_not(call_thread_has_frame(thread, FD));
	finish(50);
	cr_expect_eq(edge(A, D)->times.calls, 1);
	EXPECT(B, 1, 10, 30, 10, 30);
	cr_expect_eq(calls->unseen_exits, 3);
	cr_expect_eq(calls->unfinished_count, 2);
}

Test(calls_meter, exits_nobody_entered_are_nobodys)
{
	leave(10, FA);
	leave(20, FB);
	enter(30, FA, A);
	leave(40, FB);
	leave(50, FA);
	leave(60, FA);
	finish(70);
	EXPECT(A, 1, 20, 20, 20, 20);
	cr_expect_eq(calls->stray_exits, 4);
	cr_expect_eq(root_times()->self_ns, 40);
}

/* sleep() costs wall and no CPU, to the innermost itself and to its callers in their totals. */
Test(calls_meter, time_off_the_cpu_is_wall_of_the_innermost)
{
	enter(0, FA, A);
	enter(100, FB, B);
	off_cpu(1150, 1000);
	leave(1200, FB);
	off_cpu(1210, 5);
	leave(1300, FA);
	finish(1300);
	EXPECT(B, 1, 1100, 1100, 100, 100);
	EXPECT(A, 1, 200, 1300, 195, 295);
	cr_expect_eq(function(B)->max_ns, 1100, "durations are wall");
}

/* Told several times between two events; and going first, then for how long. */
Test(calls_meter, times_off_the_cpu_add_up)
{
	enter(0, FA, A);
	off_cpu(100, 10);
	off_cpu(200, 20);
	leave(300, FA);
	enter(400, FB, B);
	goes_off_cpu(410);
	off_cpu(480, 50);
	leave(500, FB);
	finish(500);
	EXPECT(A, 1, 300, 300, 270, 270);
	EXPECT(B, 1, 100, 100, 50, 50);
}

Test(calls_meter, a_thread_that_sleeps_at_the_end_is_off_the_cpu)
{
	enter(0, FA, A);
	goes_off_cpu(30);
	goes_off_cpu(60);
	finish(1000);
	EXPECT(A, 1, 1000, 1000, 30, 30);
	cr_expect_eq(function(A)->unfinished, 1);
}

Test(calls_meter, more_time_off_than_there_was_is_no_cpu_time)
{
	enter(0, FA, A);
	off_cpu(10, UINT64_MAX);
	off_cpu(10, UINT64_MAX);
	leave(10, FA);
	finish(10);
	EXPECT(A, 1, 10, 10, 0, 0);
}

/* Each hit costs the gap behind it: entries 30, exits 20. */
Test(calls_meter, cost_of_probes_is_taken_out_behind_each_hit)
{
	setup_cost(30, 20);
	enter(0, FA, A);
	enter(100, FB, B); /* A: 100 - 30 */
	leave(200, FB);	   /* B: 100 - 30 */
	leave(300, FA);	   /* A: 100 - 20 */
	finish(400);	   /* nobody: 100 - 20 */
	EXPECT(A, 1, 150, 220, 150, 220);
	EXPECT(B, 1, 70, 70, 70, 70);
	cr_expect_eq(calls->compensated_ns, 100);
	cr_expect_eq(root_times()->self_ns, 80);
	cr_expect_eq(root_times()->total_ns + calls->compensated_ns, 400);
	cr_expect_eq(function(B)->min_ns, 70);
}

/* Never more than the thread was on a CPU in that gap; what is too much is not taken elsewhere. */
Test(calls_meter, cost_of_probes_is_at_most_the_gap)
{
	setup_cost(30, 30);
	enter(0, FA, A);
	enter(10, FB, B);
	off_cpu(90, 75);
	leave(90, FB); /* on the CPU for 5 of 80 */
	leave(190, FA);
	finish(190);
	EXPECT(A, 1, 0 + 70, 70 + 75, 70, 70);
	EXPECT(B, 1, 75, 75, 0, 0);
	cr_expect_eq(calls->compensated_ns, 10 + 5 + 30);
	cr_expect_eq(root_times()->total_ns + calls->compensated_ns, 190);
}

Test(calls_meter, a_second_entry_of_the_same_costs_too)
{
	setup_cost(30, 0);
	enter(0, FA, A);
	enter(40, FA, A);
	leave(80, FA);
	finish(80);
	EXPECT(A, 1, 20, 20, 20, 20);
	cr_expect_eq(calls->compensated_ns, 60);
}

Test(calls_meter, what_runs_already_is_no_call_but_has_time)
{
	static const struct call_running RUNNING[] = { { FA, A }, { FB, B } };

	cr_assert_eq(call_thread_start(meter, thread, 100, RUNNING, 2), 0);
	cr_expect_eq(call_thread_frame(thread), FB);
	enter(110, FC, C);
	leave(130, FC);
	leave(160, FB);
	enter(170, FB, B);
	leave(190, FB);
	finish(200);
	EXPECT(A, 0, 20, 100, 20, 100);
	EXPECT(B, 1, 40 + 20, 60 + 20, 60, 80);
	EXPECT(C, 1, 20, 20, 20, 20);
	cr_expect_eq(function(A)->running, 1);
	cr_expect_eq(function(A)->unfinished, 1);
	cr_expect_eq(function(B)->running, 1);
	cr_expect_eq(function(B)->unfinished, 0);
	cr_expect_eq(function(B)->max_ns, 20, "how long the first took is not known");
	cr_expect_eq(function(B)->min_ns, 20);
	cr_expect_eq(histogram_count(&edge(A, B)->durations), 1);
	cr_expect_eq(calls->resynchronised, 0);
	for (uint32_t i = 0; i < calls->node_count; i++)
		cr_expect_eq(calls->nodes[i].running,
			     calls->nodes[i].function == A || calls->nodes[i].function == B);
}

Test(calls_meter, what_is_unfinished_has_time_but_no_duration)
{
	enter(0, FA, A);
	enter(10, FB, B);
	leave(30, FB);
	enter(40, FB, B);
	finish(100);
	EXPECT(A, 1, 20, 100, 20, 100);
	EXPECT(B, 2, 80, 80, 80, 80);
	cr_expect_eq(function(B)->unfinished, 1);
	cr_expect_eq(function(B)->max_ns, 20);
	cr_expect_eq(function(A)->unfinished, 1);
	cr_expect_eq(function(A)->min_ns, 0);
	cr_expect_eq(function(A)->p50_ns, 0);
	cr_expect_eq(calls->unfinished_count, 2);
}

/* Events were lost: all that was known ends, and what comes later is right again. */
Test(calls_meter, a_stack_taken_anew_replaces_what_was_known)
{
	static const struct call_running AFTER[] = { { FA, A }, { FD, D } };

	enter(0, FA, A);
	enter(10, FB, B);
	enter(20, FC, C);
	cr_assert_eq(call_thread_start(meter, thread, 50, AFTER, 2), 0);
	cr_expect_eq(call_thread_frame(thread), FD);
	cr_expect_not(call_thread_has_frame(thread, FB));
	enter(60, FC, B);
	leave(70, FC);
	leave(80, FD);
	leave(100, FA);
	finish(100);
	EXPECT(A, 1, 10 + 20, 100, 30, 100);
	EXPECT(B, 2, 10 + 10, 40 + 10, 20, 50);
	EXPECT(C, 1, 30, 30, 30, 30);
	EXPECT(D, 0, 20, 30, 20, 30);
	cr_expect_eq(calls->resynchronised, 1);
	cr_expect_eq(calls->unfinished_count, 3);
	cr_expect_eq(function(B)->max_ns, 10);
	cr_expect_eq(function(A)->max_ns, 0, "neither half of it is a call's duration");
	cr_expect_eq(function(D)->running, 1);
}

Test(calls_meter, a_clock_that_goes_back_takes_nothing_away)
{
	enter(1000, FA, A);
	enter(900, FB, B);
	goes_off_cpu(10);
	off_cpu(20, 0);
	leave(950, FB);
	leave(1100, FA);
	enter(500, FC, C);
	finish(400);
	EXPECT(A, 1, 100, 100, 100, 100);
	EXPECT(B, 1, 0, 0, 0, 0);
	EXPECT(C, 1, 0, 0, 0, 0);
	cr_expect_eq(root_times()->total_ns, 100);
}

Test(calls_meter, threads_do_not_mix)
{
	struct call_thread *other = call_meter_add(meter, 70);

	enter(0, FA, A);
	cr_assert_eq(call_thread_event(meter, other, CALL_ENTER, 50, FA, B), 0);
	enter(60, FB, C);
	cr_assert_eq(call_thread_event(meter, other, CALL_RETURN, 80, FA, 0), 0);
	leave(90, FB);
	leave(100, FA);
	finish(100);
	EXPECT(A, 1, 70, 100, 70, 100);
	EXPECT(B, 1, 30, 30, 30, 30);
	cr_expect_eq(calls->nodes[calls_root(calls, 70)].times.self_ns, 20);
}

/* Beyond so many rows threads share one: their sums do, not their stacks. */
Test(calls_meter, threads_of_one_row_do_not_mix)
{
	struct call_thread *other = call_meter_add(meter, 0);

	enter(0, FA, A);
	cr_assert_eq(call_thread_event(meter, other, CALL_ENTER, 50, FA, A), 0);
	enter(60, FB, B);
	cr_assert_eq(call_thread_event(meter, other, CALL_RETURN, 80, FA, 0), 0);
	leave(90, FB);
	leave(100, FA);
	finish(100);
	EXPECT(A, 2, 100, 130, 100, 130);
	EXPECT(B, 1, 30, 30, 30, 30);
	cr_expect_eq(calls->unseen_exits, 0);
	cr_expect_eq(calls->stray_exits, 0);
	cr_expect_eq(root_times()->total_ns, 150);
}

/* What a thread has counted stays when it is dropped; the others are not touched. */
Test(calls_meter, a_dropped_thread_has_counted)
{
	struct call_thread *other = call_meter_add(meter, 0), *third = call_meter_add(meter, 0);

	cr_assert_eq(call_thread_event(meter, other, CALL_ENTER, 0, FA, A), 0);
	cr_assert_eq(call_thread_event(meter, third, CALL_ENTER, 0, FB, B), 0);
	cr_assert_eq(call_thread_end(meter, other, 40), 0);
	call_meter_drop(meter, other);
	cr_assert_eq(call_thread_event(meter, third, CALL_RETURN, 30, FB, 0), 0);
	cr_assert_eq(call_thread_end(meter, third, 30), 0);
	call_meter_drop(meter, third);
	enter(50, FC, C);
	leave(60, FC);
	finish(60);
	EXPECT(A, 1, 40, 40, 40, 40);
	EXPECT(B, 1, 30, 30, 30, 30);
	EXPECT(C, 1, 10, 10, 10, 10);
}

/* After its end a thread is followed anew, and the time between is nobody's. */
Test(calls_meter, a_thread_that_ended_may_come_again)
{
	enter(0, FA, A);
	cr_assert_eq(call_thread_end(meter, thread, 10), 0);
	cr_assert_eq(call_thread_end(meter, thread, 900), 0);
	cr_expect_eq(call_thread_frame(thread), 0);
	cr_expect_not(call_thread_has_frame(thread, FA));
	off_cpu(950, 40);
	enter(1000, FA, A);
	leave(1030, FA);
	finish(1040);
	EXPECT(A, 2, 40, 40, 40, 40);
	cr_expect_eq(root_times()->total_ns, 50);
	cr_expect_eq(root_times()->self_ns, 10);
	cr_expect_eq(function(A)->unfinished, 1);
}

Test(calls_meter, a_hundred_thousand_deep)
{
	enum { DEPTH = 100000 };

	for (uint64_t i = 0; i < DEPTH; i++)
		enter(i * 10, 0x10000 + i * 96, i % 2 ? A : B);
	cr_expect(call_thread_has_frame(thread, 0x10000 + 96 * 777));
	cr_expect_not(call_thread_has_frame(thread, 0x10000 + 96 * 777 + 8));
	for (uint64_t i = DEPTH; i-- > 0;)
		leave(DEPTH * 20 - i * 10, 0x10000 + i * 96);
	finish(DEPTH * 20);
	cr_expect_eq(function(A)->times.calls, DEPTH / 2);
	cr_expect_eq(function(B)->times.calls, DEPTH / 2);
	cr_expect_eq(function(B)->times.total_ns, DEPTH * 20);
	cr_expect_eq(function(A)->times.total_ns, DEPTH * 20 - 20);
	cr_expect_eq(function(A)->times.self_ns + function(B)->times.self_ns, DEPTH * 20);
	cr_expect_eq(calls->unfinished_count, 0);
}

/* Entries that never end, each of a frame of its own: memory has an end. */
Test(calls_meter, a_stack_that_never_ends_is_given_up)
{
	enum { ENTRIES = 600000 };

	for (uint64_t i = 0; i < ENTRIES; i++)
		enter(i, 0x10000 + i * 96, A);
	finish(ENTRIES);
	cr_expect_eq(function(A)->times.calls, ENTRIES);
	cr_expect_eq(function(A)->times.self_ns, ENTRIES);
	cr_expect_gt(calls->resynchronised, 0);
}

Test(calls_meter, kinds_that_are_no_calls_are_left_alone)
{
	event(CALL_OFF_CPU, 10, FA, A);
	event(CALL_EVENT_KIND_COUNT, 10, FA, A);
	finish(20);
	cr_expect_eq(calls->event_count, 0);
	cr_expect_eq(calls->edge_count, 0);
}
