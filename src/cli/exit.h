/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pybpfprof's exit status says. With a COMMAND and a report made, the command's own status
 * is returned instead (launch_exit_status()); a COMMAND that cannot be executed gives 127 or 126,
 * as env(1) does.
 */
#ifndef PYBPFPROF_CLI_EXIT_H
#define PYBPFPROF_CLI_EXIT_H

enum exit_status {
	EXIT_REPORT = 0,	 /* a report was made */
	EXIT_FAILED_RUNNING = 1, /* it failed while running */
	EXIT_USAGE = 2,		 /* the command line is wrong */
	EXIT_NO_TARGET = 3,	 /* no such target, no CPython, or a CPython we do not know */
	EXIT_NOT_ALLOWED = 4,	 /* the kernel or the user's rights do not allow it */
};

#endif
