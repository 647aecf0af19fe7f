/* SPDX-License-Identifier: ISC */
/*
 * Any text: it is parsed or refused with errors that can be shown; what is
 * parsed prints to a text that prints the same, and its image is good.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/image.h"
#include "policy/print.h"
#include "policy/render.h"
#include "policy/routes.h"

static struct user user[] = { { "www-data", 33 }, { "build", 1200 } };
static const struct users users = { user, 2 };
static struct conf_errors errors;

static void
check_errors(const char *bytes, size_t size)
{
	struct text out = { 0 };
	size_t i;

	conf_errors_format(&errors, "tpx.conf", bytes, size, &out);
	for (i = 0; i < out.len; i++)
		if (out.bytes[i] != '\n' && out.bytes[i] != '\t' &&
		    (out.bytes[i] < ' ' || out.bytes[i] > '~'))
			abort();
	text_free(&out);
}

static void
check_print(const struct conf *conf)
{
	struct text once = { 0 }, twice = { 0 };
	struct conf *again;

	print_conf(conf, &once);
	if (conf_parse(once.bytes, once.len, &users, &again, &errors) == -1)
		abort();
	print_conf(again, &twice);
	if (strcmp(once.bytes, twice.bytes) != 0)
		abort();
	conf_free(again);
	text_free(&once);
	text_free(&twice);
}

static void
check_image(const struct conf *conf)
{
	const struct render_local local = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct text out = { 0 };
	const char *why;
	size_t len;
	void *bytes;

	if (image_build(conf, 1, &bytes, &len) == -1 ||
	    image_check(bytes, len, &why) == -1)
		abort();
	render_capture(bytes, &local, 1, &out);
	render_guard(bytes, &local, &out);
	render_routes(bytes, &out);
	text_free(&out);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct conf *conf;

	if (conf_parse(bytes, size, &users, &conf, &errors) == -1) {
		if (errors.errors == 0)
			abort();
		check_errors(bytes, size);
		return 0;
	}
	check_errors(bytes, size);
	check_print(conf);
	check_image(conf);
	conf_free(conf);
	return 0;
}
