// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through _PyEval_EvalFrameDefault, which CPython 3.8 to 3.10 enters once for every call. The
 * contract is in call_plan.h.
 */
#include <errno.h>
#include <stdio.h>

#include "python/call_plan.h"

int call_plan_eval(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size)
{
	(void)process;
	(void)out;
	snprintf(reason, reason_size, "calls cannot be seen at the evaluation function yet");
	return -ENOTSUP;
}
