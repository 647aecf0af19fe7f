/* SPDX-License-Identifier: ISC */
/*
 * The front end of DNS: clients' questions over UDP and TCP, answers from the
 * cache, the policy or the resolver.  This is its border to the process: no
 * message of tpx's is read or written behind it, and no DNS is known before it.
 *
 * One thread, one event base.  Nothing here waits, and no input of a client or
 * of the resolver is an error of the caller's: it is answered, counted or
 * dropped.  The functions of struct front_ops are called from the base's loop
 * and from the functions below; they must not call back into the front.
 *
 * RFC 1035, 2181, 2308, 6840, 6891, 7766, 8020, 8482, 8767, 8914.
 */
#ifndef DNSD_FRONT_H
#define DNSD_FRONT_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "schema/dns.h"
#include "schema/flow.h"

struct event_base;
struct front;
struct share_tags;

/* What is asked, of class IN always. */
struct question {
	uint8_t name[LIMIT_DNS_NAME_BYTES]; /* wire form, lower case */
	uint8_t name_bytes;		    /* with the root; at least 1 */
	uint8_t checking_disabled;	    /* CD: nothing is to be validated */
	uint16_t qtype;
};

/* What the policy answers by itself, if anything. */
enum front_answer {
	FRONT_PASS,	/* nothing: the question is looked up */
	FRONT_NXDOMAIN, /* no such name */
	FRONT_REFUSED,
	FRONT_ZERO,   /* 0.0.0.0 or ::, no data for other types */
	FRONT_NODATA, /* the name is there, with nothing of that type */
};

struct front_verdict {
	enum front_answer answer;
	uint16_t rule; /* for the log, or DNS_RULE_NONE */
	uint16_t ede;  /* RFC 8914: 15 blocked, 17 filtered, ...; or NONE */
};

/* Addresses that a client is about to be told for a name. */
struct front_binding {
	const struct addr *client;
	const struct question *question; /* what it asked, not the last alias */
	const char *aliases;		 /* the others, see policy/binding.h */
	const struct addr *addrs;
	size_t count; /* 1 .. FRONT_BINDING_ADDRS */
	uint32_t ttl_s;
};

#define FRONT_LEARN_US 50000
#define FRONT_BINDING_ADDRS 64 /* an answer with more makes several calls */

/* ctx is that of front_new().  policy and learn may be NULL. */
struct front_ops {
	/*
	 * Passes a question on to the resolver.  The answer comes later by
	 * front_resolved() with the same id, never out of this call; no answer
	 * at all is fine as well.  for_whom: of those who wait for it, one who
	 * has few questions there.  -1 when that is not possible now: the
	 * client gets SERVFAIL (or something stale) when its time is over.
	 */
	int (*resolve)(void *ctx, uint64_t id, const struct question *,
	    const struct share_tags *for_whom);

	/*
	 * A question has been answered.  The record lasts as long as the call.
	 * Called once for each answer that was sent, or could not be sent for
	 * lack of room in a socket; not for what was dropped or was beyond a
	 * limit: that is only counted, so that nobody can flood the log.
	 */
	void (*log)(void *ctx, const struct dns_record *);

	/*
	 * The verdict on a question, and on every alias (CNAME) that an answer
	 * goes by; the first that is not FRONT_PASS decides.  name is in wire
	 * form, lower case.  Called for each question, also for those in the
	 * cache: it has to be fast and without system calls.  *verdict is
	 * FRONT_PASS without a rule before the call.
	 */
	void (*policy)(void *ctx, const struct addr *client,
	    const uint8_t *name, size_t name_bytes, uint16_t qtype,
	    struct front_verdict *verdict);

	/*
	 * Whether a name, in the same form, may lead to addresses of private
	 * networks; NULL: each may.  Called for records of SVCB and HTTPS that
	 * do, before they are kept.
	 */
	int (*may_be_private)(
	    void *ctx, const uint8_t *name, size_t name_bytes);

	/*
	 * Comes before an answer with addresses (A, AAAA, hints of SVCB and
	 * HTTPS) is sent.  Called for each such answer, also for those in the
	 * cache.  0, or a number that is no smaller than those before: the
	 * answer waits for front_learned() with it, which is not called from
	 * here, or for FRONT_LEARN_US.
	 */
	uint64_t (*learn)(void *ctx, const struct front_binding *);
};

struct front_settings {
	uint32_t generation; /* of the configuration, for records */
	uint32_t worker;
	uint16_t port; /* to which what is captured was addressed: 53 */

	/* Taken from the first settings only: memory that is kept. */
	size_t cache_bytes; /* 0: nothing is cached */

	uint32_t ttl_max_s;	     /* 0: 86400 */
	uint32_t ttl_negative_max_s; /* 0: 3600; RFC 2308, 5 */
	uint32_t stale_s;	     /* after its time; 0: no.  RFC 8767 */

	/* Questions a second of one client; 0: no limit. */
	uint32_t rate;	    /* of all kinds */
	uint32_t rate_miss; /* of those that are not in the cache */
};

/*
 * NULL with errno.  ops and ctx have to last as long as the front; settings
 * are copied.  Reads random bytes (getrandom(2)); allocates all of its memory
 * here, except that of a TCP connection, which it gets when it is accepted.
 */
struct front *front_new(struct event_base *, const struct front_ops *,
    void *ctx, const struct front_settings *);

/* A new configuration.  What is in the cache stays; the policy is asked anew.
 */
void front_configure(struct front *, const struct front_settings *);

/* Everything leaves the cache. */
void front_flush(struct front *);

/*
 * A socket of netctl's, non-blocking, bound to its port.  It is the front's
 * from now on, also after a failure.
 * UDP: IP_TRANSPARENT and IP_RECVORIGDSTADDR or IPV6_RECVORIGDSTADDR are set.
 * Answers leave with the original destination's address (IP_PKTINFO,
 * IPV6_PKTINFO) and the listener's port, which the rule set makes 53.
 * TCP: it listens; clients' local address is the original destination.
 * What was addressed to another port than settings.port is dropped and counted.
 */
struct front_listener {
	int fd;
	int family;    /* AF_INET, AF_INET6: without v4-mapped addresses */
	int transport; /* enum dns_transport */
	enum flow_capture capture;
};

/* -1 with ENOMEM, or EMFILE beyond FRONT_LISTENERS of them. */
#define FRONT_LISTENERS 8
int front_add_listener(struct front *, const struct front_listener *);

/*
 * What the resolver says.  Nothing in it is trusted: id has to be one that is
 * waited for, and the packet a whole one, for the very name, type and class
 * that were asked; otherwise it counts as SERVFAIL (`bad' in the stats).
 */
struct resolution {
	uint64_t id;
	uint16_t rcode;
	uint16_t ede; /* RFC 8914, or DNS_EDE_NONE */
	enum dns_security security;
	/*
	 * DNS_HELD_NOT, or there was no room for the question: it is asked
	 * again while somebody waits, and nothing else here matters.
	 */
	enum dns_held held;
	/*
	 * The whole DNS message, with DNSSEC records when there are some; id
	 * and flags of its header do not matter.  len_bytes 0: there is none,
	 * which is right only when rcode is not NOERROR.  BOGUS: none is sent
	 * on, whatever is in it.
	 */
	const uint8_t *packet;
	size_t len_bytes;
};

void front_resolved(struct front *, const struct resolution *);

/* What waits for that number or a lower one of learn() is sent. */
void front_learned(struct front *, uint64_t number);

/*
 * Until front_resolver_ready() nothing is asked (resolve() is not called).  Who
 * waits goes on waiting, each for its 2 seconds, and what is still waited for
 * is asked again when a resolver is ready, with new ids.  A front begins
 * without a resolver.
 */
void front_resolver_lost(struct front *);
void front_resolver_ready(struct front *);

struct front_stats {
	uint64_t questions; /* everything that was taken in */
	uint64_t cache_hits;
	uint64_t stale;	   /* of the hits, those after their time */
	uint64_t blocked;  /* answered by the policy */
	uint64_t servfail; /* answers */
	uint64_t limited;  /* beyond a client's rate or share */
	uint64_t repeated; /* by who waits for it: one answer, and one row */
	uint64_t dropped;  /* no question: answers, junk, to the listener */
	uint64_t unsent;   /* answers for which a socket had no room */
	uint64_t bad;	   /* resolutions that could not be taken */
	uint64_t evicted;  /* waiting clients that had to give way */
	uint64_t late;	   /* answers sent without front_learned() */
	uint32_t waiting;  /* clients that wait for the resolver now */
	uint32_t asked;	   /* questions at the resolver now */
	uint32_t connections;
	struct dns_latency latency[DNS_SOURCE_COUNT]; /* of rows of the log */
};

void front_stats(const struct front *, struct front_stats *);

/*
 * Grows with every question taken in, every answer sent, and every connection
 * accepted: to turn away who asks nothing is work.
 */
uint64_t front_progress(const struct front *);

/*
 * Connections that wait in the backlogs of the listeners (TCP), and not for
 * want of descriptors.
 */
uint32_t front_backlog(const struct front *);

/* Closes everything; who waits gets no answer. */
void front_free(struct front *);

#endif
