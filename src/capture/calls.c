// SPDX-License-Identifier: GPL-2.0-only
/* See capture.h: the probes on calls, put in and taken away file by file. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_private.h"
#include "capture/uprobe_multi.h"
#include "proc/elf_file.h"

enum { SEGMENTS_MAX = 8 };

static bool site_enters(const struct call_site *site)
{
	return site->kind == CALL_ENTER || site->kind == CALL_THROW;
}

static int site_attach(struct capture *capture, struct called_file *file, const char *path,
		       size_t index)
{
	const struct call_plan_site *site = &file->plan.sites[index];
	const struct bpf_program *program = site_enters(&site->site) ?
						    capture->skeleton->progs.calls__enter :
						    capture->skeleton->progs.calls__leave;
	LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = site->semaphore_offset,
		    .bpf_cookie = file->first_site + index);

	file->links[index] = bpf_program__attach_uprobe_opts(
		program, file->only_pid ? file->only_pid : -1, path, site->file_offset, &options);
	return file->links[index] ? 0 : -errno;
}

/* Each takes some hundredths of a second until the next. All that leave, or all that enter. */
static int sites_attach_each(struct capture *capture, struct called_file *file, const char *path,
			     bool enter)
{
	int error = 0;

	for (size_t i = 0; i < file->plan.site_count && !error; i++) {
		if (site_enters(&file->plan.sites[i].site) == enter)
			error = site_attach(capture, file, path, i);
	}
	return error;
}

/* All that enter, or all that leave, under one link. */
static int sites_attach_at_once(struct capture *capture, struct called_file *file, const char *path,
				bool enter)
{
	uint64_t offsets[CALL_PLAN_SITES], semaphores[CALL_PLAN_SITES], cookies[CALL_PLAN_SITES];
	struct uprobe_multi probes = {
		.program_fd = bpf_program__fd(enter ? capture->skeleton->progs.calls__enter :
						      capture->skeleton->progs.calls__leave),
		.path = path,
		.only_pid = file->only_pid,
		.offsets = offsets,
		.semaphores = semaphores,
		.cookies = cookies,
	};

	for (size_t i = 0; i < file->plan.site_count; i++) {
		const struct call_plan_site *site = &file->plan.sites[i];

		if (site_enters(&site->site) != enter)
			continue;
		offsets[probes.count] = site->file_offset;
		semaphores[probes.count] = site->semaphore_offset;
		cookies[probes.count++] = file->first_site + i;
	}
	return probes.count ? uprobe_multi_attach(&probes, &file->multi_fds[enter]) : 0;
}

static void *fd_close(void *arg)
{
	close(*(const int *)arg);
	return NULL;
}

/*
 * Closing a link takes its probes away at once, and then waits for a twentieth of a second or two until
 * nobody can be in them any more. Other probes are not to fire for so long: each link has a thread
 * that waits, and file_detach_end() waits for these.
 */
static void file_detach_begin(struct called_file *file)
{
	for (int i = 0; i < 2; i++) {
		struct closing *closing = &file->closings[i];

		if (file->multi_fds[i] < 0)
			continue;
		closing->waits =
			!pthread_create(&closing->thread, NULL, fd_close, &file->multi_fds[i]);
		if (!closing->waits)
			close(file->multi_fds[i]);
	}
	for (size_t i = 0; i < file->plan.site_count; i++) {
		bpf_link__destroy(file->links[i]);
		file->links[i] = NULL;
	}
}

static void file_detach_end(struct called_file *file)
{
	for (int i = 0; i < 2; i++) {
		if (file->closings[i].waits)
			pthread_join(file->closings[i].thread, NULL);
		file->closings[i].waits = false;
		file->multi_fds[i] = -1;
	}
}

static void file_detach(struct called_file *file)
{
	file_detach_begin(file);
	file_detach_end(file);
}

static int file_attach(struct capture *capture, struct called_file *file)
{
	char path[64];
	int error = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	/* Who leaves without having entered is nobody; who enters and never leaves would stay. */
	for (int enter = 0; enter < 2 && !error; enter++)
		error = capture->uprobe_multi ? sites_attach_at_once(capture, file, path, enter) :
						sites_attach_each(capture, file, path, enter);
	if (error)
		file_detach(file);
	return error;
}

static void file_free(struct called_file *file)
{
	if (!file)
		return;
	file_detach(file);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

/* The address in the file that the bytes at `offset` have. */
static uint64_t address_of(const struct elf_code_segment *segments, size_t count, uint64_t offset)
{
	for (size_t i = 0; i < count; i++) {
		if (offset - segments[i].offset < segments[i].file_bytes)
			return segments[i].address + (offset - segments[i].offset);
	}
	return 0;
}

static int sites_locate(struct called_file *file)
{
	struct elf_code_segment segments[SEGMENTS_MAX];
	struct elf_file *elf;
	size_t count;
	int error = elf_file_open(file->fd, &elf);

	if (error)
		return error;
	count = elf_file_code_segments(elf, segments, SEGMENTS_MAX);
	elf_file_close(elf);
	for (size_t i = 0; i < file->plan.site_count; i++) {
		struct call_plan_site *site = &file->plan.sites[i];

		site->site.address = address_of(segments, count, site->file_offset);
		site->site.call_template = NO_TEMPLATE;
		site->site.stepped = site->stepped;
	}
	return 0;
}

static int sites_write(struct capture *capture, const struct called_file *file)
{
	int error = 0;

	for (size_t i = 0; i < file->plan.site_count && !error; i++)
		error = capture_calls_prove(capture, file->first_site + i,
					    &file->plan.sites[i].site);
	return error;
}

static int file_new(struct capture *capture, const char *path, pid_t only_pid,
		    const struct call_plan *plan, struct called_file **out)
{
	struct called_file *file = calloc(1, sizeof(*file));
	struct stat status;
	int error;

	if (!file)
		return -ENOMEM;
	file->only_pid = only_pid;
	file->multi_fds[0] = -1;
	file->multi_fds[1] = -1;
	file->template_index = NO_TEMPLATE;
	file->plan = *plan;
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &status)) {
		error = -errno;
		goto fail;
	}
	file->device = status.st_dev;
	file->inode = status.st_ino;
	file->first_site = capture->next_site;
	error = sites_locate(file);
	if (!error)
		error = sites_write(capture, file);
	if (!error && !capture->calls_away)
		error = file_attach(capture, file);
	if (error)
		goto fail;
	*out = file;
	return 0;
fail:
	file_free(file);
	return error;
}

static const struct called_file *file_find(const struct capture *capture, const struct stat *status,
					   pid_t only_pid)
{
	for (size_t i = 0; i < capture->called_count; i++) {
		const struct called_file *file = capture->called[i];

		if (file->device == status->st_dev && file->inode == status->st_ino &&
		    file->only_pid == only_pid)
			return file;
	}
	return NULL;
}

/*
 * One by one, the probes of functions that are started and of those that go on are not there at the
 * same time: what was entered meanwhile is on the stacks, and nobody knows. They are taken anew, unless
 * that cut the calls of others short.
 */
static void stacks_take_anew(struct capture *capture)
{
	if (capture->uprobe_multi)
		return;
	for (size_t i = 0; i < capture->called_count; i++) {
		if (!capture->called[i]->retired)
			return;
	}
	capture->skeleton->data->calls_generation++;
}

int capture_calls_attach(struct capture *capture, const char *path, pid_t only_pid,
			 const struct call_plan *plan, uint32_t *first_site)
{
	const struct called_file *known;
	struct called_file **called, *file = NULL;
	struct stat status;
	int error;

	if (stat(path, &status))
		return -errno;
	known = file_find(capture, &status, only_pid);
	if (known) {
		*first_site = known->first_site;
		return 0;
	}
	if (capture->next_site + plan->site_count > ABI_CALL_SITES)
		return -ENOSPC;
	called = reallocarray(capture->called, capture->called_count + 1,
			      sizeof(struct called_file *));
	if (!called)
		return -ENOMEM;
	capture->called = called;
	error = file_new(capture, path, only_pid, plan, &file);
	if (error)
		return error;
	stacks_take_anew(capture);
	called[capture->called_count++] = file;
	capture->next_site += plan->site_count;
	*first_site = file->first_site;
	return 0;
}

static struct called_file *file_of_site(struct capture *capture, uint32_t site)
{
	for (size_t i = 0; i < capture->called_count; i++) {
		struct called_file *file = capture->called[i];

		if (site - file->first_site < file->plan.site_count)
			return file;
	}
	return NULL;
}

int capture_calls_template(struct capture *capture, uint32_t first_site,
			   const struct python_process *python, uint32_t flags,
			   uint32_t *template_index)
{
	struct called_file *file = file_of_site(capture, first_site);
	bool known = file && file->template_index != NO_TEMPLATE;
	int error;

	if (!file)
		return -ENOENT;
	/* Also where there is one: it may get other flags besides. */
	error = capture_template_make(capture, python, flags, &file->template_index);
	if (error && !known)
		return error;
	*template_index = file->template_index;
	if (known)
		return 0;
	for (size_t i = 0; i < file->plan.site_count && !error; i++) {
		struct call_site site = file->plan.sites[i].site;

		error = capture_calls_prove(capture, file->first_site + i, &site);
	}
	return error;
}

int capture_calls_prove(struct capture *capture, uint32_t site, const struct call_site *proven)
{
	struct called_file *file = file_of_site(capture, site);
	struct call_site value = *proven;

	if (file) {
		/* What the process does not tell, the file does; and it is kept for the next one. */
		value.address = file->plan.sites[site - file->first_site].site.address;
		value.call_template = file->template_index;
		value.stepped = file->plan.sites[site - file->first_site].stepped;
		file->plan.sites[site - file->first_site].site = value;
	}
	return bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.call_sites), &site, &value,
				   BPF_ANY);
}

void capture_calls_detach(struct capture *capture)
{
	capture->calls_away = true;
	for (size_t i = 0; i < capture->called_count; i++) {
		if (!capture->called[i]->retired)
			file_detach_begin(capture->called[i]);
	}
	for (size_t i = 0; i < capture->called_count; i++) {
		if (!capture->called[i]->retired)
			file_detach_end(capture->called[i]);
	}
}

int capture_calls_reattach(struct capture *capture, uint64_t *since_ns)
{
	struct timespec now;
	int error = 0;

	for (size_t i = 0; i < capture->called_count && !error; i++) {
		if (!capture->called[i]->retired)
			error = file_attach(capture, capture->called[i]);
	}
	capture->calls_away = false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	*since_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	capture->skeleton->data->calls_generation++;
	return error;
}

void capture_calls_retire(struct capture *capture, uint32_t first_site)
{
	for (size_t i = 0; i < capture->called_count; i++) {
		if (capture->called[i]->first_site == first_site)
			capture->called[i]->retired = true;
	}
}

void capture_calls_release(struct capture *capture)
{
	for (size_t i = 0; i < capture->called_count; i++)
		file_free(capture->called[i]);
	free(capture->called);
	capture->called = NULL;
	capture->called_count = 0;
}
