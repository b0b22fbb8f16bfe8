/* SPDX-License-Identifier: GPL-2.0-only */
/* What drops.def says of each reason, for reports. */
#ifndef PYBPFPROF_MODEL_DROPS_H
#define PYBPFPROF_MODEL_DROPS_H

#include <stdbool.h>

#include "pybpfprof/abi.h"

const char *drop_key(enum drop_reason reason);	 /* "ring_full"; NULL for DROP_NONE */
const char *drop_words(enum drop_reason reason); /* a clause for people; NULL for DROP_NONE */
bool drop_is_lost(enum drop_reason reason);	 /* else it is a partial stack */

#endif
