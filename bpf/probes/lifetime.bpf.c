/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instances of classes: a return probe on each function that hands one out, a probe where they end. What
 * was made is kept here, by address: an end tells the whole life in one record, a making sends nothing.
 *
 * What has ended stays in the map, marked: an end can come twice, where __del__ brings the instance back
 * or where CPython puts a deep structure's end off, and only a making makes it alive again. User space
 * has the marked ones taken out when they become many.
 */
#include "core/account.h"
#include "core/collecting.h"
#include "core/lifetime_classes.h"
#include "core/place.h"
#include "core/registers.h"
#include "core/session.h"
#include "core/target.h"

#include <bpf/bpf_tracing.h>

/* Of C's types, addresses whose hash is below are followed: 2^32 for all. Whole lives are in or out. */
const volatile __u64 lifetime_hash_below = 1ull << 32;

enum {
	OBJECT_TYPE = 8,  /* ob_type */
	OBJECT_SIZE = 16, /* ob_size */
	ITEMS_MAX = 1 << 28,
	LIFETIME_PENDING = 4, /* calls in progress of one thread; a power of two */
};

/* A call that is to hand out an instance and has not come back yet. */
struct lifetime_pending {
	__u64 sp;    /* on entry: tells it from others */
	__u64 inner; /* what a call from inside it has handed out last */
	struct lifetime_class_value class;
	__u32 serial;
	__u32 reserved;
};

struct lifetime_task {
	__u32 depth;
	__u32 reserved;
	struct target_memo target; /* its process */
	struct lifetime_class_memo classes[LIFETIME_CLASS_MEMOS];
	struct lifetime_pending pending[LIFETIME_PENDING];
	struct place_memo memo;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct lifetime_task);
} lifetime_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_MEMORY_PROBES);
	__type(key, __u32);
	__type(value, struct memory_probe);
} lifetime_probes SEC(".maps");

/* Room is taken as instances come; max_entries is tuned before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct lifetime_object_key);
	__type(value, struct lifetime_object);
} lifetime_objects SEC(".maps");

/* Put into the map in all, and taken out: user space looks when to sweep. */
__u64 lifetime_kept, lifetime_swept;

static __always_inline bool lifetime_followed(__u64 address)
{
	__u32 hash = (address >> 4) * MEMORY_HASH_FACTOR >> 32;

	return hash < lifetime_hash_below;
}

/* ---- objects ---- */

static __always_inline long lifetime_send(const struct lifetime_object *object, __u64 address,
					  __u64 now_ns, __u32 serial, __u32 flags)
{
	struct record_lifetime record = {
		.address = address,
		.born_ns = object->born_ns,
		.class_id = object->class_id,
		.stack_id = object->stack_id,
		.bytes = object->bytes,
		.flags = flags,
	};
	bool wakes = !(now_ns >> 4 & 15) && ring_is_filling();

	header_fill(&record.header, RECORD_LIFETIME, now_ns, serial);
	return bpf_ringbuf_output(&records, &record, sizeof(record),
				  wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void lifetime_told(struct lifetime_object *object, __u64 address,
					  __u64 now_ns, __u32 serial, __u32 flags)
{
	object->died_ns = now_ns;
	object->state = LIFETIME_DEAD;
	/* At the end of the run, or when its place is used again, it is told once more. */
	if (lifetime_send(object, address, now_ns, serial, flags))
		object->state = LIFETIME_UNTOLD;
}

static __always_inline __u32 lifetime_bytes(const struct lifetime_class_value *class, __u64 address)
{
	__u64 items = 0;

	if (!class->item_bytes || read_user(&items, 8, address + OBJECT_SIZE))
		return class->bytes;
	/* An int has its sign there. */
	if ((__s64)items < 0)
		items = -items;
	if (items > ITEMS_MAX)
		return class->bytes;
	return class->bytes + items * class->item_bytes;
}

/* The object at `address` is alive from now on, of so many bytes. */
static __always_inline void lifetime_made(__u64 address, const struct lifetime_class_value *class,
					  __u32 bytes, struct lifetime_task *task, __u64 now_ns,
					  const struct python_target *target)
{
	struct lifetime_object_key key = { .address = address, .serial = target->serial };
	struct lifetime_object *object = bpf_map_lookup_elem(&lifetime_objects, &key);
	struct lifetime_object fresh = {
		.born_ns = now_ns,
		.class_id = class->class_id,
		.state = LIFETIME_ALIVE,
		.bytes = bytes,
	};

	fresh.stack_id = place_stack_id(target, &task->memo);
	if (object && object->state == LIFETIME_ALIVE)
		/* It has ended where we do not look. */
		lifetime_told(object, address, now_ns, target->serial, 0);
	if (object && object->state == LIFETIME_UNTOLD &&
	    lifetime_send(object, address, object->died_ns, target->serial, LIFETIME_LATE))
		drop(DROP_LIFETIME_EVENTS);
	if (object && __sync_val_compare_and_swap(&object->state, LIFETIME_DEAD, LIFETIME_ALIVE) !=
			      LIFETIME_GONE) {
		*object = fresh;
		return;
	}
	if (object)
		bpf_map_delete_elem(&lifetime_objects, &key);
	else
		__sync_fetch_and_add(&lifetime_kept, 1);
	if (bpf_map_update_elem(&lifetime_objects, &key, &fresh, BPF_ANY))
		drop(DROP_LIFETIME_TABLE_FULL);
}

/* One that was there before, or was made unseen: from here on it is known that it has ended. */
static __always_inline void lifetime_ended_first(const struct memory_probe *probe, __u64 bias,
						 __u64 address, __u64 now_ns, __u32 serial,
						 __u32 flags)
{
	struct lifetime_object_key key = { .address = address, .serial = serial };
	struct lifetime_object object = { .died_ns = now_ns, .state = LIFETIME_DEAD };
	const struct lifetime_class_value *class;
	__u64 type;

	if (read_user(&type, 8, address + OBJECT_TYPE))
		return;
	class = lifetime_class(type, probe, bias, serial);
	if (!class || !class->class_id ||
	    !(class->class_id & LIFETIME_C_TYPE) != !probe->first_argument)
		return;
	object.class_id = class->class_id;
	object.bytes = lifetime_bytes(class, address);
	if (lifetime_send(&object, address, now_ns, serial, flags))
		drop(DROP_LIFETIME_EVENTS);
	if (bpf_map_update_elem(&lifetime_objects, &key, &object, BPF_ANY))
		drop(DROP_LIFETIME_TABLE_FULL);
	else
		__sync_fetch_and_add(&lifetime_kept, 1);
}

static __always_inline void lifetime_ended(const struct memory_probe *probe, __u64 bias,
					   __u64 address, __u64 now_ns, __u32 serial)
{
	struct lifetime_object_key key = { .address = address, .serial = serial };
	struct lifetime_object *object = bpf_map_lookup_elem(&lifetime_objects, &key);
	__u32 flags = collecting_here() ? LIFETIME_BY_COLLECTOR : 0;

	if (!object) {
		lifetime_ended_first(probe, bias, address, now_ns, serial, flags);
		return;
	}
	/* A C type's own end follows that of a Python class that is derived from it. */
	if (!(object->class_id & LIFETIME_C_TYPE) != !probe->first_argument)
		return;
	if (object->state == LIFETIME_ALIVE)
		lifetime_told(object, address, now_ns, serial, flags);
	else if (lifetime_send(object, address, now_ns, serial, flags | LIFETIME_AGAIN))
		drop(DROP_LIFETIME_EVENTS);
}

/* ---- calls ---- */

static __always_inline struct lifetime_task *lifetime_task(__u64 flags)
{
	return bpf_task_storage_get(&lifetime_tasks, bpf_get_current_task_btf(), 0, flags);
}

/* The call number `depth` that is in progress; see pending_at() of memory.bpf.c for the barrier. */
static __always_inline struct lifetime_pending *lifetime_pending_at(struct lifetime_task *task,
								    __u32 depth)
{
	barrier_var(depth);
	return &task->pending[depth & (LIFETIME_PENDING - 1)];
}

/* Its return is awaited from now on. */
static __always_inline bool lifetime_begin(struct pt_regs *ctx, struct lifetime_task *task,
					   const struct lifetime_class_value *class, __u32 serial)
{
	struct lifetime_pending *pending;
	__u32 depth;

	/* Those that were left by a jump or an exec: the stack has gone back to where it was before. */
	depth = task->depth;
	for (__u32 i = 0; i < LIFETIME_PENDING && depth; i++) {
		pending = lifetime_pending_at(task, depth - 1);
		if (pending->sp > ctx->sp && pending->serial == serial)
			break;
		depth--;
	}
	if (depth >= LIFETIME_PENDING) {
		drop(DROP_LIFETIME_EVENTS);
		return false;
	}
	pending = lifetime_pending_at(task, depth);
	pending->sp = ctx->sp;
	pending->inner = 0;
	pending->class = *class;
	pending->serial = serial;
	task->depth = depth + 1;
	return true;
}

/* An object has just been given its type; how many items it has is not written into it yet. */
static __always_inline void lifetime_born(struct pt_regs *ctx, const struct memory_probe *probe,
					  struct lifetime_task *task, __u64 bias,
					  const struct python_target *target)
{
	__u64 address = register_get(ctx, probe->object_register) + probe->object_offset;
	__u64 type = register_get(ctx, probe->type_register), items = 0;
	const struct lifetime_class_value *class =
		lifetime_class_memo(task->classes, type, probe, bias, target->serial);

	if (!class || !class->class_id ||
	    (class->class_id & LIFETIME_C_TYPE && !lifetime_followed(address)))
		return;
	if (class->item_bytes)
		items = register_get(ctx, probe->items_register);
	if (items > ITEMS_MAX)
		items = 0;
	lifetime_made(address, class, class->bytes + items * class->item_bytes, task,
		      bpf_ktime_get_ns(), target);
}

/* Whether what is made is of a type whose instances are followed. */
static __always_inline bool lifetime_entered(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct memory_probe *probe = bpf_map_lookup_elem(&lifetime_probes, &index);
	struct lifetime_task *task = lifetime_task(BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 start_ns = account_hit(), object = ctx->di, bias;
	const struct lifetime_class_value *class;
	const struct python_target *target;
	bool awaited = false;

	if (!task)
		drop(DROP_LIFETIME_EVENTS);
	if (!probe || !task)
		return false;
	account_stepped(probe);
	target = target_memo_get(&task->target);
	if (!target)
		return false;
	bias = ctx->ip - probe->address;
	if (probe->call == LIFETIME_BIRTH) {
		lifetime_born(ctx, probe, task, bias, target);
	} else if (probe->call == LIFETIME_MAKE) {
		class = lifetime_class_memo(task->classes, object, probe, bias, target->serial);
		awaited = class && class->class_id &&
			  lifetime_begin(ctx, task, class, target->serial);
	} else if (probe->call == LIFETIME_TYPE_END) {
		lifetime_class_ended(object, target->serial);
	} else if (!probe->first_argument || lifetime_followed(object)) {
		lifetime_ended(probe, bias, object, bpf_ktime_get_ns(), target->serial);
	}
	account_end(start_ns);
	return awaited;
}

/* The call that comes back now, taken off; NULL: it is not awaited. */
static __always_inline struct lifetime_pending *lifetime_end_find(struct pt_regs *ctx,
								  struct lifetime_task *task)
{
	struct lifetime_pending *pending;
	__u32 depth = task->depth;

	for (__u32 i = 0; i < LIFETIME_PENDING && depth; i++, depth--) {
		pending = lifetime_pending_at(task, depth - 1);
		/* It lies where the return address was, which is gone by now. */
		if (pending->sp != ctx->sp - 8)
			continue;
		task->depth = depth - 1;
		return pending;
	}
	return NULL;
}

/* A function has handed out `address`. */
static __always_inline void lifetime_handed_out(struct pt_regs *ctx, struct lifetime_task *task,
						__u64 address)
{
	const struct lifetime_pending *pending = lifetime_end_find(ctx, task);
	const struct python_target *target;
	bool known;

	if (!pending)
		return;
	/* One function hands out what another one, called by it, has made. */
	known = pending->inner == address;
	if (task->depth)
		lifetime_pending_at(task, task->depth - 1)->inner = address;
	target = target_memo_get(&task->target);
	if (known || !address || !target || target->serial != pending->serial ||
	    (pending->class.class_id & LIFETIME_C_TYPE && !lifetime_followed(address)))
		return;
	lifetime_made(address, &pending->class, lifetime_bytes(&pending->class, address), task,
		      bpf_ktime_get_ns(), target);
}

static __always_inline void lifetime_left(struct pt_regs *ctx)
{
	struct lifetime_task *task = lifetime_task(0);
	__u64 start_ns = account_hit();

	if (task)
		lifetime_handed_out(ctx, task, ctx->ax);
	account_end(start_ns);
}

SEC("?uprobe")
int lifetime__enter(struct pt_regs *ctx)
{
	lifetime_entered(ctx);
	return 0;
}

SEC("?uretprobe")
int lifetime__leave(struct pt_regs *ctx)
{
	lifetime_left(ctx);
	return 0;
}

/* Written by user space: returns are awaited for nothing, to see what they cost. */
volatile bool lifetime_awaits_all;

/* Both in one, where the kernel has such links (6.13): what is not followed then costs one trap. */
SEC("?uprobe")
int lifetime__session(struct pt_regs *ctx)
{
	if (session_is_return(ctx)) {
		lifetime_left(ctx);
		return 0;
	}
	if (lifetime_entered(ctx) || lifetime_awaits_all)
		return 0;
	return 1;
}

/* The interpreter is up and about to run its program: from here on its stacks can be read. */
SEC("?uprobe")
int lifetime__start(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	const struct memory_probe *probe = bpf_map_lookup_elem(&lifetime_probes, &index);

	if (probe && !target_get())
		target_found(ctx->ip - probe->address, probe->inside_start);
	return 0;
}

/* ---- sweeping ---- */

/* Written by user space: what has ended before may be taken out. */
__u64 lifetime_sweep_before_ns;

static long lifetime_sweep_one(void *map, struct lifetime_object_key *key,
			       struct lifetime_object *object, void *unused)
{
	(void)unused;
	if (object->state != LIFETIME_DEAD || object->died_ns >= lifetime_sweep_before_ns)
		return 0;
	/* Who makes an object there at this very moment sees it, and puts a new one in. */
	if (__sync_val_compare_and_swap(&object->state, LIFETIME_DEAD, LIFETIME_GONE) !=
	    LIFETIME_DEAD)
		return 0;
	bpf_map_delete_elem(map, key);
	__sync_fetch_and_add(&lifetime_swept, 1);
	return 0;
}

/* Run by user space, not by any probe. */
SEC("?raw_tp")
int lifetime__sweep(void *ctx)
{
	(void)ctx;
	bpf_for_each_map_elem(&lifetime_objects, lifetime_sweep_one, NULL, 0);
	return 0;
}
