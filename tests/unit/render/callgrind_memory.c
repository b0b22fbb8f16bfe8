// SPDX-License-Identifier: GPL-2.0-only
/* Memory for KCachegrind: bytes and blocks of the view that is shown. */
#include <criterion/criterion.h>
#include <string.h>

#include "sample_memory.h"

Test(callgrind_memory, costs_are_bytes_and_blocks)
{
	struct profile *profile = sample_memory_new();
	struct render_options options = sample_memory_options(profile, MEMORY_VIEW_LIVE);
	struct buffer out;

	sample_render("callgrind", profile, &options, &out);
	cr_expect(strstr(out.bytes, "\nevents: Bytes Blocks\nsummary: 10486784 316\n"), "%s",
		  out.bytes);
	cr_expect(strstr(out.bytes, "\ndesc: counts of calls are counts of blocks\n"));
	/* Worker.keep, line 21: 2 MiB in 190 blocks. */
	cr_expect(strstr(out.bytes, "\n21 2097152 190\n"));
	cr_expect_null(strstr(out.bytes, "Samples"));
	buffer_release(&out);
	profile_free(profile);
}
