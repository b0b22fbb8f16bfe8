// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.8, the oldest version this program knows. What to know of it:
 * - Frames are heap objects (PyFrameObject) linked by f_back from PyThreadState.frame; a suspended
 *   generator's frame is not in the chain. f_lasti counts bytes.
 * - Lines come from co_lnotab; there is no qualified name in a code object.
 * - _PyRuntime is exported, but has no section of its own and does not tell the version.
 * - The thread state is in the pthread key _PyRuntime.gilstate.autoTSSkey.
 * - PyGC_Head became two words (3.7: three and a long double); nothing here depends on it.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.8.18. */
const struct layout layout_3_8 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 176,
	.walk.tstate_frame = 24,
	.walk.tstate_exception = 88,
	.walk.cframe_current_frame = ABI_NO_OFFSET,
	.walk.interp_next = 0,
	.walk.interp_threads_head = 8,
	.walk.runtime_interpreters_head = 32,
	.walk.frame_back = 24,
	.walk.frame_code = 32,
	.walk.frame_ip = 104,
	.walk.frame_owner = ABI_NO_OFFSET,
	.walk.frame_is_entry = ABI_NO_OFFSET,
	.walk.frame_localsplus = 360,
	.walk.frame_globals = 48,
	.walk.code_argcount = 16,
	.walk.code_flags = 36,
	.walk.code_firstlineno = 40,
	.walk.code_varnames = 72,
	.walk.code_filename = 104,
	.walk.code_name = 112,
	.walk.code_qualname = ABI_NO_OFFSET,
	.walk.code_linetable = 120,
	.walk.code_firsttraceable = ABI_NO_OFFSET,
	.walk.code_version = ABI_NO_OFFSET,
	.walk.code_adaptive = ABI_NO_OFFSET,
	.walk.unicode_hash = 24,
	.walk.unicode_length = 16,
	.walk.unicode_state = 32,
	.walk.unicode_ascii_data = 48,
	.walk.unicode_compact_data = 72,
	.walk.bytes_size = 16,
	.walk.bytes_data = 32,
	.walk.object_type = 8,
	.tstate_status = ABI_NO_OFFSET,
	.tstate_native_thread_id = ABI_NO_OFFSET,
	.runtime_tss_key = 1392,
	.interp_sysdict = 72,
	.dict_keys = 32,
	.keys_size = 8,
	.keys_index_log2_bytes = ABI_NO_OFFSET,
	.keys_kind = ABI_NO_OFFSET,
	.keys_entry_count = 32,
	.keys_indices = 40,
	.long_digits = 24,
	.type_name = 24,
	.runtime_allocators = ABI_NO_OFFSET,
	.interp_obmalloc = ABI_NO_OFFSET,
	.obmalloc_arenas = ABI_NO_OFFSET,
	.obmalloc_maxarenas = ABI_NO_OFFSET,
	.walk.unicode_kind_shift = 2,
	.walk.unicode_compact_bit = 5,
	.walk.unicode_ascii_bit = 6,
	.walk.owner_sentinel = 255,
	.walk.owner_generator = 255,
	.walk.pointer_tag_mask = 0,
	.walk.minor = 8,
	.obmalloc_inline = 0,
	.pool_bytes = 4096,
	.walk.ip_kind = PYTHON_IP_LASTI_BYTES,
};
