/* SPDX-License-Identifier: GPL-2.0-only */
/* The version, said once: --version, reports and JSON read it here. */
#ifndef PYBPFPROF_VERSION_H
#define PYBPFPROF_VERSION_H

#define PYBPFPROF_VERSION "0.1.0"

#endif
