// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan of instances: which functions make and end them, probed at which instruction. The
 * contract is in lifetime_plan.h.
 */
#include "python/lifetime_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "python/allocator_plan.h"
#include "python/lifetime_births.h"
#include "python/lifetime_makers.h"
#include "python/lifetime_slots.h"

#define END_NAME "tp_dealloc"

/*
 * No context comes before the arguments, ever, so a place that has them where they would be behind
 * one is no good: the entry is, though slow.
 */
static void site_settle(struct allocator_site *site, uint64_t entry)
{
	/* Calls from the interpreter are what counts, not what an allocator does for itself. */
	site->probe.inside_start = 0;
	site->probe.inside_end = 0;
	if (!site->probe.first_argument)
		return;
	site->probe.first_argument = 0;
	site->file_offset -= site->probe.address - entry;
	site->probe.address = entry;
	site->stepped = true;
}

static int site_add(struct planning *planning, const char *name, uint64_t address,
		    enum memory_call call)
{
	const struct planned_function function = {
		.name = name,
		.address = address,
		.call = call,
	};
	const size_t before = planning->plan->site_count;
	struct module *module;
	int err = planning_module(planning, address, &module);

	if (!err)
		err = planning_add(planning, &function);
	for (size_t i = before; i < planning->plan->site_count; i++)
		site_settle(&planning->plan->sites[i], address - module->bias);
	return err;
}

static bool is_named(const struct module *module, const char *name, uint64_t address)
{
	struct elf_symbol symbol = { .name = name };

	return module_symbols_find(module, true, &symbol, 1) && symbol.address == address;
}

/* What .symtab calls a maker, or what it must be a copy of. */
static const char *maker_name(const struct module *module, uint64_t address)
{
	static const char *const names[] = { "PyType_GenericAlloc", "_PyType_AllocNoTrack" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_named(module, names[i], address))
			return names[i];
	}
	return "PyType_GenericAlloc's copy";
}

/* What is made where no probe sees it, in one line. */
static void unseen_say(struct allocator_plan *plan, const struct lifetime_makers *makers)
{
	if (makers->inlined)
		snprintf(plan->unseen, sizeof(plan->unseen),
			 "%zu of %zu places that make instances have it inlined, so that these "
			 "are not seen being made",
			 makers->inlined, makers->inlined + makers->calling);
}

/* Where instances are born in a maker, else where it begins and returns. */
static int maker_add(struct planning *planning, const struct module *module, uint64_t address)
{
	const char *name = maker_name(module, address);
	struct lifetime_births births;
	int err = lifetime_births_find(module, address, &births);

	if (err == -ENOTSUP)
		return site_add(planning, name, address + module->bias, LIFETIME_MAKE);
	for (size_t i = 0; i < births.count && !err; i++) {
		const struct lifetime_birth *birth = &births.places[i];
		const struct memory_probe probe = {
			.call = LIFETIME_BIRTH,
			.object_register = birth->object,
			.object_offset = birth->object_offset,
			.type_register = birth->type,
			.items_register = birth->items,
			.address = birth->address,
		};

		err = planning_add_at(planning, module, name, &probe);
	}
	return err;
}

static int makers_add(struct planning *planning, const struct lifetime_slots *slots)
{
	struct lifetime_makers makers;
	struct module *module;
	uint64_t module_new;
	int err = planning_module(planning, slots->alloc, &module);

	if (err)
		return err;
	module_new = slots->module_new ? slots->module_new - module->bias : 0;
	err = lifetime_makers_find(module, slots->alloc - module->bias, module_new, &makers);
	for (size_t i = 0; !err && i < makers.count; i++)
		err = maker_add(planning, module, makers.addresses[i]);
	if (!err)
		unseen_say(planning->plan, &makers);
	return err;
}

static int ends_add(struct planning *planning, const struct lifetime_slots *slots)
{
	int err = site_add(planning, "subtype_dealloc", slots->dealloc, LIFETIME_END);

	return err ? err :
		     site_add(planning, "type_dealloc", slots->type_dealloc, LIFETIME_TYPE_END);
}

static void reason_set(char *reason, size_t size, const char *version, int err)
{
	if (err == -EUCLEAN)
		snprintf(reason, size,
			 "classes of this build of Python %s do not agree where instances end",
			 version);
	else if (err == -ENOENT)
		snprintf(reason, size,
			 "no class made in Python is found in this Python %s to tell where "
			 "instances end",
			 version);
	else
		snprintf(reason, size, "where instances end in Python %s cannot be told: %s",
			 version, strerror(-err));
}

int lifetime_plan_make(const struct python_process *python, struct allocator_plan *plan,
		       struct lifetime_addresses *addresses, char *reason, size_t reason_size)
{
	struct lifetime_slots slots;
	struct planning planning;
	size_t ends;
	int err = lifetime_slots_read(python, &slots);

	*plan = (struct allocator_plan){ .name = "objects" };
	if (!err)
		err = planning_begin(&planning, python, plan);
	if (err)
		goto done;
	err = ends_add(&planning, &slots);
	ends = plan->site_count;
	if (!err && makers_add(&planning, &slots)) {
		plan->site_count = ends;
		snprintf(plan->unseen, sizeof(plan->unseen),
			 "where Python %s makes instances cannot be told from its code",
			 python->version);
	}
	planning_end(&planning);
	if (!err)
		*addresses = (struct lifetime_addresses){ slots.dealloc, slots.type_dealloc };
done:
	if (err)
		reason_set(reason, reason_size, python->version, err);
	/* Whatever it is, nothing can be done without ends. */
	return err == -ESRCH || err == -EPERM || !err ? err : -ENOENT;
}

int lifetime_plan_end_add(const struct python_process *python, struct allocator_plan *plan,
			  uint64_t address)
{
	struct planning planning;
	int err = planning_begin(&planning, python, plan);

	if (err)
		return err;
	err = site_add(&planning, END_NAME, address, LIFETIME_END);
	planning_end(&planning);
	return err;
}
