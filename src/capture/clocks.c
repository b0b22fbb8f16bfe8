// SPDX-License-Identifier: GPL-2.0-only
/*
 * The perf clocks: one event on each CPU that is online, for each program that ticks. CPUs are known by
 * their numbers, which may have gaps, and they come and go while we run.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/capture_private.h"

enum {
	CALLS_TICK_HZ = 20, /* how long a busy thread's last calls may stay with it */
	CPUS_MAX = 8192,
};

/*
 * The CPUs of a list such as "0,2-5" in the file: cpus[n] for those below `count`. Returns the highest
 * number + 1, or -errno.
 */
static int cpu_list_read(const char *path, bool *cpus, int count)
{
	FILE *file = fopen(path, "re");
	int first, last, limit = 0;
	char separator = ',';

	if (!file)
		return -errno;
	while (separator == ',' && fscanf(file, "%d", &first) == 1 && first >= 0) {
		last = first;
		if (fscanf(file, "-%d", &last) < 0 || last >= CPUS_MAX)
			break;
		for (int cpu = first; cpu <= last; cpu++) {
			if (cpu < count)
				cpus[cpu] = true;
		}
		limit = last + 1;
		if (fscanf(file, "%c", &separator) != 1)
			break;
	}
	fclose(file);
	return limit ? limit : -EINVAL;
}

int capture_cpu_limit(void)
{
	int limit = cpu_list_read("/sys/devices/system/cpu/possible", NULL, 0);

	return limit > 0 ? limit : libbpf_num_possible_cpus();
}

static int clock_attach(struct capture *capture, struct capture_clock *clock, int cpu)
{
	const bool samples = clock->program == capture->skeleton->progs.sample__tick;
	const uint32_t rate_hz = samples ? capture->options.rate_hz : CALLS_TICK_HZ;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000ull / rate_hz,
	};
	int error, fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return errno == ENODEV ? 0 : -errno; /* ENODEV: that CPU has just gone offline */
	clock->by_cpu[cpu] = bpf_program__attach_perf_event(clock->program, fd);
	if (clock->by_cpu[cpu])
		return 0;
	error = -errno;
	close(fd);
	return error;
}

int capture_clock_add(struct capture *capture, const struct bpf_program *program)
{
	struct capture_clock *clock = &capture->clocks[capture->clock_count];

	if (capture->clock_count == CAPTURE_CLOCKS)
		return -ENOSPC;
	clock->by_cpu = calloc(capture->cpu_limit, sizeof(struct bpf_link *));
	if (!clock->by_cpu)
		return -ENOMEM;
	clock->program = program;
	capture->clock_count++;
	return capture_cpus_follow(capture);
}

static int clock_follow(struct capture *capture, struct capture_clock *clock, const bool *online)
{
	int error = 0;

	for (int cpu = 0; cpu < capture->cpu_limit && !error; cpu++) {
		if (online[cpu] && !clock->by_cpu[cpu]) {
			error = clock_attach(capture, clock, cpu);
		} else if (!online[cpu] && clock->by_cpu[cpu]) {
			/* The event died with its CPU, and would not come back with it. */
			bpf_link__destroy(clock->by_cpu[cpu]);
			clock->by_cpu[cpu] = NULL;
		}
	}
	return error;
}

int capture_cpus_follow(struct capture *capture)
{
	bool *online = calloc(capture->cpu_limit, sizeof(*online));
	int error = 0;

	if (!online)
		return -ENOMEM;
	if (cpu_list_read("/sys/devices/system/cpu/online", online, capture->cpu_limit) < 0) {
		/* Not told: those that are not there refuse. */
		for (int cpu = 0; cpu < capture->cpu_limit; cpu++)
			online[cpu] = true;
	}
	for (size_t i = 0; i < capture->clock_count && !error; i++)
		error = clock_follow(capture, &capture->clocks[i], online);
	free(online);
	return error;
}

void capture_clocks_release(struct capture *capture)
{
	for (size_t i = 0; i < capture->clock_count; i++) {
		for (int cpu = 0; cpu < capture->cpu_limit; cpu++)
			bpf_link__destroy(capture->clocks[i].by_cpu[cpu]);
		free(capture->clocks[i].by_cpu);
	}
	capture->clock_count = 0;
}
