// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through CPython's own probes, function__entry and function__return, where the build has
 * them and they see every call. The contract is in call_plan.h.
 */
#include <errno.h>
#include <stdio.h>

#include "python/call_plan.h"

int call_plan_usdt(const struct python_process *process, struct call_plan *out, char *reason,
		   size_t reason_size)
{
	(void)process;
	(void)out;
	snprintf(reason, reason_size, "calls cannot be seen through USDT probes yet");
	return -ENOTSUP;
}
