// SPDX-License-Identifier: GPL-2.0-only
/* The growing run of bytes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "base/buffer.h"

Test(buffer, is_a_c_string_after_every_append)
{
	struct buffer buffer;

	buffer_init(&buffer);
	buffer_string(&buffer, "ab");
	buffer_byte(&buffer, 'c');
	buffer_append(&buffer, "defg", 2);
	buffer_printf(&buffer, "%03d-%s", 7, "x");
	cr_assert_str_eq(buffer.bytes, "abcde007-x");
	cr_assert_eq(buffer.length, 10);
	cr_assert_eq(buffer_error(&buffer), 0);
	buffer_release(&buffer);
}

Test(buffer, keeps_bytes_across_growth)
{
	struct buffer buffer;

	buffer_init(&buffer);
	for (int i = 0; i < 100000; i++)
		buffer_byte(&buffer, (char)i);
	cr_assert_eq(buffer.length, 100000);
	for (int i = 0; i < 100000; i++)
		cr_assert_eq(buffer.bytes[i], (char)i);
	buffer_release(&buffer);
}

Test(buffer, cleared_is_empty_and_released_is_new)
{
	struct buffer buffer;

	buffer_init(&buffer);
	buffer_append(&buffer, NULL, 0);
	cr_assert_eq(buffer.length, 0);
	buffer_string(&buffer, "text");
	buffer_clear(&buffer);
	cr_assert_str_eq(buffer.bytes, "");
	buffer_release(&buffer);
	cr_assert_null(buffer.bytes);
	buffer_release(NULL);
}

Test(buffer, remembers_that_memory_ran_out_and_keeps_what_it_had)
{
	struct buffer buffer;

	buffer_init(&buffer);
	buffer_string(&buffer, "kept");
	buffer_append(&buffer, "x", SIZE_MAX - 2);
	cr_assert_eq(buffer_error(&buffer), -ENOMEM);
	buffer_string(&buffer, "more");
	cr_assert_str_eq(buffer.bytes, "kept");
	buffer_release(&buffer);
}
