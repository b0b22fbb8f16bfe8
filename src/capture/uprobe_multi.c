// SPDX-License-Identifier: GPL-2.0-only
/* See uprobe_multi.h. libbpf 1.1 and the headers of Linux 6.1 do not know these links yet. */
#include "capture/uprobe_multi.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	/* include/uapi/linux/bpf.h */
	ATTACH_TYPE_UPROBE_MULTI = 48,	 /* BPF_TRACE_UPROBE_MULTI */
	ATTACH_TYPE_UPROBE_SESSION = 57, /* BPF_TRACE_UPROBE_SESSION */
	KERNEL_MAJOR = 6,
	KERNEL_MINOR = 10,
	MULTI_RETURN = 1, /* BPF_F_UPROBE_MULTI_RETURN */
};

/* The part of union bpf_attr that BPF_LINK_CREATE takes for such a link. */
struct link_create_uprobe_multi {
	uint32_t program_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t semaphores;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t reserved;
};

static int link_create(struct link_create_uprobe_multi *attr)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

static bool kernel_is_new(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
}

/* Tries one on what is no file: a kernel that knows such links says so. */
static bool links_work(int attach_type)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)attach_type);
	const uint64_t offset = 0;
	struct link_create_uprobe_multi attr = {
		.attach_type = attach_type,
		.path = (uintptr_t) "/",
		.offsets = (uintptr_t)&offset,
		.count = 1,
	};
	int fd, link_fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", program, 2, &options);
	if (fd < 0)
		return false;
	attr.program_fd = fd;
	link_fd = link_create(&attr);
	close(fd);
	if (link_fd >= 0)
		close(link_fd);
	return link_fd == -EBADF;
}

bool uprobe_multi_works(void)
{
	return kernel_is_new() && links_work(ATTACH_TYPE_UPROBE_MULTI);
}

bool uprobe_session_works(void)
{
	return kernel_is_new() && links_work(ATTACH_TYPE_UPROBE_SESSION);
}

enum bpf_attach_type uprobe_session_attach_type(void)
{
	return (enum bpf_attach_type)ATTACH_TYPE_UPROBE_SESSION;
}

enum bpf_attach_type uprobe_multi_attach_type(void)
{
	return (enum bpf_attach_type)ATTACH_TYPE_UPROBE_MULTI;
}

int uprobe_multi_attach(const struct uprobe_multi *probes, int *link_fd)
{
	struct link_create_uprobe_multi attr = {
		.program_fd = probes->program_fd,
		.attach_type =
			probes->is_session ? ATTACH_TYPE_UPROBE_SESSION : ATTACH_TYPE_UPROBE_MULTI,
		.path = (uintptr_t)probes->path,
		.offsets = (uintptr_t)probes->offsets,
		.semaphores = (uintptr_t)probes->semaphores,
		.cookies = (uintptr_t)probes->cookies,
		.count = probes->count,
		.multi_flags = probes->is_return ? MULTI_RETURN : 0,
		.pid = probes->only_pid,
	};
	int fd = link_create(&attr);

	if (fd < 0)
		return fd;
	*link_fd = fd;
	return 0;
}
