// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPython 3.13. What changed since 3.12:
 * - _PyRuntime begins with _Py_DebugOffsets, which tells most of this table (debug_offsets.c reads
 *   it from the process and lets it overrule these numbers).
 * - PyThreadState.current_frame names the frame, without a _PyCFrame between.
 * - f_code became f_executable; instr_ptr points at the instruction being executed.
 * - interp->next and interp->threads lie behind 7,000 bytes of ceval state.
 * - The free-threaded build exists, with a layout of its own, which we refuse.
 */
#include "python/layout.h"

/* Written by scripts/gen-layouts from the headers of 3.13.0. */
const struct layout layout_3_13 = {
	.walk.tstate_next = 8,
	.walk.tstate_interp = 16,
	.walk.tstate_thread_id = 152,
	.walk.tstate_frame = 72,
	.walk.tstate_exception = 112,
	.walk.cframe_current_frame = ABI_NO_OFFSET,
	.walk.interp_next = 7264,
	.walk.interp_threads_head = 7344,
	.walk.runtime_interpreters_head = 632,
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
	.walk.code_firsttraceable = 184,
	.walk.code_version = 92,
	.walk.code_adaptive = 200,
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
	.runtime_tss_key = 2160,
	.interp_sysdict = 7640,
	.dict_keys = 32,
	.keys_size = ABI_NO_OFFSET,
	.keys_index_log2_bytes = 9,
	.keys_kind = 10,
	.keys_entry_count = 24,
	.keys_indices = 32,
	.long_digits = 24,
	.type_name = 24,
	.runtime_allocators = 704,
	.interp_obmalloc = 10800,
	.obmalloc_arenas = 512,
	.obmalloc_maxarenas = 520,
	.walk.unicode_kind_shift = 2,
	.walk.unicode_compact_bit = 5,
	.walk.unicode_ascii_bit = 6,
	.walk.owner_sentinel = 3,
	.walk.owner_generator = 1,
	.walk.pointer_tag_mask = 0,
	.walk.minor = 13,
	.obmalloc_inline = 0,
	.pool_bytes = 16384,
	.walk.ip_kind = PYTHON_IP_POINTER,
	.debug_bytes = 584,
	.debug = {
		{40, 24}, /* runtime_state.interpreters_head */
		{64, 48}, /* interpreter_state.next */
		{72, 48}, /* interpreter_state.threads_head */
		{96, 48}, /* interpreter_state.sysdict */
		{168, 152}, /* thread_state.next */
		{176, 152}, /* thread_state.interp */
		{184, 152}, /* thread_state.current_frame */
		{192, 152}, /* thread_state.thread_id */
		{200, 152}, /* thread_state.native_thread_id */
		{216, 152}, /* thread_state.status */
		{232, 224}, /* interpreter_frame.previous */
		{240, 224}, /* interpreter_frame.executable */
		{248, 224}, /* interpreter_frame.instr_ptr */
		{256, 224}, /* interpreter_frame.localsplus */
		{264, 224}, /* interpreter_frame.owner */
		{280, 272}, /* code_object.filename */
		{288, 272}, /* code_object.name */
		{296, 272}, /* code_object.qualname */
		{304, 272}, /* code_object.linetable */
		{312, 272}, /* code_object.firstlineno */
		{320, 272}, /* code_object.argcount */
		{328, 272}, /* code_object.localsplusnames */
		{344, 272}, /* code_object.co_code_adaptive */
		{360, 352}, /* pyobject.ob_type */
		{376, 368}, /* type_object.tp_name */
		{520, 512}, /* bytes_object.ob_size */
		{528, 512}, /* bytes_object.ob_sval */
		{544, 536}, /* unicode_object.state */
		{552, 536}, /* unicode_object.length */
	},
};
