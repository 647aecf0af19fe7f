/* SPDX-License-Identifier: ISC */
/*
 * The host that the first request of HTTP/1 is for: RFC 9112, 3.2 and 5.
 * A target with an authority (absolute-form, or that of CONNECT) wins over the
 * Host field.  Not accepted: a method with a small letter (none has one, and
 * much that is not HTTP begins with one), obs-fold, userinfo, Host fields that
 * differ, an address in the place of a name.
 */
#ifndef RELAY_SNIFF_HTTP_H
#define RELAY_SNIFF_HTTP_H

#include "relay/sniff.h"

/*
 * A head of more than SNIFF_MOST_BYTES has none.  Where much of it comes in
 * little pieces, that it is no HTTP is said a few pieces later.
 */
enum sniff_status sniff_http(struct sniff_course *, const uint8_t *bytes,
    size_t len, struct sniff_name *name);

#endif
