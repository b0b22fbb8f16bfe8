// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of checks, and those that only read /proc and /sys. The order is that of the causes:
 * whoever lacks rights should hear of the rights first, not of the map that could not be made.
 */
#include "capture/kernel_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fs.h"
#include "capture/kernel_trial.h"

enum {
	KERNEL_MAJOR_MIN = 5,
	KERNEL_MINOR_MIN = 15,
	RATE_WANTED_HZ = 20000,
	RATE_DEFAULT_HZ = 99,
	FILE_BYTES_MAX = 256 * 1024,
};

/* Inode numbers the kernel gives its first namespaces, include/linux/proc_ns.h. */
#define NAMESPACE_INITIAL_USER 0xeffffffdu
#define NAMESPACE_INITIAL_PID 0xeffffffcu

static void line_say(struct kernel_check_line *line, const char *format, va_list args)
{
	vsnprintf(line->finding, sizeof(line->finding), format, args);
}

void kernel_line_ok(struct kernel_check_line *line, const char *format, ...)
{
	va_list args;

	line->state = KERNEL_CHECK_OK;
	va_start(args, format);
	line_say(line, format, args);
	va_end(args);
}

void kernel_line_degraded(struct kernel_check_line *line, const char *fix, const char *format, ...)
{
	va_list args;

	line->state = KERNEL_CHECK_DEGRADED;
	snprintf(line->fix, sizeof(line->fix), "%s", fix);
	va_start(args, format);
	line_say(line, format, args);
	va_end(args);
}

void kernel_line_missing(struct kernel_check_line *line, int error, const char *fix,
			 const char *format, ...)
{
	va_list args;

	line->state = KERNEL_CHECK_MISSING;
	line->error = error;
	snprintf(line->fix, sizeof(line->fix), "%s", fix);
	va_start(args, format);
	line_say(line, format, args);
	va_end(args);
}

void kernel_file_line(const char *path, char *out, size_t size)
{
	struct buffer text;

	buffer_init(&text);
	out[0] = 0;
	/* -EFBIG: only the first line is wanted, and that is there. */
	if (fs_read(path, 4096, &text) != -ENOENT && text.length) {
		text.bytes[strcspn(text.bytes, "\n")] = 0;
		snprintf(out, size, "%s", text.bytes);
	}
	buffer_release(&text);
}

long kernel_file_number(const char *path, long fallback)
{
	char text[64], *end;
	long number;

	kernel_file_line(path, text, sizeof(text));
	number = strtol(text, &end, 10);
	return end == text ? fallback : number;
}

/* The value after "NAME:" in /proc/self/status, in the given base; 0 when it is not there. */
static uint64_t own_status(const char *name, int base)
{
	struct buffer text;
	const char *at;
	uint64_t value = 0;

	buffer_init(&text);
	if (!fs_read("/proc/self/status", FILE_BYTES_MAX, &text) && text.length) {
		at = strstr(text.bytes, name);
		if (at)
			value = strtoull(at + strlen(name), NULL, base);
	}
	buffer_release(&text);
	return value;
}

bool kernel_has_capability(unsigned int number)
{
	return own_status("\nCapEff:", 16) >> number & 1;
}

static void check_rights(struct kernel_check_line *line)
{
	bool admin = kernel_has_capability(CAPABILITY_SYS_ADMIN);
	bool bpf = admin || kernel_has_capability(CAPABILITY_BPF);
	bool perfmon = admin || kernel_has_capability(CAPABILITY_PERFMON);
	bool ptrace = kernel_has_capability(CAPABILITY_SYS_PTRACE);
	struct stat user_namespace;

	if (!bpf || !perfmon) {
		kernel_line_missing(line, -EPERM,
				    geteuid() ? "run it with sudo, or once: setcap "
						"cap_bpf,cap_perfmon,cap_sys_ptrace+ep pybpfprof" :
						"in a container: --privileged --pid=host",
				    "%s without %s", geteuid() ? "not root, and" : "root, but",
				    bpf	    ? "CAP_PERFMON" :
				    perfmon ? "CAP_BPF" :
					      "CAP_BPF and CAP_PERFMON");
	} else if (!stat("/proc/self/ns/user", &user_namespace) &&
		   user_namespace.st_ino != NAMESPACE_INITIAL_USER) {
		kernel_line_missing(line, -EPERM,
				    "run it as root of the host, outside the "
				    "rootless container or user namespace",
				    "root only inside a user namespace");
	} else if (!ptrace) {
		kernel_line_degraded(line, "add CAP_SYS_PTRACE, or run as root",
				     "without CAP_SYS_PTRACE: only processes of your own can be "
				     "looked into");
	} else {
		kernel_line_ok(line, "%s",
			       geteuid() ? "CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE" : "root");
	}
}

static void check_kernel(struct kernel_check_line *line)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR_MIN || (major == KERNEL_MAJOR_MIN && minor >= KERNEL_MINOR_MIN)))
		kernel_line_ok(line, "Linux %s", name.release);
	else
		kernel_line_missing(line, -EOPNOTSUPP, "boot Linux 5.15 or later, with BTF",
				    "Linux %s is older than 5.15", name.release);
}

static void check_machine(struct kernel_check_line *line)
{
	struct utsname name;

	uname(&name);
	if (!strcmp(name.machine, "x86_64"))
		kernel_line_ok(line, "%s", name.machine);
	else
		kernel_line_missing(line, -EOPNOTSUPP, "",
				    "%s: only x86_64 processes can be walked", name.machine);
}

static void check_btf(struct kernel_check_line *line)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		kernel_line_ok(line, "/sys/kernel/btf/vmlinux");
	else if (errno == ENOENT)
		kernel_line_missing(line, -ENOENT,
				    "a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of "
				    "Debian 11 and later are; in a container: mount /sys",
				    "no BTF: /sys/kernel/btf/vmlinux is not there");
	else
		kernel_line_missing(line, -errno, "run as root", "/sys/kernel/btf/vmlinux: %s",
				    strerror(errno));
}

static void check_pid_namespace(struct kernel_check_line *line)
{
	struct stat pid_namespace;
	char link[32] = "";

	if (stat("/proc/self/ns/pid", &pid_namespace)) {
		kernel_line_missing(line, -errno, "mount /proc", "/proc/self/ns/pid: %s",
				    strerror(errno));
	} else if (pid_namespace.st_ino != NAMESPACE_INITIAL_PID) {
		kernel_line_missing(
			line, -EOPNOTSUPP,
			"run it on the host, or in a container "
			"started with --pid=host",
			"inside a pid namespace: the pids seen here are not the kernel's");
	} else if (readlink("/proc/self", link, sizeof(link) - 1) <= 0 || atoi(link) != getpid()) {
		kernel_line_missing(line, -EOPNOTSUPP, "mount -t proc proc /proc",
				    "/proc belongs to another pid namespace");
	} else {
		kernel_line_ok(line, "the host's");
	}
}

static void check_rate(struct kernel_check_line *line)
{
	long rate = kernel_file_number("/proc/sys/kernel/perf_event_max_sample_rate", -1);
	const char *fix = "sysctl kernel.perf_event_max_sample_rate=100000";

	if (rate < 0)
		kernel_line_degraded(line, "", "perf_event_max_sample_rate cannot be read");
	else if (rate < RATE_DEFAULT_HZ)
		kernel_line_degraded(line, fix, "%ld samples a second: give -r %ld", rate, rate);
	else if (rate < RATE_WANTED_HZ)
		kernel_line_degraded(line, fix, "%ld samples a second at most", rate);
	else
		kernel_line_ok(line, "%ld samples a second at most", rate);
}

static void check_lockdown(struct kernel_check_line *line)
{
	char text[128];

	kernel_file_line("/sys/kernel/security/lockdown", text, sizeof(text));
	if (strstr(text, "[confidentiality]"))
		kernel_line_missing(line, -EPERM,
				    "boot without lockdown=confidentiality (integrity is enough "
				    "for Secure Boot)",
				    "confidentiality: BPF may not read memory");
	else if (strstr(text, "[integrity]"))
		kernel_line_ok(line, "integrity");
	else
		kernel_line_ok(line, "none");
}

static void check_seccomp(struct kernel_check_line *line)
{
	struct kernel_check_line bpf = { .needed = true }, perf = { .needed = true };

	if (!own_status("\nSeccomp:", 10)) {
		kernel_line_ok(line, "no filter");
		return;
	}
	kernel_trial_bpf(&bpf);
	kernel_trial_perf(&perf);
	if (bpf.state == KERNEL_CHECK_MISSING || perf.state == KERNEL_CHECK_MISSING)
		kernel_line_degraded(
			line, "in a container: --security-opt seccomp=unconfined",
			"a filter is active and may be what refused bpf() or perf events");
	else
		kernel_line_ok(line, "a filter is active, and lets bpf() and perf events pass");
}

static void check_unprivileged(struct kernel_check_line *line)
{
	kernel_line_ok(line, "unprivileged_bpf_disabled %ld (does not matter to root)",
		       kernel_file_number("/proc/sys/kernel/unprivileged_bpf_disabled", -1));
}

static void check_memlock(struct kernel_check_line *line)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		kernel_line_degraded(line, "", "RLIMIT_MEMLOCK: %s", strerror(errno));
	else if (limit.rlim_cur == RLIM_INFINITY)
		kernel_line_ok(line, "unlimited");
	else
		kernel_line_ok(line, "%llu KiB; BPF memory does not count since Linux 5.11",
			       (unsigned long long)limit.rlim_cur / 1024);
}

static void check_cgroup(struct kernel_check_line *line)
{
	struct buffer mounts;
	char at[KERNEL_CHECK_TEXT_BYTES / 2] = "";

	buffer_init(&mounts);
	fs_read("/proc/self/mounts", FILE_BYTES_MAX, &mounts);
	for (char *next = mounts.bytes, *text; (text = strsep(&next, "\n"));) {
		char path[KERNEL_CHECK_TEXT_BYTES / 2], type[32];

		if (sscanf(text, "%*s %127s %31s", path, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(at, sizeof(at), "%s", path);
			break;
		}
	}
	buffer_release(&mounts);
	if (at[0])
		kernel_line_ok(line, "mounted at %s", at);
	else
		kernel_line_degraded(line, "mount -t cgroup2 none /sys/fs/cgroup",
				     "no cgroup v2 mounted: --cgroup cannot be used");
}

static void check_symbols(struct kernel_check_line *line)
{
	char text[128];

	kernel_file_line("/proc/kallsyms", text, sizeof(text));
	if (!text[0])
		kernel_line_degraded(line, "a kernel with CONFIG_KALLSYMS=y",
				     "no /proc/kallsyms: kernel frames (-k) will have no names");
	else if (strspn(text, "0") >= 8)
		kernel_line_degraded(
			line, "run as root, or add CAP_SYSLOG; sysctl kernel.kptr_restrict=1",
			"addresses are hidden: kernel frames (-k) will have no names");
	else
		kernel_line_ok(line, "/proc/kallsyms has addresses");
}

static const struct check_entry {
	const char *name;
	bool needed;
	bool quick; /* part of kernel_check_fatal() */
	void (*check)(struct kernel_check_line *line);
} check_table[] = {
	{ "machine", true, true, check_machine },
	{ "kernel", true, true, check_kernel },
	{ "rights", true, true, check_rights },
	{ "pid namespace", true, true, check_pid_namespace },
	{ "BTF", true, true, check_btf },
	{ "lockdown", true, true, check_lockdown },
	{ "bpf()", true, true, kernel_trial_bpf },
	{ "ring buffer", true, true, kernel_trial_ring },
	{ "BPF programs", true, true, kernel_trial_program },
	{ "tracepoints", true, false, kernel_trial_trace },
	{ "perf events", true, true, kernel_trial_perf },
	{ "process memory", true, true, kernel_trial_memory },
	{ "sample rate", false, false, check_rate },
	{ "exact calls", false, false, kernel_trial_calls },
	{ "kernel symbols", false, false, check_symbols },
	{ "cgroup v2", false, false, check_cgroup },
	{ "seccomp", false, false, check_seccomp },
	{ "unprivileged", false, false, check_unprivileged },
	{ "memlock", false, false, check_memlock },
};

#define CHECK_COUNT (sizeof(check_table) / sizeof(check_table[0]))
_Static_assert(CHECK_COUNT <= KERNEL_CHECK_LINES_MAX, "more checks than lines");

static void run_one(const struct check_entry *entry, struct kernel_check_line *line)
{
	memset(line, 0, sizeof(*line));
	line->name = entry->name;
	line->needed = entry->needed;
	entry->check(line);
}

void kernel_check_run(struct kernel_check *check)
{
	check->usable = true;
	for (check->count = 0; check->count < CHECK_COUNT; check->count++) {
		struct kernel_check_line *line = &check->lines[check->count];

		run_one(&check_table[check->count], line);
		if (line->needed && line->state == KERNEL_CHECK_MISSING)
			check->usable = false;
	}
}

int kernel_check_fatal(char *line, size_t size)
{
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		struct kernel_check_line checked;

		if (!check_table[i].needed || !check_table[i].quick)
			continue;
		run_one(&check_table[i], &checked);
		if (checked.state != KERNEL_CHECK_MISSING)
			continue;
		snprintf(line, size, "%s%s%s", checked.finding, checked.fix[0] ? "; " : "",
			 checked.fix);
		return checked.error ? checked.error : -EPERM;
	}
	return 0;
}

const char *kernel_check_state_name(enum kernel_check_state state)
{
	switch (state) {
	case KERNEL_CHECK_OK:
		return "ok";
	case KERNEL_CHECK_DEGRADED:
		return "degraded";
	case KERNEL_CHECK_MISSING:
		return "missing";
	}
	return "";
}
