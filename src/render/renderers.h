/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions that renderers.def names: render_table(), ... */
#ifndef PYBPFPROF_RENDER_RENDERERS_H
#define PYBPFPROF_RENDER_RENDERERS_H

#include "render/render.h"

#define X(id, binary, description)                                                                 \
	int render_##id(const struct profile *profile, const struct render_options *options,       \
			FILE *stream);
#include "render/renderers.def"
#undef X

#endif
