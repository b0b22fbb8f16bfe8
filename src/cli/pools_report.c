// SPDX-License-Identifier: GPL-2.0-only
/* Between python/pools and model/memory, which do not know each other. See pools_report.h. */
#include "cli/pools_report.h"

#include <errno.h>

#include "python/pools.h"

_Static_assert((int)MEMORY_POOL_CLASSES == (int)POOL_CLASSES, "the classes are pymalloc's");

int pools_report(const struct python_process *python, struct memory_pools *out)
{
	struct pools pools;
	char reason[128];
	int err = pools_read(python, &pools, reason, sizeof(reason));

	*out = (struct memory_pools){ 0 };
	if (err) {
		out->reason = pools_refusal(err);
		return err == -ENOENT ? 0 : err;
	}
	out->known = true;
	out->arena_bytes = pools.arena_bytes;
	out->pool_bytes = pools.pool_bytes;
	out->arenas = pools.arenas;
	out->arenas_bytes = pools.arenas * pools.arena_bytes;
	out->free_pools = pools.free_pools;
	out->used_bytes = pools.used_bytes;
	out->torn = pools.torn;
	for (int i = 0; i < POOL_CLASSES; i++) {
		const struct pool_class *class = &pools.classes[i];

		out->classes[i] = (struct memory_pool_class){
			.block_bytes = class->block_bytes,
			.pools = class->pools,
			.used_blocks = class->used_blocks,
			.free_blocks = class->free_blocks,
		};
	}
	return 0;
}
