/* SPDX-License-Identifier: GPL-2.0-only */
/* The JSON report read back by jansson; each fails the test where it is not as said. */
#ifndef TESTS_RENDER_JSON_READ_H
#define TESTS_RENDER_JSON_READ_H

#include <jansson.h>

#include "sample.h"

/* The report, to be given back by json_decref(). No key may be there twice. */
json_t *json_report(const struct profile *profile, const struct render_options *options);
json_t *json_element(json_t *array, size_t index);
void json_expect_int(json_t *object, const char *key, json_int_t want);
void json_expect_string(json_t *object, const char *key, const char *want); /* NULL: null */

#endif
