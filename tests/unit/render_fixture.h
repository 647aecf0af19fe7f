/* SPDX-License-Identifier: ISC */
/* What tests of the kernel's rules share. */
#ifndef TESTS_RENDER_FIXTURE_H
#define TESTS_RENDER_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "policy/render.h"
#include "policy_fixture.h"

static const struct render_local local = { 4004, 6006, 4114, 6116, 4224, 6226,
	4334, 6336, 7053, 999 };

/*
 * Each word behind one that leads somewhere begins something, as the kernel
 * demands: "goto x" needs a line "chain x {".
 */
static inline void
assert_leads(const char *text, const char *lead, const char *kind)
{
	const char *at = text;
	char begins[128];
	size_t len;

	while ((at = strstr(at, lead)) != NULL) {
		at += strlen(lead);
		len = strcspn(at, " \"\n");
		(void)snprintf(begins, sizeof(begins), "\t%s %.*s {\n", kind,
		    (int)len, at);
		if (strstr(text, begins) == NULL)
			fail_msg("nothing begins with %s", begins);
	}
}

static inline void
assert_whole(const char *text)
{
	assert_leads(text, "goto ", "chain");
	assert_leads(text, "jump ", "chain");
	assert_leads(text, " @", "set");
	assert_leads(text, "ct timeout set \"", "ct timeout");
}

static inline char *
capture_of(const char *text, enum render_lease lease)
{
	struct text out = { 0 };
	size_t len;
	struct image *image = fixture_image(text, &len);

	render_capture(image, &local, lease, &out);
	assert_int_equal(text_check(&out), 0);
	assert_whole(out.bytes);
	free(image);
	return out.bytes;
}

static inline void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("not rendered: %s", part);
}

static inline void
assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("rendered: %s", part);
}

#endif
