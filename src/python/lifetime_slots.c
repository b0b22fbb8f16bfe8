// SPDX-License-Identifier: GPL-2.0-only
/*
 * See lifetime_slots.h. importlib._bootstrap is Python code and frozen into every interpreter,
 * which runs it before anything else: its classes are in sys.modules['_frozen_importlib'], and
 * sys.__spec__ is an instance of one of them.
 */
#include "python/lifetime_slots.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proc/maps.h"
#include "proc/memory.h"
#include "python/dict.h"
#include "python/objects_layout.h"
#include "python/threads.h"

enum {
	TYPE_ALLOC = 304,
	TYPE_NEW = 312,
	TYPE_HEAD_BYTES = 312,
	MODULE_DICT = 16,
	MODULES_MAX = 4096,
	NAMES_MAX = 1024,
	TRIES = 3, /* it runs on while it is read */
};

static const char *const class_names[] = {
	"ModuleSpec",	      "BuiltinImporter",    "FrozenImporter", "_ModuleLock",
	"_ModuleLockManager", "_ImportLockContext", "_DummyModule",
};

struct reading {
	const struct python_process *python;
	struct objects_layout objects;
	struct layout layout;
	struct maps maps;
};

static uint64_t word_in(const uint8_t *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static uint64_t pointer_at(const struct reading *reading, uint64_t address)
{
	uint64_t word;

	return memory_read_u64(reading->python->pid, address, &word) ? 0 : word;
}

static bool is_code(const struct reading *reading, uint64_t address)
{
	const struct mapping *mapping = maps_find(&reading->maps, address);

	return mapping && mapping->inode && mapping->flags & MAPPING_EXEC;
}

/* One class more says what its slots hold. false: it is none. */
static bool class_read(const struct reading *reading, uint64_t address, struct lifetime_slots *out)
{
	uint8_t head[TYPE_HEAD_BYTES];
	const pid_t pid = reading->python->pid;
	uint64_t type_dealloc;

	if (!address || address & 7 || memory_read(pid, address, head, sizeof(head)) ||
	    !(word_in(head, TYPE_FLAGS) & TYPE_HEAP))
		return false;
	type_dealloc = pointer_at(reading, word_in(head, OBJECT_TYPE) + TYPE_DEALLOC);
	*out = (struct lifetime_slots){
		.alloc = word_in(head, TYPE_ALLOC),
		.dealloc = word_in(head, TYPE_DEALLOC),
		.type_dealloc = type_dealloc,
		.classes = 1,
	};
	return is_code(reading, out->alloc) && is_code(reading, out->dealloc) &&
	       is_code(reading, type_dealloc) && out->dealloc != type_dealloc;
}

/* The tp_new of a module's type, if C made that. */
static uint64_t module_new_read(const struct reading *reading, uint64_t module)
{
	const uint64_t type = pointer_at(reading, module + OBJECT_TYPE);
	uint64_t module_new;

	if (!type || pointer_at(reading, type + TYPE_FLAGS) & TYPE_HEAP)
		return 0;
	module_new = pointer_at(reading, type + TYPE_NEW);
	return is_code(reading, module_new) ? module_new : 0;
}

static int class_hear(const struct reading *reading, uint64_t address, struct lifetime_slots *all)
{
	struct lifetime_slots one;

	if (!class_read(reading, address, &one))
		return 0;
	if (all->classes && (one.alloc != all->alloc || one.dealloc != all->dealloc ||
			     one.type_dealloc != all->type_dealloc))
		return -EUCLEAN;
	one.classes += all->classes;
	*all = one;
	return 0;
}

static int classes_hear(const struct reading *reading, uint64_t interpreter,
			struct lifetime_slots *all)
{
	const struct layout *layout = &reading->layout;
	const pid_t pid = reading->python->pid;
	const uint64_t sysdict = interpreter + layout->interp_sysdict;
	const uint64_t modules = pointer_at(
		reading, sysdict + (uint64_t)(int64_t)reading->objects.modules_from_sysdict);
	uint64_t found, names = 0, module_new = 0;
	int err = 0;

	*all = (struct lifetime_slots){ 0 };
	if (!dict_find(pid, layout, pointer_at(reading, sysdict), "__spec__", NAMES_MAX, &found))
		err = class_hear(reading, pointer_at(reading, found + OBJECT_TYPE), all);
	if (modules && !dict_find(pid, layout, modules, "_frozen_importlib", MODULES_MAX, &found)) {
		names = pointer_at(reading, found + MODULE_DICT);
		module_new = module_new_read(reading, found);
	}
	for (size_t i = 0; names && !err && i < sizeof(class_names) / sizeof(class_names[0]); i++) {
		if (!dict_find(pid, layout, names, class_names[i], NAMES_MAX, &found))
			err = class_hear(reading, found, all);
	}
	all->module_new = module_new;
	if (!err && !all->classes)
		err = -ENOENT;
	return err;
}

int lifetime_slots_read(const struct python_process *python, struct lifetime_slots *out)
{
	struct reading reading = { .python = python };
	struct lifetime_slots all;
	struct threads threads = { 0 };
	int err = objects_layout_read(python, &reading.objects, &reading.layout);

	if (!err)
		err = maps_read(python->pid, &reading.maps);
	if (err)
		return err;
	for (int i = 0; i < TRIES; i++) {
		err = threads_read(python->pid, python->target.runtime, &reading.layout, &threads);
		if (!err)
			err = classes_hear(&reading, threads.main_interpreter, &all);
		if (!err || err == -ESRCH || err == -EPERM)
			break;
	}
	threads_release(&threads);
	maps_release(&reading.maps);
	if (!err)
		*out = all;
	return err;
}
