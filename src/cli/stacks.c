// SPDX-License-Identifier: GPL-2.0-only
/*
 * See stacks.h. Native frames come in a record of their own, ahead of the stack they belong to and from
 * the same CPU; they wait for it in a slot of that CPU.
 */
#include "cli/stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolve/codes.h"
#include "resolve/native.h"

enum { NATIVE_FRAMES_MAX = 256, CPUS_MAX = 4096 };

struct native_frame {
	uint32_t frame; /* of the profile */
	bool is_eval;	/* stands for Python frames */
};

/* Innermost first: kernel frames, then user frames. */
struct native_stack {
	struct native_frame frames[ABI_KERNEL_FRAMES + NATIVE_FRAMES_MAX];
	uint32_t count;
	uint32_t tid;
	uint64_t time_ns;
	bool complete;
};

struct stacks {
	struct watch *watch;
	struct profile *profile;
	struct codes *codes;
	struct native_resolver *resolver;
	struct native_stack **native_by_cpu;
	bool native;
	struct meter_stack stack;
	struct told_stack *told; /* by number */
	size_t told_count;
};

struct stacks *stacks_new(struct watch *watch, struct profile *profile, bool native)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return NULL;
	stacks->watch = watch;
	stacks->profile = profile;
	stacks->native = native;
	stacks->codes = codes_new(profile);
	stacks->resolver = native_resolver_new();
	stacks->native_by_cpu = calloc(CPUS_MAX, sizeof(struct native_stack *));
	if (!stacks->codes || !stacks->resolver || !stacks->native_by_cpu) {
		stacks_free(stacks);
		return NULL;
	}
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	codes_free(stacks->codes);
	native_resolver_free(stacks->resolver);
	for (size_t cpu = 0; stacks->native_by_cpu && cpu < CPUS_MAX; cpu++)
		free(stacks->native_by_cpu[cpu]);
	free(stacks->native_by_cpu);
	free(stacks->told);
	free(stacks);
}

struct codes *stacks_codes(struct stacks *stacks)
{
	return stacks->codes;
}

/* ---- native and kernel frames ---- */

static uint32_t symbol_frame(struct stacks *stacks, const struct native_symbol *symbol,
			     uint64_t address, enum frame_kind kind)
{
	struct profile *profile = stacks->profile;
	const char *base = strrchr(symbol->object, '/');
	struct profile_function function = {
		.kind = kind,
		.module = profile_string(profile, base ? base + 1 : symbol->object),
		.file = profile_string(profile, *symbol->file ? symbol->file : symbol->object),
	};
	char unknown[32];
	uint32_t index;

	if (*symbol->name) {
		function.name = profile_string(profile, symbol->name);
	} else {
		snprintf(unknown, sizeof(unknown), "[0x%llx]", (unsigned long long)address);
		function.name = profile_string(profile, unknown);
	}
	index = profile_add_function(profile, &function);
	return index == PROFILE_NONE ? PROFILE_NONE :
				       profile_add_frame(profile, index, symbol->line);
}

static struct native_stack *native_slot(struct stacks *stacks, unsigned int cpu)
{
	if (cpu >= CPUS_MAX)
		return NULL;
	if (!stacks->native_by_cpu[cpu])
		stacks->native_by_cpu[cpu] = calloc(1, sizeof(struct native_stack));
	return stacks->native_by_cpu[cpu];
}

static int native_push(struct stacks *stacks, struct native_stack *stack, pid_t pid,
		       uint64_t address, enum frame_kind kind)
{
	struct native_symbol symbol = { .name = "", .object = "", .file = "" };
	struct native_frame *frame = &stack->frames[stack->count];

	if (kind == FRAME_KERNEL)
		native_kernel_symbol_of(stacks->resolver, address, &symbol);
	else
		native_symbol_of(stacks->resolver, pid, address, &symbol);
	frame->is_eval = kind == FRAME_NATIVE && symbol.is_eval;
	/* A stripped file keeps the names of what it exports only. */
	if (!*symbol.name || !strcmp(symbol.name, "[unknown]"))
		stacks->profile->unresolved++;
	frame->frame = symbol_frame(stacks, &symbol, address, kind);
	if (frame->frame == PROFILE_NONE)
		return -ENOMEM;
	stack->count++;
	return 0;
}

static int on_native(struct stacks *stacks, const struct record_native *record)
{
	struct native_stack *stack = native_slot(stacks, record->header.cpu);
	const struct native_registers registers = {
		.ip = record->ip,
		.sp = record->sp,
		.bp = record->bp,
		.rbx = record->rbx,
		.r12 = record->r12,
		.r13 = record->r13,
		.r14 = record->r14,
		.r15 = record->r15,
	};
	uint64_t ips[NATIVE_FRAMES_MAX];
	size_t count = 0;
	int error = 0;

	if (!stack)
		return -ENOMEM;
	stack->count = 0;
	stack->tid = record->header.tid;
	stack->time_ns = record->header.time_ns;
	stack->complete = true;
	for (uint32_t i = 0; i < record->kernel_count && !error; i++)
		error = native_push(stacks, stack, record->header.pid, record->kernel[i],
				    FRAME_KERNEL);
	if (error || !stacks->native)
		return error;
	if (native_unwind(stacks->resolver, record->header.pid, &registers, record->stack,
			  record->stack_bytes, ips, NATIVE_FRAMES_MAX, &count, &stack->complete))
		stack->complete = false;
	for (size_t i = 0; i < count && !error; i++)
		/* A return address may be the first byte of the next function. */
		error = native_push(stacks, stack, record->header.pid, ips[i] - (i > 0),
				    FRAME_NATIVE);
	return error;
}

/* ---- samples ---- */

static int on_code(struct stacks *stacks, const struct record_code *code)
{
	const struct watched_process *watched = watch_process(stacks->watch, code->header.serial);
	struct codes_process process;

	if (!watched)
		return 0;
	process.pid = watched->pid;
	process.minor = watched->minor;
	return codes_add(stacks->codes, code, &process);
}

static int note_push(struct stacks *stacks, const char *note)
{
	uint32_t frame = codes_note(stacks->codes, note);

	if (frame == PROFILE_NONE)
		return -ENOMEM;
	meter_stack_push(&stacks->stack, frame);
	return 0;
}

static int python_push(struct stacks *stacks, const struct record_frame *frame, bool *named)
{
	uint32_t code_id = frame->code_id & ~FRAME_ENTRY_BIT;
	bool known = false;
	uint32_t index;

	if (!code_id) {
		stacks->profile->unresolved++;
		*named = false;
		return note_push(stacks, "[unreadable name]");
	}
	index = codes_frame(stacks->codes, code_id, frame->lasti, &known);
	if (index == PROFILE_NONE)
		return -ENOMEM;
	if (!known) {
		stacks->profile->unresolved++;
		*named = false;
	}
	meter_stack_push(&stacks->stack, index);
	return 0;
}

/*
 * Python frames from *next up to the one C entered the interpreter for: those that one native
 * frame of the evaluation loop stands for.
 */
static int python_push_group(struct stacks *stacks, const struct record_sample *sample,
			     uint32_t *next, bool *named)
{
	int error = 0;

	while (*next < sample->frame_count && !error) {
		const struct record_frame *frame = &sample->frames[(*next)++];

		error = python_push(stacks, frame, named);
		if (frame->code_id & FRAME_ENTRY_BIT)
			break;
	}
	return error;
}

static const struct native_stack *native_of(struct stacks *stacks,
					    const struct record_sample *sample)
{
	struct native_stack *stack = NULL;

	if (sample->has_native == 1 && sample->header.cpu < CPUS_MAX)
		stack = stacks->native_by_cpu[sample->header.cpu];
	if (stack && (stack->tid != sample->header.tid || stack->time_ns != sample->header.time_ns))
		stack = NULL;
	if (sample->has_native && !stack)
		stacks->profile->partial[DROP_NATIVE_LOST]++;
	else if (stack && !stack->complete)
		stacks->profile->partial[DROP_NATIVE_CUT]++;
	return stack;
}

static int stack_push_all(struct stacks *stacks, const struct record_sample *sample)
{
	const struct native_stack *native = native_of(stacks, sample);
	uint32_t next = 0;
	bool named = true;
	int error = 0;

	for (uint32_t i = 0; native && i < native->count && !error; i++) {
		if (native->frames[i].is_eval && next < sample->frame_count)
			error = python_push_group(stacks, sample, &next, &named);
		else
			meter_stack_push(&stacks->stack, native->frames[i].frame);
	}
	while (next < sample->frame_count && !error)
		error = python_push(stacks, &sample->frames[next++], &named);
	if (!named && sample->status == DROP_NONE)
		stacks->profile->partial[DROP_NAME_LOST]++;
	return error;
}

/* What the reader of a stack must know of it; NULL: a name may be missing, but every frame is there. */
static const char *status_note(const struct record_sample *sample, bool empty)
{
	switch (sample->status) {
	case DROP_NONE:
		if (!empty)
			return NULL;
		return sample->is_python ? "[no Python frame]" : "[thread without Python]";
	case DROP_NAME_UNREADABLE:
	case DROP_NAME_LOST:
		return NULL;
	case DROP_STACK_CUT:
		return "[stack cut]";
	default:
		return "[unreadable frames]";
	}
}

int stacks_of(struct stacks *stacks, const struct record_sample *sample,
	      const struct meter_stack **out)
{
	const char *note;
	int error;

	stacks->stack.count = 0;
	error = stack_push_all(stacks, sample);
	if (sample->status != DROP_NONE)
		stacks->profile->partial[sample->status]++;
	note = status_note(sample, !stacks->stack.count);
	if (note && !error)
		error = note_push(stacks, note);
	*out = &stacks->stack;
	return error;
}

/* ---- stacks by number ---- */

static int told_reach(struct stacks *stacks, uint32_t stack_id)
{
	size_t count = 2 * (size_t)stack_id + 64;
	struct told_stack *told;

	if (stack_id < stacks->told_count)
		return 0;
	told = reallocarray(stacks->told, count, sizeof(*told));
	if (!told)
		return -ENOMEM;
	for (size_t i = stacks->told_count; i < count; i++)
		told[i] = (struct told_stack){ .thread = PROFILE_NONE };
	stacks->told = told;
	stacks->told_count = count;
	return 0;
}

static int on_told(struct stacks *stacks, const struct record_sample *record)
{
	struct told_stack told = {
		.thread = watch_thread(stacks->watch, record->header.serial, record->header.tid,
				       record->header.time_ns),
		.serial = record->header.serial,
	};
	const struct meter_stack *stack;
	int error;

	if (told.thread == PROFILE_NONE) {
		/* Its process was never announced: the announcement was lost. */
		stacks->profile->lost[DROP_RECORD_MALFORMED]++;
		return 0;
	}
	error = stacks_of(stacks, record, &stack);
	if (!error)
		error = told_reach(stacks, record->stack_id);
	if (error)
		return error;
	told.node = stacks_node(stacks->profile, stack);
	if (told.node == PROFILE_NONE)
		return -ENOMEM;
	stacks->told[record->stack_id] = told;
	return 0;
}

const struct told_stack *stacks_told(const struct stacks *stacks, uint32_t stack_id)
{
	if (stack_id >= stacks->told_count || stacks->told[stack_id].thread == PROFILE_NONE)
		return NULL;
	return &stacks->told[stack_id];
}

int stacks_event(struct stacks *stacks, const struct event *event)
{
	switch (event->kind) {
	case RECORD_MEMORY_STACK:
		return on_told(stacks, event->sample);
	case RECORD_CODE:
		return on_code(stacks, event->code);
	case RECORD_NATIVE:
		return on_native(stacks, event->native);
	case RECORD_PROCESS_EXEC:
	case RECORD_PROCESS_EXIT:
		native_resolver_forget(stacks->resolver, event->header->pid);
		return 0;
	default:
		return 0;
	}
}

uint32_t stacks_node(struct profile *profile, const struct meter_stack *stack)
{
	uint32_t node = 0;

	for (uint32_t i = stack->count; i-- > 0 && node != PROFILE_NONE;)
		node = profile_add_stack(profile, node, stack->frames[i]);
	return node;
}
