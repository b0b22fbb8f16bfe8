// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program with a function called as CPython's evaluation loop, part of which the compiler moves
 * away because it is unlikely, and with others that it does the same to.
 */
#include <stdio.h>
#include <stdlib.h>

#define COLD __attribute__((cold, noinline))

COLD void complain(const char *what, int n)
{
	printf("%s %d\n", what, n);
}

#define LOOP(name)                                                                                 \
	__attribute__((noinline)) int name(const unsigned char *code, int n)                       \
	{                                                                                          \
		int stack[64] = { n }, top = 0;                                                    \
                                                                                                   \
		for (;; code++) {                                                                  \
			switch (*code) {                                                           \
			case 0:                                                                    \
				return stack[top];                                                 \
			case 1:                                                                    \
				stack[top + 1] = stack[top];                                       \
				top++;                                                             \
				break;                                                             \
			case 2:                                                                    \
				stack[top - 1] += stack[top];                                      \
				top--;                                                             \
				break;                                                             \
			case 3:                                                                    \
				if (top < 1) {                                                     \
					complain(#name " underflow", top);                         \
					top = n;                                                   \
					break;                                                     \
				}                                                                  \
				stack[top - 1] *= stack[top];                                      \
				top--;                                                             \
				break;                                                             \
			case 4:                                                                    \
				if (stack[top] == 0) {                                             \
					complain(#name " zero", n);                                \
					stack[top] = n + 1;                                        \
					break;                                                     \
				}                                                                  \
				stack[top] = n / stack[top];                                       \
				break;                                                             \
			default:                                                                   \
				complain(#name " code", *code);                                    \
				stack[top] -= *code;                                               \
				if (top > 10) {                                                    \
					complain(#name " deep", top);                              \
					top = 0;                                                   \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	}

LOOP(before)
LOOP(_PyEval_EvalFrameDefault)
LOOP(after)

int main(int argc, char **argv)
{
	const unsigned char *code = (const unsigned char *)argv[argc - 1];
	int total = before(code, argc) + _PyEval_EvalFrameDefault(code, argc) + after(code, argc);

	__asm__ volatile("int3");
	return total & 1;
}
