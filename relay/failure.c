/* SPDX-License-Identifier: ISC */
#include "relay/failure.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	unsigned int error;
	enum flow_close why;
} failures[] = {
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
failure_close(unsigned int error)
{
	size_t i;

	if (error >= FLOW_ERROR_HTTP + 400 && error < FLOW_ERROR_HTTP + 500)
		return FLOW_CLOSE_REFUSED;
	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].error == error)
			return failures[i].why;
	return FLOW_CLOSE_UNREACHABLE;
}
