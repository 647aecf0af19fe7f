/* SPDX-License-Identifier: ISC */
/* Makes and checks passwords, which another process may have sent.  Pure. */
#include "policy/secret.h"

#include <errno.h>
#include <string.h>

_Static_assert(LIMIT_UPSTREAMS * sizeof(struct secret) == LIMIT_SECRETS_BYTES,
    "the message's limit is that of an image");

const char *
secret_set(struct secret *secret, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len == 0)
		return "is empty";
	if (len > sizeof(secret->bytes))
		return "is longer than 255 bytes";
	if (memchr(text, '\0', len) != NULL || memchr(text, '\n', len) != NULL)
		return "has a NUL or a newline inside";
	memset(secret, 0, sizeof(*secret));
	memcpy(secret->bytes, text, len);
	secret->length = (uint8_t)len;
	return NULL;
}

static int
is_in_order(const struct secret *secret)
{
	size_t i;

	if (memchr(secret->bytes, '\n', secret->length) != NULL ||
	    memchr(secret->bytes, '\0', secret->length) != NULL)
		return 0;
	for (i = secret->length; i < sizeof(secret->bytes); i++)
		if (secret->bytes[i] != '\0')
			return 0;
	return 1;
}

int
secrets_check(
    const struct image *image, const void *bytes, size_t len, const char **why)
{
	const struct secret *secrets = bytes;
	uint32_t i, count = image_upstream_count(image);

	errno = EINVAL;
	*why = "as many secrets as upstreams are expected";
	if (len != count * sizeof(*secrets))
		return -1;
	for (i = 0; i < count; i++) {
		*why = "a secret is not in order";
		if (!is_in_order(&secrets[i]))
			return -1;
		*why = "an upstream's user and secret do not go together";
		if ((image_upstream(image, i)->user.length > 0) !=
		    (secrets[i].length > 0))
			return -1;
	}
	*why = NULL;
	return 0;
}
