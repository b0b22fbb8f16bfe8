// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that probes can cost: an empty BPF program on chosen instructions of one process.
 *
 *         floor PID PATH OFFSET...
 *
 * PATH: the file that holds them, as we can open it; OFFSETs into it; with an r in front a function's
 * return is meant. Says `ready` when they are in
 * place. Each line of standard input takes them away (`away`) or puts them back (`ready`). Attached
 * the way pybpfprof attaches its own. Built and run by scripts/bench.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/uprobe_multi.h"

enum { OFFSETS_MAX = 64 };

struct floor {
	pid_t pid;
	const char *path;
	int program_fd;
	bool multi;
	size_t counts[2]; /* of entries, of returns */
	uint64_t offsets[2][OFFSETS_MAX];
	int fds[2 * OFFSETS_MAX];
	size_t fd_count;
};

static int program_load(bool multi)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options);

	if (multi)
		options.expected_attach_type = uprobe_multi_attach_type();
	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", program, 2, &options);
}

static int perf_type(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type = -1;

	if (file && fscanf(file, "%d", &type) != 1)
		type = -1;
	if (file)
		fclose(file);
	return type;
}

static int perf_attach(const struct floor *floor, uint64_t offset, bool is_return)
{
	struct perf_event_attr attr = {
		.type = perf_type(),
		.size = sizeof(attr),
		.config = is_return, /* format/retprobe: bit 0 */
		.config1 = (uintptr_t)floor->path,
		.config2 = offset,
	};
	int fd = syscall(SYS_perf_event_open, &attr, floor->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, floor->program_fd) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	return fd;
}

static int group_attach(struct floor *floor, bool is_return)
{
	const struct uprobe_multi probes = {
		.program_fd = floor->program_fd,
		.path = floor->path,
		.only_pid = floor->pid,
		.is_return = is_return,
		.count = floor->counts[is_return],
		.offsets = floor->offsets[is_return],
	};

	if (floor->multi && probes.count)
		return uprobe_multi_attach(&probes, &floor->fds[floor->fd_count++]);
	for (size_t i = 0; i < probes.count; i++) {
		int fd = perf_attach(floor, probes.offsets[i], is_return);

		if (fd < 0)
			return fd;
		floor->fds[floor->fd_count++] = fd;
	}
	return 0;
}

static int floor_attach(struct floor *floor)
{
	int error = group_attach(floor, true);

	return error ? error : group_attach(floor, false);
}

static void floor_detach(struct floor *floor)
{
	for (size_t i = 0; i < floor->fd_count; i++)
		close(floor->fds[i]);
	floor->fd_count = 0;
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static void offset_add(struct floor *floor, const char *text)
{
	bool is_return = *text == 'r';

	floor->offsets[is_return][floor->counts[is_return]++] = strtoull(text + is_return, NULL, 0);
}

int main(int argc, char **argv)
{
	struct floor floor = { .multi = uprobe_multi_works() };
	char line[16];
	int error = 0;

	if (argc < 4 || argc - 3 > OFFSETS_MAX) {
		fprintf(stderr, "usage: floor PID PATH OFFSET...\n");
		return 2;
	}
	floor.pid = atoi(argv[1]);
	floor.path = argv[2];
	for (int i = 3; i < argc; i++)
		offset_add(&floor, argv[i]);
	floor.program_fd = program_load(floor.multi);
	if (floor.program_fd < 0)
		error = -errno;
	for (bool in = true; !error; in = !in) {
		if (in)
			error = floor_attach(&floor);
		else
			floor_detach(&floor);
		if (!error)
			say(in ? "ready" : "away");
		if (!error && !fgets(line, sizeof(line), stdin))
			return 0;
	}
	fprintf(stderr, "floor: %s\n", strerror(-error));
	return 1;
}
