// SPDX-License-Identifier: GPL-2.0-only
/*
 * The native resolver: ties together processes, the files they have mapped, rows and names, and
 * keeps the answers. What is kept is bounded; when a bound is met, answers are worked out anew.
 * The contract is in native.h.
 */
#include "resolve/native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/intern.h"
#include "base/map64.h"
#include "resolve/native_code.h"
#include "resolve/native_kernel.h"
#include "resolve/native_module.h"
#include "resolve/native_process.h"
#include "resolve/native_unwind.h"

enum {
	ANSWERS_MAX = 1 << 16,
	NAMES_MAX_BYTES = 64 << 20, /* a hostile process could make up names without end */
	PROCESSES_MAX = 1 << 15,
	KERNEL_REREAD_SECONDS = 10,
	KERNEL_READ_BYTES = 64 << 10,
	ANSWER_ADDRESS_BITS = 40,
};

#define UNKNOWN_NAME "[unknown]"
#define KERNEL_OBJECT "[kernel]"

/* A symbol whose strings are ids. */
struct answer {
	uint32_t name, object, file;
	int32_t line;
	bool is_eval;
};

/* Answers by key, in an array that the map points into. */
struct answers {
	struct map64 *index;
	struct answer *items;
	size_t count, capacity;
};

struct native_resolver {
	struct map64 *processes; /* pid -> struct native_process */
	struct native_modules modules;
	struct native_rows rows;
	struct intern *strings;
	size_t strings_bytes;
	struct answers user, system;
	struct native_kernel *kernel; /* NULL: not read yet, or it tells nothing */
	uint64_t kernel_read_ns;
	int kernel_error;
};

static uint64_t now_get(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- answers ---- */

static void answers_release(struct answers *answers)
{
	map64_free(answers->index);
	free(answers->items);
	*answers = (struct answers){ 0 };
}

static const struct answer *answers_get(const struct answers *answers, uint64_t key)
{
	uint64_t index;

	if (!answers->index || !map64_get(answers->index, key, &index))
		return NULL;
	return &answers->items[index];
}

/* Best effort: what cannot be kept is worked out again. */
static void answers_put(struct answers *answers, uint64_t key, const struct answer *answer)
{
	uint64_t *slot;

	if (answers->count >= ANSWERS_MAX)
		answers_release(answers);
	if (!answers->index)
		answers->index = map64_new();
	if (!answers->index)
		return;
	if (answers->count == answers->capacity) {
		size_t capacity = answers->capacity ? 2 * answers->capacity : 256;
		struct answer *grown = realloc(answers->items, capacity * sizeof(*grown));

		if (!grown)
			return;
		answers->items = grown;
		answers->capacity = capacity;
	}
	slot = map64_slot(answers->index, key, NULL);
	if (!slot)
		return;
	*slot = answers->count;
	answers->items[answers->count++] = *answer;
}

/* 0, the empty string, when there is no room for one more. */
static uint32_t string_keep(struct native_resolver *resolver, const char *bytes, size_t length)
{
	uint32_t before = intern_count(resolver->strings);
	uint32_t id;

	if (length == 0 || resolver->strings_bytes > NAMES_MAX_BYTES)
		return 0;
	id = intern_add(resolver->strings, bytes, length);
	if (id == UINT32_MAX)
		return 0;
	if (id >= before)
		resolver->strings_bytes += length + 64; /* about what an entry costs */
	return id;
}

static void symbol_fill(const struct native_resolver *resolver, const struct answer *answer,
			struct native_symbol *out)
{
	*out = (struct native_symbol){
		.name = answer->name ? intern_get(resolver->strings, answer->name) : UNKNOWN_NAME,
		.object = intern_get(resolver->strings, answer->object),
		.file = intern_get(resolver->strings, answer->file),
		.line = answer->line,
		.is_eval = answer->is_eval,
	};
}

/* ---- the resolver ---- */

struct native_resolver *native_resolver_new(void)
{
	struct native_resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver)
		return NULL;
	resolver->processes = map64_new();
	resolver->strings = intern_new();
	if (!resolver->processes || !resolver->strings || native_rows_init(&resolver->rows))
		goto fail;
	return resolver;
fail:
	native_resolver_free(resolver);
	return NULL;
}

static int process_drop(uint64_t pid, uint64_t process, void *arg)
{
	(void)pid;
	(void)arg;
	native_process_free((struct native_process *)(uintptr_t)process, 0);
	return 0;
}

void native_resolver_free(struct native_resolver *resolver)
{
	if (!resolver)
		return;
	if (resolver->processes)
		map64_each(resolver->processes, process_drop, NULL);
	map64_free(resolver->processes);
	native_modules_release(&resolver->modules);
	native_rows_release(&resolver->rows);
	intern_free(resolver->strings);
	answers_release(&resolver->user);
	answers_release(&resolver->system);
	native_kernel_free(resolver->kernel);
	free(resolver);
}

void native_resolver_forget(struct native_resolver *resolver, pid_t pid)
{
	uint64_t now_ns = now_get(), process;

	if (map64_get(resolver->processes, (uint64_t)pid, &process)) {
		native_process_free((struct native_process *)(uintptr_t)process, now_ns);
		map64_remove(resolver->processes, (uint64_t)pid);
	}
	native_modules_trim(&resolver->modules, now_ns, false);
}

static struct native_process *process_get(struct native_resolver *resolver, pid_t pid)
{
	struct native_process *process;
	uint64_t *slot, value;

	if (map64_get(resolver->processes, (uint64_t)pid, &value))
		return (struct native_process *)(uintptr_t)value;
	/* Only a caller that never forgets comes this far: start over. */
	if (map64_count(resolver->processes) >= PROCESSES_MAX) {
		map64_each(resolver->processes, process_drop, NULL);
		map64_free(resolver->processes);
		resolver->processes = map64_new();
		if (!resolver->processes)
			return NULL;
	}
	process = native_process_new(pid);
	slot = process ? map64_slot(resolver->processes, (uint64_t)pid, NULL) : NULL;
	if (!slot) {
		native_process_free(process, 0);
		return NULL;
	}
	*slot = (uintptr_t)process;
	return process;
}

/* ---- user stacks ---- */

struct unwinding {
	struct native_resolver *resolver;
	struct native_process *process;
	uint64_t now_ns;
	struct native_range *range; /* the last one met: callers are mostly in the same file */
};

static struct native_range *unwinding_range(struct unwinding *unwinding, uint64_t address, int *err)
{
	struct native_resolver *resolver = unwinding->resolver;
	struct native_range *range = unwinding->range;

	*err = 0;
	if (range && address >= range->start && address < range->end)
		return range;
	*err = native_process_find(unwinding->process, &resolver->modules, resolver->strings,
				   address, unwinding->now_ns, &range);
	if (*err)
		range = NULL;
	unwinding->range = range;
	return range;
}

/* One step outwards. 1: there is a caller; 0: that was the outermost; -errno: the trail is lost. */
static int unwinding_step(struct unwinding *unwinding, struct native_frame_state *frame,
			  const struct native_stack_copy *stack)
{
	uint64_t ip = frame->registers[NATIVE_RA];
	uint64_t look = frame->is_exact ? ip : ip - 1;
	const struct native_row *row;
	struct native_range *range;
	bool popped = false;
	int err;

	range = unwinding_range(unwinding, look, &err);
	if (!range || !range->module)
		return err ? err : -ENOENT;
	row = frame->is_exact ? native_rows_get_near(&unwinding->resolver->rows, range->module,
						     look - range->bias) :
				native_rows_get(&unwinding->resolver->rows, range->module,
						look - range->bias);
	if (!(row->flags & NATIVE_ROW_KNOWN))
		return -ENOENT;
	if (row->flags & NATIVE_ROW_OUTERMOST)
		return 0;
	if (frame->is_exact && native_frame_is_below(frame, row, stack))
		popped = native_code_is_epilogue(&range->module->elf, look - range->bias);
	if (!native_frame_step(frame, row, stack, popped))
		return -ENOENT;
	return frame->registers[NATIVE_RA] ? 1 : 0;
}

/*
 * Whether what a step gave can be a return address: right behind a call, or the trampoline that a
 * signal handler returns to, which nothing calls. Code that no file holds cannot be checked.
 */
static bool return_is_plausible(struct unwinding *unwinding, const struct native_frame_state *frame,
				int *err)
{
	uint64_t look = frame->registers[NATIVE_RA] - (frame->is_exact ? 0 : 1);
	struct native_range *range = unwinding_range(unwinding, look, err);
	const struct native_row *row;

	if (!range)
		return false;
	if (frame->is_exact || !range->module)
		return true;
	row = native_rows_get(&unwinding->resolver->rows, range->module, look - range->bias);
	return row->flags & (NATIVE_ROW_CALLED | NATIVE_ROW_SIGNAL | NATIVE_ROW_OUTERMOST);
}

int native_unwind(struct native_resolver *resolver, pid_t pid,
		  const struct native_registers *registers, const void *stack, size_t stack_bytes,
		  uint64_t *ips, size_t ips_size, size_t *count, bool *complete)
{
	const struct native_stack_copy copy = { stack, registers->sp, stack_bytes };
	struct unwinding unwinding = { .resolver = resolver, .now_ns = now_get() };
	struct native_frame_state frame;
	size_t found = 0;
	int more = 1, err = 0;

	unwinding.process = process_get(resolver, pid);
	if (!unwinding.process)
		return -ENOMEM;
	native_frame_start(&frame, registers);
	unwinding_range(&unwinding, registers->ip, &err);
	if (err)
		return err;
	while (more > 0 && found < ips_size) {
		if (found > 0 && !return_is_plausible(&unwinding, &frame, &err)) {
			more = -ENOENT;
			break;
		}
		ips[found++] = frame.registers[NATIVE_RA];
		more = unwinding_step(&unwinding, &frame, &copy);
	}
	if (err == -ENOMEM || more == -ENOMEM)
		return -ENOMEM;
	*count = found;
	*complete = more == 0;
	return 0;
}

/* ---- names ---- */

static void answer_make(struct native_resolver *resolver, struct native_module *module,
			uint64_t address, struct answer *answer)
{
	struct buffer name, file;

	buffer_init(&name);
	buffer_init(&file);
	native_module_name(module, address, &name, &answer->is_eval);
	native_module_line(module, address, &file, &answer->line);
	answer->name = string_keep(resolver, name.bytes ? name.bytes : "", name.length);
	answer->file = string_keep(resolver, file.bytes ? file.bytes : "", file.length);
	buffer_release(&name);
	buffer_release(&file);
}

int native_symbol_of(struct native_resolver *resolver, pid_t pid, uint64_t address,
		     struct native_symbol *symbol)
{
	struct native_process *process = process_get(resolver, pid);
	struct answer answer = { 0 };
	const struct answer *known;
	struct native_range *range;
	uint64_t in_file, key;
	int err;

	if (!process)
		return -ENOMEM;
	err = native_process_find(process, &resolver->modules, resolver->strings, address,
				  now_get(), &range);
	if (err)
		return err;
	if (!range)
		return -ENOENT;
	answer.object = range->path;
	if (!range->module) {
		symbol_fill(resolver, &answer, symbol);
		return 0;
	}
	in_file = address - range->bias;
	key = (uint64_t)range->module->serial << ANSWER_ADDRESS_BITS | in_file;
	known = answers_get(&resolver->user, key);
	if (known && in_file >> ANSWER_ADDRESS_BITS == 0) {
		answer = *known;
		answer.object = range->path;
	} else {
		answer_make(resolver, range->module, in_file, &answer);
		if (in_file >> ANSWER_ADDRESS_BITS == 0)
			answers_put(&resolver->user, key, &answer);
	}
	symbol_fill(resolver, &answer, symbol);
	return 0;
}

/* Read anew when it lacks an address: modules and BPF programs come and go. */
static void kernel_read(struct native_resolver *resolver, uint64_t now_ns)
{
	FILE *symbols, *modules;

	native_kernel_free(resolver->kernel);
	resolver->kernel_read_ns = now_ns;
	resolver->kernel_error = -ENOMEM;
	resolver->kernel = native_kernel_new();
	if (!resolver->kernel)
		return;
	resolver->kernel_error = -ENOENT;
	symbols = fopen("/proc/kallsyms", "re");
	if (symbols) {
		setvbuf(symbols, NULL, _IOFBF, KERNEL_READ_BYTES);
		resolver->kernel_error = native_kernel_read(resolver->kernel, symbols);
		fclose(symbols);
	}
	modules = fopen("/proc/modules", "re"); /* missing in a kernel built without modules */
	if (modules) {
		native_kernel_read_modules(resolver->kernel, modules);
		fclose(modules);
	}
}

static int kernel_answer_make(struct native_resolver *resolver, uint64_t address,
			      struct answer *answer)
{
	const char *name, *module;
	struct buffer object;
	int err;

	err = native_kernel_find(resolver->kernel, address, &name, &module);
	if (err)
		return err;
	buffer_init(&object);
	buffer_printf(&object, "[%s]", *module ? module : "kernel");
	answer->name = string_keep(resolver, name, strlen(name));
	answer->object = string_keep(resolver, object.bytes ? object.bytes : "", object.length);
	buffer_release(&object);
	return 0;
}

int native_kernel_symbol_of(struct native_resolver *resolver, uint64_t address,
			    struct native_symbol *symbol)
{
	const struct answer *known = answers_get(&resolver->system, address);
	uint64_t now_ns;
	struct answer answer = { 0 };
	int err;

	if (known) {
		symbol_fill(resolver, known, symbol);
		return 0;
	}
	now_ns = now_get();
	err = resolver->kernel && !resolver->kernel_error ?
		      kernel_answer_make(resolver, address, &answer) :
		      -ENOENT;
	if (err &&
	    (!resolver->kernel_read_ns ||
	     now_ns - resolver->kernel_read_ns > (uint64_t)KERNEL_REREAD_SECONDS * 1000000000)) {
		kernel_read(resolver, now_ns);
		if (!resolver->kernel_error)
			err = kernel_answer_make(resolver, address, &answer);
	}
	if (err) {
		*symbol = (struct native_symbol){ KERNEL_OBJECT, KERNEL_OBJECT, "", 0, false };
		return resolver->kernel_error ? resolver->kernel_error : err;
	}
	answers_put(&resolver->system, address, &answer);
	symbol_fill(resolver, &answer, symbol);
	return 0;
}
