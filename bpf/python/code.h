/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading a code object: its head in one read, what tells it from every other code object that may
 * ever lie at the same address (its identity), and the texts that name it.
 *
 * Identity: 3.12+ gives each code object a number at birth (co_version). Before that nothing in the
 * object itself differs when a program makes, calls and frees code in a loop: the next object, its
 * name and its file name may lie at the very addresses of the last. So there the name's and the
 * file name's own hash and length are part of the identity.
 */
#ifndef PYBPFPROF_BPF_CODE_H
#define PYBPFPROF_BPF_CODE_H

#include "python/read.h"

enum {
	CODE_HEAD_BYTES = 256,
	CODE_TAIL_BYTES = 64, /* of a file name that has no hash */
};

struct code_head {
	__u64 address;
	char bytes[CODE_HEAD_BYTES];
	char tail[CODE_TAIL_BYTES];
};

static __always_inline __u64 code_field(const struct code_head *head, __u32 offset)
{
	if (offset > CODE_HEAD_BYTES - 8)
		return 0;
	return *(const __u64 *)(head->bytes + offset);
}

static __always_inline __s32 code_field32(const struct code_head *head, __u32 offset)
{
	if (offset > CODE_HEAD_BYTES - 4)
		return 0;
	return *(const __s32 *)(head->bytes + offset);
}

/*
 * 0, or the reason why this is no code object. Not a byte more is read than the farthest field needs:
 * behind the object may lie the end of the memory that is mapped.
 */
static __always_inline __u32 code_head_read(const struct python_target *target,
					    struct code_head *head, __u64 address)
{
	const struct python_layout *layout = &target->layout;
	__u64 bytes = layout->code_firsttraceable != ABI_NO_OFFSET ?
			      layout->code_firsttraceable + 4 :
			      layout->code_linetable + 8;

	head->address = address;
	BOUND(bytes, CODE_HEAD_BYTES);
	if (read_user(head->bytes, bytes, address))
		return DROP_CODE_UNREADABLE;
	if (code_field(head, target->layout.object_type) != target->code_type)
		return DROP_CODE_FORGED;
	return DROP_NONE;
}

static __always_inline __u64 identity_mix(__u64 identity, __u64 word)
{
	identity ^= word;
	identity *= 0x9e3779b97f4a7c15ull;
	return identity ^ (identity >> 29);
}

struct text_key {
	__u64 length;
	__u64 hash;
};

/* The length and hash words of a str lie side by side in every version. */
static __always_inline __u64 identity_text(const struct python_target *target,
					   struct code_head *head, __u64 identity, __u64 text)
{
	struct text_key key = {};
	__u64 *words = (__u64 *)head->tail;

	if (read_user(&key, sizeof(key), text + target->layout.unicode_length))
		return identity;
	identity = identity_mix(identity, key.length);
	identity = identity_mix(identity, key.hash);
	if (key.hash != ~0ull)
		return identity;
	/* Never hashed (file names of exec'd code are not): its last bytes stand for it. */
	text += target->layout.unicode_ascii_data;
	if (key.length >= CODE_TAIL_BYTES)
		text += key.length - CODE_TAIL_BYTES;
	else
		__builtin_memset(head->tail, 0, CODE_TAIL_BYTES);
	if (read_user(head->tail, CODE_TAIL_BYTES, text))
		return identity;
	for (__u32 i = 0; i < CODE_TAIL_BYTES / 8; i++) {
		__u64 word = words[i];

		/* Behind the end lie bytes that mean nothing. */
		if (key.length < i * 8 + 8)
			word = key.length <= i * 8 ?
				       0 :
				       word & ((1ull << ((key.length - i * 8) * 8)) - 1);
		identity = identity_mix(identity, word);
	}
	return identity;
}

static __always_inline __u64 code_identity(const struct python_target *target,
					   struct code_head *head)
{
	const struct python_layout *layout = &target->layout;
	__u64 name = code_field(head, layout->code_name);
	__u64 filename = code_field(head, layout->code_filename);
	__u64 identity = 1;

	identity = identity_mix(identity, name);
	identity = identity_mix(identity, filename);
	identity = identity_mix(identity, code_field(head, layout->code_linetable));
	identity = identity_mix(identity, (__u32)code_field32(head, layout->code_firstlineno));
	if (layout->code_version != ABI_NO_OFFSET) {
		__u32 version = code_field32(head, layout->code_version);

		/* 0: the counter has wrapped; then the texts must do. */
		if (version)
			return identity_mix(identity, version);
	}
	identity = identity_text(target, head, identity, name);
	return identity_text(target, head, identity, filename);
}

/* Reads at most `size` bytes of the str's text. 0, or DROP_NAME_UNREADABLE. */
static __always_inline __u32 code_text_read(const struct python_target *target, __u64 address,
					    struct record_text *text, char *to, __u32 size)
{
	const struct python_layout *layout = &target->layout;
	__u64 length = 0, want;
	__u32 state = 0, kind;

	__builtin_memset(text, 0, sizeof(*text));
	if (!address || read_user(&length, 8, address + layout->unicode_length) ||
	    read_user(&state, 4, address + layout->unicode_state))
		return DROP_NAME_UNREADABLE;
	kind = state >> layout->unicode_kind_shift & 7;
	if (!(state >> layout->unicode_compact_bit & 1) || (kind != 1 && kind != 2 && kind != 4))
		return DROP_NAME_UNREADABLE;
	text->ascii = state >> layout->unicode_ascii_bit & 1;
	text->length = length > 0xffffffffull ? 0xffffffffu : (__u32)length;
	want = length;
	BOUND(want, size);
	want *= kind;
	BOUND(want, size);
	address += text->ascii ? layout->unicode_ascii_data : layout->unicode_compact_data;
	if (want && read_user(to, want, address))
		return DROP_NAME_UNREADABLE;
	text->bytes = want;
	text->kind = kind;
	return DROP_NONE;
}

#endif
