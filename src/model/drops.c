// SPDX-License-Identifier: GPL-2.0-only
/* drops.def as a table. */
#include "model/drops.h"

#include <stddef.h>

enum drop_kind { DROP_KIND_LOST, DROP_KIND_PARTIAL };

static const struct {
	const char *key;
	const char *words;
	enum drop_kind kind;
} drops[DROP_COUNT] = {
#define X(id, json_key, drop_kind, drop_words)                                                     \
	[DROP_##id] = { json_key, drop_words, DROP_KIND_##drop_kind },
#include "pybpfprof/drops.def"
#undef X
};

const char *drop_key(enum drop_reason reason)
{
	return drops[reason].key;
}

const char *drop_words(enum drop_reason reason)
{
	return drops[reason].words;
}

bool drop_is_lost(enum drop_reason reason)
{
	return drops[reason].key && drops[reason].kind == DROP_KIND_LOST;
}
