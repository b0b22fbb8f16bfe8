// SPDX-License-Identifier: GPL-2.0-only
/* Which way a process's calls are seen. The contract is in call_plan.h. */
#include "python/call_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static const struct {
	const char *name;
	int (*plan)(const struct python_process *process, struct call_plan *out, char *reason,
		    size_t reason_size);
} ways[CALL_WAY_COUNT] = {
	[CALL_WAY_USDT] = { "usdt", call_plan_usdt },
	[CALL_WAY_EVAL] = { "eval", call_plan_eval },
	[CALL_WAY_DISPATCH] = { "dispatch", call_plan_dispatch },
};

const char *call_way_name(enum call_way way)
{
	return ways[way].name;
}

static void plan_log(const struct python_process *process, const struct call_plan *plan)
{
	static const char *const kinds[CALL_EVENT_KIND_COUNT] = {
		"enter", "resume", "throw", "return", "yield", "unwind", "leave", "off-cpu",
	};

	for (size_t i = 0; i < plan->site_count; i++) {
		const struct call_plan_site *site = &plan->sites[i];

		log_debug("process %d: %s %s at 0x%llx (%s), frame in %d, ip in %d%s",
			  (int)process->pid, call_way_name(plan->way), site->name,
			  (unsigned long long)site->file_offset, kinds[site->site.kind],
			  (int8_t)site->site.frame_register, (int8_t)site->site.ip_register,
			  site->site.before_link ? ", before the link" : "");
	}
}

int call_plan_make(const struct python_process *process, enum call_way way, struct call_plan *out,
		   char *reason, size_t reason_size)
{
	struct call_plan *plan = out;
	int err;

	if (process->verdict != PYTHON_KNOWN) {
		snprintf(reason, reason_size, "%s", process->reason);
		return -ENOTSUP;
	}
	memset(plan, 0, sizeof(*plan));
	plan->way = way;
	err = ways[way].plan(process, plan, reason, reason_size);
	if (err)
		log_debug("process %d: %s: %s", (int)process->pid, call_way_name(way), reason);
	else
		plan_log(process, plan);
	return err;
}

/*
 * The dispatch table comes first where a version has one: while function__entry and function__return
 * are armed, CPython itself looks up the file, the name and the line for every call.
 */
int call_plan_choose(const struct python_process *process, struct call_plan *out, char *reason,
		     size_t reason_size)
{
	static const enum call_way order[] = { CALL_WAY_DISPATCH, CALL_WAY_USDT, CALL_WAY_EVAL };
	char line[256], first[256] = "";
	int err = -ENOTSUP;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		err = call_plan_make(process, order[i], out, line, sizeof(line));
		if (!err)
			return 0;
		if (err != -ENOTSUP) {
			snprintf(reason, reason_size, "%s", line);
			return err;
		}
		/* For a version with a table, what is wrong with it is what is worth saying. */
		if (!first[0] || process->target.layout.minor < 11)
			snprintf(first, sizeof(first), "%s", line);
	}
	snprintf(reason, reason_size, "%s", first);
	return err;
}
