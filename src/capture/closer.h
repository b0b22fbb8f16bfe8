/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Closes links of probes in threads of its own: the kernel waits for a twentieth of a second or two at each,
 * until nobody can be in its program any more, while the records of other processes must be drained. The probes
 * themselves are gone at the beginning of that wait.
 */
#ifndef PYBPFPROF_CAPTURE_CLOSER_H
#define PYBPFPROF_CAPTURE_CLOSER_H

struct bpf_link;
struct closer;

struct closer *closer_new(void);	 /* NULL: out of memory */
void closer_free(struct closer *closer); /* waits for all; takes NULL */

/* Take over what they are given; where memory or threads lack, they close it at once. */
void closer_take_fd(struct closer *closer, int fd);
void closer_take_link(struct closer *closer, struct bpf_link *link);
/* Until all that was taken is closed. */
void closer_wait(struct closer *closer);

#endif
