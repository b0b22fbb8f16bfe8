// SPDX-License-Identifier: GPL-2.0-only
/* Picks the layout table of a version. Knows no version itself: versions.def lists them. */
#include "python/layout.h"

const struct layout *layout_of(unsigned int minor)
{
	switch (minor) {
#define X(number)                                                                                  \
	case number:                                                                               \
		return &layout_3_##number;
#include "python/versions.def"
#undef X
	default:
		return NULL;
	}
}
