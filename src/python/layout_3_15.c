// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.15. What changed since 3.14:
 * - autoTSSkey is gone: the thread's state is in the thread-local variable _Py_tss_gilstate, which is
 *   not exported. locator.c finds it through the accessor PyGILState_GetThisThreadState.
 * - Every thread's chain of frames ends in one more sentinel, embedded in the thread state.
 * - thread_id and native_thread_id moved by 24.
 * - FRAME_OWNED_BY_CSTACK is gone; FRAME_OWNED_BY_INTERPRETER is the only sentinel owner.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.15.0. */
const struct layout layout_3_15 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 176,
	.walk.tstate_frame = 72,
	.walk.tstate_exception = 136,
	.walk.cframe_current_frame = ABI_NO_OFFSET,
	.walk.interp_next = 7264,
	.walk.interp_threads_head = 7336,
	.walk.runtime_interpreters_head = 936,
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
	.tstate_native_thread_id = 184,
	.runtime_tss_key = ABI_NO_OFFSET,
	.interp_sysdict = 7576,
	.dict_keys = 32,
	.keys_size = ABI_NO_OFFSET,
	.keys_index_log2_bytes = 9,
	.keys_kind = 10,
	.keys_entry_count = 24,
	.keys_indices = 32,
	.long_digits = 24,
	.type_name = 24,
	.runtime_allocators = 1008,
	.interp_obmalloc = 10880,
	.obmalloc_arenas = 512,
	.obmalloc_maxarenas = 520,
	.walk.unicode_kind_shift = 2,
	.walk.unicode_compact_bit = 5,
	.walk.unicode_ascii_bit = 6,
	.walk.owner_sentinel = 3,
	.walk.owner_generator = 1,
	.walk.pointer_tag_mask = 7,
	.walk.minor = 15,
	.obmalloc_inline = 0,
	.pool_bytes = 16384,
	.walk.ip_kind = PYTHON_IP_POINTER,
	.debug_bytes = 888,
	.debug = {
		{40, 24}, /* runtime_state.interpreters_head */
		{64, 48}, /* interpreter_state.next */
		{72, 48}, /* interpreter_state.threads_head */
		{104, 48}, /* interpreter_state.sysdict */
		{192, 176}, /* thread_state.next */
		{200, 176}, /* thread_state.interp */
		{208, 176}, /* thread_state.current_frame */
		{240, 176}, /* thread_state.thread_id */
		{248, 176}, /* thread_state.native_thread_id */
		{264, 176}, /* thread_state.status */
		{320, 312}, /* interpreter_frame.previous */
		{328, 312}, /* interpreter_frame.executable */
		{336, 312}, /* interpreter_frame.instr_ptr */
		{344, 312}, /* interpreter_frame.localsplus */
		{352, 312}, /* interpreter_frame.owner */
		{384, 376}, /* code_object.filename */
		{392, 376}, /* code_object.name */
		{400, 376}, /* code_object.qualname */
		{408, 376}, /* code_object.linetable */
		{416, 376}, /* code_object.firstlineno */
		{424, 376}, /* code_object.argcount */
		{432, 376}, /* code_object.localsplusnames */
		{448, 376}, /* code_object.co_code_adaptive */
		{472, 464}, /* pyobject.ob_type */
		{488, 480}, /* type_object.tp_name */
		{696, 688}, /* bytes_object.ob_size */
		{704, 688}, /* bytes_object.ob_sval */
		{720, 712}, /* unicode_object.state */
		{728, 712}, /* unicode_object.length */
	},
};
