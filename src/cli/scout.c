// SPDX-License-Identifier: GPL-2.0-only
/* See scout.h. */
#include "cli/scout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "python/binary.h"

enum { SCOUT_TRIES = 1500, SCOUT_PAUSE_NS = 2000000, LINE_BYTES = 256, SCRIPTS_MAX = 4 };

struct scout {
	pid_t pid;
	int stdin_fd; /* its standard input: it ends when this is closed */
	struct python_cache *cache;
};

/* As execvp() looks for it. */
static int path_find(const char *name, char *out, size_t size)
{
	const char *path = getenv("PATH"), *end;

	if (strchr(name, '/'))
		return (size_t)snprintf(out, size, "%s", name) < size ? 0 : -ENAMETOOLONG;
	for (path = path ? path : "/bin:/usr/bin"; *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		if ((size_t)snprintf(out, size, "%.*s/%s", (int)(end - path), path, name) < size &&
		    !access(out, X_OK))
			return 0;
	}
	return -ENOENT;
}

/* The interpreter in a script's first line, "/usr/bin/env" seen through. false: not a script. */
static bool script_interpreter(const char *path, char *out, size_t size)
{
	char line[LINE_BYTES] = "", *word, *rest;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes;

	if (fd < 0)
		return false;
	bytes = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (bytes < 3 || strncmp(line, "#!", 2) != 0)
		return false;
	line[strcspn(line, "\n")] = '\0';
	word = strtok_r(line + 2, " \t", &rest);
	if (!word)
		return false;
	if (strlen(word) >= 4 && !strcmp(word + strlen(word) - 4, "/env")) {
		word = strtok_r(NULL, " \t", &rest);
		return word && !path_find(word, out, size);
	}
	return (size_t)snprintf(out, size, "%s", word) < size;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int interpreter_find(const char *name, char *out, size_t size)
{
	char real[PATH_MAX], next[PATH_MAX];
	int error = path_find(name, out, size);

	for (int i = 0; i < SCRIPTS_MAX && !error; i++) {
		if (!script_interpreter(out, next, sizeof(next)))
			break;
		if ((size_t)snprintf(out, size, "%s", next) >= size)
			return -ENAMETOOLONG;
	}
	if (error || !realpath(out, real) || !binary_name_is_python(real))
		return -ENOENT;
	return 0;
}

/* Whether nobody but root and ourselves can change what lies there, and the way to it. */
static bool path_is_safe(const char *real)
{
	char path[PATH_MAX], *slash;
	struct stat status;

	snprintf(path, sizeof(path), "%s", real);
	for (;;) {
		if (stat(path, &status) || (status.st_uid && status.st_uid != geteuid()) ||
		    status.st_mode & S_IWOTH || (status.st_mode & S_IWGRP && status.st_gid))
			return false;
		slash = strrchr(path, '/');
		if (!slash || !path[1])
			return true;
		slash[slash == path] = '\0';
	}
}

/*
 * The interpreter that another program is to run, maybe as another user, whose file we must not run as
 * ourselves; nor one by a link, which may have a configuration of its own beside it.
 */
static int behind_find(const char *name, char *out)
{
	char found[PATH_MAX];
	int error = interpreter_find(name, found, sizeof(found));

	if (error)
		return error;
	if (!realpath(found, out))
		return -errno;
	return path_is_safe(out) ? 0 : -EPERM;
}

/* Which program to look at, below which root, and what decides which allocator it uses. */
struct scout_goal {
	const char *root; /* NULL: ours; else what is below it is looked for there */
	char path[PATH_MAX];
	const char *preload; /* LD_PRELOAD as `env` is to set it; NULL: as it is */
	const char *malloc;  /* PYTHONMALLOC, the same */
};

/*
 * The interpreter that the command line comes down to: that of argv[0], or of the first word behind it
 * that is one, as in `env X=1 python3 app.py`, `timeout 9 python3 ...`, `chroot DIR python3 ...`.
 */
static int goal_find(char *const *argv, struct scout_goal *goal)
{
	*goal = (struct scout_goal){ 0 };
	if (!interpreter_find(argv[0], goal->path, sizeof(goal->path)))
		return 0;
	for (int i = 0; argv[i]; i++) {
		if (!strcmp(base_name(argv[i]), "chroot") && argv[i + 1])
			goal->root = argv[i + 1];
		if (!strncmp(argv[i], "LD_PRELOAD=", 11) && path_is_safe(argv[i] + 11))
			goal->preload = argv[i] + 11;
		if (!strncmp(argv[i], "PYTHONMALLOC=", 13))
			goal->malloc = argv[i] + 13;
		if (strncmp(base_name(argv[i]), "python", 6) != 0)
			continue;
		if (!goal->root)
			return behind_find(argv[i], goal->path);
		if ((size_t)snprintf(goal->path, sizeof(goal->path), "%s", argv[i]) <
		    sizeof(goal->path))
			return 0;
	}
	return -ENOENT;
}

/* What Python is told by its environment does not concern an idle one, but for the allocator. */
static void environment_clean(const struct scout_goal *goal)
{
	char name[64];

	for (char **entry = environ; *entry;) {
		size_t length = strcspn(*entry, "=");

		if (strncmp(*entry, "PYTHON", 6) != 0 || !strncmp(*entry, "PYTHONMALLOC=", 13) ||
		    length >= sizeof(name)) {
			entry++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)length, *entry);
		if (unsetenv(name))
			entry++;
	}
	if (goal->preload)
		setenv("LD_PRELOAD", goal->preload, 1);
	if (goal->malloc)
		setenv("PYTHONMALLOC", goal->malloc, 1);
}

static void scout_exec(const struct scout_goal *goal, int stdin_fd)
{
	int null = open("/dev/null", O_RDWR);
	char path[PATH_MAX];
	sigset_t none;

	snprintf(path, sizeof(path), "%s", goal->path);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0); /* a terminal's Ctrl-C is not for it */
	dup2(stdin_fd, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (goal->root && (chroot(goal->root) || chdir("/") || behind_find(goal->path, path)))
		_exit(127);
	environment_clean(goal);
	execlp(path, path, "-S", "-s", "-c", "import sys; sys.stdin.read()", (char *)NULL);
	_exit(127);
}

static int scout_await(struct scout *scout, struct python_process *python)
{
	const struct timespec pause = { .tv_nsec = SCOUT_PAUSE_NS };

	for (int i = 0; i < SCOUT_TRIES; i++) {
		python_inspect(scout->cache, scout->pid, python);
		if (python->verdict == PYTHON_KNOWN)
			return 0;
		if (python->verdict == PYTHON_GONE || python->verdict == PYTHON_UNSUPPORTED)
			return -ENOENT;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int scout_start(char *const *argv, struct scout **out, struct python_process *python)
{
	struct scout_goal goal;
	struct scout *scout;
	int error, pipe_fds[2];

	error = goal_find(argv, &goal);
	if (error)
		return error;
	scout = calloc(1, sizeof(*scout));
	if (!scout)
		return -ENOMEM;
	scout->stdin_fd = -1;
	scout->cache = python_cache_new();
	if (!scout->cache || pipe2(pipe_fds, O_CLOEXEC)) {
		error = scout->cache ? -errno : -ENOMEM;
		goto fail;
	}
	scout->stdin_fd = pipe_fds[1];
	scout->pid = fork();
	if (!scout->pid)
		scout_exec(&goal, pipe_fds[0]);
	error = scout->pid < 0 ? -errno : 0;
	close(pipe_fds[0]);
	if (!error)
		error = scout_await(scout, python);
	if (error)
		goto fail;
	*out = scout;
	return 0;
fail:
	scout_end(scout);
	return error;
}

void scout_end(struct scout *scout)
{
	if (!scout)
		return;
	if (scout->stdin_fd >= 0)
		close(scout->stdin_fd);
	if (scout->pid > 0) {
		kill(scout->pid, SIGKILL);
		waitpid(scout->pid, NULL, 0);
	}
	python_cache_free(scout->cache);
	free(scout);
}
