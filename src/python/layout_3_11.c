// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.11. What changed since 3.10:
 * - Frames are _PyInterpreterFrame structures in memory of the thread state, no objects any more;
 *   PyThreadState.cframe (on the C stack) names the current one.
 * - prev_instr points into the code object (co_code_adaptive); `owner` tells whether a generator
 *   holds the frame, `is_entry` marks the first frame of each entry into the interpreter from C.
 * - A frame before co_firsttraceable is still being set up, and is not one Python would show.
 * - Code objects were reordered and have co_qualname; line tables are location tables.
 * - Py_Version is exported. dict keys with only str keys leave out the hashes.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.11.2. */
const struct layout layout_3_11 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 152,
	.walk.tstate_frame = 56,
	.walk.tstate_exception = 96,
	.walk.cframe_current_frame = 8,
	.walk.interp_next = 0,
	.walk.interp_threads_head = 16,
	.walk.runtime_interpreters_head = 40,
	.walk.frame_back = 48,
	.walk.frame_code = 32,
	.walk.frame_ip = 56,
	.walk.frame_owner = 69,
	.walk.frame_is_entry = 68,
	.walk.frame_localsplus = 72,
	.walk.frame_globals = 8,
	.walk.code_argcount = 56,
	.walk.code_flags = 48,
	.walk.code_firstlineno = 72,
	.walk.code_varnames = 96,
	.walk.code_filename = 112,
	.walk.code_name = 120,
	.walk.code_qualname = 128,
	.walk.code_linetable = 136,
	.walk.code_firsttraceable = 168,
	.walk.code_version = ABI_NO_OFFSET,
	.walk.code_adaptive = 184,
	.walk.unicode_hash = 24,
	.walk.unicode_length = 16,
	.walk.unicode_state = 32,
	.walk.unicode_ascii_data = 48,
	.walk.unicode_compact_data = 72,
	.walk.bytes_size = 16,
	.walk.bytes_data = 32,
	.walk.object_type = 8,
	.tstate_status = ABI_NO_OFFSET,
	.tstate_native_thread_id = 160,
	.runtime_tss_key = 592,
	.interp_sysdict = 904,
	.dict_keys = 32,
	.keys_size = ABI_NO_OFFSET,
	.keys_index_log2_bytes = 9,
	.keys_kind = 10,
	.keys_entry_count = 24,
	.keys_indices = 32,
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
	.walk.owner_generator = 1,
	.walk.pointer_tag_mask = 0,
	.walk.minor = 11,
	.obmalloc_inline = 0,
	.pool_bytes = 16384,
	.walk.ip_kind = PYTHON_IP_POINTER,
};
