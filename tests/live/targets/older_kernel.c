// SPDX-License-Identifier: GPL-2.0-only
/* Preloaded, it has a program believe that the kernel is the oldest that it runs on. */
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int uname(struct utsname *name)
{
	const long error = syscall(SYS_uname, name);

	snprintf(name->release, sizeof(name->release), "5.15.0");
	return (int)error;
}
