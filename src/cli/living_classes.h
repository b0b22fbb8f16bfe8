/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classes of the processes whose objects are followed: from the number the kernel side gave one to
 * its row of the model, and how many instances of each there were by the census at both ends.
 */
#ifndef PYBPFPROF_CLI_LIVING_CLASSES_H
#define PYBPFPROF_CLI_LIVING_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"
#include "cli/config.h"
#include "cli/watch.h"
#include "model/profile.h"
#include "python/allocator.h"
#include "python/python.h"

struct living_class {
	uint32_t row;	      /* of the model */
	uint32_t extra_bytes; /* of an instance, besides what its type says */
	uint32_t process;     /* index; private */
	uint32_t serial;
	uint64_t type;
	uint64_t read_ns; /* when its name was read */
	bool in_c;	  /* makings of its instances may be unseen */
};

struct living_classes;

/* All must outlive it; profile->lifetimes is there. NULL: no memory. */
struct living_classes *living_classes_new(const struct config *config, struct capture *capture,
					  struct watch *watch, struct profile *profile);
void living_classes_free(struct living_classes *classes); /* takes NULL */

/* A process under watch, looked at by itself; `plan`, NULL: its objects are not seen. 0 or -ENOMEM. */
int living_classes_process(struct living_classes *classes, const struct python_process *python,
			   const struct allocator_plan *plan);
/* A fork: the child's classes are its parent's. 0 or -ENOMEM. */
int living_classes_fork(struct living_classes *classes, const struct record_process *record);
/* A process that ends or execs: from now on it cannot be read. */
void living_classes_ended(struct living_classes *classes, const struct record_header *header);

/* RECORD_CLASS and RECORD_CLASS_END. 0 or -ENOMEM. */
int living_classes_met(struct living_classes *classes, const struct record_class *record);
int living_classes_gone(struct living_classes *classes, const struct record_class *record);
/* By the number the kernel side gave it. NULL: no such. Borrowed until the next call of another. */
const struct living_class *living_class_of(const struct living_classes *classes, uint32_t class_id);

/* Since when its process is under watch; 0: not known. */
uint64_t living_class_since_ns(const struct living_classes *classes,
			       const struct living_class *class);

/* Those that were not counted yet: their census at the start, and the C types asked for. 0 or -ENOMEM. */
int living_classes_begin(struct living_classes *classes);
/* Of those that live: their census at the end. */
void living_classes_end(struct living_classes *classes);

/* A life, for what the censuses said: born_ns 0: before us; died_ns UINT64_MAX: alive at the end. */
void living_classes_life(struct living_classes *classes, const struct living_class *class,
			 uint64_t born_ns, uint64_t died_ns);
/* All lives were told: the model's censuses. */
void living_classes_finish(struct living_classes *classes);

#endif
