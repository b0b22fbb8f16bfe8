// SPDX-License-Identifier: GPL-2.0-only
/* What `list`, `doctor` and --help write. Profiles are written by the renderers. */
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"

static int write_text(const char *path, const struct buffer *text)
{
	struct fs_output *output;
	int err;

	err = buffer_error(text);
	if (err)
		return err;
	err = fs_output_open(path, &output);
	if (err)
		return err;
	if (fwrite(text->bytes, 1, text->length, fs_output_stream(output)) != text->length) {
		err = errno ? -errno : -EIO;
		fs_output_abandon(output);
		return err;
	}
	return fs_output_commit(output);
}

int output_text(const char *path, const struct buffer *text)
{
	int err = text->length || buffer_error(text) ? write_text(path, text) : 0;

	if (err)
		log_error("cannot write %s: %s", path ? path : "standard output", strerror(-err));
	return err;
}

void output_json_string(struct buffer *out, const char *key, const char *value)
{
	buffer_printf(out, "\"%s\": \"", key);
	text_append_json(out, value, strlen(value));
	buffer_byte(out, '"');
}

void output_json_bool(struct buffer *out, const char *key, bool value)
{
	buffer_printf(out, "\"%s\": %s", key, value ? "true" : "false");
}
