/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a code object, at the entry of CPython's code_dealloc(): what an address meant is
 * forgotten before the memory can be used again.
 */
#include "core/maps.h"

#include <bpf/bpf_tracing.h>

SEC("?uprobe")
int code__death(struct pt_regs *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct python_target *target = bpf_map_lookup_elem(&targets, &pid);
	struct code_key key = { .deaths_seen = PYTHON_TARGET_DEATHS_SEEN };

	if (!target)
		return 0;
	key.code = PT_REGS_PARM1(ctx);
	key.serial = target->serial;
	bpf_map_delete_elem(&codes, &key);
	/* Whether or not it was there: a CPU may remember what the map has given up for space. */
	__sync_fetch_and_add(&code_epoch, 1);
	return 0;
}
