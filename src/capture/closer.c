// SPDX-License-Identifier: GPL-2.0-only
/* See closer.h. A thread lives while there is something to close. */
#include "capture/closer.h"

#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* They wait for the same moment: the more of them, the sooner a host's probes are gone. */
enum { CLOSER_THREADS = 32 };

/* One of both. */
struct closer_item {
	struct closer_item *next;
	struct bpf_link *link;
	int fd;
};

struct closer {
	pthread_mutex_t mutex;
	pthread_cond_t idle; /* the last thread has ended */
	struct closer_item *first, **last;
	unsigned int thread_count;
};

struct closer *closer_new(void)
{
	struct closer *closer = calloc(1, sizeof(*closer));

	if (!closer)
		return NULL;
	pthread_mutex_init(&closer->mutex, NULL);
	pthread_cond_init(&closer->idle, NULL);
	closer->last = &closer->first;
	return closer;
}

void closer_free(struct closer *closer)
{
	if (!closer)
		return;
	closer_wait(closer);
	pthread_cond_destroy(&closer->idle);
	pthread_mutex_destroy(&closer->mutex);
	free(closer);
}

static void item_close(const struct closer_item *item)
{
	if (item->link)
		bpf_link__destroy(item->link);
	else
		close(item->fd);
}

static void *thread_run(void *arg)
{
	struct closer *closer = arg;
	struct closer_item *item;

	pthread_mutex_lock(&closer->mutex);
	while (closer->first) {
		item = closer->first;
		closer->first = item->next;
		if (!closer->first)
			closer->last = &closer->first;
		pthread_mutex_unlock(&closer->mutex);
		item_close(item);
		free(item);
		pthread_mutex_lock(&closer->mutex);
	}
	if (!--closer->thread_count)
		pthread_cond_signal(&closer->idle);
	pthread_mutex_unlock(&closer->mutex);
	return NULL;
}

/* One thread more, if it may be. False: there is none that would close anything. */
static bool thread_add(struct closer *closer)
{
	pthread_t thread;

	if (closer->thread_count >= CLOSER_THREADS)
		return true;
	if (pthread_create(&thread, NULL, thread_run, closer))
		return closer->thread_count;
	pthread_detach(thread);
	closer->thread_count++;
	return true;
}

static void item_take(struct closer *closer, const struct closer_item *what)
{
	struct closer_item *item = malloc(sizeof(*item));
	bool taken;

	if (!item) {
		item_close(what);
		return;
	}
	*item = *what;
	pthread_mutex_lock(&closer->mutex);
	taken = thread_add(closer);
	if (taken) {
		*closer->last = item;
		closer->last = &item->next;
	}
	pthread_mutex_unlock(&closer->mutex);
	if (!taken) {
		item_close(item);
		free(item);
	}
}

void closer_take_fd(struct closer *closer, int fd)
{
	item_take(closer, &(struct closer_item){ .fd = fd });
}

void closer_take_link(struct closer *closer, struct bpf_link *link)
{
	item_take(closer, &(struct closer_item){ .link = link });
}

void closer_wait(struct closer *closer)
{
	pthread_mutex_lock(&closer->mutex);
	while (closer->thread_count)
		pthread_cond_wait(&closer->idle, &closer->mutex);
	pthread_mutex_unlock(&closer->mutex);
}
