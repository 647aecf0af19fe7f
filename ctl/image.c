/* SPDX-License-Identifier: ISC */
#include "ctl/image.h"

#include <stddef.h>

#include "common/log.h"
#include "common/memfd.h"
#include "ctl/client.h"
#include "policy/image.h"

static int
on_image(void *ctx, const struct client_message *message)
{
	const struct msg_config *config = message->body;
	const struct image **image = ctx;
	const char *why = "cannot be mapped";
	const void *bytes;

	if (message->type != MSG_CTL_IMAGE)
		return 0;
	bytes = memfd_map_sealed(message->fd, config->size_bytes);
	if (bytes == NULL ||
	    image_check(bytes, config->size_bytes, &why) == -1) {
		log_warnx("the policy that tpxd sent: %s", why);
		return -1;
	}
	*image = bytes;
	return 0;
}

int
image_ask(const struct ctl *ctl, const struct image **image)
{
	int result;

	*image = NULL;
	result = client_ask(ctl, IPC_CTL_COMMAND_IMAGE, on_image, image);
	if (result == CTL_GOOD && *image == NULL) {
		log_warnx("tpxd sent no policy");
		result = CTL_FAILED;
	}
	return result;
}
