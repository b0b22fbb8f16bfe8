// SPDX-License-Identifier: GPL-2.0-only
/* Which of the two families of probes on resident memory this kernel needs, and their room. */
#include <bpf/btf.h>
#include <errno.h>

#include "capture/capture_private.h"

enum {
	RSS_SPACES = 2048,
	RSS_SPACES_UNUSED = 1, /* the maps are made even when nothing uses them */
};

/* Before Linux 6.2 pages are counted by thread, since then by CPU. 1, 0 or -errno. */
static int counts_by_thread(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, "task_rss_stat", BTF_KIND_STRUCT);
	btf__free(btf);
	return id > 0;
}

int capture_rss_tune(struct capture *capture)
{
	uint32_t *families = &capture->options.families;
	uint32_t spaces = RSS_SPACES_UNUSED, split_spaces = RSS_SPACES_UNUSED;
	int by_thread = 0, error;

	*families &= ~(1u << PROBE_RSS_SPLIT);
	if (*families >> PROBE_RSS & 1) {
		by_thread = counts_by_thread();
		if (by_thread < 0)
			return by_thread;
		if (by_thread)
			*families ^= 1u << PROBE_RSS | 1u << PROBE_RSS_SPLIT;
		*(by_thread ? &split_spaces : &spaces) = RSS_SPACES;
	}
	error = bpf_map__set_max_entries(capture->skeleton->maps.rss_parts, spaces);
	if (!error)
		error = bpf_map__set_max_entries(capture->skeleton->maps.rss_sums, spaces);
	if (!error)
		error = bpf_map__set_max_entries(capture->skeleton->maps.rss_split_sums,
						 split_spaces);
	return error;
}
