// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading _Py_DebugOffsets. CPython: Include/internal/pycore_debug_offsets.h (3.13:
 * pycore_runtime.h); every member is a uint64_t, which ones there are depends on the minor version.
 */
#include "python/debug_offsets.h"

#include <errno.h>
#include <string.h>

static const char COOKIE[] = "xdebugpy";

/* No structure of ours is larger: _PyRuntimeState, the largest, has 170,000 to 400,000 bytes. */
static const uint64_t STRUCTURE_MAX_BYTES = 4 << 20;

enum told_kind { TOLD_MOVES, TOLD_FIXED };

static const struct {
	size_t field; /* offset in struct layout, of a uint16_t */
	const char *name;
	enum told_kind kind;
} told[DEBUG_FIELD_COUNT] = {
#define X(field, member, size_member, kind)                                                        \
	{ offsetof(struct layout, field), #member, TOLD_##kind },
#include "python/debug_offsets.def"
#undef X
};

static uint64_t word_at(const uint8_t *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

int debug_offsets_head_parse(const uint8_t *bytes, struct debug_offsets_head *out)
{
	uint64_t version = word_at(bytes, 8);
	uint64_t free_threaded = word_at(bytes, 16);

	if (memcmp(bytes, COOKIE, 8) != 0 || version > UINT32_MAX || free_threaded > 1)
		return -ENOENT;
	out->hexversion = (uint32_t)version;
	out->free_threaded = free_threaded;
	return 0;
}

/*
 * The exception lies between the frame and the thread id (3.13 to 3.15), and only 3.15 tells of it:
 * it moves with them while they keep their distance, else nobody knows where it went.
 */
static uint16_t exception_moved(const struct python_layout *ours,
				const struct python_layout *theirs)
{
	int moved = theirs->tstate_frame - ours->tstate_frame;

	return theirs->tstate_thread_id - ours->tstate_thread_id == moved ?
		       (uint16_t)(ours->tstate_exception + moved) :
		       ABI_NO_OFFSET;
}

int debug_offsets_apply(const uint8_t *bytes, struct layout *layout, const char **field)
{
	struct layout changed = *layout;

	for (size_t i = 0; i < DEBUG_FIELD_COUNT; i++) {
		const struct debug_position *position = &layout->debug[i];
		uint64_t offset = word_at(bytes, position->offset_at);
		uint64_t size = word_at(bytes, position->size_at);
		uint16_t *ours = (uint16_t *)((char *)&changed + told[i].field);

		*field = told[i].name;
		if (size == 0 || size > STRUCTURE_MAX_BYTES || offset >= size ||
		    offset >= ABI_NO_OFFSET)
			return -EBADMSG;
		if (told[i].kind == TOLD_FIXED && offset != *ours)
			return -EBADMSG;
		*ours = (uint16_t)offset;
	}
	changed.walk.tstate_exception = exception_moved(&layout->walk, &changed.walk);
	*layout = changed;
	return 0;
}
