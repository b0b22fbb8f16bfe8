// SPDX-License-Identifier: GPL-2.0-only
/* See capture.h. Opening, loading, attaching; targets; the ring buffer. */
#include "capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/capture_private.h"
#include "capture/knobs.h"
#include "capture/uprobe_multi.h"

/*
 * A run of samples this long must fit between two drains, many times over. The first native or kernel
 * frame makes user space read symbols, of which a kernel has 200,000: a second on a slow machine.
 */
enum {
	RING_BYTES_DEFAULT = 1 << 22,
	RING_BYTES_STACKS = 1 << 24,
	/* Two million events a second are 32 MiB. */
	RING_BYTES_CALLS = 1 << 25,
	/* A million allocations and frees a second are 72 MB. */
	RING_BYTES_MEMORY = 1 << 25,
	MEMORY_STACKS = 1 << 17,
};

static const char *const FAMILY_PREFIX[] = {
#define X(id, prefix) [PROBE_##id] = prefix,
#include "capture/probes.def"
#undef X
};

static int obstacle_say(char *obstacle, size_t size, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int obstacle_say(char *obstacle, size_t size, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(obstacle, size, format, args);
	va_end(args);
	return error;
}

/* The verifier's log comes as one text of many lines: too long for a buffer, printed by the line. */
static int libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL, *rest, *line;

	if (level == LIBBPF_DEBUG || log_level() < LOG_DEBUG)
		return 0;
	if (vasprintf(&text, format, args) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_debug("%s", line);
	free(text);
	return 0;
}

/* The family of a program named <family>__<hook>; PROBE_FAMILY_COUNT: none. */
static enum probe_family program_family(const struct bpf_program *program)
{
	const char *name = bpf_program__name(program);

	for (int family = 0; family < PROBE_FAMILY_COUNT; family++) {
		size_t length = strlen(FAMILY_PREFIX[family]);

		if (!strncmp(name, FAMILY_PREFIX[family], length) &&
		    !strncmp(name + length, "__", 2))
			return family;
	}
	return PROBE_FAMILY_COUNT;
}

/* The one that the kernel can attach is loaded, if either was to be. */
static void session_choose(const struct capture *capture, struct bpf_program *session,
			   struct bpf_program *leave)
{
	bpf_program__set_autoload(capture->uprobe_session ? leave : session, false);
	bpf_program__set_expected_attach_type(session, uprobe_session_attach_type());
}

/* Programs whose probes are put in many at once, where the kernel can. */
static void multi_tune(struct capture *capture)
{
	const uint32_t families =
		1u << PROBE_CALLS | 1u << PROBE_MEMORY | 1u << PROBE_LIFETIME | 1u << PROBE_GC;
	struct bpf_program *const programs[] = {
		capture->skeleton->progs.calls__enter,	  capture->skeleton->progs.calls__leave,
		capture->skeleton->progs.memory__enter,	  capture->skeleton->progs.memory__leave,
		capture->skeleton->progs.memory__start,	  capture->skeleton->progs.lifetime__enter,
		capture->skeleton->progs.lifetime__leave, capture->skeleton->progs.lifetime__start,
		capture->skeleton->progs.gc__start,	  capture->skeleton->progs.gc__done,
		capture->skeleton->progs.gc__leave,
	};
	const uint32_t with_session = 1u << PROBE_MEMORY | 1u << PROBE_LIFETIME;

	if (capture->options.families & families && uprobe_multi_works()) {
		capture->uprobe_multi = true;
		for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
			bpf_program__set_expected_attach_type(programs[i],
							      uprobe_multi_attach_type());
	}
	capture->uprobe_session = capture->options.families & with_session &&
				  capture->uprobe_multi && uprobe_session_works();
	session_choose(capture, capture->skeleton->progs.memory__session,
		       capture->skeleton->progs.memory__leave);
	session_choose(capture, capture->skeleton->progs.lifetime__session,
		       capture->skeleton->progs.lifetime__leave);
}

static int memory_tune(struct capture *capture)
{
	const struct capture_options *options = &capture->options;
	struct bpf_object *object = capture->skeleton->obj;
	/* They take room even when nothing uses them. */
	uint32_t blocks_max = 1, stacks_max = 1024, objects_max = 1;
	int error;

	if (options->families >> PROBE_MEMORY & 1)
		blocks_max = options->blocks_max;
	if (options->families >> PROBE_LIFETIME & 1)
		objects_max = options->blocks_max;
	if (options->families & (1u << PROBE_MEMORY | 1u << PROBE_LIFETIME | 1u << PROBE_GC))
		stacks_max = MEMORY_STACKS;
	error = bpf_map__set_max_entries(capture->skeleton->maps.memory_blocks, blocks_max);
	if (!error)
		error = bpf_map__set_max_entries(capture->skeleton->maps.lifetime_objects,
						 objects_max);
	if (!error)
		error = knob_set(object, "lifetime_hash_below",
				 (1ull << 32) / (options->one_in ? options->one_in : 1));
	if (!error)
		error = knob_set(object, "stack_frames_max",
				 options->frames_max ? options->frames_max : ABI_STACK_FRAMES);
	if (!error)
		error = bpf_map__set_max_entries(capture->skeleton->maps.memory_stacks, stacks_max);
	if (!error)
		error = knob_set(object, "memory_min_size", options->min_size_bytes);
	if (!error)
		error = knob_set(object, "memory_sample_bytes", options->sample_bytes);
	if (!error)
		error = knob_set(object, "memory_native", options->native);
	return error;
}

static int capture_tune(struct capture *capture)
{
	const struct capture_options *options = &capture->options;
	struct bpf_object *object = capture->skeleton->obj;
	struct bpf_program *program;
	uint32_t ring_bytes = options->ring_bytes;
	int error = capture_rss_tune(capture);

	if (error)
		return error;
	bpf_object__for_each_program(program, object)
	{
		enum probe_family family = program_family(program);
		bool wanted = family < PROBE_FAMILY_COUNT && options->families >> family & 1;

		bpf_program__set_autoload(program, wanted);
	}
	if (!ring_bytes && options->families >> PROBE_CALLS & 1)
		ring_bytes = RING_BYTES_CALLS;
	else if (!ring_bytes && options->families & (1u << PROBE_MEMORY | 1u << PROBE_LIFETIME))
		ring_bytes = RING_BYTES_MEMORY;
	else if (!ring_bytes && options->families >> PROBE_GC & 1)
		ring_bytes = RING_BYTES_STACKS;
	else if (!ring_bytes)
		ring_bytes =
			options->native || options->kernel ? RING_BYTES_STACKS : RING_BYTES_DEFAULT;
	multi_tune(capture);
	error = bpf_map__set_max_entries(capture->skeleton->maps.records, ring_bytes);
	if (!error)
		error = memory_tune(capture);
	if (!error)
		error = capture_slots_tune(capture);
	if (!error)
		error = bpf_map__set_max_entries(capture->skeleton->maps.sample_by_cpu,
						 capture->cpu_limit);
	if (!error)
		error = knob_set(object, "sample_native", options->native);
	if (!error)
		error = knob_set(object, "sample_kernel", options->kernel);
	if (!error)
		error = knob_set(object, "scope_kind", options->scope);
	if (!error)
		error = knob_set(object, "scope_self_pid", getpid());
	return error;
}

static int on_ring_record(void *arg, void *record, size_t size)
{
	struct capture *capture = arg;

	int error = capture->on_record(capture->on_record_arg, record, size);

	if (!error && ++capture->drained >= CAPTURE_DRAIN_RECORDS)
		error = -ECANCELED; /* libbpf would go on for as long as records come */
	return error;
}

static int capture_cgroup_set(struct capture *capture)
{
	uint32_t zero = 0;
	int fd = open(capture->options.cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t value = fd;
	int error;

	if (fd < 0)
		return -errno;
	error = bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.scope_cgroup), &zero,
				    &value, BPF_ANY);
	close(fd);
	return error;
}

int capture_open(const struct capture_options *options, struct capture **out, char *obstacle,
		 size_t obstacle_size)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int error;

	if (!capture)
		return obstacle_say(obstacle, obstacle_size, -ENOMEM, "out of memory");
	capture->options = *options;
	capture->cpu_count = libbpf_num_possible_cpus();
	capture->cpu_limit = capture_cpu_limit();
	libbpf_set_print(libbpf_print);
	capture->skeleton = pybpfprof_bpf__open();
	if (!capture->skeleton) {
		error = obstacle_say(obstacle, obstacle_size, -errno,
				     "the BPF object cannot be opened: %s", strerror(errno));
		goto fail;
	}
	error = capture_tune(capture);
	if (error) {
		obstacle_say(obstacle, obstacle_size, error, "the BPF object cannot be tuned: %s",
			     strerror(-error));
		goto fail;
	}
	error = pybpfprof_bpf__load(capture->skeleton);
	if (error) {
		obstacle_say(obstacle, obstacle_size, error,
			     "the kernel refused our BPF programs: %s (see: pybpfprof doctor)",
			     strerror(-error));
		goto fail;
	}
	if (options->scope == CAPTURE_CGROUP) {
		error = capture_cgroup_set(capture);
		if (error) {
			/* The map takes descriptors of cgroup v2 directories, nothing else. */
			obstacle_say(obstacle, obstacle_size, error, "cgroup '%s': %s",
				     options->cgroup_path,
				     error == -EBADF ? "is no directory of cgroup v2" :
						       strerror(-error));
			error = -ENOENT;
			goto fail;
		}
	}
	capture->ring = ring_buffer__new(bpf_map__fd(capture->skeleton->maps.records),
					 on_ring_record, capture, NULL);
	if (!capture->ring) {
		error = obstacle_say(obstacle, obstacle_size, -errno,
				     "the ring buffer cannot be mapped: %s", strerror(errno));
		goto fail;
	}
	*out = capture;
	return 0;
fail:
	capture_free(capture);
	return error;
}

int capture_link_keep(struct capture *capture, struct bpf_link *link)
{
	struct bpf_link **links;

	if (!link)
		return -errno;
	links = reallocarray(capture->links, capture->link_count + 1, sizeof(*links));
	if (!links) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	capture->links = links;
	capture->links[capture->link_count++] = link;
	return 0;
}

static int program_attach(struct capture *capture, struct bpf_program *program)
{
	if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE)
		return 0; /* uprobes: when their file is known */
	if (bpf_program__type(program) == BPF_PROG_TYPE_RAW_TRACEPOINT)
		return 0; /* run by us */
	if (bpf_program__type(program) == BPF_PROG_TYPE_PERF_EVENT)
		return capture_clock_add(capture, program);
	return capture_link_keep(capture, bpf_program__attach(program));
}

int capture_attach(struct capture *capture, char *obstacle, size_t obstacle_size)
{
	struct bpf_program *program;
	int error;

	bpf_object__for_each_program(program, capture->skeleton->obj)
	{
		if (!bpf_program__autoload(program))
			continue;
		error = program_attach(capture, program);
		if (error)
			return obstacle_say(obstacle, obstacle_size, error,
					    "%s cannot be attached: %s (see: pybpfprof doctor)",
					    bpf_program__name(program), strerror(-error));
	}
	return 0;
}

void capture_detach(struct capture *capture)
{
	/*
	 * In the order they were attached, but for those of calls, each hit of which costs most: a
	 * sample taken after the ends of code objects are no longer seen would name whatever lies at
	 * an address by what lay there before.
	 */
	capture_calls_detach(capture);
	capture_gc_detach(capture);
	capture_memory_detach(capture, PROBE_MEMORY);
	capture_memory_detach(capture, PROBE_LIFETIME);
	capture_clocks_release(capture);
	for (size_t i = 0; i < capture->link_count; i++)
		bpf_link__destroy(capture->links[i]);
	capture->link_count = 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	capture_detach(capture);
	capture_calls_release(capture);
	capture_gc_release(capture);
	capture_memory_release(capture);
	free(capture->links);
	free(capture->watched);
	capture_ring_release(capture);
	pybpfprof_bpf__destroy(capture->skeleton);
	free(capture);
}

int capture_code_deaths_watch(struct capture *capture, const char *path, uint64_t file_offset)
{
	struct watched_file *watched;
	struct stat file;
	int error;

	if (stat(path, &file))
		return -errno;
	for (size_t i = 0; i < capture->watched_count; i++) {
		if (capture->watched[i].device == file.st_dev &&
		    capture->watched[i].inode == file.st_ino)
			return 0;
	}
	watched = reallocarray(capture->watched, capture->watched_count + 1, sizeof(*watched));
	if (!watched)
		return -ENOMEM;
	capture->watched = watched;
	error = capture_link_keep(capture,
				  bpf_program__attach_uprobe(capture->skeleton->progs.code__death,
							     false, -1, path, file_offset));
	if (!error)
		watched[capture->watched_count++] =
			(struct watched_file){ .device = file.st_dev, .inode = file.st_ino };
	return error;
}

void capture_targets_changed(struct capture *capture)
{
	__atomic_fetch_add(&capture->skeleton->data->targets_generation, 1, __ATOMIC_SEQ_CST);
}

int capture_target_add(struct capture *capture, pid_t pid, const struct python_target *target,
		       uint32_t *serial)
{
	const int fd = bpf_map__fd(capture->skeleton->maps.targets);
	struct python_target value = *target, known;
	uint32_t key = pid;
	int error;

	value.serial = ++capture->next_serial;
	error = bpf_map_update_elem(fd, &key, &value, BPF_NOEXIST);
	if (error == -EEXIST && !bpf_map_lookup_elem(fd, &key, &known) &&
	    !(known.flags & PYTHON_TARGET_FOUND))
		error = bpf_map_update_elem(fd, &key, &value, BPF_ANY);
	if (!error)
		*serial = value.serial;
	capture_targets_changed(capture);
	return error;
}

int capture_target_update(struct capture *capture, pid_t pid, const struct python_target *target,
			  uint32_t serial)
{
	struct python_target value = *target;
	uint32_t key = pid;
	int error;

	value.serial = serial;
	error = bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.targets), &key, &value,
				    BPF_EXIST);
	capture_targets_changed(capture);
	return error;
}

int capture_target_remove(struct capture *capture, pid_t pid)
{
	uint32_t key = pid;
	int error = bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.targets), &key);

	capture_targets_changed(capture);
	return error;
}

/* Several kinds of probes may ask for one, each with flags of its own. */
static bool template_known(struct capture *capture, const struct stat *file, uint32_t flags,
			   uint32_t *index)
{
	const int fd = bpf_map__fd(capture->skeleton->maps.templates);
	struct python_template value;

	for (uint32_t key = 0; key < capture->next_template; key++) {
		if (capture->templates[key].device != file->st_dev ||
		    capture->templates[key].inode != file->st_ino)
			continue;
		if (bpf_map_lookup_elem(fd, &key, &value))
			return false;
		value.target.flags |= flags;
		if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
			return false;
		*index = key;
		return true;
	}
	return false;
}

int capture_template_make(struct capture *capture, const struct python_process *python,
			  uint32_t flags, uint32_t *index)
{
	struct python_template value = { .target = python->target, .known = 1 };
	uint32_t key = capture->next_template;
	struct stat file = { 0 };
	int error;

	if (!stat(python->binary_open, &file) &&
	    template_known(capture, &file, python->target.flags | flags, index))
		return 0;
	if (key >= ABI_TEMPLATES)
		return -ENOSPC;
	value.target.runtime -= python->load_bias;
	value.target.code_type -= python->load_bias;
	value.target.flags |= flags | PYTHON_TARGET_FOUND;
	error = bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.templates), &key, &value,
				    BPF_ANY);
	if (error)
		return error;
	capture->templates[key] =
		(struct watched_file){ .device = file.st_dev, .inode = file.st_ino };
	*index = key;
	capture->next_template++;
	return 0;
}

int capture_follow(struct capture *capture, pid_t pid)
{
	uint32_t key = pid, one = 1;

	return bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.followed), &key, &one,
				   BPF_ANY);
}

int capture_drain(struct capture *capture, int timeout_ms, int other_fd,
		  capture_record_fn on_record, void *arg)
{
	struct pollfd fds[2] = {
		{ .fd = ring_buffer__epoll_fd(capture->ring), .events = POLLIN },
		{ .fd = other_fd, .events = POLLIN },
	};
	int error;

	if (timeout_ms && poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	capture->on_record = on_record;
	capture->on_record_arg = arg;
	capture->drained = 0;
	/* Not ring_buffer__poll(): most records never signal, they are there all the same. */
	error = ring_buffer__consume(capture->ring);
	return error < 0 && capture->drained < CAPTURE_DRAIN_RECORDS ? error : capture->drained;
}

void capture_ring_release(struct capture *capture)
{
	ring_buffer__free(capture->ring);
	capture->ring = NULL;
}

int capture_stats(struct capture *capture, struct kernel_stats *sum)
{
	struct kernel_stats *each = calloc(capture->cpu_count, sizeof(*each));
	uint64_t *words = (uint64_t *)sum;
	uint32_t zero = 0;
	int error;

	if (!each)
		return -ENOMEM;
	error = bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.stats), &zero, each);
	if (!error) {
		memset(sum, 0, sizeof(*sum));
		for (int cpu = 0; cpu < capture->cpu_count; cpu++) {
			const uint64_t *add = (const uint64_t *)&each[cpu];

			for (size_t i = 0; i < sizeof(*sum) / sizeof(*words); i++)
				words[i] += add[i];
		}
	}
	free(each);
	return error;
}

int capture_stats_reset(struct capture *capture)
{
	struct kernel_stats *each = calloc(capture->cpu_count, sizeof(*each));
	uint32_t zero = 0;
	int error;

	if (!each)
		return -ENOMEM;
	error = bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.stats), &zero, each,
				    BPF_ANY);
	free(each);
	return error;
}
