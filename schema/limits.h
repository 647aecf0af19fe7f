/* SPDX-License-Identifier: ISC */
/* The sizes that more than one process relies on. */
#ifndef SCHEMA_LIMITS_H
#define SCHEMA_LIMITS_H

#define TPX_VERSION "0.1.0"

#define LIMIT_WORKERS 64	     /* relay processes */
#define LIMIT_BACKLOG 4096	     /* clients that wait for a listener */
#define LIMIT_MESSAGE_BYTES 16384    /* one IPC message, header included */
#define LIMIT_IMAGE_BYTES (1U << 30) /* a policy image */
#define LIMIT_INTERFACES 64	     /* captured interfaces */
#define LIMIT_USERS 1024	     /* users and ranges of them */
#define LIMIT_RULES 4096
#define LIMIT_EXCLUSIONS 256
#define LIMIT_TABLES 1024
#define LIMIT_TABLE_PREFIXES 250000 /* of a file */
#define LIMIT_NAME_BYTES 32	    /* of a table or upstream, NUL included */
#define LIMIT_UPSTREAMS 64
#define LIMIT_UPSTREAM_ENDPOINTS 16 /* of one upstream */
#define LIMIT_SECRETS_BYTES (LIMIT_UPSTREAMS * 256)
#define LIMIT_CREDENTIAL_BYTES 255  /* a user or a password, RFC 1929 */
#define LIMIT_SOCKET_PATH_BYTES 108 /* sun_path of unix(7), NUL included */
#define LIMIT_FLOW_SLOTS 65536	    /* flows of one relay, open or unlogged */
#define LIMIT_LEDGER_ROWS 65536	    /* of the kernel's flows, unlogged */
#define LIMIT_NFLOG_HOLD_MS 200 /* that the kernel holds back blocked flows */
#define LIMIT_FLOW_BATCH 40	/* flow records in one message */
#define LIMIT_FLOW_WORKER 127	/* worker number of rows nobody relayed */
#define LIMIT_DOMAIN_BYTES 254	/* a name of DNS as text, NUL included */
#define LIMIT_DOMAIN_LISTS 256	/* with those that rules write out */
#define LIMIT_DOMAIN_NAMES 4000000	 /* of all lists together */
#define LIMIT_LIST_NAMES 1000000	 /* of one list */
#define LIMIT_INDEX_BYTES (1U << 30)	 /* a domain index */
#define LIMIT_DNS_BLOCKS 256		 /* dns block statements */
#define LIMIT_DNS_LOGS 256		 /* dns log statements about lists */
#define LIMIT_DNS_SERVERS 16		 /* that questions are forwarded to */
#define LIMIT_DNS_ALLOW 1024		 /* domains of dns rebind-allow */
#define LIMIT_DNS_FILE_BYTES (64U << 10) /* each that it names */
#define LIMIT_DNS_QUESTION_BYTES 256	 /* a name in a message, and one more */
#define LIMIT_DNS_PART_BYTES 16000	 /* of an answer, in one message */
#define LIMIT_DNS_NAME_BYTES 255 /* a name in wire form, RFC 1035, 2.3.4 */
#define LIMIT_DNS_PACKET_BYTES 65535
#define LIMIT_DNS_SUMMARY_BYTES 433 /* of the answers in a row of the log */
#define LIMIT_DNS_ROWS_BYTES 16128  /* of records in one message */
#define LIMIT_NAMES_PAIRS 64 /* that a dnsd asks netctl for in one message */

/*
 * Parts of the lease.  The supervisor asks nine times in it; a beat that is
 * older than a third proves nothing; the kernel's elements live two thirds, so
 * that proof and element together last one lease.  Who is silent for half of
 * it is replaced, which is before the elements end, but too late for another to
 * keep them.  Who answers, and is of no use to clients for two ninths, gets no
 * beat any more: with the ninth until it is noticed, and the elements, that is
 * one lease as well.
 */
#define LEASE_BEAT(lease) ((lease) / 9)
#define LEASE_DOUBT(lease) ((lease)*2 / 9)
#define LEASE_PROOF(lease) ((lease) / 3)
#define LEASE_PATIENCE(lease) ((lease) / 2)
#define LEASE_ELEMENT(lease) ((lease)*2 / 3)

#define LIMIT_APPLY_S 60      /* who applies one waits for it to be in force */
#define LIMIT_CONFIRM_S 86400 /* to confirm an applied configuration in */
/* How often an upstream that is checked is asked whether it is there. */
#define LIMIT_CHECK_MIN_MS 1000U
#define LIMIT_CHECK_MAX_MS 3600000U

#define LIMIT_LEASE_MIN_MS 1000
#define LIMIT_LEASE_MAX_MS 60000

#endif
