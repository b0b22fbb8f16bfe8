// SPDX-License-Identifier: GPL-2.0-only
/*
 * See capture.h: the probes on allocators. Always of one process: a C library is everybody's, and who
 * is not looked at must not pay.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture_private.h"
#include "capture/closer.h"
#include "capture/uprobe_multi.h"
#include "python/run_main.h"

/* Of one process: a link for each file of its plan and for each of the two programs. */
struct allocating_process {
	enum probe_family family;
	pid_t pid;
	int fds[2 * ALLOCATOR_FILES]; /* where the kernel has uprobe_multi; -1: none */
	struct bpf_link *links[2 * ALLOCATOR_SITES];
	size_t link_count;
};

/* A probe's number stands for what the programs must know of it, in whatever files: containers have copies. */
struct allocating_site {
	struct memory_probe probe;
};

static const struct bpf_program *lifetime_program_of(const struct capture *capture, bool leave)
{
	if (!leave)
		return capture->skeleton->progs.lifetime__enter;
	return capture->uprobe_session ? capture->skeleton->progs.lifetime__session :
					 capture->skeleton->progs.lifetime__leave;
}

static const struct bpf_program *program_of(const struct capture *capture, enum probe_family family,
					    bool leave)
{
	if (family == PROBE_LIFETIME)
		return lifetime_program_of(capture, leave);
	if (!leave)
		return capture->skeleton->progs.memory__enter;
	return capture->uprobe_session ? capture->skeleton->progs.memory__session :
					 capture->skeleton->progs.memory__leave;
}

static bool probe_equal(const struct memory_probe *a, const struct memory_probe *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The number of such a probe, written to the map when new. -ENOSPC, -ENOMEM. */
static int site_number(struct capture *capture, enum probe_family family,
		       const struct allocator_site *site, uint64_t *number)
{
	const bool lifetime = family == PROBE_LIFETIME;
	const struct bpf_map *map = lifetime ? capture->skeleton->maps.lifetime_probes :
					       capture->skeleton->maps.memory_probes;
	struct allocating_sites *known = &capture->allocating_sites[lifetime];
	struct memory_probe probe = site->probe;
	struct allocating_site *sites;
	uint32_t key;

	probe.stepped = site->stepped;
	for (size_t i = 0; i < known->count; i++) {
		if (probe_equal(&known->array[i].probe, &probe)) {
			*number = i;
			return 0;
		}
	}
	if (known->count >= ABI_MEMORY_PROBES)
		return -ENOSPC;
	sites = reallocarray(known->array, known->count + 1, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	known->array = sites;
	key = known->count++;
	sites[key] = (struct allocating_site){ .probe = probe };
	*number = key;
	return bpf_map_update_elem(bpf_map__fd(map), &key, &probe, BPF_ANY);
}

/* What is put in by one link: offsets and numbers of those of file `index` that enter, or return. */
struct chosen_sites {
	uint64_t offsets[ALLOCATOR_SITES];
	uint64_t numbers[ALLOCATOR_SITES];
	size_t count;
};

static int sites_choose(struct capture *capture, enum probe_family family,
			const struct allocator_plan *plan, size_t file, bool leave,
			struct chosen_sites *chosen)
{
	int error = 0;

	chosen->count = 0;
	for (size_t i = 0; i < plan->site_count && !error; i++) {
		const struct allocator_site *site = &plan->sites[i];

		if (site->file != file || (leave && !site->returns_block))
			continue;
		/* Its entry is the session's. */
		if (!leave && site->returns_block && capture->uprobe_session)
			continue;
		chosen->offsets[chosen->count] = site->file_offset;
		error = site_number(capture, family, site, &chosen->numbers[chosen->count++]);
	}
	return error;
}

static int sites_attach_each(struct capture *capture, struct allocating_process *process,
			     const char *path, bool leave, const struct chosen_sites *chosen)
{
	for (size_t i = 0; i < chosen->count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = chosen->numbers[i],
			    .retprobe = leave);
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			program_of(capture, process->family, leave), process->pid, path,
			chosen->offsets[i], &options);

		if (!link)
			return -errno;
		process->links[process->link_count++] = link;
	}
	return 0;
}

static int file_attach(struct capture *capture, struct allocating_process *process,
		       const struct allocator_plan *plan, size_t file, bool leave)
{
	struct chosen_sites chosen;
	struct uprobe_multi probes = {
		.program_fd = bpf_program__fd(program_of(capture, process->family, leave)),
		.path = plan->files[file].path_open,
		.only_pid = process->pid,
		.is_session = leave && capture->uprobe_session,
		.is_return = leave && !capture->uprobe_session,
		.offsets = chosen.offsets,
		.cookies = chosen.numbers,
	};
	int error = sites_choose(capture, process->family, plan, file, leave, &chosen);

	if (error || !chosen.count)
		return error;
	if (!capture->uprobe_multi)
		return sites_attach_each(capture, process, probes.path, leave, &chosen);
	probes.count = chosen.count;
	return uprobe_multi_attach(&probes, &process->fds[2 * file + leave]);
}

/* A link for the one place where an interpreter begins to run a program. */
int capture_memory_start(struct capture *capture, enum probe_family family,
			 const struct python_process *python, uint32_t flags,
			 uint32_t *template_index)
{
	const struct bpf_program *program = family == PROBE_LIFETIME ?
						    capture->skeleton->progs.lifetime__start :
						    capture->skeleton->progs.memory__start;
	struct allocator_site site = { .probe.call = MEMORY_START };
	uint64_t number, address;
	struct uprobe_multi probes = {
		.program_fd = bpf_program__fd(program),
		.path = python->binary_open,
		.offsets = &site.file_offset,
		.cookies = &number,
		.count = 1,
	};
	int error, fd;

	error = python_run_main(python, &site.file_offset, &address);
	if (!error)
		error = capture_template_make(capture, python, flags, template_index);
	if (error)
		return error;
	site.probe.address = address;
	site.probe.inside_start = *template_index;
	error = site_number(capture, family, &site, &number);
	if (error)
		return error;
	if (!capture->uprobe_multi) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = number);

		return capture_link_keep(
			capture, bpf_program__attach_uprobe_opts(program, -1, python->binary_open,
								 site.file_offset, &options));
	}
	error = uprobe_multi_attach(&probes, &fd);
	if (!error)
		capture->start_fds[capture->start_fd_count++] = fd; /* as many as templates */
	return error;
}

/* Takes its probes away, at once; when they are all gone, closer_wait() tells. */
static void process_end(struct capture *capture, struct allocating_process *process)
{
	/* Entries first: who goes in from now on comes out as nobody. */
	for (size_t i = 0; i < 2 * ALLOCATOR_FILES; i++) {
		if (process->fds[i] >= 0)
			closer_take_fd(capture->closer, process->fds[i]);
	}
	for (size_t i = process->link_count; i-- > 0;)
		closer_take_link(capture->closer, process->links[i]);
	free(process);
}

/* All probes see, or none does, from one moment on: of both families. */
static void over_set(struct capture *capture, bool over)
{
	capture->skeleton->bss->target_memo_over = over;
	capture_targets_changed(capture);
}

int capture_memory_attach(struct capture *capture, enum probe_family family, pid_t pid,
			  const struct allocator_plan *plan)
{
	struct allocating_process **processes, *process;
	int error = 0;

	if (!capture->closer)
		capture->closer = closer_new();
	if (!capture->closer)
		return -ENOMEM;
	processes = reallocarray(capture->allocating, capture->allocating_count + 1,
				 sizeof(struct allocating_process *));
	if (!processes)
		return -ENOMEM;
	capture->allocating = processes;
	process = calloc(1, sizeof(*process));
	if (!process)
		return -ENOMEM;
	process->family = family;
	process->pid = pid;
	for (size_t i = 0; i < 2 * ALLOCATOR_FILES; i++)
		process->fds[i] = -1;
	/* Returns first: who comes back without having gone in is nobody. */
	for (int enter = 0; enter < 2 && !error; enter++) {
		for (size_t file = 0; file < plan->file_count && !error; file++)
			error = file_attach(capture, process, plan, file, !enter);
	}
	if (error) {
		process_end(capture, process);
		return error;
	}
	processes[capture->allocating_count++] = process;
	over_set(capture, false);
	return 0;
}

void capture_memory_detach_from(struct capture *capture, enum probe_family family, pid_t pid)
{
	for (size_t i = capture->allocating_count; i-- > 0;) {
		if (capture->allocating[i]->pid != pid || capture->allocating[i]->family != family)
			continue;
		process_end(capture, capture->allocating[i]);
		capture->allocating[i] = capture->allocating[--capture->allocating_count];
	}
}

void capture_memory_detach(struct capture *capture, enum probe_family family)
{
	if (capture->allocating_count)
		over_set(capture, true);
	for (size_t i = capture->allocating_count; i-- > 0;) {
		if (capture->allocating[i]->family != family)
			continue;
		process_end(capture, capture->allocating[i]);
		capture->allocating[i] = capture->allocating[--capture->allocating_count];
	}
	if (capture->closer)
		closer_wait(capture->closer);
}

void capture_memory_await_all(struct capture *capture, bool all)
{
	capture->skeleton->bss->memory_awaits_all = all;
	capture->skeleton->bss->lifetime_awaits_all = all;
}

void capture_memory_release(struct capture *capture)
{
	capture_memory_detach(capture, PROBE_MEMORY);
	capture_memory_detach(capture, PROBE_LIFETIME);
	closer_free(capture->closer);
	capture->closer = NULL;
	for (size_t i = 0; i < capture->start_fd_count; i++)
		close(capture->start_fds[i]);
	free(capture->allocating);
	capture->allocating = NULL;
	for (size_t i = 0; i < 2; i++) {
		free(capture->allocating_sites[i].array);
		capture->allocating_sites[i] = (struct allocating_sites){ 0 };
	}
}
