// SPDX-License-Identifier: GPL-2.0-only
/* What reports of lifetimes say around their numbers. */
#include "base/text.h"
#include "render/closing.h"
#include "render/format.h"
#include "render/memory_words.h"

enum { NAMED_MAX = 3 }; /* classes named in a note */

void closing_append_lifetime_summary(struct buffer *out, const struct profile *profile)
{
	const struct lifetimes *lifetimes = profile->lifetimes;

	memory_append_text(out, profile, profile->mode);
	buffer_string(out, MEMORY_DOT);
	format_ns(out, profile->duration_ns);
	buffer_string(out, MEMORY_DOT);
	memory_append_counted(out, lifetimes->created, "object");
	buffer_string(out, " made" MEMORY_DOT);
	memory_append_count(out, lifetimes->destroyed + lifetimes->destroyed_before);
	buffer_string(out, " ended\n");
}

static void append_string_note(struct buffer *out, const struct profile *profile, uint32_t note)
{
	if (!note)
		return;
	buffer_string(out, "note: ");
	memory_append_text(out, profile, note);
	buffer_byte(out, '\n');
}

static void append_class(struct buffer *out, const struct profile *profile,
			 const struct lifetime_class *row)
{
	if (row->module) {
		memory_append_text(out, profile, row->module);
		buffer_byte(out, '.');
	}
	memory_append_text(out, profile, row->name);
}

static void append_estimate(struct buffer *out, const struct lifetimes *lifetimes)
{
	uint32_t sampled = 0;

	for (uint32_t i = 0; i < lifetimes->class_count; i++)
		sampled += lifetimes->classes[i].sampled;
	if (!sampled || lifetimes->sample_one_in < 2)
		return;
	buffer_string(out, "estimates: of ");
	memory_append_counted(out, sampled, "class");
	buffer_string(out, " one object in ");
	memory_append_count(out, lifetimes->sample_one_in);
	buffer_string(out, " was followed, its whole life: their counts and sizes, marked ~, are "
			   "multiplied by that; ages are those of the objects followed\n");
}

static void append_before(struct buffer *out, const struct lifetimes *lifetimes)
{
	bool one = lifetimes->destroyed_before == 1;

	if (!lifetimes->destroyed_before)
		return;
	buffer_string(out, "note: ");
	memory_append_counted(out, lifetimes->destroyed_before, "object");
	buffer_printf(out,
		      " that ended %s made before we looked, or unseen: of %s age a bound is "
		      "known at best (>=)\n",
		      one ? "was" : "were", one ? "its" : "their");
}

static void append_unseen(struct buffer *out, const struct lifetimes *lifetimes)
{
	uint32_t unseen = 0, uncounted = 0;

	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		const struct lifetime_class *row = &lifetimes->classes[i];
		int64_t growth;

		if (row->births != LIFETIME_BIRTHS_NONE ||
		    !(row->created || row->destroyed || row->destroyed_before))
			continue;
		unseen++;
		uncounted += !lifetime_growth(row, &growth);
	}
	if (!unseen)
		return;
	buffer_string(out, "note: of ");
	memory_append_counted(out, unseen, "class");
	buffer_string(out, " no probe sees objects being made: what was created is what ended and "
			   "what the two censuses differ by, ages are not known");
	if (uncounted) {
		buffer_string(out, "; of ");
		memory_append_count(out, uncounted);
		buffer_string(out, " there is no census either");
	}
	buffer_byte(out, '\n');
}

/* A class whose numbers are estimates need not come out to the last object. */
static void append_imbalance(struct buffer *out, const struct profile *profile)
{
	const struct lifetimes *lifetimes = profile->lifetimes;
	uint32_t classes = 0;
	uint64_t objects = 0;
	struct buffer named;

	buffer_init(&named);
	for (uint32_t i = 0; i < lifetimes->class_count; i++) {
		const struct lifetime_class *row = &lifetimes->classes[i];
		int64_t off = lifetime_imbalance(row);
		uint64_t by = off < 0 ? -(uint64_t)off : (uint64_t)off;

		if (!off || (row->sampled && lifetimes->sample_one_in > 1))
			continue;
		objects += by;
		if (classes++ >= NAMED_MAX)
			continue;
		buffer_string(&named, classes > 1 ? ", " : ": ");
		append_class(&named, profile, row);
		buffer_printf(&named, " %c", off < 0 ? '-' : '+');
		memory_append_count(&named, by);
	}
	if (classes && !buffer_error(&named)) {
		buffer_string(out, "note: the balance of ");
		memory_append_counted(out, classes, "class");
		buffer_string(out, " does not come out, by ");
		memory_append_counted(out, objects, "object");
		buffer_string(out,
			      " (created less ended, against the change between the censuses)");
		buffer_string(out, named.bytes);
		buffer_string(out, classes > NAMED_MAX ? ", \xe2\x80\xa6\n" : "\n");
	}
	buffer_release(&named);
}

static void append_again(struct buffer *out, const struct lifetimes *lifetimes)
{
	uint64_t again = 0;

	for (uint32_t i = 0; i < lifetimes->class_count; i++)
		again += lifetimes->classes[i].again;
	if (!again)
		return;
	buffer_string(out, "note: ");
	memory_append_counted(out, again, "end");
	buffer_string(out, " came a second time, after __del__ had brought the object back or its "
			   "end had been put off; each object counts once\n");
}

void closing_append_lifetime_notes(struct buffer *out, const struct profile *profile)
{
	const struct lifetimes *lifetimes = profile->lifetimes;

	append_estimate(out, lifetimes);
	append_string_note(out, profile, lifetimes->births_note);
	append_unseen(out, lifetimes);
	append_before(out, lifetimes);
	append_string_note(out, profile, lifetimes->census_note);
	append_imbalance(out, profile);
	append_again(out, lifetimes);
}
