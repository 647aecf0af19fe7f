/* SPDX-License-Identifier: ISC */
/* Runs transactions rendered by policy/; no text of any peer comes here. */
#include "netctl/nft.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "policy/text.h"

static struct nft_ctx *nft;
static int nft_fd;

/*
 * libnftables does not tell its socket, but it takes the lowest free
 * descriptor for it.
 */
static int
next_fd(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd == -1)
		fatal("nftables");
	close(fd);
	return fd;
}

void
nft_open(void)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	nft_fd = next_fd();
	if ((nft = nft_ctx_new(NFT_CTX_DEFAULT)) == NULL)
		fatal("nftables");
	if (getsockopt(nft_fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) ==
		-1 ||
	    protocol != NETLINK_NETFILTER)
		fatalx("nftables: its socket was not found");
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
}

unsigned int
nft_portid(void)
{
	struct sockaddr_nl name = { 0 };
	socklen_t len = sizeof(name);

	if (getsockname(nft_fd, (struct sockaddr *)&name, &len) == -1)
		fatal("nftables: its socket");
	return name.nl_pid;
}

void
nft_drain(void)
{
	char bytes[16384];
	ssize_t n;

	do {
		n = recv(nft_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	} while (n > 0 || (n == -1 && (errno == EINTR || errno == ENOBUFS)));
}

/* The first line of what nftables has to say. */
static void
error_log(const char *name)
{
	const char *error = nft_ctx_get_error_buffer(nft);

	log_warnx("nftables: %s: %.*s", name, (int)strcspn(error, "\n"), error);
}

/* NULL for the name: nothing is logged. */
static int
transact(const char *name, struct text *text)
{
	int result;

	if (text_check(text) == -1) {
		text_free(text);
		return -1;
	}
	errno = 0;
	result = nft_run_cmd_from_buffer(nft, text->bytes);
	if (result != 0) {
		result = errno != 0 ? errno : EIO;
		if (name != NULL)
			error_log(name);
	}
	text_free(text);
	errno = result;
	return result == 0 ? 0 : -1;
}

int
nft_run(const char *name, struct text *text)
{
	return transact(name, text);
}

/* The kernel judges the transaction, and is not told to commit it. */
int
nft_try(struct text *text)
{
	int result;

	nft_ctx_set_dry_run(nft, true);
	result = transact(NULL, text);
	nft_ctx_set_dry_run(nft, false);
	return result;
}

/* Takes the errors of answers; 1 when one of them is none. */
static int
answers_read(const char *bytes, size_t len, int *error)
{
	const struct nlmsghdr *message = (const void *)bytes;
	const struct nlmsgerr *answer;
	int agreed = 0;

	for (; NLMSG_OK(message, len); message = NLMSG_NEXT(message, len)) {
		if (message->nlmsg_type != NLMSG_ERROR ||
		    message->nlmsg_len < NLMSG_LENGTH(sizeof(*answer)))
			continue;
		answer = NLMSG_DATA(message);
		if (answer->error == 0)
			agreed = 1;
		else if (*error == 0)
			*error = -answer->error;
	}
	return agreed;
}

/* The kernel has said all that it has to say when it has taken it. */
int
nft_exchange(const void *batch, size_t len)
{
	_Alignas(struct nlmsghdr) char bytes[16384];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int agreed = 0, error = 0;
	ssize_t n;

	nft_drain();
	if (sendto(nft_fd, batch, len, 0, (struct sockaddr *)&kernel,
		sizeof(kernel)) == -1)
		return -1;
	while ((n = recv(nft_fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		agreed |= answers_read(bytes, (size_t)n, &error);
	nft_drain();
	if (agreed && error == 0)
		return 0;
	errno = error != 0 ? error : EIO;
	return -1;
}

/* Even a list of tables would have libnftables read every set. */
int
nft_has_table(const char *name)
{
	struct text text = { 0 };

	text_printf(&text, "add chain inet %s probe\n", name);
	return nft_try(&text) == 0;
}

char *
nft_list(const char *table)
{
	struct text text = { 0 };
	char *listing = NULL;

	text_printf(&text, "list table %s\n", table);
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_STATELESS);
	if (transact(NULL, &text) == 0)
		listing = strdup(nft_ctx_get_output_buffer(nft));
	nft_ctx_output_set_flags(nft, 0);
	return listing;
}
