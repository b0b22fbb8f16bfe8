/* SPDX-License-Identifier: GPL-2.0-only */
/* A program that is not called python and has one inside: runs the script it is given. */
#include <Python.h>

int main(int argc, char **argv)
{
	FILE *script = argc > 1 ? fopen(argv[1], "r") : NULL;
	wchar_t *name, **arguments;

	if (!script)
		return 2;
	/* The script finds its neighbours by sys.path, which the first argument names. */
	arguments = PyMem_RawCalloc((size_t)argc, sizeof(*arguments));
	for (int i = 1; i < argc; i++)
		arguments[i - 1] = Py_DecodeLocale(argv[i], NULL);
	name = Py_DecodeLocale("/opt/server/bin/app-server", NULL);
	PyConfig config;
	PyConfig_InitPythonConfig(&config);
	PyConfig_SetString(&config, &config.program_name, name);
	config.parse_argv = 0;
	PyConfig_SetArgv(&config, argc - 1, arguments);
	if (PyStatus_Exception(Py_InitializeFromConfig(&config)))
		return 3;
	PyRun_SimpleString("import os, sys; sys.path.insert(0, os.path.dirname(sys.argv[0]))");
	PyRun_SimpleFileExFlags(script, argv[1], 1, NULL);
	return Py_FinalizeEx() < 0;
}
