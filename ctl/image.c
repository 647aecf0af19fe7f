/* SPDX-License-Identifier: ISC */
/* Reads what tpxd sends, and believes it only as every process does. */
#include "ctl/image.h"

#include <string.h>

#include "common/log.h"
#include "ctl/client.h"

static int
on_domains(struct image_answer *answer, const struct client_message *message)
{
	const struct msg_ctl_domains *body = message->body;
	const char *why;

	if (lists_map(&answer->domains, message->fd, body->size_bytes, &why) ==
	    0)
		return 0;
	log_warnx("the lists of domains that tpxd sent: %s", why);
	return -1;
}

static int
on_image(void *ctx, const struct client_message *message)
{
	const struct msg_ctl_image *body = message->body;
	struct image_answer *answer = ctx;
	const char *why;

	if (message->type == MSG_CTL_DOMAINS)
		return on_domains(answer, message);
	if (message->type != MSG_CTL_IMAGE)
		return 0;
	answer->local.port4 = body->port4;
	answer->local.port6 = body->port6;
	answer->local.local4 = body->local4;
	answer->local.local6 = body->local6;
	answer->local.dns4 = body->dns4;
	answer->local.dns6 = body->dns6;
	answer->local.dns_local4 = body->dns_local4;
	answer->local.dns_local6 = body->dns_local6;
	answer->local.dot = body->dot;
	answer->local.uid = body->uid;
	if (mapping_replace(
		&answer->policy, message->fd, body->size_bytes, &why) == 0)
		return 0;
	log_warnx("the policy that tpxd sent: %s", why);
	return -1;
}

int
image_ask(const struct ctl *ctl, struct image_answer *answer)
{
	int result;

	memset(answer, 0, sizeof(*answer));
	result = client_ask(ctl, IPC_CTL_COMMAND_IMAGE, on_image, answer);
	if (result == CTL_GOOD && answer->policy.image == NULL) {
		log_warnx("tpxd sent no policy");
		result = CTL_FAILED;
	}
	return result;
}
