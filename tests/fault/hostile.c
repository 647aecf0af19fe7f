/* SPDX-License-Identifier: ISC */
#include "tests/fault/hostile.h"

#include <sys/auxv.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void
hostile_send(
    int to, const struct datagram *datagram, size_t len_bytes, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * HOSTILE_MANY_FDS)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)datagram, len_bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int fds[HOSTILE_MANY_FDS] = { 0 };

	if (nfds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	while (sendmsg(to, &msg, MSG_NOSIGNAL) == -1)
		if (errno != EINTR && errno != EAGAIN)
			return;
}

void
hostile_message(int to, struct datagram *datagram, enum msg_type type,
    size_t len_bytes, size_t nfds)
{
	datagram->header.type = type;
	datagram->header.len_bytes = (uint32_t)len_bytes;
	hostile_send(to, datagram, sizeof(datagram->header) + len_bytes, nfds);
}

int
hostile_receive(struct datagram *datagram, int wait_ms)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { datagram, sizeof(*datagram) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct pollfd wait = { .fd = HOSTILE_PARENT_FD, .events = POLLIN };
	const struct cmsghdr *cmsg;
	ssize_t n;
	int fd = -1;

	if (poll(&wait, 1, wait_ms) == -1 && errno != EINTR)
		err(1, "hostile: poll");
	n = recvmsg(HOSTILE_PARENT_FD, &msg, MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN)
		err(1, "hostile: recvmsg");
	if (n == 0)
		exit(0);
	if (n == -1) {
		datagram->header.type = MSG_NONE;
		return -1;
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

void
hostile_answer(const struct datagram *ask)
{
	struct datagram datagram = { .header = { .id = ask->header.id } };

	datagram.body.answer.sequence = ask->body.beat.sequence;
	datagram.body.answer.work = ask->body.beat.sequence;
	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer), 0);
}

void
hostile_answer_deaf(const struct datagram *ask)
{
	struct datagram datagram = { .header = { .id = ask->header.id } };

	datagram.body.answer.sequence = ask->body.beat.sequence;
	datagram.body.answer.waiting = 1;
	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer), 0);
}

void
hostile_deaf(void)
{
}

void
hostile_spin(void)
{
	for (;;)
		continue;
}

const struct breach *
hostile_breach(const struct breach *breaches, size_t count)
{
	char *path = strdup((const char *)(uintptr_t)getauxval(AT_EXECFN));
	char *end = path == NULL ? NULL : strrchr(path, '/');
	const char *name;
	size_t i;

	if (end == NULL)
		errx(1, "hostile: started without a path");
	*end = '\0';
	end = strrchr(path, '/');
	name = end == NULL ? path : end + 1;
	for (i = 0; i < count; i++)
		if (strcmp(breaches[i].name, name) == 0) {
			free(path);
			return &breaches[i];
		}
	errx(1, "hostile: no breach is called %s", name);
}
