/* SPDX-License-Identifier: ISC */
/*
 * The one netlink socket that owns the capture table, by way of libnftables.
 * The keeper opens it before it forks a worker; a worker inherits it.
 */
#ifndef NETCTL_NFT_H
#define NETCTL_NFT_H

#include <stddef.h>

struct text;

/* Fatal when nftables cannot be reached. */
void nft_open(void);

/* Throws away what a killed predecessor has left unread in the socket. */
void nft_drain(void);

/*
 * Runs one transaction and frees its text.  -1 with errno when memory ran out
 * while it was written (ENOMEM) or the kernel refused it (its own errno, or
 * EIO); what nftables said is logged under the name.
 */
int nft_run(const char *name, struct text *);

/*
 * What nft_run() would return, and its errno, but nothing is changed, and what
 * nftables said is not logged.
 */
int nft_try(struct text *);

/*
 * One transaction as nfnetlink messages, the last of which asks for an answer
 * (NLM_F_ACK).  -1 with errno; nothing is logged.
 */
int nft_exchange(const void *batch, size_t len);

/*
 * What a table ("inet tpx") is in the kernel, without counters.  NULL when it
 * is not there or could not be read; the caller frees it.
 */
char *nft_list(const char *table);

/* Whether a table of family inet is there, however much is in it. */
int nft_has_table(const char *name);

/* The address of the socket, by which the kernel names who asked. */
unsigned int nft_portid(void);

#endif
