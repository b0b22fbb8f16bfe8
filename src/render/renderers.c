// SPDX-License-Identifier: GPL-2.0-only
/* renderers.def as a table. */
#include "render/renderers.h"

#include <string.h>

static const struct renderer renderers[] = {
#define X(id, is_binary, words) { #id, words, is_binary, render_##id },
#include "render/renderers.def"
#undef X
};

const struct renderer *renderer_at(size_t index)
{
	return index < sizeof(renderers) / sizeof(renderers[0]) ? &renderers[index] : NULL;
}

const struct renderer *renderer_find(const char *name)
{
	const struct renderer *renderer;

	for (size_t i = 0; (renderer = renderer_at(i)); i++) {
		if (!strcmp(renderer->name, name))
			return renderer;
	}
	return NULL;
}
