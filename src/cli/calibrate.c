// SPDX-License-Identifier: GPL-2.0-only
/*
 * See calibrate.h. A child of ours calls equal functions in turn, each a nop and a return: one
 * without a probe, one that "enters", one that "leaves", and one that leaves by an instruction
 * which the kernel single-steps. To the BPF programs it is a CPython like any other: its one frame
 * and its one code object are made up here, the probes count as proven. So the hits take the way
 * that those of a real target take at full speed.
 *
 * The kernel emulates a nop, as it emulates all instructions that plans have probed.
 */
#include "cli/calibrate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/maps.h"

enum {
	ROUNDS = 80,
	/* One batch of events, so that each round has its one delivery of a record. */
	ROUND_CALLS = ABI_CALL_EVENTS,
	WARM_ROUNDS = 4,
	STEPPED_ROUNDS = 8, /* of the dear ones no more */
	/* Of the rounds, sorted: the slower ones were disturbed. */
	QUANTILE_DIVISOR = 4,
	REGISTER_RDI = 7,
	REGISTER_RSI = 6,
	MADE_UP_IP = 0x1000, /* any address that is not the code object's own */
};

enum calibrated {
	CALIBRATED_PLAIN,
	CALIBRATED_ENTER,
	CALIBRATED_LEAVE,
	CALIBRATED_STEPPED,
	CALIBRATED_COUNT
};

/* Far enough from one another that no probe changes another function's cache line. */
void calibrate_plain(const void *frame, uint64_t ip);
void calibrate_enter(const void *frame, uint64_t ip);
void calibrate_leave(const void *frame, uint64_t ip);
void calibrate_stepped(const void *frame, uint64_t ip);

#define CALIBRATED_FUNCTION(name, instruction)                                                     \
	".p2align 7\n"                                                                             \
	".hidden " name "\n"                                                                       \
	".globl " name "\n"                                                                        \
	".type " name ", @function\n" name ":\n" instruction "\n"                                  \
	"ret\n"                                                                                    \
	".size " name ", . - " name "\n"

asm(".pushsection .text\n" CALIBRATED_FUNCTION("calibrate_plain", "nop")
	    CALIBRATED_FUNCTION("calibrate_enter", "nop") CALIBRATED_FUNCTION("calibrate_leave",
									      "nop")
		    CALIBRATED_FUNCTION("calibrate_stepped", "mov %rdi, %rax") ".p2align 7\n"
									       ".popsection\n");

typedef void (*calibrated_fn)(const void *frame, uint64_t ip);

static const calibrated_fn FUNCTIONS[CALIBRATED_COUNT] = {
	[CALIBRATED_PLAIN] = calibrate_plain,
	[CALIBRATED_ENTER] = calibrate_enter,
	[CALIBRATED_LEAVE] = calibrate_leave,
	[CALIBRATED_STEPPED] = calibrate_stepped,
};

/* What the kernel side reads of a CPython, no more. */
struct made_up_text {
	uint64_t length;
	uint64_t state;
	char characters[16];
};

struct made_up_code {
	uint64_t type;
	uint64_t name;
	uint64_t filename;
	uint64_t linetable;
	int32_t argcount;
	int32_t flags;
	int32_t firstlineno;
	int32_t reserved;
};

struct made_up_frame {
	uint64_t back;
	uint64_t code;
	uint64_t ip;
};

/* Shared with the child. */
struct calibration {
	struct made_up_frame frame;
	struct made_up_code code;
	struct made_up_text name;
	uint64_t line_table_bytes;
	uint64_t rounds_ns[CALIBRATED_COUNT][ROUNDS];
	bool complete;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* ---- in the child ---- */

static uint64_t round_run(const struct calibration *calibration, calibrated_fn function)
{
	uint64_t start_ns = now_ns();

	for (int i = 0; i < ROUND_CALLS; i++)
		function(&calibration->frame, MADE_UP_IP);
	return now_ns() - start_ns;
}

/* Written here and not by the parent: the kernel side reads only pages that are there. */
static void python_make_up(struct calibration *calibration)
{
	memset(calibration, 0, sizeof(*calibration));
	calibration->frame.code = (uintptr_t)&calibration->code;
	calibration->code.type = 1;
	calibration->code.name = (uintptr_t)&calibration->name;
	calibration->code.filename = (uintptr_t)&calibration->name;
	calibration->code.linetable = (uintptr_t)&calibration->line_table_bytes;
	calibration->name.length = sizeof(calibration->name.characters);
	calibration->name.state = 1 << 2 | 1 << 5 | 1 << 6;
}

static void child_run(struct calibration *calibration, int go_fd, pid_t parent)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	python_make_up(calibration);
	if (read(go_fd, &byte, 1) != 1)
		_exit(1);
	for (int round = -WARM_ROUNDS; round < ROUNDS; round++) {
		for (int which = 0; which < CALIBRATED_COUNT; which++) {
			uint64_t took_ns;

			if (which == CALIBRATED_STEPPED && round >= STEPPED_ROUNDS)
				continue;
			took_ns = round_run(calibration, FUNCTIONS[which]);
			if (round >= 0)
				calibration->rounds_ns[which][round] = took_ns;
		}
	}
	calibration->complete = true;
	_exit(0);
}

/* ---- in the parent ---- */

static const struct python_layout MADE_UP_LAYOUT = {
	.tstate_exception = ABI_NO_OFFSET,
	.cframe_current_frame = ABI_NO_OFFSET,
	.frame_back = offsetof(struct made_up_frame, back),
	.frame_code = offsetof(struct made_up_frame, code),
	.frame_ip = offsetof(struct made_up_frame, ip),
	.frame_owner = ABI_NO_OFFSET,
	.frame_is_entry = ABI_NO_OFFSET,
	.frame_localsplus = sizeof(struct made_up_frame),
	.frame_globals = ABI_NO_OFFSET,
	.code_argcount = offsetof(struct made_up_code, argcount),
	.code_flags = offsetof(struct made_up_code, flags),
	.code_firstlineno = offsetof(struct made_up_code, firstlineno),
	.code_varnames = ABI_NO_OFFSET,
	.code_filename = offsetof(struct made_up_code, filename),
	.code_name = offsetof(struct made_up_code, name),
	.code_qualname = ABI_NO_OFFSET,
	.code_linetable = offsetof(struct made_up_code, linetable),
	.code_firsttraceable = ABI_NO_OFFSET,
	.code_version = ABI_NO_OFFSET,
	.unicode_length = offsetof(struct made_up_text, length),
	.unicode_state = offsetof(struct made_up_text, state),
	.unicode_ascii_data = offsetof(struct made_up_text, characters),
	.unicode_compact_data = offsetof(struct made_up_text, characters),
	.object_type = offsetof(struct made_up_code, type),
	.unicode_kind_shift = 2,
	.unicode_compact_bit = 5,
	.unicode_ascii_bit = 6,
	.ip_kind = PYTHON_IP_POINTER,
	.owner_sentinel = 255,
};

static int plan_make(struct call_plan *plan)
{
	static const enum calibrated probed[] = { CALIBRATED_ENTER, CALIBRATED_LEAVE,
						  CALIBRATED_STEPPED };
	struct maps maps;
	int error = maps_read(getpid(), &maps);

	if (error)
		return error;
	memset(plan, 0, sizeof(*plan));
	for (size_t i = 0; i < sizeof(probed) / sizeof(*probed) && !error; i++) {
		uint64_t address = (uintptr_t)FUNCTIONS[probed[i]];
		const struct mapping *mapping = maps_find(&maps, address);

		if (!mapping || !mapping->inode) {
			error = -ENOENT;
			break;
		}
		plan->sites[plan->site_count++] = (struct call_plan_site){
			.file_offset = address - mapping->start + mapping->offset,
			.site = {
				.kind = i ? CALL_RETURN : CALL_ENTER,
				.frame_register = REGISTER_RDI,
				.ip_register = i ? ABI_NO_REGISTER : REGISTER_RSI,
				.result_register = ABI_NO_REGISTER,
				.throw_register = ABI_NO_REGISTER,
				.proven = 1,
			},
		};
	}
	maps_release(&maps);
	return error;
}

/* The same places as an allocator's: one that only enters, one that returns a block, and one that is stepped. */
static int memory_attach(struct capture *capture, enum probe_family family, pid_t pid)
{
	struct allocator_plan plan = { .file_count = 1 };
	struct call_plan calls;
	int error = plan_make(&calls);

	if (error)
		return error;
	strcpy(plan.files[0].path_open, "/proc/self/exe");
	for (size_t i = 0; i < calls.site_count; i++) {
		struct allocator_site *site = &plan.sites[plan.site_count++];

		site->probe.call = i == 1 ? MEMORY_MALLOC : MEMORY_FREE;
		site->returns_block = i == 1;
		site->stepped = i == 2;
		site->file_offset = calls.sites[i].file_offset;
	}
	return capture_memory_attach(capture, family, pid, &plan);
}

static int record_pass(void *arg, const void *record, size_t size)
{
	(void)arg;
	(void)record;
	(void)size;
	return 0;
}

/* Nobody has asked for any of it, and none of it counts. */
static void traces_remove(struct capture *capture, pid_t pid)
{
	capture_target_remove(capture, pid);
	while (capture_drain(capture, 0, -1, record_pass, NULL) == CAPTURE_DRAIN_RECORDS)
		;
	capture_stats_reset(capture);
}

/* Lets the child run to its end, which closes its end of the pipe. */
static int child_await(const struct calibration *calibration, int go_fd, int end_fd)
{
	struct pollfd end = { .fd = end_fd, .events = POLLIN };

	if (write(go_fd, "", 1) != 1)
		return -errno;
	if (poll(&end, 1, CALIBRATE_PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return calibration->complete ? 0 : -ECHILD;
}

static int allocators_measure(struct capture *capture, const struct calibration *calibration,
			      enum probe_family family, pid_t pid, int go_fd, int end_fd)
{
	int error = memory_attach(capture, family, pid);

	capture_memory_await_all(capture, true);
	if (!error)
		error = child_await(calibration, go_fd, end_fd);
	capture_memory_await_all(capture, false);
	capture_memory_detach(capture, family);
	return error;
}

static int memory_measure(struct capture *capture, const struct calibration *calibration, pid_t pid,
			  int go_fd, int end_fd)
{
	return allocators_measure(capture, calibration, PROBE_MEMORY, pid, go_fd, end_fd);
}

static int lifetime_measure(struct capture *capture, const struct calibration *calibration,
			    pid_t pid, int go_fd, int end_fd)
{
	return allocators_measure(capture, calibration, PROBE_LIFETIME, pid, go_fd, end_fd);
}

static int calls_measure(struct capture *capture, const struct calibration *calibration, pid_t pid,
			 int go_fd, int end_fd)
{
	const struct python_target target = {
		.code_type = 1,
		.flags = PYTHON_TARGET_CALLS | PYTHON_TARGET_DEATHS_SEEN,
		.layout = MADE_UP_LAYOUT,
	};
	uint64_t start_ns = now_ns(), attached_ns;
	uint32_t serial, first_site;
	struct call_plan plan;
	int error = plan_make(&plan);

	if (!error)
		error = capture_target_add(capture, pid, &target, &serial);
	if (!error)
		error = capture_calls_attach(capture, "/proc/self/exe", pid, &plan, &first_site);
	if (error)
		return error;
	attached_ns = now_ns();
	error = child_await(calibration, go_fd, end_fd);
	capture_calls_retire(capture, first_site);
	log_debug("calibration: probes in after %.1f ms, rounds took %.1f ms",
		  (double)(attached_ns - start_ns) / 1e6, (double)(now_ns() - attached_ns) / 1e6);
	return error;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static uint32_t hit_ns(struct calibration *calibration, enum calibrated which, int rounds)
{
	uint64_t *rounds_ns = calibration->rounds_ns[which];
	uint64_t *plain_ns = calibration->rounds_ns[CALIBRATED_PLAIN];
	uint64_t probed = rounds_ns[rounds / QUANTILE_DIVISOR];
	uint64_t plain = plain_ns[ROUNDS / QUANTILE_DIVISOR];

	return probed > plain ? (probed - plain) / ROUND_CALLS : 0;
}

static int cost_reckon(struct calibration *calibration, struct calling_cost *cost)
{
	struct calling_cost found = { 0 };

	for (int which = 0; which < CALIBRATED_COUNT; which++)
		qsort(calibration->rounds_ns[which],
		      which == CALIBRATED_STEPPED ? STEPPED_ROUNDS : ROUNDS, sizeof(uint64_t),
		      compare);
	found.enter_ns = hit_ns(calibration, CALIBRATED_ENTER, ROUNDS);
	found.leave_ns = hit_ns(calibration, CALIBRATED_LEAVE, ROUNDS);
	found.stepped_ns = hit_ns(calibration, CALIBRATED_STEPPED, STEPPED_ROUNDS);
	if (!found.enter_ns || !found.leave_ns)
		return -ERANGE; /* the probes were not hit */
	*cost = found;
	return 0;
}

/* The child waits on the first pipe, and holds the second one open while it lives. */
static int child_start(struct calibration *calibration, int go[2], int end[2], pid_t *pid)
{
	pid_t parent = getpid();

	*pid = fork();
	if (*pid < 0)
		return -errno;
	if (!*pid) {
		close(go[1]);
		close(end[0]);
		child_run(calibration, go[0], parent);
	}
	close(end[1]);
	end[1] = -1;
	return 0;
}

static void pipe_close(const int fds[2])
{
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
}

typedef int (*measure_fn)(struct capture *capture, const struct calibration *calibration, pid_t pid,
			  int go_fd, int end_fd);

static int calibrate(struct capture *capture, measure_fn measure, struct calling_cost *cost)
{
	int go[2] = { -1, -1 }, end[2] = { -1, -1 }, error;
	struct calibration *calibration;
	pid_t pid = -1;

	calibration = mmap(NULL, sizeof(*calibration), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calibration == MAP_FAILED)
		return -errno;
	error = pipe2(go, O_CLOEXEC) || pipe2(end, O_CLOEXEC) ? -errno : 0;
	if (!error)
		error = child_start(calibration, go, end, &pid);
	if (!error)
		error = measure(capture, calibration, pid, go[1], end[0]);
	pipe_close(go);
	pipe_close(end);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		traces_remove(capture, pid);
	}
	if (!error)
		error = cost_reckon(calibration, cost);
	munmap(calibration, sizeof(*calibration));
	return error;
}

int calibrate_calls(struct capture *capture, struct calling_cost *cost)
{
	return calibrate(capture, calls_measure, cost);
}

int calibrate_memory(struct capture *capture, enum probe_family family, struct calling_cost *cost)
{
	struct calling_cost found;
	int error = calibrate(capture, family == PROBE_LIFETIME ? lifetime_measure : memory_measure,
			      &found);

	if (error)
		return error;
	/* Of the two traps of a call that returns a block, the first is the other's. */
	cost->enter_ns = found.enter_ns;
	cost->leave_ns = found.leave_ns > found.enter_ns ? found.leave_ns - found.enter_ns : 0;
	cost->stepped_ns = found.stepped_ns;
	return 0;
}
