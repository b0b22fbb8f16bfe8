// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls where CPython's own function__entry and function__return probes are. The contract is in
 * call_plan.h.
 *
 * CPython guards each probe with a counter: `cmpw $0, counter(%rip)` and a branch to a cold block
 * that looks up the file, the name and the line, and has the probe's nop. Every call passes the
 * branch, whether or not anybody listens, and the kernel emulates it: the branches are probed, the
 * counters stay 0, and nothing is looked up. In both places the frame is the thread state's, and in
 * a register. Only where not every use of a counter is such a guard, the probes themselves are taken,
 * with their counters.
 *
 * CPython: Python/ceval.c (3.8 to 3.10). A generator that goes on, is thrown an exception into, or
 * yields, passes them like a call. Not so in 3.15 (measured with 3.15.0): making a generator is an
 * entry without a return there, and an exception thrown into one a return without an entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/elf_file.h"
#include "python/call_plan.h"
#include "python/emulated.h"

enum {
	PROBES_MAX = 8, /* notes of one name: one for each place the compiler made of it */
	SEGMENTS_MAX = 8,
	GUARD_BYTES = 96, /* from the compare to its branch */
	NOP = 0x90,
	TEXT_MAX_BYTES = 256 << 20,
};

struct usdt_probe {
	const char *name;
	enum call_event_kind kind;
	uint64_t addresses[PROBES_MAX];
	size_t count;
	uint64_t counter; /* its address in the file */
	size_t guard_count;
};

struct usdt {
	struct elf_file *file;
	struct usdt_probe probes[2];
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t segment_count;
	struct call_plan *plan;
	bool other_use; /* of a counter, than in a guard */
};

static int probe_keep(const struct elf_probe *note, void *arg)
{
	struct usdt *usdt = arg;

	if (strcmp(note->provider, "python") != 0)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		struct usdt_probe *probe = &usdt->probes[i];

		if (strcmp(note->name, probe->name) != 0)
			continue;
		if (probe->count == PROBES_MAX || !note->semaphore ||
		    (probe->count && probe->counter != note->semaphore))
			return -ENOTSUP;
		probe->counter = note->semaphore;
		probe->addresses[probe->count++] = note->address;
	}
	return 0;
}

static int file_offset_of(const struct usdt *usdt, uint64_t address, uint64_t *offset)
{
	for (size_t i = 0; i < usdt->segment_count; i++) {
		const struct elf_code_segment *segment = &usdt->segments[i];

		if (address >= segment->address &&
		    address - segment->address < segment->file_bytes) {
			*offset = address - segment->address + segment->offset;
			return 0;
		}
	}
	return -EFAULT;
}

static int site_add(struct usdt *usdt, const struct usdt_probe *probe, uint64_t address,
		    uint64_t counter_offset)
{
	struct call_plan_site *site;
	uint64_t offset;

	if (usdt->plan->site_count == CALL_PLAN_SITES || file_offset_of(usdt, address, &offset))
		return -ENOTSUP;
	site = &usdt->plan->sites[usdt->plan->site_count++];
	*site = (struct call_plan_site){
		.file_offset = offset,
		.semaphore_offset = counter_offset,
		.site = {
			.kind = probe->kind,
			.frame_register = ABI_NO_REGISTER,
			.ip_register = ABI_NO_REGISTER,
			.result_register = ABI_NO_REGISTER,
			.throw_register = ABI_NO_REGISTER,
			.check_exception = probe->kind == CALL_LEAVE,
		},
	};
	snprintf(site->name, sizeof(site->name), "%s", probe->name);
	return 0;
}

/* ---- the guards ---- */

/* je or jne */
static bool zero_branch_at(const uint8_t *text)
{
	return (text[0] & 0xfe) == 0x74 || (text[0] == 0x0f && (text[1] & 0xfe) == 0x84);
}

/* cmpw $0, displacement(%rip), with the displacement at text[at] */
static bool compare_at(const uint8_t *text, size_t at)
{
	return at >= 3 && text[at - 3] == 0x66 && text[at - 2] == 0x83 && text[at - 1] == 0x3d &&
	       text[at + 4] == 0;
}

/*
 * Whether the displacement at text[at], which lies at `address`, names the counter: it counts from
 * the end of its instruction, which has no, 1, 2 or 4 bytes of a constant behind it.
 */
static bool names_counter(const uint8_t *text, size_t at, uint64_t address, uint64_t counter)
{
	uint64_t constant_bytes;
	int32_t displacement;

	memcpy(&displacement, text + at, sizeof(displacement));
	constant_bytes =
		counter - (address + sizeof(displacement) + (uint64_t)(int64_t)displacement);
	return constant_bytes <= 4 && constant_bytes != 3;
}

/* The branch that belongs to the use of a counter at text[at] becomes a site. */
static int use_keep(struct usdt *usdt, struct usdt_probe *probe, const uint8_t *text, size_t bytes,
		    size_t at, uint64_t address)
{
	size_t after = at + 5, room = bytes - after, branch;

	if (!compare_at(text, at) ||
	    emulated_first(text + after, room < GUARD_BYTES ? room : GUARD_BYTES, &branch) ||
	    !zero_branch_at(text + after + branch)) {
		usdt->other_use = true;
		return 0;
	}
	probe->guard_count++;
	return site_add(usdt, probe, address + after + branch, 0);
}

static int text_scan(struct usdt *usdt, const uint8_t *text, size_t bytes, uint64_t address)
{
	for (size_t at = 1; at + 5 < bytes; at++) {
		if ((text[at - 1] & 0xc7) != 0x05) /* no operand relative to rip */
			continue;
		for (size_t i = 0; i < 2; i++) {
			struct usdt_probe *probe = &usdt->probes[i];
			int err;

			if (!names_counter(text, at, address + at, probe->counter))
				continue;
			err = use_keep(usdt, probe, text, bytes, at, address);
			if (err)
				return err;
		}
	}
	return 0;
}

static int segment_scan(struct usdt *usdt, const struct elf_code_segment *segment)
{
	uint8_t *text;
	int err;

	if (!segment->file_bytes || segment->file_bytes > TEXT_MAX_BYTES)
		return -ENOTSUP;
	text = malloc(segment->file_bytes);
	if (!text)
		return -ENOMEM;
	err = elf_file_read(usdt->file, segment->address, text, segment->file_bytes);
	if (!err)
		err = text_scan(usdt, text, segment->file_bytes, segment->address);
	free(text);
	return err;
}

/* -ENOTSUP: not every use of the counters is a guard, or a probe has none. */
static int guards_plan(struct usdt *usdt)
{
	int err = 0;

	for (size_t i = 0; !err && i < usdt->segment_count; i++)
		err = segment_scan(usdt, &usdt->segments[i]);
	if (!err &&
	    (usdt->other_use || !usdt->probes[0].guard_count || !usdt->probes[1].guard_count))
		err = -ENOTSUP;
	return err;
}

/* ---- the probes themselves ---- */

static int probes_plan(struct usdt *usdt)
{
	struct elf_section counters;
	int err = 0;

	usdt->plan->site_count = 0;
	if (!elf_file_section(usdt->file, ".probes", &counters))
		return -ENOTSUP;
	for (size_t i = 0; i < 2; i++) {
		const struct usdt_probe *probe = &usdt->probes[i];

		if (probe->counter < counters.address ||
		    probe->counter - counters.address >= counters.size)
			return -ENOTSUP;
		for (size_t j = 0; !err && j < probe->count; j++) {
			uint8_t text;

			err = elf_file_read(usdt->file, probe->addresses[j], &text, sizeof(text));
			if (!err && text != NOP)
				err = -ENOTSUP;
			if (!err)
				err = site_add(usdt, probe, probe->addresses[j],
					       probe->counter - counters.address + counters.offset);
		}
	}
	return err;
}

static int file_plan(struct usdt *usdt, char *reason, size_t reason_size)
{
	int err;

	usdt->segment_count = elf_file_code_segments(usdt->file, usdt->segments, SEGMENTS_MAX);
	err = elf_file_each_probe(usdt->file, probe_keep, usdt);
	if (!err && (!usdt->probes[0].count || !usdt->probes[1].count))
		err = -ENOTSUP;
	if (!err)
		err = guards_plan(usdt);
	if (err == -ENOTSUP && usdt->probes[0].count && usdt->probes[1].count)
		err = probes_plan(usdt);
	if (err)
		snprintf(reason, reason_size,
			 "its function__entry and function__return cannot be %s",
			 err == -ENOTSUP ? "used: their notes are odd" : "read");
	return err;
}

static int version_refuse(const struct python_process *process, char *reason, size_t reason_size)
{
	if (process->target.layout.minor == 11)
		snprintf(reason, reason_size,
			 "function__entry of Python 3.11 sees only calls that come from C");
	else if (process->target.layout.minor >= 12 && process->target.layout.minor <= 14)
		snprintf(reason, reason_size, "Python 3.%d has no function__entry probe",
			 process->target.layout.minor);
	else if (process->target.layout.minor >= 15)
		snprintf(reason, reason_size,
			 "function__entry of Python 3.%d also sees generators being made, and not "
			 "what is thrown into them",
			 process->target.layout.minor);
	else if (!(process->probes & PYTHON_PROBE_USDT_FUNCTION))
		snprintf(reason, reason_size, "built without function__entry (no --with-dtrace)");
	else
		return 0;
	return -ENOTSUP;
}

int call_plan_usdt(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size)
{
	struct usdt usdt = {
		.probes = { { .name = "function__entry", .kind = CALL_ENTER },
			    { .name = "function__return", .kind = CALL_LEAVE } },
		.plan = out,
	};
	int fd, err = version_refuse(process, reason, reason_size);

	if (err)
		return err;
	fd = open(process->binary_open, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		snprintf(reason, reason_size, "its file cannot be opened: %s", strerror(-err));
		return err;
	}
	err = elf_file_open(fd, &usdt.file);
	if (err)
		snprintf(reason, reason_size, "its file cannot be read");
	else
		err = file_plan(&usdt, reason, reason_size);
	elf_file_close(usdt.file);
	close(fd);
	return err;
}
