// SPDX-License-Identifier: GPL-2.0-only
/* --help: narrow, whole, and silent on what is not built. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/help.h"
#include "cli/options.h"
#include "render/render.h"

Test(help, lines_fit_into_79_columns)
{
	for (int command = 0; command < COMMAND_COUNT; command++) {
		struct buffer help;
		char *save = NULL;

		buffer_init(&help);
		help_append(&help, command);
		for (char *line = strtok_r(help.bytes, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			cr_expect_leq(text_width(line), 79, "too long: '%s'", line);
		buffer_release(&help);
	}
}

Test(help, tells_every_option_of_the_command)
{
	for (int command = 0; command < COMMAND_COUNT; command++) {
		struct buffer help;

		buffer_init(&help);
		help_append(&help, command);
		for (size_t i = 0; option_at(i); i++) {
			const struct option_entry *option = option_at(i);
			/* Commands may have options of one name that are not the same. */
			const struct option_entry *own = option_by_name(
				option->name, strlen(option->name), (enum command_id)command);
			bool expected = own && own->group != OPTION_GROUP_HIDDEN;
			char name[64];

			/* As the list of options has it, not as an example may. */
			snprintf(name, sizeof(name), "%c%c%s--%s", option->letter ? '-' : ' ',
				 option->letter ? option->letter : ' ',
				 option->letter ? ", " : "  ", option->name);
			cr_expect_eq(strstr(help.bytes, name) != NULL, expected, "%s in help %d",
				     name, command);
		}
		buffer_release(&help);
	}
}

Test(help, does_not_advertise_what_is_not_built)
{
	static const char *const words[] = {
		"pybpfprof report", "pybpfprof diff", "pybpfprof top", "pybpfprof dump",
		"pybpfprof agent",  "pybpfprof case", "  trace",       "  gil",
		"  wall",	    "--record",
	};
	struct buffer help;

	buffer_init(&help);
	help_append(&help, COMMAND_PROFILE);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect_null(strstr(help.bytes, words[i]), "'%s'", words[i]);
	buffer_release(&help);
}

Test(help, tells_every_format)
{
	struct buffer help;

	buffer_init(&help);
	help_append(&help, COMMAND_PROFILE);
	for (size_t i = 0; renderer_at(i); i++)
		cr_expect(strstr(help.bytes, renderer_at(i)->name), "%s", renderer_at(i)->name);
	buffer_release(&help);
}
