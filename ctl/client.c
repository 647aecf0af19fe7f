/* SPDX-License-Identifier: ISC */
/* Reads messages of whoever holds the control socket's path. */
#include "ctl/client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ipc/msg.h"

#define WAIT_MS 5000
#define WAIT_APPLY_MS ((LIMIT_APPLY_S + 1) * 1000)
#define REQUEST_ID 1

struct client {
	int fd;
	int wait_ms; /* for each answer */
	struct ipc_gate gate;
	_Alignas(16) uint8_t inbox[LIMIT_MESSAGE_BYTES];
};

static int
client_connect(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd, saved;

	if (strlen(path) >= sizeof(name.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
connect_failed(const char *path)
{
	if (errno == ENOENT || errno == ECONNREFUSED) {
		log_warnx("tpxd is not running: nobody answers on %s", path);
		return CTL_NOT_RUNNING;
	}
	if (errno == EACCES || errno == EPERM) {
		log_warnx(
		    "not permitted: only root and group tpx may use %s", path);
		return CTL_NOT_PERMITTED;
	}
	log_warn("%s", path);
	return CTL_FAILED;
}

int
client_is_running(const struct ctl *ctl)
{
	int fd = client_connect(ctl->socket);

	if (fd != -1) {
		close(fd);
		return 1;
	}
	return errno == ENOENT || errno == ECONNREFUSED ? 0 : -1;
}

/* fd -1: none goes with it. */
static int
request_send(const struct client *client, enum msg_type type, const void *body,
    size_t len, int fd)
{
	struct msg_header header = {
		.type = type, .len_bytes = (uint32_t)len, .id = REQUEST_ID
	};
	struct iovec parts[] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)body, len } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *rights;

	if (fd != -1) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	return sendmsg(client->fd, &message, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

/* The first descriptor that came, or -1; *count says how many did. */
static int
take_fds(struct msghdr *message, unsigned int *count)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fds[CMSG_SPACE(sizeof(int)) / sizeof(int)];
	unsigned int i;

	*count = 0;
	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS)
		return -1;
	*count = (unsigned int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(header), *count * sizeof(int));
	for (i = 1; i < *count; i++)
		close(fds[i]);
	return *count > 0 ? fds[0] : -1;
}

/* 0 and a checked message, or -1 with a reason. */
static int
receive(struct client *client, struct client_message *out, const char **why)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { client->inbox, sizeof(client->inbox) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct pollfd ready = { .fd = client->fd, .events = POLLIN };
	struct msg_header header;
	unsigned int count;
	ssize_t n;

	out->fd = -1;
	*why = "no answer in time";
	if (poll(&ready, 1, client->wait_ms) <= 0)
		return -1;
	n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	*why = "it closed the connection";
	if (n <= 0)
		return -1;
	out->fd = take_fds(&message, &count);
	if (ipc_accept(&client->gate, client->inbox, (size_t)n, count,
		(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0,
		why) == DENY)
		return -1;
	memcpy(&header, client->inbox, sizeof(header));
	out->type = header.type;
	out->body = client->inbox + sizeof(header);
	out->len = header.len_bytes;
	*why = "an answer to another question";
	return header.id == REQUEST_ID ? 0 : -1;
}

static int
answer_end(const struct client_message *message)
{
	const struct msg_ctl_end *end = message->body;

	if (end->text[0] != '\0')
		log_warnx("%s", end->text);
	return (int)end->exit_code;
}

static int
answers_read(struct client *client, client_fn *handle, void *ctx)
{
	struct client_message message;
	const char *why;
	int failed = 0;

	while (receive(client, &message, &why) == 0) {
		if (message.type == MSG_CTL_END)
			return failed ? CTL_FAILED : answer_end(&message);
		if (!failed && handle(ctx, &message) == -1)
			failed = 1;
		if (message.fd != -1)
			close(message.fd);
	}
	if (message.fd != -1)
		close(message.fd);
	log_warnx("tpxd does not answer as it should: %s", why);
	return CTL_FAILED;
}

static int
client_open(struct client *client, const struct ctl *ctl)
{
	static const struct ipc_gate gate = { IPC_CTL, IPC_SUPERVISOR,
		IPC_PHASE_RUN };

	client->gate = gate;
	client->wait_ms = WAIT_MS;
	client->fd = client_connect(ctl->socket);
	return client->fd == -1 ? connect_failed(ctl->socket) : CTL_GOOD;
}

static int
failed_on(const struct ctl *ctl)
{
	log_warn("%s", ctl->socket);
	return CTL_FAILED;
}

int
client_ask(const struct ctl *ctl, enum ipc_command command, client_fn *handle,
    void *ctx)
{
	struct msg_ctl_request body = { .command = command };
	struct client client;
	int result = client_open(&client, ctl);

	if (result != CTL_GOOD)
		return result;
	if (request_send(&client, MSG_CTL_REQUEST, &body, sizeof(body), -1) ==
	    -1)
		result = failed_on(ctl);
	else
		result = answers_read(&client, handle, ctx);
	close(client.fd);
	return result;
}

int
client_ignore(void *ctx, const struct client_message *message)
{
	(void)ctx;
	(void)message;
	return 0;
}

static int
on_killed(void *ctx, const struct client_message *message)
{
	const struct msg_killed *killed = message->body;
	uint64_t *count = ctx;

	if (message->type == MSG_CTL_KILLED)
		*count = killed->count;
	return 0;
}

int
client_kill(const struct ctl *ctl, const struct msg_kill *body, uint64_t *count)
{
	struct client client;
	int result = client_open(&client, ctl);

	*count = 0;
	if (result != CTL_GOOD)
		return result;
	if (request_send(&client, MSG_CTL_KILL, body, sizeof(*body), -1) == -1)
		result = failed_on(ctl);
	else
		result = answers_read(&client, on_killed, count);
	close(client.fd);
	return result;
}

static int
config_send(const struct client *client, uint32_t confirm_s,
    const struct client_config *config)
{
	struct msg_ctl_domains domains = { config->domains_bytes };
	struct msg_ctl_apply apply = { .confirm_s = confirm_s,
		.size_bytes = (uint32_t)config->image_bytes };

	if (config->domains != -1 &&
	    request_send(client, MSG_CTL_DOMAINS, &domains, sizeof(domains),
		config->domains) == -1)
		return -1;
	return request_send(
	    client, MSG_CTL_APPLY, &apply, sizeof(apply), config->image);
}

int
client_apply(const struct ctl *ctl, uint32_t confirm_s,
    int (*make)(void *ctx, struct client_config *), void *ctx)
{
	struct client_config config = { .image = -1, .domains = -1 };
	struct client client;
	int result = client_open(&client, ctl);

	if (result != CTL_GOOD)
		return result;
	client.wait_ms = WAIT_APPLY_MS;
	if (make(ctx, &config) == -1)
		result = CTL_FAILED;
	else if (config_send(&client, confirm_s, &config) == -1)
		result = failed_on(ctl);
	else
		result = answers_read(&client, client_ignore, NULL);
	if (config.domains != -1)
		close(config.domains);
	if (config.image != -1)
		close(config.image);
	close(client.fd);
	return result;
}

static int
on_status(void *ctx, const struct client_message *message)
{
	const struct msg_ctl_status *status = message->body;
	char *path = ctx;

	if (message->type == MSG_CTL_STATUS)
		memcpy(path, status->config_path, sizeof(status->config_path));
	return 0;
}

int
client_config_path(const struct ctl *ctl, char path[CLIENT_PATH_BYTES])
{
	return client_ask(ctl, IPC_CTL_COMMAND_STATUS, on_status, path);
}
