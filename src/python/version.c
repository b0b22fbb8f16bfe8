// SPDX-License-Identifier: GPL-2.0-only
/* The contract is in version.h. CPython: Include/patchlevel.h. */
#include "python/version.h"

#include <errno.h>
#include <stdio.h>

#include "proc/memory.h"
#include "python/dict.h"

enum {
	LEVEL_FINAL = 0xf,
	SYS_ENTRIES_MAX = 4096,
};

void version_words(uint32_t hexversion, char *out, size_t size)
{
	unsigned int level = hexversion >> 4 & 0xf;
	int length = snprintf(out, size, "%u.%u.%u", hexversion >> 24, version_minor(hexversion),
			      hexversion >> 8 & 0xff);

	if (level == LEVEL_FINAL || length < 0 || (size_t)length >= size)
		return;
	snprintf(out + length, size - (size_t)length, "%s%u",
		 level == 0xa ? "a" :
		 level == 0xb ? "b" :
				"rc",
		 hexversion & 0xf);
}

int version_check(uint32_t hexversion, char *reason, size_t size)
{
	unsigned int major = hexversion >> 24, minor = version_minor(hexversion);
	char words[16];

	version_words(hexversion, words, sizeof(words));
	if (major < 3 || (major == 3 && minor < LAYOUT_MINOR_FIRST))
		snprintf(reason, size, "Python %s is not supported (3.%d to 3.%d are)", words,
			 LAYOUT_MINOR_FIRST, LAYOUT_MINOR_LAST);
	else if (major > 3 || !layout_of(minor))
		snprintf(reason, size, "Python %u.%u is not known to this pybpfprof", major, minor);
	else if ((hexversion >> 4 & 0xf) != LEVEL_FINAL)
		snprintf(reason, size, "Python %s is a pre-release: its layout was not settled",
			 words);
	else
		return 0;
	return -ENOTSUP;
}

int version_read_sys(pid_t pid, const struct layout *layout, uint64_t interpreter,
		     uint32_t *hexversion)
{
	uint64_t dict, value;
	int err;

	if (memory_read_u64(pid, interpreter + layout->interp_sysdict, &dict))
		return -EUCLEAN;
	if (!dict)
		return -ENODATA;
	err = dict_find(pid, layout, dict, "hexversion", SYS_ENTRIES_MAX, &value);
	if (err)
		return err;
	/* Below 2^30, so a single digit. */
	return memory_read_u32(pid, value + layout->long_digits, hexversion) ? -EUCLEAN : 0;
}
