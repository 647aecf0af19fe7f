/* SPDX-License-Identifier: ISC */
#include "netctl/conntrack.h"

enum conntrack_news
conntrack_judge(
    struct conntrack *conntrack, uint64_t count, uint64_t most, int64_t now_us)
{
	if (most != 0 && count >= most - most / 20) {
		if (conntrack->told_us != 0 &&
		    now_us - conntrack->told_us < CONNTRACK_AGAIN_US)
			return CONNTRACK_NO_NEWS;
		conntrack->told_us = now_us;
		return CONNTRACK_FULL;
	}
	if (conntrack->told_us == 0 || (most != 0 && count >= most - most / 10))
		return CONNTRACK_NO_NEWS;
	conntrack->told_us = 0;
	return CONNTRACK_ROOM;
}
