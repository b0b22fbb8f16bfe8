// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.12. What changed since 3.11:
 * - _PyInterpreterFrame was reordered (code first, then previous); is_entry gave way to frames of
 *   owner FRAME_OWNED_BY_CSTACK, one for each entry from C, which are no Python frames.
 * - co_version identifies a code object for its whole life.
 * - str lost its cached wchar_t: data starts at 40 and 56 instead of 48 and 72.
 * - Each interpreter may have its own GIL; one OS thread may have several thread states, of which
 *   one is bound to it (_status).
 * - int keeps its digits behind lv_tag, at the same offset.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.12.1. */
const struct layout layout_3_12 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 136,
	.walk.tstate_frame = 56,
	.walk.tstate_exception = 96,
	.walk.cframe_current_frame = 0,
	.walk.interp_next = 0,
	.walk.interp_threads_head = 72,
	.walk.runtime_interpreters_head = 40,
	.walk.frame_back = 8,
	.walk.frame_code = 0,
	.walk.frame_ip = 56,
	.walk.frame_owner = 70,
	.walk.frame_is_entry = ABI_NO_OFFSET,
	.walk.frame_localsplus = 72,
	.walk.frame_globals = 24,
	.walk.code_argcount = 52,
	.walk.code_flags = 48,
	.walk.code_firstlineno = 68,
	.walk.code_varnames = 96,
	.walk.code_filename = 112,
	.walk.code_name = 120,
	.walk.code_qualname = 128,
	.walk.code_linetable = 136,
	.walk.code_firsttraceable = 176,
	.walk.code_version = 92,
	.walk.code_adaptive = 192,
	.walk.unicode_hash = 24,
	.walk.unicode_length = 16,
	.walk.unicode_state = 32,
	.walk.unicode_ascii_data = 40,
	.walk.unicode_compact_data = 56,
	.walk.bytes_size = 16,
	.walk.bytes_data = 32,
	.walk.object_type = 8,
	.tstate_status = 24,
	.tstate_native_thread_id = 144,
	.runtime_tss_key = 1544,
	.interp_sysdict = 352,
	.dict_keys = 32,
	.keys_size = ABI_NO_OFFSET,
	.keys_index_log2_bytes = 9,
	.keys_kind = 10,
	.keys_entry_count = 24,
	.keys_indices = 32,
	.long_digits = 24,
	.type_name = 24,
	.runtime_allocators = 96,
	.interp_obmalloc = 3960,
	.obmalloc_arenas = 512,
	.obmalloc_maxarenas = 520,
	.walk.unicode_kind_shift = 2,
	.walk.unicode_compact_bit = 5,
	.walk.unicode_ascii_bit = 6,
	.walk.owner_sentinel = 3,
	.walk.owner_generator = 1,
	.walk.pointer_tag_mask = 0,
	.walk.minor = 12,
	.obmalloc_inline = 1,
	.pool_bytes = 16384,
	.walk.ip_kind = PYTHON_IP_POINTER,
};
