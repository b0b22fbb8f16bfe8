// SPDX-License-Identifier: GPL-2.0-only
/* What the walker takes for granted of every version's frames. */
#include <criterion/criterion.h>

#include "unit/walk/memory.h"

#include "python/layout.h"
#include "python/walk.h"

Test(layouts, the_fields_of_a_frame_lie_in_what_is_read_of_it)
{
	unsigned int known = 0;

	for (unsigned int minor = 0; minor < 64; minor++) {
		const struct layout *layout = layout_of(minor);
		const struct python_layout *walk = layout ? &layout->walk : NULL;
		unsigned int bytes;

		if (!walk || walk->frame_localsplus == ABI_NO_OFFSET)
			continue;
		known++;
		bytes = walk->frame_localsplus < WALK_FRAME_BYTES ? walk->frame_localsplus :
								    WALK_FRAME_BYTES;
		cr_expect_leq(walk->frame_back + 8, bytes, "3.%u", minor);
		cr_expect_leq(walk->frame_code + 8, bytes, "3.%u", minor);
		/* Read as a word whatever it is. */
		cr_expect_leq(walk->frame_ip + 8, bytes, "3.%u", minor);
		if (walk->frame_globals != ABI_NO_OFFSET)
			cr_expect_leq(walk->frame_globals + 8, bytes, "3.%u", minor);
		if (walk->frame_owner != ABI_NO_OFFSET)
			cr_expect_lt(walk->frame_owner, bytes, "3.%u", minor);
		if (walk->frame_is_entry != ABI_NO_OFFSET)
			cr_expect_lt(walk->frame_is_entry, bytes, "3.%u", minor);
	}
	cr_expect_geq(known, 8, "3.8 to 3.15");
}
