// SPDX-License-Identifier: GPL-2.0-only
/* Lines on standard error. Owns the only mutable file-scope state of the program. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/text.h"

enum { LOG_FALLBACK_COLUMNS = 80, LOG_LINE_BYTES = 4096 };

static enum log_level current_level = LOG_NORMAL;
static bool live_line_shown;

void log_set_level(enum log_level level)
{
	current_level = level;
}

enum log_level log_level(void)
{
	return current_level;
}

/* One write for one line, so that lines of several processes on one terminal do not mix. */
static void log_write(const struct buffer *line)
{
	size_t done = 0;

	while (done < line->length) {
		ssize_t written = write(STDERR_FILENO, line->bytes + done, line->length - done);

		if (written <= 0)
			return; /* nobody is left to tell */
		done += written;
	}
}

/* The message made safe; cut at LOG_LINE_BYTES, which no message of ours needs. */
static void log_append_message(struct buffer *line, const char *format, va_list args)
{
	char message[LOG_LINE_BYTES];
	int length = vsnprintf(message, sizeof(message), format, args);

	if (length < 0)
		return;
	text_append_safe(line, message, strlen(message));
	if ((size_t)length >= sizeof(message))
		buffer_string(line, "...");
}

static void log_line(const char *format, va_list args)
{
	struct buffer line;

	buffer_init(&line);
	if (live_line_shown)
		buffer_string(&line, "\r\x1b[K");
	live_line_shown = false;
	buffer_string(&line, "pybpfprof: ");
	log_append_message(&line, format, args);
	buffer_byte(&line, '\n');
	log_write(&line);
	buffer_release(&line);
}

#define LOG_AT(level, format)                                                                      \
	do {                                                                                       \
		va_list args;                                                                      \
		if (current_level < (level))                                                       \
			return;                                                                    \
		va_start(args, format);                                                            \
		log_line(format, args);                                                            \
		va_end(args);                                                                      \
	} while (0)

void log_error(const char *format, ...)
{
	LOG_AT(LOG_QUIET, format);
}

void log_warn(const char *format, ...)
{
	LOG_AT(LOG_NORMAL, format);
}

void log_verbose(const char *format, ...)
{
	LOG_AT(LOG_VERBOSE, format);
}

void log_debug(const char *format, ...)
{
	LOG_AT(LOG_DEBUG, format);
}

/* A line that wraps could not be rewritten in place: never fill the last column. */
static size_t log_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
		return LOG_FALLBACK_COLUMNS - 1;
	return size.ws_col - 1;
}

void log_live(const char *format, ...)
{
	struct buffer line, message;
	va_list args;

	if (current_level < LOG_NORMAL || !isatty(STDERR_FILENO) || (!format && !live_line_shown))
		return;
	buffer_init(&line);
	buffer_init(&message);
	buffer_string(&line, "\r\x1b[K");
	if (format) {
		va_start(args, format);
		log_append_message(&message, format, args);
		va_end(args);
		if (message.length)
			text_append_fitted(&line, message.bytes, log_columns());
	}
	log_write(&line);
	live_line_shown = format != NULL;
	buffer_release(&message);
	buffer_release(&line);
}
