// SPDX-License-Identifier: GPL-2.0-only
/*
 * See capture.h: the probes on collectors, file by file. Whoever runs the file hits them; collections are so
 * rare and so long that half a microsecond more does not matter to those who are not looked at.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/capture_private.h"
#include "capture/closer.h"
#include "capture/uprobe_multi.h"

enum { RUNNING_LOOKS = 1 << 15 }; /* twice what there is room for */

/* Ends first: who ends without having begun says that he had begun before. */
enum gc_link { GC_LINK_LEAVE, GC_LINK_DONE, GC_LINK_START, GC_LINKS };

struct collecting_file {
	dev_t device;
	ino_t inode;
	int fd; /* the file stays what it is, whatever becomes of its path */
	uint32_t first_site;
	uint32_t template_index; /* NO_TEMPLATE: none yet */
	struct collector_plan plan;
	int fds[GC_LINKS]; /* where the kernel has uprobe_multi; -1: none */
	struct bpf_link *links[2 * COLLECTOR_SITES_MAX];
	size_t link_count;
};

static const struct bpf_program *program_of(const struct capture *capture, enum gc_link link)
{
	switch (link) {
	case GC_LINK_LEAVE:
		return capture->skeleton->progs.gc__leave;
	case GC_LINK_DONE:
		return capture->skeleton->progs.gc__done;
	default:
		return capture->skeleton->progs.gc__start;
	}
}

/* A function's entry and its return are probed at one place. */
static bool site_is_of(const struct collector_site *site, enum gc_link link)
{
	switch (link) {
	case GC_LINK_LEAVE:
		return site->kind == GC_SITE_ENTER;
	case GC_LINK_DONE:
		return site->kind == GC_SITE_DONE;
	default:
		return site->kind != GC_SITE_DONE;
	}
}

static int attach_each(struct capture *capture, struct collecting_file *file, const char *path,
		       enum gc_link link)
{
	for (size_t i = 0; i < file->plan.site_count; i++) {
		const struct collector_site *site = &file->plan.sites[i];
		LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = site->semaphore_offset,
			    .bpf_cookie = file->first_site + i, .retprobe = link == GC_LINK_LEAVE);
		struct bpf_link *made;

		if (!site_is_of(site, link))
			continue;
		made = bpf_program__attach_uprobe_opts(program_of(capture, link), -1, path,
						       site->file_offset, &options);
		if (!made)
			return -errno;
		file->links[file->link_count++] = made;
	}
	return 0;
}

static int attach_at_once(struct capture *capture, struct collecting_file *file, const char *path,
			  enum gc_link link)
{
	uint64_t offsets[COLLECTOR_SITES_MAX], semaphores[COLLECTOR_SITES_MAX];
	uint64_t cookies[COLLECTOR_SITES_MAX];
	struct uprobe_multi probes = {
		.program_fd = bpf_program__fd(program_of(capture, link)),
		.path = path,
		.is_return = link == GC_LINK_LEAVE,
		.offsets = offsets,
		.semaphores = semaphores,
		.cookies = cookies,
	};

	for (size_t i = 0; i < file->plan.site_count; i++) {
		if (!site_is_of(&file->plan.sites[i], link))
			continue;
		offsets[probes.count] = file->plan.sites[i].file_offset;
		semaphores[probes.count] = file->plan.sites[i].semaphore_offset;
		cookies[probes.count++] = file->first_site + i;
	}
	return probes.count ? uprobe_multi_attach(&probes, &file->fds[link]) : 0;
}

static int file_attach(struct capture *capture, struct collecting_file *file)
{
	char path[64];
	int error = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	for (enum gc_link link = 0; link < GC_LINKS && !error; link++)
		error = capture->uprobe_multi ? attach_at_once(capture, file, path, link) :
						attach_each(capture, file, path, link);
	return error;
}

static int sites_write(struct capture *capture, const struct collecting_file *file)
{
	const int fd = bpf_map__fd(capture->skeleton->maps.gc_sites);
	int error = 0;

	for (size_t i = 0; i < file->plan.site_count && !error; i++) {
		const struct gc_site site = {
			.address = file->plan.sites[i].address,
			.template_index = file->template_index,
			.kind = file->plan.sites[i].kind,
			.layout = file->plan.layout,
		};
		uint32_t key = file->first_site + i;

		error = bpf_map_update_elem(fd, &key, &site, BPF_ANY);
	}
	return error;
}

/* The closer takes its links over, where there is one. */
static void file_detach(struct capture *capture, struct collecting_file *file)
{
	/* Starts first: what begins from now on is nobody's. */
	for (int link = GC_LINKS; link-- > 0;) {
		if (file->fds[link] >= 0)
			closer_take_fd(capture->closer, file->fds[link]);
		file->fds[link] = -1;
	}
	while (file->link_count)
		closer_take_link(capture->closer, file->links[--file->link_count]);
}

static void file_free(struct capture *capture, struct collecting_file *file)
{
	if (!file)
		return;
	file_detach(capture, file);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static int file_new(struct capture *capture, const char *path, const struct collector_plan *plan,
		    struct collecting_file **out)
{
	struct collecting_file *file = calloc(1, sizeof(*file));
	struct stat status;
	int error;

	if (!file)
		return -ENOMEM;
	for (int link = 0; link < GC_LINKS; link++)
		file->fds[link] = -1;
	file->plan = *plan;
	file->first_site = capture->next_gc_site;
	file->template_index = NO_TEMPLATE;
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &status)) {
		error = -errno;
		goto fail;
	}
	file->device = status.st_dev;
	file->inode = status.st_ino;
	error = sites_write(capture, file);
	if (!error)
		error = file_attach(capture, file);
	if (error)
		goto fail;
	*out = file;
	return 0;
fail:
	file_free(capture, file);
	return error;
}

static struct collecting_file *file_find(const struct capture *capture, const struct stat *status)
{
	for (size_t i = 0; i < capture->collecting_count; i++) {
		struct collecting_file *file = capture->collecting[i];

		if (file->device == status->st_dev && file->inode == status->st_ino)
			return file;
	}
	return NULL;
}

int capture_gc_attach(struct capture *capture, const struct python_process *python,
		      const struct collector_plan *plan)
{
	struct collecting_file **files, *file = NULL;
	struct stat status;
	int error;

	if (stat(python->binary_open, &status))
		return -errno;
	if (file_find(capture, &status))
		return 0;
	if (capture->next_gc_site + plan->site_count > ABI_GC_SITES)
		return -ENOSPC;
	if (!capture->closer)
		capture->closer = closer_new();
	files = reallocarray(capture->collecting, capture->collecting_count + 1,
			     sizeof(struct collecting_file *));
	if (!capture->closer || !files)
		return -ENOMEM;
	capture->collecting = files;
	error = file_new(capture, python->binary_open, plan, &file);
	if (error)
		return error;
	files[capture->collecting_count++] = file;
	capture->next_gc_site += plan->site_count;
	return 0;
}

int capture_gc_template(struct capture *capture, const struct python_process *python,
			uint32_t flags, uint32_t *template_index)
{
	struct collecting_file *file;
	struct stat status;
	int error;

	if (stat(python->binary_open, &status))
		return -errno;
	file = file_find(capture, &status);
	if (!file)
		return -ENOENT;
	error = capture_template_make(capture, python, flags, &file->template_index);
	if (error)
		return error;
	*template_index = file->template_index;
	return sites_write(capture, file);
}

void capture_gc_detach(struct capture *capture)
{
	for (size_t i = 0; i < capture->collecting_count; i++)
		file_detach(capture, capture->collecting[i]);
	if (capture->collecting_count)
		closer_wait(capture->closer);
}

void capture_gc_release(struct capture *capture)
{
	capture_gc_detach(capture);
	for (size_t i = 0; i < capture->collecting_count; i++)
		file_free(capture, capture->collecting[i]);
	free(capture->collecting);
	capture->collecting = NULL;
	capture->collecting_count = 0;
}

int capture_gc_running_take(struct capture *capture, uint32_t serial, capture_gc_fn on_running,
			    void *arg)
{
	const int fd = bpf_map__fd(capture->skeleton->maps.gc_running);
	struct gc_running_key key, next, *from = NULL;
	struct gc_running running;
	bool more = !bpf_map_get_next_key(fd, from, &next);
	int error = 0;

	/* Keys come and go meanwhile; where one has gone, the kernel begins anew. */
	for (int looked = 0; more && !error && looked < RUNNING_LOOKS; looked++) {
		key = next;
		/* Asked before the key is gone. */
		more = !bpf_map_get_next_key(fd, &key, &next);
		if ((serial && key.serial != serial) || bpf_map_lookup_elem(fd, &key, &running))
			continue;
		bpf_map_delete_elem(fd, &key);
		error = on_running(arg, &key, &running);
	}
	return error;
}
