// SPDX-License-Identifier: GPL-2.0-only
/* The dispatch table's way of seeing calls: CPython 3.11 and later. */
#include <errno.h>
#include <stdio.h>

#include "python/call_plan.h"

int call_plan_dispatch(const struct python_process *process, struct call_plan *out, char *reason,
		       size_t reason_size)
{
	(void)out;
	snprintf(reason, reason_size, "Python %s: no dispatch table was found", process->version);
	return -ENOTSUP;
}
