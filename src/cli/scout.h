/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look at the Python that a COMMAND will run in, before it runs: an idle process of the same
 * interpreter, ours alone, from which the plan for its probes is made. So the command's own processes
 * find the probes in place.
 */
#ifndef PYBPFPROF_CLI_SCOUT_H
#define PYBPFPROF_CLI_SCOUT_H

#include "python/python.h"

struct scout;

/*
 * Starts the interpreter that argv[0] names (or its first line, for a script), or that a program such as
 * env, timeout or chroot is to run, and waits until it is up. 0 and *python as inspected; -ENOENT: the
 * command line does not name something called python; -ETIMEDOUT, -errno.
 */
int scout_start(char *const *argv, struct scout **out, struct python_process *python);
void scout_end(struct scout *scout); /* ends the process; takes NULL */

#endif
