/* SPDX-License-Identifier: ISC */
/*
 * Trust anchors and root hints as lines of a zone file (RFC 1035, 5.1), one
 * record a line.  Each function calls for one after the other and stops at the
 * first that gives -1, which it returns; else 0.
 */
#ifndef DNSD_RESOLVER_ANCHOR_H
#define DNSD_RESOLVER_ANCHOR_H

typedef int anchor_fn(void *ctx, const char *text);

/* The records of text; of "" those of IANA's root. */
int anchor_records(const char *text, anchor_fn *, void *ctx);

/* The addresses of A and AAAA records: "198.41.0.4"; of "" none. */
int anchor_hints(const char *text, anchor_fn *, void *ctx);

#endif
