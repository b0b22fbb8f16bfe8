/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading objects that lie anywhere on the heap, several at a time where that is likely to pay.
 *
 * Objects that were made one after another mostly lie in the same page, and a read of all that lies
 * between them takes little longer than one of a single object: what is paid for is the call. So
 * each page's last visitor leaves word how many objects it wanted there and between which bounds,
 * and where there was more than one the next visitor reads that much at once. It is a guess about
 * what will be wanted, never about what is there: what one visitor has read no other one ever
 * looks at.
 */
#ifndef PYBPFPROF_BPF_PAGES_H
#define PYBPFPROF_BPF_PAGES_H

#include "python/read.h"

enum {
	PAGES_BYTES = 4096, /* of one page */
	PAGES_KNOWN = 64,   /* pages remembered, by number; a power of two */
	PAGES_WINDOWS = 4,  /* the first one is for what is read alone */
	PAGES_ROOM_BYTES = PAGES_WINDOWS * PAGES_BYTES, /* a power of two: offsets are masked */
	PAGES_SLACK_BYTES = 8, /* a word at the room's last byte is still inside the array */
};

struct page {
	__u64 number; /* address / PAGES_BYTES */
	__u64 visit;  /* the last one that came here */
	__u16 low;    /* offsets where the lowest object wanted by it starts */
	__u16 high;   /* ... and where the highest one ends */
	__u16 wanted; /* how many */
	__u16 window; /* the page's bytes from start to end are there; 0: nowhere */
	__u16 start;
	__u16 end;
};

struct pages {
	__u64 visit;		   /* grows by one for each */
	__u64 taken;		   /* windows, so far */
	__u64 held[PAGES_WINDOWS]; /* number of the page that is there */
	__u64 origin;		   /* the address whose byte would be room[0] */
	/* What is as long as the last object and starts at most near_span behind is there, too. */
	__u64 near_start;
	__u64 near_span;
	__u64 near_page; /* in known[] */
	struct page known[PAGES_KNOWN];
	char room[PAGES_ROOM_BYTES + PAGES_SLACK_BYTES];
};

/* Nothing is near. */
static __always_inline void pages_part(struct pages *pages)
{
	pages->near_start = 0;
	pages->near_span = 0;
}

static __always_inline void pages_visit(struct pages *pages)
{
	pages->visit++;
	pages_part(pages);
}

static __always_inline bool pages_near(const struct pages *pages, __u64 address)
{
	/* At 0 there is no object. */
	return address && address - pages->near_start <= pages->near_span;
}

/* What was read alone. */
static __always_inline long pages_read(struct pages *pages, __u64 address, __u64 bytes)
{
	pages->origin = address;
	BOUND(bytes, PAGES_BYTES);
	return read_user(pages->room, bytes, address);
}

static __always_inline void page_want(struct page *page, __u64 start, __u64 end)
{
	if (start < page->low)
		page->low = start;
	if (end > page->high)
		page->high = end;
	page->wanted++;
}

/* The first object that this visit wants of a page where the last one wanted several. */
static __always_inline long page_read(struct pages *pages, struct page *page, __u64 start,
				      __u64 end)
{
	__u64 window = 1 + pages->taken++ % (PAGES_WINDOWS - 1);
	__u64 address = page->number * PAGES_BYTES, bytes;

	if (start > page->low)
		start = page->low;
	if (end < page->high)
		end = page->high;
	page->start = start;
	page->end = end;
	BOUND(window, PAGES_WINDOWS - 1);
	pages->held[window] = page->number;
	pages->origin = address - window * PAGES_BYTES;
	bytes = end - start;
	BOUND(bytes, PAGES_BYTES);
	BOUND(start, PAGES_BYTES);
	if (read_user(pages->room + window * PAGES_BYTES + start, bytes, address + start))
		return -1;
	page->window = window;
	return 0;
}

static __always_inline bool page_holds(const struct pages *pages, const struct page *page,
				       __u64 start, __u64 end)
{
	return page->window && pages->held[page->window & (PAGES_WINDOWS - 1)] == page->number &&
	       start >= page->start && end <= page->end;
}

/* Objects of `bytes` in the same window need not be asked for, but told: pages_want_near(). */
static __always_inline void page_approach(struct pages *pages, const struct page *page, __u64 bytes)
{
	pages->near_start = page->number * PAGES_BYTES + page->start;
	pages->near_span = page->end - page->start - bytes;
}

static __always_inline void pages_want_near(struct pages *pages, __u64 address, __u64 bytes)
{
	__u64 start = address % PAGES_BYTES;

	page_want(&pages->known[pages->near_page % PAGES_KNOWN], start, start + bytes);
}

/* Makes `bytes` at `address` be in the room, from pages->origin on. 0, or they are unreadable. */
static __always_inline long pages_fill(struct pages *pages, __u64 address, __u64 bytes)
{
	__u64 number = address / PAGES_BYTES, start = address % PAGES_BYTES, end = start + bytes;
	__u64 slot = (number ^ number / PAGES_KNOWN) % PAGES_KNOWN;
	struct page *page = &pages->known[slot];
	bool several;

	pages_part(pages);
	pages->near_page = slot;
	if (end > PAGES_BYTES)
		return pages_read(pages, address, bytes);
	if (page->number == number && page->visit == pages->visit) {
		page_want(page, start, end);
		if (!page_holds(pages, page, start, end))
			return pages_read(pages, address, bytes);
		pages->origin = (number - page->window) * PAGES_BYTES;
		page_approach(pages, page, bytes);
		return 0;
	}
	several = page->number == number && page->wanted > 1;
	page->number = number;
	page->visit = pages->visit;
	page->window = 0;
	if (several && page_read(pages, page, start, end))
		return -1;
	page->low = PAGES_BYTES;
	page->high = 0;
	page->wanted = 0;
	page_want(page, start, end);
	if (!several)
		return pages_read(pages, address, bytes);
	page_approach(pages, page, bytes);
	return 0;
}

/* The word, or the byte, at an address that the last fill has made readable. */
static __always_inline __u64 pages_word(const struct pages *pages, __u64 address)
{
	return *(const __u64 *)(pages->room + ((address - pages->origin) & (PAGES_ROOM_BYTES - 1)));
}

static __always_inline __u32 pages_byte(const struct pages *pages, __u64 address)
{
	return *(const __u8 *)(pages->room + ((address - pages->origin) & (PAGES_ROOM_BYTES - 1)));
}

#endif
