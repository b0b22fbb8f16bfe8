// SPDX-License-Identifier: GPL-2.0-only
/* The cache of file facts. The contract is in cache.h and python.h. */
#include "python/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map64.h"

/* A host has a few thousand executable files; an agent that sees more starts over. */
enum { CACHE_ENTRIES_MAX = 8192 };

struct cache_entry {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec mtime;
	bool is_main;
	size_t next; /* index + 1 of the next entry with the same hash; 0: none */
	struct binary binary;
};

struct python_cache {
	struct map64 *heads; /* hash -> index + 1 of the newest entry with it */
	struct cache_entry *entries;
	size_t count, capacity;
};

struct python_cache *python_cache_new(void)
{
	struct python_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->heads = map64_new();
	if (!cache->heads) {
		free(cache);
		return NULL;
	}
	return cache;
}

void python_cache_free(struct python_cache *cache)
{
	if (!cache)
		return;
	map64_free(cache->heads);
	free(cache->entries);
	free(cache);
}

static bool entry_is(const struct cache_entry *entry, const struct stat *status, bool is_main)
{
	return entry->device == status->st_dev && entry->inode == status->st_ino &&
	       entry->size == status->st_size && entry->is_main == is_main &&
	       entry->mtime.tv_sec == status->st_mtim.tv_sec &&
	       entry->mtime.tv_nsec == status->st_mtim.tv_nsec;
}

static int cache_empty(struct python_cache *cache)
{
	struct map64 *heads = map64_new();

	if (!heads)
		return -ENOMEM;
	map64_free(cache->heads);
	cache->heads = heads;
	cache->count = 0;
	return 0;
}

static struct cache_entry *entry_add(struct python_cache *cache, uint64_t hash,
				     const struct stat *status, bool is_main)
{
	struct cache_entry *entry;
	uint64_t *head;

	if (cache->count == CACHE_ENTRIES_MAX && cache_empty(cache))
		return NULL;
	if (cache->count == cache->capacity) {
		size_t capacity = cache->capacity ? cache->capacity * 2 : 64;

		entry = realloc(cache->entries, capacity * sizeof(*entry));
		if (!entry)
			return NULL;
		cache->entries = entry;
		cache->capacity = capacity;
	}
	head = map64_slot(cache->heads, hash, NULL);
	if (!head)
		return NULL;
	entry = &cache->entries[cache->count++];
	*entry = (struct cache_entry){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = status->st_size,
		.mtime = status->st_mtim,
		.is_main = is_main,
		.next = *head,
	};
	*head = cache->count;
	return entry;
}

int python_cache_binary(struct python_cache *cache, pid_t pid, const struct mapping *mapping,
			bool is_main, const struct binary **out, char *open_path,
			size_t open_path_size)
{
	struct cache_entry *entry;
	uint64_t hash, at;
	struct stat status;
	int fd, err = mapping_open(pid, mapping, &fd, open_path, open_path_size);

	if (err)
		return err;
	if (fstat(fd, &status) < 0) {
		err = -errno;
		goto done;
	}
	hash = status.st_ino ^ (uint64_t)status.st_dev << 40;
	if (map64_get(cache->heads, hash, &at)) {
		for (; at; at = entry->next) {
			entry = &cache->entries[at - 1];
			*out = &entry->binary;
			if (entry_is(entry, &status, is_main))
				goto done;
		}
	}
	err = -ENOMEM;
	entry = entry_add(cache, hash, &status, is_main);
	if (!entry)
		goto done;
	binary_read(fd, mapping->path, is_main, &entry->binary);
	*out = &entry->binary;
	err = 0;
done:
	close(fd);
	return err;
}
