// SPDX-License-Identifier: GPL-2.0-only
/*
 * --referrers: every object of the census is asked whom it refers to, and those that refer to one of the
 * objects asked for are counted by their type and by how they hold it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/map64.h"
#include "cli/heap_graph.h"
#include "python/objects_roots.h"

enum {
	/* Keys and names of so many kinds are told apart; then they are one kind. */
	LABELS_MAX = 4096,
	TURN_OBJECTS = 4096,
};

struct referring {
	struct heap_scan *scan;
	struct map64 *rows; /* (type, label) -> row + 1 */
	struct object holder;
	const struct object_root *root; /* NULL: an object is the holder */
	struct buffer text;
	uint32_t until_turn;
	int error;
};

/* What of a label is the same for all of its kind. */
static const char *label_kind(enum reference_kind kind)
{
	switch (kind) {
	case REFERENCE_ITEM:
		return "[item]";
	case REFERENCE_MEMBER:
		return "{member}";
	case REFERENCE_KEY:
		return "{key}";
	case REFERENCE_VALUE:
		return "[value]";
	case REFERENCE_LOCAL:
		return "(local)";
	default:
		return ".attribute";
	}
}

static uint32_t label_of(struct referring *referring, const struct reference *reference)
{
	struct heap_scan *scan = referring->scan;

	buffer_clear(&referring->text);
	if (referring->root) {
		objects_root_name(scan->objects, referring->root, &referring->text);
		buffer_string(&referring->text, ": ");
		objects_root_label(scan->objects, referring->root, reference, &referring->text);
	} else if (reference->kind == REFERENCE_ITEM || map64_count(referring->rows) > LABELS_MAX) {
		buffer_string(&referring->text, label_kind(reference->kind));
	} else {
		objects_reference_label(scan->objects, &referring->holder, reference,
					&referring->text);
	}
	if (buffer_error(&referring->text))
		return UINT32_MAX;
	return census_string(scan->census, referring->text.bytes ? referring->text.bytes : "");
}

static int referrer_add(struct referring *referring, const struct reference *reference)
{
	struct census *census = referring->scan->census;
	uint32_t label = label_of(referring, reference);
	uint32_t type = CENSUS_NO_TYPE;
	uint64_t *slot;

	if (!referring->root)
		type = heap_scan_row(referring->scan, referring->holder.type);
	if (label == UINT32_MAX || (!referring->root && type == UINT32_MAX))
		return -ENOMEM;
	slot = map64_slot(referring->rows, map64_pair(type, label), NULL);
	if (!slot)
		return -ENOMEM;
	if (!*slot) {
		if (GROW(census->referrers, census->referrer_capacity, census->referrer_count))
			return -ENOMEM;
		census->referrers[census->referrer_count++] = (struct census_referrer){
			.type = type,
			.label = label,
			.example = referring->root ? 0 : referring->holder.address,
		};
		*slot = census->referrer_count;
	}
	census->referrers[*slot - 1].count++;
	return 0;
}

static int referred(const struct reference *reference, void *arg)
{
	struct referring *referring = arg;

	if (!objects_marks_has(referring->scan->wanted, reference->address))
		return 0;
	return referrer_add(referring, reference);
}

static int holder_ask(uint64_t address, void *arg)
{
	struct referring *referring = arg;
	struct heap_scan *scan = referring->scan;

	if (!--referring->until_turn) {
		int err = scan->turn ? scan->turn(scan->turn_arg) : 0;

		referring->until_turn = TURN_OBJECTS;
		if (err)
			return err;
	}
	if (!objects_inspect(scan->objects, address, &referring->holder))
		return 0;
	return objects_references(scan->objects, &referring->holder, referred, referring);
}

static int root_ask(const struct object_root *root, const struct reference *reference, void *arg)
{
	struct referring *referring = arg;
	int err;

	referring->root = root;
	err = referred(reference, referring);
	referring->root = NULL;
	return err;
}

static int previews_take(struct referring *referring, uint32_t limit)
{
	struct heap_scan *scan = referring->scan;
	struct census *census = scan->census;

	for (uint32_t i = 0; i < census->referrer_count && i < limit; i++) {
		struct census_referrer *row = &census->referrers[i];
		struct object object;

		buffer_clear(&referring->text);
		if (row->example && objects_inspect(scan->objects, row->example, &object))
			objects_preview(scan->objects, &object, &referring->text);
		row->preview =
			census_string(census, referring->text.bytes ? referring->text.bytes : "");
		if (row->preview == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

int heap_graph_referrers(struct heap_scan *scan, uint32_t limit)
{
	struct referring referring = { .scan = scan, .until_turn = TURN_OBJECTS };
	int err = -ENOMEM;

	buffer_init(&referring.text);
	referring.rows = map64_new();
	if (referring.rows)
		err = objects_marks_each(scan->seen, holder_ask, &referring);
	/* Modules are objects, and have been asked: what is left are frames. */
	if (!err && objects_layout_in(scan->objects)->minor >= 11)
		err = objects_roots(scan->objects, &scan->lists, ROOT_FRAME, root_ask, &referring);
	scan->census->has_referrers = true;
	census_finish(scan->census);
	if (!err)
		err = previews_take(&referring, limit ? limit : UINT32_MAX);
	map64_free(referring.rows);
	buffer_release(&referring.text);
	return err;
}
