// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.14. What changed since 3.13:
 * - f_executable is a _PyStackRef: its low bits are tags and must be cleared.
 * - Owners from FRAME_OWNED_BY_INTERPRETER (3) up are no Python frames.
 * - The frame's tail moved by 4 and 8 for stackpointer and visited/lltrace; code objects grew.
 * - 3.14.5 replaced the incremental collector: fields of an interpreter behind its gc differ by 24
 *   from 3.14.0-3.14.4. None that the walker reads; sysdict, which _Py_DebugOffsets tells.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.14.8. */
const struct layout layout_3_14 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 152,
	.walk.tstate_frame = 72,
	.walk.tstate_exception = 112,
	.walk.cframe_current_frame = ABI_NO_OFFSET,
	.walk.interp_next = 7272,
	.walk.interp_threads_head = 7344,
	.walk.runtime_interpreters_head = 808,
	.walk.frame_back = 8,
	.walk.frame_code = 0,
	.walk.frame_ip = 56,
	.walk.frame_owner = 74,
	.walk.frame_is_entry = ABI_NO_OFFSET,
	.walk.frame_localsplus = 80,
	.walk.frame_globals = 24,
	.walk.code_argcount = 52,
	.walk.code_flags = 48,
	.walk.code_firstlineno = 68,
	.walk.code_varnames = 96,
	.walk.code_filename = 112,
	.walk.code_name = 120,
	.walk.code_qualname = 128,
	.walk.code_linetable = 136,
	.walk.code_firsttraceable = 192,
	.walk.code_version = 92,
	.walk.code_adaptive = 208,
	.walk.unicode_hash = 24,
	.walk.unicode_length = 16,
	.walk.unicode_state = 32,
	.walk.unicode_ascii_data = 40,
	.walk.unicode_compact_data = 56,
	.walk.bytes_size = 16,
	.walk.bytes_data = 32,
	.walk.object_type = 8,
	.tstate_status = 32,
	.tstate_native_thread_id = 160,
	.runtime_tss_key = 2336,
	.interp_sysdict = 7672,
	.dict_keys = 32,
	.keys_size = ABI_NO_OFFSET,
	.keys_index_log2_bytes = 9,
	.keys_kind = 10,
	.keys_entry_count = 24,
	.keys_indices = 32,
	.long_digits = 24,
	.type_name = 24,
	.runtime_allocators = 880,
	.interp_obmalloc = 10904,
	.obmalloc_arenas = 512,
	.obmalloc_maxarenas = 520,
	.walk.unicode_kind_shift = 2,
	.walk.unicode_compact_bit = 5,
	.walk.unicode_ascii_bit = 6,
	.walk.owner_sentinel = 3,
	.walk.owner_generator = 1,
	.walk.pointer_tag_mask = 7,
	.walk.minor = 14,
	.obmalloc_inline = 0,
	.pool_bytes = 16384,
	.walk.ip_kind = PYTHON_IP_POINTER,
	.debug_bytes = 760,
	.debug = {
		{40, 24}, /* runtime_state.interpreters_head */
		{64, 48}, /* interpreter_state.next */
		{72, 48}, /* interpreter_state.threads_head */
		{104, 48}, /* interpreter_state.sysdict */
		{192, 176}, /* thread_state.next */
		{200, 176}, /* thread_state.interp */
		{208, 176}, /* thread_state.current_frame */
		{216, 176}, /* thread_state.thread_id */
		{224, 176}, /* thread_state.native_thread_id */
		{240, 176}, /* thread_state.status */
		{256, 248}, /* interpreter_frame.previous */
		{264, 248}, /* interpreter_frame.executable */
		{272, 248}, /* interpreter_frame.instr_ptr */
		{280, 248}, /* interpreter_frame.localsplus */
		{288, 248}, /* interpreter_frame.owner */
		{320, 312}, /* code_object.filename */
		{328, 312}, /* code_object.name */
		{336, 312}, /* code_object.qualname */
		{344, 312}, /* code_object.linetable */
		{352, 312}, /* code_object.firstlineno */
		{360, 312}, /* code_object.argcount */
		{368, 312}, /* code_object.localsplusnames */
		{384, 312}, /* code_object.co_code_adaptive */
		{408, 400}, /* pyobject.ob_type */
		{424, 416}, /* type_object.tp_name */
		{600, 592}, /* bytes_object.ob_size */
		{608, 592}, /* bytes_object.ob_sval */
		{624, 616}, /* unicode_object.state */
		{632, 616}, /* unicode_object.length */
	},
};
