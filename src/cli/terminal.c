// SPDX-License-Identifier: GPL-2.0-only
/* Terminals: is it one, how wide, does it know colours. */
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TERMINAL_FALLBACK_COLUMNS = 80 };

bool terminal_is(int fd)
{
	return isatty(fd) == 1;
}

uint32_t terminal_columns(int fd)
{
	struct winsize size;

	if (!terminal_is(fd))
		return 0;
	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return TERMINAL_FALLBACK_COLUMNS;
	return size.ws_col;
}

bool terminal_color(int fd, bool no_color)
{
	const char *kind = getenv("TERM");

	return !no_color && terminal_is(fd) && kind && *kind && strcmp(kind, "dumb") != 0;
}
