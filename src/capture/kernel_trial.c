// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trials: the smallest map, the shortest program, one perf event that never starts. A refusal is
 * reported with the errno it came with, because EPERM, ENOSYS and EINVAL have different cures.
 */
#include "capture/kernel_trial.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "capture/uprobe_multi.h"

#define FIX_RIGHTS                                                                                 \
	"a container, its seccomp profile or a security module refuses it: run it on the host, "   \
	"or with --privileged --pid=host"

/* Who lacks the capabilities has been told so in the line on rights. */
static const char *rights_fix(void)
{
	if (kernel_has_capability(CAPABILITY_SYS_ADMIN) ||
	    (kernel_has_capability(CAPABILITY_BPF) && kernel_has_capability(CAPABILITY_PERFMON)))
		return FIX_RIGHTS;
	return "see rights";
}

/* r0 = 0; exit */
static const struct bpf_insn program_return_zero[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static void refused(struct kernel_check_line *line, int error, const char *what)
{
	const char *fix =
		error == -EPERM || error == -EACCES ?
			rights_fix() :
			"a kernel built with CONFIG_BPF_SYSCALL=y and CONFIG_PERF_EVENTS=y";

	kernel_line_missing(line, error, fix, "%s: %s", what, strerror(-error));
}

void kernel_trial_bpf(struct kernel_check_line *line)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pybpfprof_try", 4, 8, 1, NULL);

	if (fd < 0) {
		refused(line, fd, "bpf() does not make a map");
		return;
	}
	close(fd);
	kernel_line_ok(line, "maps can be made");
}

void kernel_trial_ring(struct kernel_check_line *line)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "pybpfprof_try", 0, 0,
				(uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (fd < 0) {
		refused(line, fd, "no BPF ring buffer");
		return;
	}
	close(fd);
	kernel_line_ok(line, "ring buffers can be made");
}

/* Not every machine has a CPU 0 that is online. */
static int first_cpu(void)
{
	return (int)kernel_file_number("/sys/devices/system/cpu/online", 0);
}

void kernel_trial_perf(struct kernel_check_line *line)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = 99,
		.freq = 1,
		.disabled = 1,
	};
	long paranoid = kernel_file_number("/proc/sys/kernel/perf_event_paranoid", -2);
	int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, first_cpu(), -1, PERF_FLAG_FD_CLOEXEC);
	int error = -errno;

	if (fd >= 0) {
		close(fd);
		kernel_line_ok(line, "cpu-clock opens on a whole CPU (perf_event_paranoid %ld)",
			       paranoid);
		return;
	}
	if (error == -EACCES || error == -EPERM)
		kernel_line_missing(line, error, rights_fix(),
				    "cpu-clock is refused (perf_event_paranoid %ld): %s", paranoid,
				    strerror(-error));
	else
		refused(line, error, "cpu-clock does not open");
}

static int load_program(enum bpf_prog_type type, const struct bpf_prog_load_opts *options)
{
	int fd = bpf_prog_load(type, "pybpfprof_try", "GPL", program_return_zero,
			       sizeof(program_return_zero) / sizeof(program_return_zero[0]),
			       options);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

void kernel_trial_program(struct kernel_check_line *line)
{
	long jit = kernel_file_number("/proc/sys/net/core/bpf_jit_enable", 1);
	int error = load_program(BPF_PROG_TYPE_PERF_EVENT, NULL);

	if (error)
		refused(line, error, "no BPF program can be loaded");
	else if (!jit)
		kernel_line_degraded(line, "sysctl net.core.bpf_jit_enable=1",
				     "programs load, but are interpreted: samples cost several "
				     "times more");
	else
		kernel_line_ok(line, "programs load and are compiled");
}

/* A BTF-typed tracepoint, by the name of the type its arguments have. */
static int load_trace(const struct btf *btf, const char *tracepoint)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
	char type_name[64];
	int id;

	snprintf(type_name, sizeof(type_name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, type_name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -ENOENT;
	options.attach_btf_id = (uint32_t)id;
	return load_program(BPF_PROG_TYPE_TRACING, &options);
}

void kernel_trial_trace(struct kernel_check_line *line)
{
	static const char *const tracepoints[] = { "sched_process_fork", "sched_process_exec",
						   "sched_process_exit", "sched_switch" };
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf) {
		kernel_line_missing(line, -ENOENT, "a kernel built with CONFIG_DEBUG_INFO_BTF=y",
				    "the kernel's BTF cannot be read");
		return;
	}
	for (size_t i = 0; i < sizeof(tracepoints) / sizeof(tracepoints[0]); i++) {
		int error = load_trace(btf, tracepoints[i]);

		if (error == -ENOENT)
			kernel_line_missing(line, error,
					    "a kernel with CONFIG_DEBUG_INFO_BTF=y and tracepoints",
					    "BTF has no tracepoint %s", tracepoints[i]);
		else if (error)
			kernel_line_missing(line, error, rights_fix(),
					    "tp_btf/%s does not load: %s", tracepoints[i],
					    strerror(-error));
		if (error)
			goto done;
	}
	kernel_line_ok(line, "tp_btf loads for sched_process_fork, _exec, _exit and sched_switch");
done:
	btf__free(btf);
}

/* The type "int", as the kernel's. A descriptor or -errno. */
static int load_int_type(void)
{
	struct btf *btf = btf__new_empty();
	const void *types;
	uint32_t size;
	int fd = -ENOMEM;

	if (!btf)
		return fd;
	if (btf__add_int(btf, "int", 4, BTF_INT_SIGNED) == 1) {
		types = btf__raw_data(btf, &size);
		if (types)
			fd = bpf_btf_load(types, size, NULL); /* btf__load_into_kernel() prints */
	}
	btf__free(btf);
	return fd;
}

/* Memory of each thread's own, as the programs on calls have; it must be typed. Likewise. */
static int make_task_storage(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC,
		    .btf_key_type_id = 1, .btf_value_type_id = 1);
	int types_fd = load_int_type(), fd;

	if (types_fd < 0)
		return types_fd;
	options.btf_fd = types_fd;
	fd = bpf_map_create(BPF_MAP_TYPE_TASK_STORAGE, "pybpfprof_try", 4, 4, 0, &options);
	close(types_fd);
	return fd;
}

#define CALL_HELPER(helper)                                                                        \
	{                                                                                          \
		.code = BPF_JMP | BPF_CALL, .imm = (helper)                                        \
	}
#define SET_TO_ZERO(reg)                                                                           \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg)                              \
	}
#define SET_TO_REGISTER(reg, from)                                                                 \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (reg), .src_reg = (from)           \
	}

/* A uprobe's program that asks for its cookie and for its thread's memory. */
static int load_uprobe(int storage_fd)
{
	const struct bpf_insn program[] = {
		CALL_HELPER(BPF_FUNC_get_attach_cookie),
		CALL_HELPER(BPF_FUNC_get_current_task_btf),
		SET_TO_REGISTER(BPF_REG_2, BPF_REG_0),
		SET_TO_ZERO(BPF_REG_3),
		SET_TO_ZERO(BPF_REG_4),
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = storage_fd },
		{ 0 },
		CALL_HELPER(BPF_FUNC_task_storage_get),
		SET_TO_ZERO(BPF_REG_0),
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "pybpfprof_try", "GPL", program,
			       sizeof(program) / sizeof(program[0]), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void calls_refused(struct kernel_check_line *line, int error, const char *what)
{
	const char *fix = "a kernel of 5.15 or later with CONFIG_UPROBE_EVENTS=y";

	if (error == -EPERM || error == -EACCES)
		fix = rights_fix();
	kernel_line_degraded(line, fix, "%s: %s; sampling works, --mode time and callgraph do not",
			     what, strerror(-error));
}

void kernel_trial_calls(struct kernel_check_line *line)
{
	int fd = make_task_storage(), error;

	if (fd < 0) {
		calls_refused(line, fd, "no BPF task storage");
		return;
	}
	error = load_uprobe(fd);
	close(fd);
	if (error)
		calls_refused(line, error, "no program for uprobes loads");
	else if (uprobe_multi_works())
		kernel_line_ok(line, "uprobes, put in and taken away together");
	else if (access("/sys/bus/event_source/devices/uprobe/type", F_OK))
		calls_refused(line, -errno, "no uprobe PMU");
	else
		kernel_line_ok(line, "uprobes, put in and taken away one by one (all together "
				     "from Linux 6.10 on)");
}

void kernel_trial_memory(struct kernel_check_line *line)
{
	long scope = kernel_file_number("/proc/sys/kernel/yama/ptrace_scope", 0);
	char from = 1, to = 0;
	struct iovec local = { &to, 1 }, remote = { &from, 1 };

	/* Of ourselves this is always allowed: it tells whether the system call is there. */
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1)
		kernel_line_missing(line, -errno,
				    "a kernel with CONFIG_CROSS_MEMORY_ATTACH=y; in a container: "
				    "--security-opt seccomp=unconfined",
				    "process_vm_readv: %s", strerror(errno));
	else if (scope >= 3)
		kernel_line_missing(
			line, -EPERM,
			"boot with kernel.yama.ptrace_scope below 3 (it cannot be "
			"lowered while running)",
			"yama ptrace_scope %ld: nobody may read another process's memory", scope);
	else if (scope && !kernel_has_capability(CAPABILITY_SYS_PTRACE))
		kernel_line_degraded(
			line, "add CAP_SYS_PTRACE, or run as root",
			"yama ptrace_scope %ld and no CAP_SYS_PTRACE: only a COMMAND of "
			"our own can be looked into",
			scope);
	else
		kernel_line_ok(line, "process_vm_readv works (yama ptrace_scope %ld)", scope);
}
