/* SPDX-License-Identifier: ISC */
/* Any bytes: an image is refused, or all of it can be read. */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/image.h"
#include "policy/match.h"
#include "policy/render.h"
#include "policy/routes.h"

static void
use_image(const struct image *image)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct render_local local = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct policy_query query = { .dport = 80 };
	struct text out = { 0 };
	const struct uid_range *users;
	uint32_t i, count;

	render_capture(image, &local, 1, &out);
	render_guard(image, &local, &out);
	render_routes(image, &out);
	text_puts(&out, image_control_socket(image));
	text_puts(&out, image_log_dir(image));
	for (i = 0; i <= image_rule_count(image); i++)
		text_puts(&out, image_rule_text(image, i));
	for (i = 0; i < image_exclusion_count(image); i++)
		text_puts(&out, image_exclusion_text(image, i));
	for (i = 0; i < image_upstream_count(image); i++)
		text_printf(&out, "%s%s", image_upstream(image, i)->name,
		    image_upstream_user(image, image_upstream(image, i)));
	for (i = 0; i < image_endpoint_count(image); i++)
		text_puts(&out,
		    image_upstream(image, image_endpoint(image, i)->upstream)
			->name);
	for (i = 0; i < image_dns_log_count(image); i++)
		text_puts(&out,
		    image_domains(image, image_dns_log(image, i)->domains));
	users = image_users(image, &count);
	for (i = 0; i < count; i++)
		text_printf(&out, "%u", users[i].last);
	for (i = 0; i < 4; i++) {
		memset(query.src.byte, i & 1 ? 0xff : 0, 10);
		memset(query.src.byte + 10, 0xff, 6);
		query.dst = query.src;
		query.proto = protos[i / 2];
		policy_match(image, &query);
		policy_excluded(image, &query);
	}
	text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *bytes = malloc(size + 1);
	const char *why;

	if (bytes == NULL)
		return 0;
	memcpy(bytes, data, size);
	if (image_check(bytes, size, &why) == 0)
		use_image(bytes);
	else if (why == NULL)
		abort();
	free(bytes);
	return 0;
}
