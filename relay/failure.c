/* SPDX-License-Identifier: ISC */
/* Errors of sockets and answers of upstreams, in the words of the flow log. */
#include "relay/failure.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	unsigned int error;
	enum flow_close why;
} connect_failures[] = {
	{ ECONNREFUSED, FLOW_CLOSE_REFUSED },
	{ ECONNRESET, FLOW_CLOSE_REFUSED },
	{ ETIMEDOUT, FLOW_CLOSE_TIMEOUT },
	{ EADDRNOTAVAIL, FLOW_CLOSE_OVERLOAD },
	{ EAGAIN, FLOW_CLOSE_OVERLOAD },
	{ ENOBUFS, FLOW_CLOSE_OVERLOAD },
	{ ENOMEM, FLOW_CLOSE_OVERLOAD },
	{ EMFILE, FLOW_CLOSE_OVERLOAD },
	{ ENFILE, FLOW_CLOSE_OVERLOAD },
	{ FLOW_ERROR_SOCKS5 + 2, FLOW_CLOSE_REFUSED },
	{ FLOW_ERROR_SOCKS5 + 5, FLOW_CLOSE_REFUSED },
	{ FLOW_ERROR_SOCKS5_METHOD, FLOW_CLOSE_REFUSED },
	{ FLOW_ERROR_SOCKS5_LOGIN, FLOW_CLOSE_REFUSED },
	{ FLOW_ERROR_HTTP + 504, FLOW_CLOSE_TIMEOUT },
};

enum flow_close
failure_to_connect(unsigned int error)
{
	size_t i;

	if (error >= FLOW_ERROR_HTTP + 400 && error < FLOW_ERROR_HTTP + 500)
		return FLOW_CLOSE_REFUSED;
	for (i = 0; i < sizeof(connect_failures) / sizeof(connect_failures[0]);
	     i++)
		if (connect_failures[i].error == error)
			return connect_failures[i].why;
	return FLOW_CLOSE_UNREACHABLE;
}

enum flow_close
failure_of_socket(int error, enum flow_close reset)
{
	/* recv(2) reports only what its peer did, or what became of it. */
	if (error == ETIMEDOUT)
		return FLOW_CLOSE_TIMEOUT;
	if (error == EHOSTUNREACH || error == ENETUNREACH)
		return FLOW_CLOSE_UNREACHABLE;
	if (error == ENOMEM || error == ENOBUFS)
		return FLOW_CLOSE_OVERLOAD;
	return reset;
}
