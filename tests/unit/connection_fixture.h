/* SPDX-License-Identifier: ISC */
/* Connections of TCP between two sockets of a test. */
#ifndef TESTS_UNIT_CONNECTION_FIXTURE_H
#define TESTS_UNIT_CONNECTION_FIXTURE_H

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* Its two ends, neither of which blocks. */
static inline void
fixture_connection(int ends[2])
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int i;

	assert_int_equal(bind(listener, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&name, &len);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&name, len), 0);
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
	for (i = 0; i < 2; i++)
		fcntl(ends[i], F_SETFL, O_NONBLOCK);
}

/* The descriptor stays, for who closes it. */
static inline void
fixture_reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	dup2(STDIN_FILENO, fd);
}

/* What is left in a socket to be read. */
static inline int
fixture_unread(int fd)
{
	int left;

	assert_int_equal(ioctl(fd, FIONREAD, &left), 0);
	return left;
}

#endif
