// SPDX-License-Identifier: GPL-2.0-only
/* Reads of another process's memory by process_vm_readv(2), bounded and all-or-nothing. */
#include "proc/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { PAGE_BYTES = 4096 };

/* The kernel refuses the upper half anyway; without this, iov_base + len could wrap round. */
static const uint64_t ADDRESS_END = 1ULL << 56;

int memory_read(pid_t pid, uint64_t address, void *out, size_t bytes)
{
	struct iovec local = { .iov_base = out, .iov_len = bytes };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)address, .iov_len = bytes };
	ssize_t got;

	if (bytes == 0 || bytes > MEMORY_READ_MAX_BYTES)
		return -EINVAL;
	if (address >= ADDRESS_END)
		return -EFAULT;
	do
		got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return (size_t)got == bytes ? 0 : -EFAULT;
}

int memory_read_u32(pid_t pid, uint64_t address, uint32_t *out)
{
	return memory_read(pid, address, out, sizeof(*out));
}

int memory_read_u64(pid_t pid, uint64_t address, uint64_t *out)
{
	return memory_read(pid, address, out, sizeof(*out));
}

int memory_read_many(pid_t pid, const uint64_t *addresses, size_t count, size_t bytes, void *out,
		     size_t *done)
{
	struct iovec local = { .iov_base = out, .iov_len = count * bytes };
	struct iovec remote[MEMORY_READ_MANY_MAX];
	ssize_t got;

	if (count == 0 || count > MEMORY_READ_MANY_MAX || bytes == 0 ||
	    bytes > MEMORY_READ_MAX_BYTES / count)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		remote[i] = (struct iovec){
			/* What lies beyond is refused by the kernel, but a wrap round would not be. */
			.iov_base = (void *)(uintptr_t)(addresses[i] < ADDRESS_END ? addresses[i] :
										     ADDRESS_END),
			.iov_len = bytes,
		};
	do
		got = process_vm_readv(pid, &local, 1, remote, count, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != EFAULT)
		return -errno;
	*done = got < 0 ? 0 : (size_t)got / bytes;
	return 0;
}

int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size)
{
	size_t length = 0;

	if (size == 0)
		return -EINVAL;
	/* Never across a page in one read: the next one may not be mapped. */
	while (length < size - 1) {
		size_t room = size - 1 - length;
		size_t in_page = PAGE_BYTES - (address + length) % PAGE_BYTES;
		size_t bytes = room < in_page ? room : in_page;
		int err = memory_read(pid, address + length, out + length, bytes);

		if (err && length == 0)
			return err;
		if (err)
			break;
		if (memchr(out + length, '\0', bytes))
			return 0;
		length += bytes;
	}
	out[length] = '\0';
	return 0;
}
