/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel side and the user side agree on: every record of the ring buffer, every value of
 * a map, with its size asserted. Included by BPF C and by user C; nothing else is shared.
 *
 * All integers are little-endian, times are CLOCK_MONOTONIC nanoseconds, sizes are bytes,
 * pid is a process (kernel: tgid), tid a thread (kernel: pid), both in the initial pid namespace.
 */
#ifndef PYBPFPROF_ABI_H
#define PYBPFPROF_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define ABI_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed size")

enum {
	ABI_COMM_BYTES = 16,
	ABI_STACK_FRAMES = 256, /* Python frames kept of one stack: the deepest (innermost) ones */
	ABI_WALK_FRAMES = 512,	/* raw frames looked at, interpreter sentinels included */
	ABI_KERNEL_FRAMES = 64,
	ABI_NAME_BYTES = 256,
	ABI_QUALNAME_BYTES = 512,
	ABI_FILENAME_BYTES = 1024,
	ABI_LINETABLE_BYTES = 8192,
	ABI_CODE_TEXT_BYTES =
		ABI_NAME_BYTES + ABI_QUALNAME_BYTES + ABI_FILENAME_BYTES + ABI_LINETABLE_BYTES,
	ABI_USER_STACK_BYTES = 16384, /* copied for native unwinding (-n) */
	ABI_LOCATOR_STEPS = 3,
	ABI_CALL_EVENTS = 62, /* of one thread in one RECORD_CALLS */
	ABI_CALL_SITES = 1024,
	ABI_REGISTERS = 16,
};

/* An offset that a version of CPython does not have. */
#define ABI_NO_OFFSET 0xffff

enum drop_reason {
	DROP_NONE,
#define X(id, json_key, kind, words) DROP_##id,
#include "pybpfprof/drops.def"
#undef X
	DROP_COUNT
};

/* ---- what the walker must know of one CPython build: offsets in bytes ---- */

enum python_ip_kind {
	PYTHON_IP_LASTI_BYTES, /* <= 3.9: int32, bytes into the bytecode */
	PYTHON_IP_LASTI_UNITS, /* 3.10: int32, 2-byte units */
	PYTHON_IP_POINTER,     /* 3.11+: address inside co_code_adaptive */
};

struct python_layout {
	__u16 tstate_next;
	__u16 tstate_interp;
	__u16 tstate_thread_id;
	__u16 tstate_frame;	    /* the innermost frame; 3.11, 3.12: the _PyCFrame */
	__u16 tstate_exception;	    /* not 0 there while an exception is being raised */
	__u16 cframe_current_frame; /* 3.11, 3.12 only */
	__u16 interp_next;
	__u16 interp_threads_head;
	__u16 runtime_interpreters_head;

	__u16 frame_back;
	__u16 frame_code;
	__u16 frame_ip;
	__u16 frame_owner;	/* 3.11+ */
	__u16 frame_is_entry;	/* 3.11 */
	__u16 frame_localsplus; /* also: how many bytes of a frame the walker reads */
	__u16 frame_globals;

	__u16 code_argcount;
	__u16 code_flags;
	__u16 code_firstlineno;
	__u16 code_varnames; /* 3.11+: co_localsplusnames */
	__u16 code_filename;
	__u16 code_name;
	__u16 code_qualname;	   /* 3.11+ */
	__u16 code_linetable;	   /* <= 3.9: co_lnotab */
	__u16 code_firsttraceable; /* 3.11+: int, in 2-byte units */
	__u16 code_version;	   /* 3.12+: uint32, unique for each code object made */
	__u16 code_adaptive;	   /* 3.11+: where the bytecode starts, inside the object */

	__u16 unicode_hash;
	__u16 unicode_length;
	__u16 unicode_state;
	__u16 unicode_ascii_data;
	__u16 unicode_compact_data;
	__u16 bytes_size;
	__u16 bytes_data;
	__u16 object_type;

	__u8 unicode_kind_shift;
	__u8 unicode_compact_bit;
	__u8 unicode_ascii_bit;
	__u8 ip_kind;	     /* enum python_ip_kind */
	__u8 owner_sentinel; /* frame_owner >= this is no Python frame (3.12+: 3); 255: none such */
	__u8 owner_generator;  /* 1 in 3.11+ */
	__u8 pointer_tag_mask; /* bits to clear in frame->code (3.14+: 7) */
	__u8 minor;	       /* 11 for 3.11 */
};
ABI_ASSERT_SIZE(struct python_layout, 78);

/*
 * From the thread pointer (fsbase) to the current thread's PyThreadState:
 * address = fsbase; repeat steps times: address = *(address + offset[i]).
 * steps == 0: no such chain is known; search the interpreter's thread list for thread_id == fsbase.
 */
struct python_locator {
	__u32 steps;
	__s32 offset[ABI_LOCATOR_STEPS];
};
ABI_ASSERT_SIZE(struct python_locator, 16);

/* Value of the `targets` map, key pid. */
struct python_target {
	__u64 runtime;	 /* address of _PyRuntime in the process */
	__u64 code_type; /* address of PyCode_Type */
	__u32 serial;	 /* which life of this pid: never reused in one run */
	__u32 flags;	 /* enum python_target_flag */
	struct python_locator locator;
	struct python_layout layout;
	__u16 reserved;
};
ABI_ASSERT_SIZE(struct python_target, 120);

enum python_target_flag {
	/*
	 * Every end of a code object of this process is reported by a probe, so that an address
	 * seen once names the same code object until then.
	 */
	PYTHON_TARGET_DEATHS_SEEN = 1,
	/* Its calls are followed, all probes for them are in place. */
	PYTHON_TARGET_CALLS = 2,
	/* The kernel side made it a target by itself: a RECORD_PROCESS_FOUND tells. */
	PYTHON_TARGET_FOUND = 4,
	/* Its allocator's probes are in place. */
	PYTHON_TARGET_MEMORY = 8,
	/* Its collector's probes are in place. */
	PYTHON_TARGET_GC = 16,
};

/* Value of the per-CPU `stats` map. */
struct kernel_stats {
	__u64 hits;	     /* probe hits that did work for a target */
	__u64 call_hits;     /* of them, of probes on calls */
	__u64 stepped;	     /* of them, on instructions that the kernel single-steps */
	__u64 target_ns;     /* time spent in our programs while a target's thread was current */
	__u64 records;	     /* delivered */
	__u64 unknown_frees; /* of blocks that were not recorded, or not watched when they began */
	__u64 drops[DROP_COUNT];
};
ABI_ASSERT_SIZE(struct kernel_stats, 48 + 8 * DROP_COUNT);

/* ---- records ---- */

enum record_kind {
	RECORD_NONE,
	RECORD_SAMPLE,
	RECORD_CODE,
	RECORD_NATIVE,
	RECORD_PROCESS_NEW, /* in scope, on a CPU, and not classified yet */
	RECORD_PROCESS_FORK,
	RECORD_PROCESS_EXEC,
	RECORD_PROCESS_EXIT,
	RECORD_THREAD_EXIT,
	RECORD_THREAD_FREE, /* after RECORD_THREAD_EXIT: the CPU time it did not know yet */
	RECORD_CALLS,
	RECORD_CALL_STACK,
	RECORD_CALL_PROOF,
	RECORD_PROCESS_FOUND, /* a struct record_process: made a target from a python_template */
	RECORD_MEMORY,
	RECORD_MEMORY_STACK, /* a struct record_sample, numbered: before what names it */
	RECORD_PROCESS_OOM,  /* a struct record_process: the OOM killer has chosen it */
	RECORD_GC,
	RECORD_CLASS,
	RECORD_CLASS_END, /* a struct record_class: the class itself is gone */
	RECORD_LIFETIME,
	RECORD_KIND_COUNT
};

struct record_header {
	__u64 time_ns;
	__u32 pid;
	__u32 tid;
	__u32 serial; /* of the target; 0: not a known Python process */
	__u16 kind;   /* enum record_kind */
	__u16 cpu;
};
ABI_ASSERT_SIZE(struct record_header, 24);

/*
 * In record_frame.code_id: C entered the interpreter anew to run this frame, so that native frames
 * may lie between it and the next outer Python frame.
 */
#define FRAME_ENTRY_BIT 0x80000000u

struct record_frame {
	__u32 code_id; /* of an earlier RECORD_CODE, with FRAME_ENTRY_BIT; 0: unreadable */
	__s32 lasti;   /* bytes into the bytecode, negative: not started */
};
ABI_ASSERT_SIZE(struct record_frame, 8);

/* One sample: innermost frame first. Sent with only `frame_count` frames. */
struct record_sample {
	struct record_header header;
	__u16 frame_count;
	__u8 status;	 /* enum drop_reason, DROP_NONE: the stack is whole */
	__u8 has_native; /* a RECORD_NATIVE of the same tid and time went before */
	__u8 in_kernel;	 /* the sample hit kernel code */
	__u8 is_python;	 /* the thread has a Python thread state */
	__u16 reserved;
	__u32 stack_id; /* RECORD_MEMORY_STACK: its number; else 0 */
	__u32 reserved_2;
	struct record_frame frames[ABI_STACK_FRAMES];
};
ABI_ASSERT_SIZE(struct record_sample, 24 + 16 + 8 * ABI_STACK_FRAMES);

/* A str as it lies in memory: `length` code points of `kind` bytes; `bytes` of them follow. */
struct record_text {
	__u32 length;
	__u16 bytes;
	__u8 kind; /* 1, 2, 4; 0: unreadable */
	__u8 ascii;
};
ABI_ASSERT_SIZE(struct record_text, 8);

/* Sent once for each code object, before the first sample that names it. */
struct record_code {
	struct record_header header;
	__u64 code;	 /* address in the target */
	__u64 identity;	 /* what told this code object from others at that address */
	__u64 linetable; /* address of the line table's bytes */
	__u64 globals;	 /* address of the frame's globals when first seen, 0 unknown */
	/* <= 3.10, whose code objects do not know their class: 0 where there is none. */
	__u64 self;	 /* first argument of the frame it was first seen in */
	__u64 self_type; /* its type */
	__u32 code_id;
	__s32 firstlineno;
	__u32 flags;		/* co_flags */
	__u32 linetable_length; /* the whole table's bytes; those not sent must be read by address */
	__u32 linetable_bytes;	/* sent */
	__u32 reserved;
	struct record_text name_text;
	struct record_text qualname_text;
	struct record_text filename_text;
	/* Name, qualified name, file name, line table, each right behind the last; only they sent. */
	char texts[ABI_CODE_TEXT_BYTES];
};
ABI_ASSERT_SIZE(struct record_code, 24 + 48 + 24 + 24 + ABI_CODE_TEXT_BYTES);

/* Kernel addresses, user registers and a copy of the user stack's top, for -n and -k. */
struct record_native {
	struct record_header header;
	__u64 ip;
	__u64 sp;
	__u64 bp;
	__u64 rbx, r12, r13, r14, r15; /* the callee-saved rest, which unwind tables may need */
	__u32 kernel_count;
	__u32 stack_bytes; /* copied from `sp` up */
	__u64 kernel[ABI_KERNEL_FRAMES];
	char stack[ABI_USER_STACK_BYTES]; /* last: sent with only `stack_bytes` */
};
ABI_ASSERT_SIZE(struct record_native, 24 + 64 + 8 + 8 * ABI_KERNEL_FRAMES + ABI_USER_STACK_BYTES);

/* ---- exact calls ---- */

enum call_event_kind {
	CALL_ENTER,  /* a function starts */
	CALL_RESUME, /* a generator or coroutine goes on */
	CALL_THROW,  /* it goes on with an exception thrown into it */
	CALL_RETURN,
	CALL_YIELD,  /* left, to be resumed */
	CALL_UNWIND, /* left by an exception */
	CALL_LEAVE,  /* left by return or yield: the probe does not tell which */
	CALL_OFF_CPU,
	CALL_EVENT_KIND_COUNT
};

/* In call_event.code_id of a CALL_OFF_CPU. */
enum call_off_cpu {
	CALL_OFF_CPU_WAS, /* was off the CPU for `what` nanoseconds since the event before */
	CALL_OFF_CPU_GOES, /* leaves the CPU at this time; how long, a later CALL_OFF_CPU_WAS tells */
};

/*
 * One thing a thread did. `what` is the address of the frame, or for CALL_OFF_CPU nanoseconds
 * shifted left by 3; its low three bits are the kind. A leaving frame may be 0: the innermost.
 */
struct call_event {
	__u32 delta_ns; /* since record_calls.header.time_ns */
	/* Entering: of an earlier RECORD_CODE, 0 where its name was lost. Leaving: call_site.stepped. */
	__u32 code_id;
	__u64 what;
};
ABI_ASSERT_SIZE(struct call_event, 16);

static inline enum call_event_kind call_event_kind(const struct call_event *event)
{
	return (enum call_event_kind)(event->what & 7);
}

static inline __u64 call_event_frame(const struct call_event *event)
{
	return event->what & ~(__u64)7;
}

static inline __u64 call_event_off_cpu_ns(const struct call_event *event)
{
	return event->what >> 3;
}

/*
 * What one thread did, in order. Each thread numbers what it sends (this record and the next two)
 * from 0; a missing number is a lost record, and a RECORD_CALL_STACK follows. Sent with only
 * `event_count` events.
 */
struct record_calls {
	struct record_header header; /* time_ns: events count from it */
	__u32 sequence;
	__u32 event_count;
	struct call_event events[ABI_CALL_EVENTS];
};
ABI_ASSERT_SIZE(struct record_calls, 24 + 8 + 16 * ABI_CALL_EVENTS);

struct call_stack_frame {
	__u64 frame;
	__u32 code_id; /* as in record_frame, without FRAME_ENTRY_BIT */
	__s32 lasti;
};
ABI_ASSERT_SIZE(struct call_stack_frame, 16);

/*
 * The frames that are running when a thread is first heard of, or heard of again after a loss:
 * innermost first, without the frame whose entering made it be sent. They replace what was known.
 */
struct record_call_stack {
	struct record_header header;
	__u32 sequence;
	__u16 frame_count;
	__u8 status; /* enum drop_reason */
	__u8 reserved;
	struct call_stack_frame frames[ABI_STACK_FRAMES];
};
ABI_ASSERT_SIZE(struct record_call_stack, 24 + 8 + 16 * ABI_STACK_FRAMES);

/*
 * Value of the `call_sites` map, by the number a probe carries as its cookie. Registers are numbered
 * as x86-64 encodes them (rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7, r8 8, ...).
 */
#define ABI_NO_REGISTER 0xff

struct call_site {
	__u8 kind;	      /* enum call_event_kind */
	__u8 frame_register;  /* holds the frame that enters or leaves */
	__u8 ip_register;     /* tells which code object enters, and where: differs for each */
	__u8 result_register; /* leaving: 0 in it means an exception */
	__u8 throw_register;  /* entering: its low 32 bits not 0: an exception is thrown in */
	__u8 proven;	      /* 0: send RECORD_CALL_PROOF for each hit instead */
	__u8 before_link;     /* entering: the thread state does not know the frame yet */
	__u8 check_exception; /* leaving: the thread state tells whether by an exception */
	__u32 call_template;  /* number of the interpreter's; NO_TEMPLATE */
	/*
	 * Entering, where skip_mask is not 0: no function is entered if the instruction's argument says
	 * so, (argument & skip_mask) == skip_value. 3.15 has a RESUME that only makes a generator.
	 */
	__u8 opcode; /* as it lies in the bytecode, at ip_register or right before it */
	__u8 skip_mask;
	__u8 skip_value;
	__u8 stepped; /* the kernel single-steps the instruction: a hit costs twenty times as much */
	__u64 address; /* of the probed instruction in its file */
};
ABI_ASSERT_SIZE(struct call_site, 24);

#define NO_TEMPLATE 0xffffffffu
enum { ABI_TEMPLATES = 256 };

/*
 * Value of the `templates` map: what any process that runs this interpreter is, so that one in
 * scope is followed from its first call on, before user space has looked at it. Addresses are those
 * in the file: the first hit tells what to add.
 */
struct python_template {
	struct python_target target;
	__u32 known;
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct python_template, sizeof(struct python_target) + 8);

/* One hit of a site that is not proven yet, with all there is to prove it and to count it. */
struct record_call_proof {
	struct record_header header;
	__u32 sequence;
	__u32 site;
	__u64 current_frame; /* of the thread state; 0 none */
	/* Entering: the frame that enters. Leaving: what frame_register holds, if it is a frame. */
	__u64 frame;
	__u64 code; /* of `frame`, as it says; leaving: 0 if it is no code object */
	__u64 ip; /* of `frame`, the word that lies there; leaving: the frame it was called from */
	__u32 code_id;	  /* 0: what `code` points at is no code object */
	__u32 kind;	  /* enum call_event_kind, as far as it is known */
	__u64 off_cpu_ns; /* as CALL_OFF_CPU_WAS, before this hit */
	__u64 registers[ABI_REGISTERS];
};
ABI_ASSERT_SIZE(struct record_call_proof, 24 + 8 + 32 + 16 + 8 * ABI_REGISTERS);

/* ---- memory ---- */

/* What an allocator's function does, with its arguments. */
enum memory_call {
	MEMORY_MALLOC,	       /* (size); also valloc, pvalloc */
	MEMORY_CALLOC,	       /* (count, size) */
	MEMORY_REALLOC,	       /* (block, size) */
	MEMORY_REALLOCARRAY,   /* (block, count, size) */
	MEMORY_ALIGNED_ALLOC,  /* (alignment, size); also memalign */
	MEMORY_POSIX_MEMALIGN, /* (out, alignment, size) */
	MEMORY_FREE,	       /* (block); also cfree, free_sized, free_aligned_sized */
	MEMORY_MMAP,	       /* (address, length, protection, flags, fd, offset) */
	MEMORY_MUNMAP,	       /* (address, length) */
	MEMORY_MREMAP,	       /* (address, length, new length, flags) */
	MEMORY_SBRK,	       /* (increment) */
	MEMORY_START,	       /* Py_RunMain(); memory_probe.inside_start is a template's number */
	MEMORY_CALL_COUNT,
	/* --mode lifetime: CPython's own. */
	LIFETIME_MAKE =
		MEMORY_CALL_COUNT, /* (type, ...): an object of that type, alive from now on */
	LIFETIME_BIRTH,	   /* not a call: an object is there, in registers, alive from now on */
	LIFETIME_END,	   /* (object) */
	LIFETIME_TYPE_END, /* (type) */
};

enum { ABI_MEMORY_PROBES = 1024 };

/* Value of the `memory_probes` map, by the number a probe carries as its cookie. */
struct memory_probe {
	__u8 call;	     /* enum memory_call */
	__u8 first_argument; /* 1: a context comes before the arguments (CPython's own allocators) */
	/*
	 * Of LIFETIME_BIRTH: general registers, numbered as instructions do, with the object (or what
	 * lies so many bytes before it), its type, and how many items were asked for
	 * (ABI_NO_REGISTER: none ever are).
	 */
	__u8 object_register;
	__u8 object_offset;
	__u8 type_register;
	__u8 items_register;
	__u8 stepped; /* the kernel single-steps the instruction: a hit costs many times as much */
	__u8 reserved;
	__u64 address; /* of the probed instruction in its file */
	/* In its file: calls from there are the allocator's own. */
	__u64 inside_start;
	__u64 inside_end;
};
ABI_ASSERT_SIZE(struct memory_probe, 32);

/*
 * Key and value of the `memory_blocks` map: blocks that are alive and were recorded. It holds those that did
 * not find their slot free.
 */
struct memory_block_key {
	__u64 address;
	__u32 serial; /* of the process */
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct memory_block_key, 16);

enum { MEMORY_TID_BITS = 22 }; /* the kernel's PID_MAX_LIMIT */

struct memory_block {
	__u64 born_ns;	/* when it was allocated; a realloc does not change it */
	__u64 size_tid; /* bytes << MEMORY_TID_BITS | thread that allocated it last */
	__u32 stack_id;
	__u32 ordinal; /* of that thread's allocations */
};
ABI_ASSERT_SIZE(struct memory_block, 24);

static inline __u64 memory_block_size(const struct memory_block *block)
{
	return block->size_tid >> MEMORY_TID_BITS;
}

/* What the word of a slot says that has no block. */
enum memory_slot_state { MEMORY_SLOT_FREE, MEMORY_SLOT_BUSY, MEMORY_SLOT_STATES };

/* Value of the `memory_slots` map, the other blocks that are alive. */
struct memory_slot {
	__u64 word; /* enum memory_slot_state, or memory_slot_word() of its block */
	struct memory_block block;
	__u32 serial;
	__u32 spilled; /* blocks that belong here and are in `memory_blocks` */
};
ABI_ASSERT_SIZE(struct memory_slot, 8 + 24 + 8);

/* How many blocks are taken out of the kernel's list at once when their process has ended. */
enum { ABI_LEFT_BLOCKS = 1024 };

/* Done twice it gives the address back; of a block it is never as small as a state. */
static inline __u64 memory_slot_word(const struct memory_block_key *key)
{
	return key->address ^ (__u64)(key->serial ^ key->serial >> 16) << 48;
}

enum memory_event_kind {
	MEMORY_ALLOCATED,
	MEMORY_FREED,
	MEMORY_FAILED,	 /* an allocation of `size` got nothing */
	MEMORY_MAPPED,	 /* `size` at `address`; `detail`: mmap()'s flags */
	MEMORY_UNMAPPED, /* what was there from `address` on, `size` bytes */
	MEMORY_FAULTED,	 /* the page at `address` was made resident; `size`: of how many bytes */
	MEMORY_EVENT_KIND_COUNT
};

/* In record_memory.detail of a MEMORY_FAULTED: what was made resident, as the kernel counts it. */
enum memory_page_kind { MEMORY_PAGE_FILE, MEMORY_PAGE_ANONYMOUS, MEMORY_PAGE_SHARED };

/*
 * One thing that happened to memory. A realloc that succeeds is a MEMORY_FREED of the old block, if it
 * was known, and a MEMORY_ALLOCATED of the new one, both `resized` and of one time.
 */
struct record_memory {
	struct record_header header; /* of the thread that does it */
	__u64 size;
	__u64 address;
	__u64 born_ns; /* FREED, and ALLOCATED when resized: when the block was first allocated */
	/* The stack that did it; FREED: that allocated the block. Of an earlier RECORD_MEMORY_STACK. */
	__u32 stack_id; /* 0: lost */
	/* FREED: allocations of this thread since the block's own; UINT32_MAX: another thread's. */
	__u32 distance;
	__u32 detail;
	__u16 kind; /* enum memory_event_kind */
	__u16 resized;
};
ABI_ASSERT_SIZE(struct record_memory, 24 + 24 + 16);

/* ---- lifetimes ---- */

/* Key of the `lifetime_classes` map: a type of a process. */
struct lifetime_class_key {
	__u64 type;
	__u32 serial;
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct lifetime_class_key, 16);

struct lifetime_class_value {
	__u32 class_id;	  /* 0: its instances are not followed */
	__u32 bytes;	  /* of an instance; without its items */
	__u32 item_bytes; /* 0: all are of one size; else ob_size tells how many */
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct lifetime_class_value, 16);

/* Key and value of the `lifetime_objects` map: every instance made while watched, and what has ended. */
struct lifetime_object_key {
	__u64 address;
	__u32 serial;
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct lifetime_object_key, 16);

enum lifetime_object_state {
	LIFETIME_ALIVE = 1,
	LIFETIME_DEAD,	 /* told; kept so that a second end of it is known for one */
	LIFETIME_UNTOLD, /* dead, and its record was lost */
	LIFETIME_GONE,	 /* being taken out of the map */
};

struct lifetime_object {
	__u64 born_ns; /* 0: it was there before */
	__u64 died_ns;
	__u32 class_id;
	__u32 stack_id;
	__u32 bytes;
	__u32 state; /* enum lifetime_object_state */
};
ABI_ASSERT_SIZE(struct lifetime_object, 32);

enum { ABI_CLASS_NAME_BYTES = 128 };

/* In class_id: of a type made in C, which ends by a function of its own. */
#define LIFETIME_C_TYPE 0x80000000u

/* A class is met for the first time, sent before what names it; or has ended itself. */
struct record_class {
	struct record_header header;
	__u64 type;
	__u32 class_id;
	__u32 reserved;
	char name
		[ABI_CLASS_NAME_BYTES]; /* tp_name, ended by a 0: without module and outer classes */
};
ABI_ASSERT_SIZE(struct record_class, 24 + 16 + ABI_CLASS_NAME_BYTES);

enum lifetime_end_flag {
	LIFETIME_BY_COLLECTOR = 1, /* its thread ran a collection */
	LIFETIME_AGAIN = 2,	   /* it had ended before */
	LIFETIME_LATE = 4,	   /* told later than it was; time_ns is when it was */
};

/* The end of an instance, with all that is known of its life. */
struct record_lifetime {
	struct record_header header; /* of the thread that ends it */
	__u64 address;
	__u64 born_ns; /* 0: before we watched, or unseen */
	__u32 class_id;
	__u32 stack_id; /* that made it; 0: lost or unseen */
	__u32 bytes;
	__u32 flags; /* enum lifetime_end_flag */
};
ABI_ASSERT_SIZE(struct record_lifetime, 24 + 32);

/* ---- collections ---- */

enum { ABI_GC_GENERATIONS = 3, ABI_GC_SITES = 256 };

/*
 * Where a build's collector keeps its counters. Up to 3.14 a row of three structures lies in its state;
 * 3.15 has a pointer to three rings there, each with the number of its newest entry behind it.
 */
struct gc_layout {
	__u16 collector; /* its state: in the interpreter; 3.8: in _PyRuntime */
	__u16 stats;	 /* in that state */
	__u16 generations[ABI_GC_GENERATIONS]; /* where each one's entries begin */
	__u16 indexes[ABI_GC_GENERATIONS];     /* 3.15: of a byte; ABI_NO_OFFSET */
	__u16 entry_bytes;
	__u16 counts; /* in an entry: collections, collected, uncollectable, one behind the other */
	__u16 enabled;
	__u16 youngest;	 /* the youngest generation */
	__u16 threshold; /* in a generation: how many new objects it may have */
	__u16 count;	 /* has */
	__u8 entry_counts[ABI_GC_GENERATIONS]; /* of a ring; 1: there is no ring */
	__u8 by_pointer;
	__u8 in_runtime;
	__u8 reserved[3];
};
ABI_ASSERT_SIZE(struct gc_layout, 36);

/* What a generation's collections came to, all since the interpreter began. */
struct gc_counts {
	__u64 collections, collected, uncollectable;
};

enum gc_site_kind {
	GC_SITE_START, /* CPython's own probe gc__start */
	GC_SITE_DONE,  /* gc__done */
	GC_SITE_ENTER, /* the collector's function is entered; its return is probed as well */
};

/* Value of the `gc_sites` map, by the number a probe carries as its cookie. */
struct gc_site {
	__u64 address;	      /* of the probed instruction in its file */
	__u32 template_index; /* NO_TEMPLATE */
	__u32 kind;	      /* enum gc_site_kind */
	struct gc_layout layout;
	__u32 reserved;
};
ABI_ASSERT_SIZE(struct gc_site, 56);

/* Key and value of the `gc_running` map: collections that have not ended yet. */
struct gc_running_key {
	__u32 serial;
	__u32 tid;
};

struct gc_running {
	__u64 start_ns;
	__u64 sp;	 /* where the collector's function was entered; 0: by gc__start */
	__u64 collector; /* address of its state */
	struct gc_counts counts[ABI_GC_GENERATIONS];
	__u32 stack_id; /* of an earlier RECORD_MEMORY_STACK; 0: lost */
	__u32 asked;	/* see struct record_gc */
};
ABI_ASSERT_SIZE(struct gc_running, 24 + 72 + 8);

enum { GC_GENERATION_UNKNOWN = 255 };

/* A collection that has ended. */
struct record_gc {
	struct record_header header; /* of the thread that collected, when it had */
	__u64 start_ns; /* 0: it began before that could be seen; the next two are then 0 as well */
	__u64 collected; /* objects */
	__u64 uncollectable;
	__u64 collector; /* address of its state: each interpreter has its own from 3.9 on */
	__u64 collections[ABI_GC_GENERATIONS]; /* of each generation so far, this one included */
	__u32 stack_id;			       /* where it began; as in struct gc_running */
	__u8 generation;		       /* GC_GENERATION_UNKNOWN */
	__u8 asked; /* not because of the number of new objects: gc.collect(), the interpreter's end */
	__u16 reserved;
};
ABI_ASSERT_SIZE(struct record_gc, 24 + 32 + 24 + 8);

struct record_process {
	struct record_header header; /* pid: the process meant (for a fork, the child) */
	__u32 parent_pid;
	__u32 parent_serial;
	__s32 exit_code; /* as waitpid() gives it; RECORD_PROCESS_EXIT only */
	__u32 reserved;
	__u64 cpu_ns;	/* RECORD_THREAD_EXIT: CPU time of the thread's whole life */
	__u64 start_ns; /* CLOCK_BOOTTIME at which the thread started */
	__u64 maxrss;	/* RECORD_PROCESS_EXIT: pages that were resident at most; 0: not known */
	char comm[ABI_COMM_BYTES];
};
ABI_ASSERT_SIZE(struct record_process, 24 + 16 + 24 + ABI_COMM_BYTES);

#endif
