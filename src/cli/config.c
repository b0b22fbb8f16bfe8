// SPDX-License-Identifier: GPL-2.0-only
/*
 * From argv to a struct config. The grammar is the one getopt_long() users know (joined letters,
 * -pVALUE, --name=VALUE, -- ends the options), read by hand because getopt keeps its place in
 * global variables, permutes argv, and cannot say what was probably meant.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_parse.h"
#include "cli/value.h"

enum {
	RATE_DEFAULT_HZ = 99,
	LIMIT_DEFAULT = 20,
	MAX_OVERHEAD_DEFAULT_PERCENT = 20,
};

static const char *const command_names[] = {
#define COMMAND(id, name, function, words) name,
#define COMMAND_LATER(name)
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER
};

static const char *const commands_later[] = {
#define COMMAND(id, name, function, words)
#define COMMAND_LATER(name) name,
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER
};

size_t config_word_index(const char *word, size_t length, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) == length && !memcmp(words[i], word, length))
			return i;
	}
	return count;
}

void *config_array_grow(void *array, size_t count, size_t element_bytes)
{
	char *grown = realloc(array, (count + 1) * element_bytes);

	if (grown)
		memset(grown + count * element_bytes, 0, element_bytes);
	return grown;
}

const char *config_command_name(enum command_id command)
{
	return command_names[command];
}

static int refuse_option(struct parse *parse, const char *typed, size_t length)
{
	enum command_id command = parse->config->command;
	char name[40] = "";
	const char *near = NULL;

	if (length > 2 && length < sizeof(name)) {
		memcpy(name, typed + 2, length - 2);
		near = option_near(name, command);
	}
	buffer_printf(parse->message, "unknown option %.*s", (int)length, typed);
	if (near)
		buffer_printf(parse->message, "; did you mean --%s?", near);
	else if (option_by_letter(typed[1], COMMAND_PROFILE) ||
		 option_by_name(name, strlen(name), COMMAND_PROFILE))
		buffer_printf(parse->message, " for %s", command_names[command]);
	return -EINVAL;
}

/* --name, --name=VALUE or --name VALUE. *used: how many words were taken. */
static int parse_long(struct parse *parse, char *const *words, int *used)
{
	const char *typed = words[0];
	size_t length = strcspn(typed, "=");
	const struct option_entry *option;

	option = option_by_name(typed + 2, length - 2, parse->config->command);
	if (!option)
		return refuse_option(parse, typed, length);
	*used = 1;
	if (!option->argument) {
		if (typed[length]) {
			buffer_printf(parse->message, "--%s takes no value", option->name);
			return -EINVAL;
		}
		return config_apply_flag(parse, option->id);
	}
	if (typed[length])
		return config_apply_value(parse, option->id, typed + length + 1);
	if (option_value_is_optional(option))
		return config_apply_flag(parse, option->id);
	if (!words[1]) {
		buffer_printf(parse->message, "--%s needs %s", option->name, option->argument);
		return -EINVAL;
	}
	*used = 2;
	return config_apply_value(parse, option->id, words[1]);
}

/* -abc, -pVALUE or -p VALUE. */
static int parse_letters(struct parse *parse, char *const *words, int *used)
{
	*used = 1;
	for (const char *letter = words[0] + 1; *letter; letter++) {
		const char typed[3] = { '-', *letter, 0 };
		const struct option_entry *option;
		int err;

		option = option_by_letter(*letter, parse->config->command);
		if (!option)
			return refuse_option(parse, typed, 2);
		if (option->argument) {
			if (letter[1])
				return config_apply_value(parse, option->id, letter + 1);
			if (!words[1]) {
				buffer_printf(parse->message, "-%c needs %s", *letter,
					      option->argument);
				return -EINVAL;
			}
			*used = 2;
			return config_apply_value(parse, option->id, words[1]);
		}
		err = config_apply_flag(parse, option->id);
		if (err || parse->config->action != CONFIG_RUN)
			return err;
	}
	return 0;
}

/* The first word, when it is no option, names the command. */
static int parse_command(struct parse *parse, const char *word)
{
	const char *near;
	size_t index;
	pid_t pid;

	index = config_word_index(word, strlen(word), command_names, COMMAND_COUNT);
	if (*word && index < COMMAND_COUNT) {
		parse->config->command = (enum command_id)index;
		return 0;
	}
	if (config_word_index(word, strlen(word), commands_later, COUNT_OF(commands_later)) <
	    COUNT_OF(commands_later)) {
		buffer_printf(parse->message, "'%s' is not built yet in this version", word);
		return -EINVAL;
	}
	buffer_printf(parse->message, "unknown command '%s'", word);
	near = nearest_word(word, command_names, COMMAND_COUNT);
	if (near)
		buffer_printf(parse->message, "; did you mean %s?", near);
	else if (!value_pid(word, strlen(word), &pid))
		buffer_printf(parse->message, "; did you mean -p %s?", word);
	else
		buffer_printf(parse->message, "; to profile a program: pybpfprof -- %s%s",
			      strstr(word, ".py") ? "python3 " : "", word);
	return -EINVAL;
}

static int parse_words(struct parse *parse, int argc, char *const *argv)
{
	struct config *config = parse->config;
	int at = 1, used = 0, err = 0;

	if (argc > 1 && argv[1][0] != '-') {
		err = parse_command(parse, argv[1]);
		at = 2;
	}
	while (!err && config->action == CONFIG_RUN && at < argc) {
		const char *word = argv[at];

		if (!strcmp(word, "--") && config->command == COMMAND_PROFILE) {
			if (at + 1 == argc) {
				buffer_string(parse->message, "no command after --");
				return -EINVAL;
			}
			config->argv = argv + at + 1;
			return 0;
		}
		if (word[0] != '-' || !word[1] || !strcmp(word, "--")) {
			buffer_printf(parse->message, "unexpected argument '%s'", word);
			if (config->command == COMMAND_PROFILE)
				buffer_string(parse->message,
					      "; a command to profile goes after --");
			return -EINVAL;
		}
		if (word[1] == '-')
			err = parse_long(parse, argv + at, &used);
		else
			err = parse_letters(parse, argv + at, &used);
		at += used;
	}
	return err;
}

/* The command line as a shell would take it. */
static void append_title(struct buffer *out, int argc, char *const *argv)
{
	buffer_string(out, "pybpfprof");
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		buffer_byte(out, ' ');
		if (*word &&
		    !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-+=./:,@%")]) {
			buffer_string(out, word);
			continue;
		}
		buffer_byte(out, '\'');
		for (; *word; word++) {
			if (*word == '\'')
				buffer_string(out, "'\\''");
			else
				buffer_byte(out, *word);
		}
		buffer_byte(out, '\'');
	}
}

int config_parse(int argc, char *const *argv, const struct config_host *host, struct config *config,
		 struct buffer *message)
{
	struct parse parse = { .config = config, .host = host, .message = message };
	struct buffer title;
	int err;

	memset(config, 0, sizeof(*config));
	config->rate_hz = RATE_DEFAULT_HZ;
	config->limit = LIMIT_DEFAULT;
	config->max_overhead_percent = MAX_OVERHEAD_DEFAULT_PERCENT;
	config->probes = -1;
	config->call_sort = CALL_SORT_SELF;
	config->temporary_distance = 1;
	config->sample_one_in = 1;
	config->no_color = host->no_color;

	err = parse_words(&parse, argc, argv);
	if (err || config->action != CONFIG_RUN)
		return err;
	if (!config->modes)
		config->modes = 1u << CONFIG_MODE_CPU;
	if (config->command == COMMAND_PROFILE) {
		err = config_check_target(&parse);
		if (!err)
			err = config_check_modes(&parse);
		if (err)
			return err;
	}
	if (config->command == COMMAND_HEAP) {
		err = config_check_heap(&parse);
		if (err)
			return err;
	}
	err = config_check_reports(&parse);
	if (err)
		return err;

	buffer_init(&title);
	append_title(&title, argc, argv);
	err = buffer_error(&title);
	if (err)
		buffer_release(&title);
	else
		config->title = title.bytes; /* the string is taken over */
	return err;
}

void config_release(struct config *config)
{
	free(config->pids);
	free(config->reports);
	free(config->globs);
	free(config->types);
	free(config->title);
	memset(config, 0, sizeof(*config));
}
