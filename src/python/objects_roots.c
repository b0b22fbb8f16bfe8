// SPDX-License-Identifier: GPL-2.0-only
/* See objects_roots.h. */
#include "python/objects_roots.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>

#include "proc/maps.h"
#include "python/objects_private.h"
#include "python/threads.h"

enum {
	FRAMES_MAX = 16384,
	THREAD_STATE_BYTES = 512,
	DATA_BYTES_MAX = 64 << 20,
	NAME_TEXT = 120,
	THREADS_TRIES = 4,
	SEGMENTS_MAX = 64,
	PAGE_BYTES = 4096,
};

struct rooting {
	struct objects *objects;
	struct object_root root;
	root_visit visit;
	void *arg;
};

static int forward(const struct reference *reference, void *arg)
{
	const struct rooting *rooting = arg;

	return rooting->visit(&rooting->root, reference, rooting->arg);
}

/* ---- modules ---- */

/* sys.modules is a dict: each value is a root of its own, called by its key. */
static int module_forward(const struct reference *reference, void *arg)
{
	struct rooting *rooting = arg;

	if (reference->kind != REFERENCE_VALUE)
		return 0;
	rooting->root.address = reference->detail;
	return rooting->visit(&rooting->root, reference, rooting->arg);
}

static int modules_visit(struct rooting *rooting, uint64_t interpreter)
{
	struct objects *objects = rooting->objects;
	uint64_t sysdict = interpreter + objects->walk.interp_sysdict;
	uint64_t places[] = {
		objects_word(objects,
			     sysdict + (uint64_t)(int64_t)objects->layout.modules_from_sysdict),
		objects_word(objects, sysdict),
		objects_word(objects,
			     sysdict + (uint64_t)(int64_t)objects->layout.builtins_from_sysdict),
	};
	struct object dict;
	int stop = 0;

	if (objects_inspect(objects, places[0], &dict))
		stop = objects_references(objects, &dict, module_forward, rooting);
	/* sys and builtins stay, whatever was done to sys.modules. */
	for (size_t i = 1; !stop && i < sizeof(places) / sizeof(places[0]); i++) {
		const struct reference reference = { .address = places[i] };

		rooting->root =
			(struct object_root){ .kind = ROOT_INTERPRETER, .address = interpreter };
		stop = rooting->visit(&rooting->root, &reference, rooting->arg);
	}
	return stop;
}

/* ---- frames ---- */

static uint64_t innermost_frame(struct objects *objects, const struct thread_state *state)
{
	const struct python_layout *walk = &objects->walk.walk;

	if (!state->frame || walk->cframe_current_frame == ABI_NO_OFFSET)
		return state->frame;
	return objects_word(objects, state->frame + walk->cframe_current_frame);
}

static int frame_visit(struct rooting *rooting, uint64_t frame)
{
	struct objects *objects = rooting->objects;
	const struct python_layout *walk = &objects->walk.walk;
	uint8_t owner = 0;

	rooting->root.address = frame;
	rooting->root.code =
		objects_word(objects, frame + walk->frame_code) & ~(uint64_t)walk->pointer_tag_mask;
	/* Up to 3.10 a frame is an object. */
	if (objects->layout.frame_data == ABI_NO_OFFSET) {
		const struct reference reference = { .address = frame };

		return rooting->visit(&rooting->root, &reference, rooting->arg);
	}
	if (objects_memory_read(objects->memory, frame + walk->frame_owner, &owner, 1) ||
	    owner >= walk->owner_sentinel)
		return 0;
	return objects_frame_references(objects, frame, forward, rooting);
}

static int thread_visit(struct rooting *rooting, const struct thread_state *state)
{
	struct objects *objects = rooting->objects;
	uint64_t frame;
	int stop = 0;

	if (rooting->root.kind == ROOT_THREAD) {
		rooting->root.address = state->address;
		return objects_words(objects, state->address, THREAD_STATE_BYTES, forward, rooting);
	}
	frame = innermost_frame(objects, state);
	for (int i = 0; !stop && frame && i < FRAMES_MAX; i++) {
		stop = frame_visit(rooting, frame);
		frame = objects_word(objects, frame + objects->walk.walk.frame_back);
	}
	return stop;
}

static int threads_visit(struct rooting *rooting)
{
	struct objects *objects = rooting->objects;
	struct threads threads = { 0 };
	int err = -EUCLEAN;

	for (int i = 0; i < THREADS_TRIES && err && err != -ESRCH; i++)
		err = threads_read(objects->python.pid, objects->python.target.runtime,
				   &objects->walk, &threads);
	for (size_t i = 0; !err && i < threads.count; i++)
		err = thread_visit(rooting, &threads.states[i]);
	threads_release(&threads);
	/* Threads that could not be followed are roots fewer, no reason to give up. */
	return err == -EUCLEAN || err == -ENODATA || err == -ELOOP ? 0 : err;
}

/* ---- variables of C ---- */

/* The first mapping of the file that this one is of: where its header lies. */
static const struct mapping *header_mapping(const struct maps *maps, size_t index)
{
	const struct mapping *mapping = &maps->mappings[index];

	for (size_t i = index + 1; i-- > 0;) {
		const struct mapping *other = &maps->mappings[i];

		if (other->inode == mapping->inode && other->device == mapping->device &&
		    other->offset == 0)
			return other;
	}
	return NULL;
}

/*
 * Where the file's writable data ends, what it has none of in the file (.bss) included: behind that,
 * and in the same mapping to look at, may lie an arena. 0: the header cannot be read.
 */
static uint64_t data_end(struct objects *objects, const struct mapping *header)
{
	uint64_t end = 0, bias = 0;
	Elf64_Ehdr elf;

	if (objects_memory_read(objects->memory, header->start, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	for (uint32_t i = 0; i < elf.e_phnum && i < SEGMENTS_MAX; i++) {
		Elf64_Phdr segment;

		if (objects_memory_read(objects->memory,
					header->start + elf.e_phoff + i * sizeof(segment), &segment,
					sizeof(segment)))
			return 0;
		if (segment.p_type != PT_LOAD)
			continue;
		if (segment.p_offset == 0)
			bias = header->start - (segment.p_vaddr & ~(uint64_t)(PAGE_BYTES - 1));
		if (segment.p_flags & PF_W && segment.p_vaddr + segment.p_memsz > end)
			end = segment.p_vaddr + segment.p_memsz;
	}
	return end ? end + bias : 0;
}

/* A file's writable data from this mapping of it on; *bytes 0: it is not such a mapping. */
static void data_extent(struct objects *objects, const struct maps *maps, size_t index,
			uint64_t *bytes)
{
	const struct mapping *mapping = &maps->mappings[index], *header;
	uint64_t end;

	*bytes = 0;
	if (!(mapping->flags & MAPPING_WRITE) || !(mapping->flags & MAPPING_READ) ||
	    mapping->flags & MAPPING_SHARED || !mapping->inode)
		return;
	header = header_mapping(maps, index);
	end = header ? data_end(objects, header) : 0;
	*bytes = (end > mapping->end ? end : mapping->end) - mapping->start;
}

static int variables_visit(struct rooting *rooting)
{
	uint64_t left = DATA_BYTES_MAX, bytes;
	struct maps maps;
	int err = maps_read(rooting->objects->python.pid, &maps);

	if (err)
		return err == -ENOMEM ? err : 0;
	for (size_t i = 0; !err && i < maps.count; i++) {
		data_extent(rooting->objects, &maps, i, &bytes);
		if (!bytes || bytes > left)
			continue;
		left -= bytes;
		rooting->root.address = maps.mappings[i].start;
		err = objects_words(rooting->objects, maps.mappings[i].start, bytes, forward,
				    rooting);
	}
	maps_release(&maps);
	return err;
}

/* ---- all ---- */

int objects_roots(struct objects *objects, const struct gc_lists *lists, enum object_root_kind kind,
		  root_visit visit, void *arg)
{
	struct rooting rooting = {
		.objects = objects,
		.root.kind = kind,
		.visit = visit,
		.arg = arg,
	};
	int stop = 0;

	if (kind == ROOT_FRAME || kind == ROOT_THREAD)
		return threads_visit(&rooting);
	if (kind == ROOT_VARIABLE)
		return variables_visit(&rooting);
	for (uint32_t i = 0; !stop && i < lists->interpreter_count; i++) {
		uint64_t interpreter = lists->interpreters[i].address;

		rooting.root = (struct object_root){ .kind = kind, .address = interpreter };
		if (kind == ROOT_MODULE)
			stop = modules_visit(&rooting, interpreter);
		else
			stop = objects_words(objects, interpreter, objects->layout.interp_bytes,
					     forward, &rooting);
	}
	return stop;
}

/* ---- words ---- */

static void frame_name(struct objects *objects, uint64_t code, struct buffer *out)
{
	const struct python_layout *walk = &objects->walk.walk;
	uint16_t name =
		walk->code_qualname == ABI_NO_OFFSET ? walk->code_name : walk->code_qualname;
	uint32_t line = 0;

	buffer_string(out, "frame ");
	if (objects_text(objects, objects_word(objects, code + name), NAME_TEXT, out))
		buffer_byte(out, '?');
	buffer_string(out, "() ");
	objects_text(objects, objects_word(objects, code + walk->code_filename), NAME_TEXT, out);
	if (!objects_memory_read(objects->memory, code + walk->code_firstlineno, &line,
				 sizeof(line)))
		buffer_printf(out, ":%" PRIu32, line);
}

static void variable_name(struct objects *objects, uint64_t address, struct buffer *out)
{
	const struct mapping *mapping = NULL;
	struct maps maps;

	buffer_string(out, "C variable");
	if (maps_read(objects->python.pid, &maps))
		return;
	for (size_t i = 0; i < maps.count && maps.mappings[i].start <= address; i++) {
		if (maps.mappings[i].inode)
			mapping = &maps.mappings[i];
	}
	if (mapping) {
		const char *slash = strrchr(mapping->path, '/');

		buffer_printf(out, " of %s", slash ? slash + 1 : mapping->path);
	}
	maps_release(&maps);
}

void objects_root_name(struct objects *objects, const struct object_root *root, struct buffer *out)
{
	switch (root->kind) {
	case ROOT_MODULE:
		buffer_string(out, "module ");
		if (objects_text(objects, root->address, NAME_TEXT, out))
			buffer_byte(out, '?');
		break;
	case ROOT_FRAME:
		frame_name(objects, root->code, out);
		break;
	case ROOT_THREAD:
		buffer_string(out, "thread state");
		break;
	case ROOT_INTERPRETER:
		buffer_string(out, "interpreter state");
		break;
	case ROOT_VARIABLE:
		variable_name(objects, root->address, out);
		break;
	case ROOT_KINDS:
		break;
	}
}

void objects_root_label(struct objects *objects, const struct object_root *root,
			const struct reference *reference, struct buffer *out)
{
	uint64_t names;

	if (root->kind != ROOT_FRAME || reference->kind != REFERENCE_LOCAL)
		return;
	names = objects_word(objects, root->code + objects->walk.walk.code_varnames);
	if (!names || reference->detail >= objects_word(objects, names + VAR_SIZE)) {
		buffer_string(out, "stack");
		return;
	}
	buffer_string(out, "local ");
	objects_text(
		objects,
		objects_word(objects, names + objects->layout.tuple_items + 8 * reference->detail),
		NAME_TEXT, out);
}
