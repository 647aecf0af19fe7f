/* SPDX-License-Identifier: ISC */
/*
 * The only file that knows libunbound(3).  Reads answers of servers, through
 * that library; believes none of them.  Never frees a context from within a
 * callback of its own, which the library does not survive.
 */
#include "dnsd/resolver/engine.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#include "common/addr.h"
#include "common/log.h"
#include "dnsd/private.h"
#include "dnsd/resolver/anchor.h"
#include "dnsd/resolver/bogus.h"
#include "dnsd/wire.h"

#define SERVER_TEXT_BYTES (ADDR_TEXT_BYTES + 8)

struct engine {
	struct ub_ctx *contexts[LIMIT_DNS_SERVERS];
	/* For CD; NULL: the others give what is not validated as well. */
	struct ub_ctx *unchecked[LIMIT_DNS_SERVERS];
	unsigned int count; /* of each */
	int validates;
	uint16_t ports[LIMIT_DNS_SERVERS + 2];
	int refuses; /* there is nobody to ask */
};

struct waiting {
	engine_fn *answer;
	void *ctx;
	int validates;
};

struct option {
	const char *name;
	const char *value;
};

/* Who validates what a context asks for. */
enum validation {
	VALIDATION_OWN,	   /* the library */
	VALIDATION_OTHERS, /* the servers, if they like */
	VALIDATION_NONE,   /* not even those */
};

/* Of all servers' contexts together; dnsd keeps what is asked often. */
static const struct {
	const char *name;
	unsigned int kib;
} caches[] = {
	{ "msg-cache-size:", 16384 },
	{ "rrset-cache-size:", 32768 },
	{ "key-cache-size:", 8192 },
	{ "neg-cache-size:", 4096 },
};

/*
 * unbound.conf(5).  Sizes: all dnsds together ask at most as much as room.h
 * says.  No unwanted-reply-threshold: where it is reached, what
 * libunbound is to call is not on its own list of functions, and it exits.
 */
static const struct option options[] = {
	{ "max-udp-size:", "1232" },
	{ "outgoing-range:", "2048" },
	{ "num-queries-per-thread:", "4096" },
	{ "outgoing-num-tcp:", "64" },
	{ "qname-minimisation:", "yes" },
	{ "harden-glue:", "yes" },
	{ "harden-dnssec-stripped:", "yes" },
	{ "harden-below-nxdomain:", "yes" },
	{ "harden-short-bufsize:", "yes" },
	{ "harden-large-queries:", "yes" },
	{ "minimal-responses:", "yes" },
	{ NULL, NULL },
};

/*
 * To a server: what fits a packet everywhere (RFC 9715), and itself as the
 * configuration wants it.
 */
static const struct option toward_network[] = {
	{ "edns-buffer-size:", "1232" },
	{ "do-not-query-localhost:", "no" },
	{ NULL, NULL },
};

/* To tpx-dot on this host, where no packet is too long. */
static const struct option toward_dot[] = {
	{ "edns-buffer-size:", "32768" },
	{ "do-not-query-localhost:", "no" },
	{ NULL, NULL },
};

static const struct option validating[] = {
	{ "module-config:", "validator iterator" },
	{ "aggressive-nsec:", "yes" },
	{ "insecure-lan-zones:", "yes" },
	{ NULL, NULL },
};

static const struct option trusting[] = {
	{ "module-config:", "iterator" },
	{ NULL, NULL },
};

/*
 * A server that validates keeps from a question without CD what is forged.  The
 * iterator gives CD to a question that it forwards when the first attempt has
 * failed, and the name is below a trust anchor.  The validator reads those; it
 * stands where no answer comes by.
 */
static const struct option insisting[] = {
	{ "module-config:", "iterator validator" },
	{ NULL, NULL },
};

/*
 * Who is asked by name knows more of private networks than the library.  And
 * there is nobody to go to instead: a server that the library took for dead,
 * for it does not answer one client's questions about names whose own servers
 * are silent, would be asked nothing by all others.  So no time that an answer
 * takes means that, what is known of times lasts a second, and a question is
 * sent as often as somebody waits for it.
 */
static const struct option forwarding[] = {
	{ "infra-cache-max-rtt:", "120000" },
	{ "infra-host-ttl:", "1" },
	{ "outbound-msg-retry:", "3" },
	{ "unblock-lan-zones:", "yes" },
	{ NULL, NULL },
};

/* Against who forges answers; of TLS nobody can. */
static const struct option random_case[] = {
	{ "use-caps-for-id:", "yes" },
	{ NULL, NULL },
};

static int
is_set(int result, const char *what)
{
	if (result == 0)
		return 0;
	log_warnx("libunbound: %s: %s", what, ub_strerror(result));
	errno = EINVAL;
	return -1;
}

static int
set(struct ub_ctx *context, const struct option *option)
{
	for (; option->name != NULL; option++)
		if (is_set(
			ub_ctx_set_option(context, option->name, option->value),
			option->name) == -1)
			return -1;
	return 0;
}

static void
server_text(const struct addr *addr, uint16_t port, char *text, size_t size)
{
	char buf[ADDR_TEXT_BYTES];

	(void)snprintf(text, size, "%s@%u", addr_format(addr, buf), port);
}

static int
caches_set(struct ub_ctx *context, unsigned int contexts)
{
	char size[sizeof("k") + 3 * sizeof(unsigned int)];
	size_t i;

	for (i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
		(void)snprintf(
		    size, sizeof(size), "%uk", caches[i].kib / contexts);
		if (is_set(ub_ctx_set_option(context, caches[i].name, size),
			caches[i].name) == -1)
			return -1;
	}
	return 0;
}

static int
forward_set(struct ub_ctx *context, const struct image *image, uint32_t which)
{
	const struct image_dns_server *server = image_dns_server(image, which);
	char text[SERVER_TEXT_BYTES];

	if (set(context, forwarding) == -1)
		return -1;
	server_text(&server->addr, server->port, text, sizeof(text));
	return is_set(ub_ctx_set_fwd(context, text), text);
}

static int
hint_set(void *ctx, const char *addr)
{
	return is_set(ub_ctx_set_stub(ctx, ".", addr, 1), addr);
}

static int
anchor_set(void *ctx, const char *record)
{
	return is_set(ub_ctx_add_ta(ctx, record), record);
}

static int
rebinding_set(struct ub_ctx *context, const struct image *image)
{
	uint32_t i;

	if (!image_dns(image)->rebind_protect)
		return 0;
	for (i = 0; i < image_dns_allow_count(image); i++) {
		const struct option allow[] = {
			{ "private-domain:", image_dns_allow(image, i) },
			{ NULL, NULL },
		};

		if (set(context, allow) == -1)
			return -1;
	}
	for (i = 0; private_networks[i] != NULL; i++) {
		const struct option network[] = {
			{ "private-address:", private_networks[i] },
			{ NULL, NULL },
		};

		if (set(context, network) == -1)
			return -1;
	}
	return 0;
}

static int
dot_set(struct ub_ctx *context, uint16_t port)
{
	char text[SERVER_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "127.0.0.1@%u", port);
	if (set(context, forwarding) == -1 || set(context, toward_dot) == -1)
		return -1;
	return is_set(ub_ctx_set_fwd(context, text), text);
}

static int
servers_set(struct ub_ctx *context, const struct image *image, uint16_t dot,
    uint32_t which)
{
	if (image_dns(image)->mode == DNS_FORWARD_TLS)
		return dot_set(context, dot);
	if (set(context, toward_network) == -1 ||
	    (image_dns(image)->random_case && set(context, random_case) == -1))
		return -1;
	if (image_dns(image)->mode == DNS_FORWARD)
		return forward_set(context, image, which);
	return anchor_hints(image_dns_root_hints(image), hint_set, context);
}

static int
validation_set(struct ub_ctx *context, const struct image *image,
    enum validation validation)
{
	static const struct option *const kinds[] = {
		[VALIDATION_OWN] = validating,
		[VALIDATION_OTHERS] = trusting,
		[VALIDATION_NONE] = insisting,
	};
	const char *anchor = image_dns_trust_anchor(image);

	if (set(context, kinds[validation]) == -1)
		return -1;
	if (validation == VALIDATION_OTHERS)
		return 0;
	/* What others find forged may be below any. */
	return anchor_records(
	    validation == VALIDATION_NONE ? "" : anchor, anchor_set, context);
}

static void
ignore(void *ctx, int rcode, void *packet, int len, int security, char *why,
    int limited)
{
	(void)ctx;
	(void)rcode;
	(void)packet;
	(void)len;
	(void)security;
	(void)why;
	(void)limited;
}

static unsigned int
servers_of(const struct image *image)
{
	return image_dns(image)->mode == DNS_FORWARD
		   ? image_dns_server_count(image)
		   : 1;
}

/* which: the server that it forwards to, if it forwards to any. */
static struct ub_ctx *
context_new(struct event_base *base, const struct image *image, uint16_t dot,
    enum validation validation, uint32_t which)
{
	struct ub_ctx *context = ub_ctx_create_event(base);

	if (context == NULL)
		return NULL;
	/* What it has to say of a server's answer is the server's text. */
	(void)ub_ctx_debugout(context, NULL);
	if (validation_set(context, image, validation) == 0 &&
	    set(context, options) == 0 &&
	    caches_set(context, servers_of(image)) == 0 &&
	    rebinding_set(context, image) == 0 &&
	    servers_set(context, image, dot, which) == 0 &&
	    is_set(ub_resolve_event(context, "localhost", WIRE_A, WIRE_CLASS_IN,
		       NULL, ignore, NULL),
		"first question") == 0)
		return context;
	ub_ctx_delete(context);
	return NULL;
}

/* Of questions with CD.  The library puts it to those of the zones itself. */
static enum validation
unchecked_validation(const struct image *image)
{
	return image_dns(image)->mode == DNS_RECURSE ? VALIDATION_OTHERS
						     : VALIDATION_NONE;
}

static int
contexts_new(struct engine *engine, struct event_base *base,
    const struct image *image, uint16_t dot)
{
	unsigned int servers = servers_of(image), i;
	enum validation unchecked = unchecked_validation(image),
			validation = VALIDATION_OTHERS;

	engine->validates = image_dns(image)->validate != 0;
	if (engine->validates)
		validation = VALIDATION_OWN;
	while (engine->count < servers) {
		i = engine->count;
		engine->contexts[i] =
		    context_new(base, image, dot, validation, i);
		if (engine->contexts[i] == NULL)
			return -1;
		engine->count++;
		if (unchecked == validation)
			continue;
		engine->unchecked[i] =
		    context_new(base, image, dot, unchecked, i);
		if (engine->unchecked[i] == NULL)
			return -1;
	}
	return 0;
}

static void
ports_note(struct engine *engine, const struct image *image, uint16_t dot)
{
	uint32_t i, n = 0;

	if (image_dns(image)->mode == DNS_FORWARD_TLS) {
		engine->ports[n] = dot;
		return;
	}
	for (i = 0; i < image_dns_server_count(image); i++)
		engine->ports[n++] = image_dns_server(image, i)->port;
	if (n == 0)
		engine->ports[n++] = DNS_PORT;
}

/* What is to be secret is not asked at all when nobody speaks TLS. */
static int
has_nobody_to_ask(const struct image *image, uint16_t dot)
{
	if (image_dns(image)->mode == DNS_FORWARD_TLS)
		return dot == 0;
	return image_dns(image)->mode == DNS_OFF;
}

struct engine *
engine_new(struct event_base *base, const struct image *image, uint16_t dot)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->refuses = has_nobody_to_ask(image, dot);
	if (engine->refuses)
		return engine;
	ports_note(engine, image, dot);
	if (contexts_new(engine, base, image, dot) == -1) {
		engine_free(engine);
		return NULL;
	}
	return engine;
}

static enum dns_security
security_of(const struct waiting *waiting, int security)
{
	static const enum dns_security securities[] = { DNS_SECURITY_INSECURE,
		DNS_SECURITY_BOGUS, DNS_SECURITY_SECURE };

	if (!waiting->validates || security < 0 || security > 2)
		return DNS_SECURITY_NONE;
	return securities[security];
}

static void
on_answer(void *ctx, int rcode, void *packet, int len, int security, char *why,
    int limited)
{
	struct waiting *waiting = ctx;
	struct engine_answer answer = { .rcode = WIRE_SERVFAIL,
		.ede = DNS_EDE_NONE };

	(void)limited;
	if (rcode > 0 && rcode < 4096)
		answer.rcode = (uint16_t)rcode;
	answer.security = security_of(waiting, security);
	if (answer.security == DNS_SECURITY_BOGUS)
		answer.ede = bogus_ede(why);
	/* With an error of its own there is no packet, whatever len says. */
	if (rcode == 0 && packet != NULL && len >= WIRE_HEADER_BYTES &&
	    len <= LIMIT_DNS_PACKET_BYTES) {
		answer.packet = packet;
		answer.len_bytes = (size_t)len;
		answer.rcode = answer.packet[3] & 0xf;
	}
	waiting->answer(waiting->ctx, &answer);
	free(waiting);
}

/*
 * The library reads text with escapes as dns_name_text() writes it; at its end
 * a name has a dot, so that nothing is added.
 */
static int
name_read(const struct engine_question *question, char *text, size_t size)
{
	char buf[DNS_NAME_TEXT_BYTES];
	size_t at = 0;

	while (at < question->name_bytes && question->name[at] != 0 &&
	       question->name[at] < 64)
		at += 1U + question->name[at];
	if (question->name_bytes > LIMIT_DNS_NAME_BYTES ||
	    at + 1 != question->name_bytes || question->name[at] != 0) {
		errno = EINVAL;
		return -1;
	}
	(void)dns_name_text(question->name, buf);
	(void)snprintf(text, size, "%s%s", buf, at == 0 ? "" : ".");
	return 0;
}

unsigned int
engine_servers(const struct engine *engine)
{
	return engine->count > 0 ? engine->count : 1;
}

int
engine_ask(struct engine *engine, unsigned int server,
    const struct engine_question *question, engine_fn *answer, void *ctx)
{
	char name[DNS_NAME_TEXT_BYTES + 1];
	struct ub_ctx *context;
	struct waiting *waiting;
	int result;

	if (name_read(question, name, sizeof(name)) == -1)
		return -1;
	if (engine->refuses) {
		errno = ENOTSUP;
		return -1;
	}
	if ((waiting = malloc(sizeof(*waiting))) == NULL)
		return -1;
	waiting->answer = answer;
	waiting->ctx = ctx;
	waiting->validates = engine->validates && !question->checking_disabled;
	context = engine->contexts[server];
	if (question->checking_disabled && engine->unchecked[server] != NULL)
		context = engine->unchecked[server];
	result = ub_resolve_event(context, name, question->qtype, WIRE_CLASS_IN,
	    waiting, on_answer, NULL);
	if (result == 0)
		return 0;
	free(waiting);
	errno = result == UB_NOMEM ? ENOMEM : EINVAL;
	return -1;
}

const uint16_t *
engine_ports(const struct engine *engine)
{
	return engine->ports;
}

void
engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	while (engine->count > 0) {
		ub_ctx_delete(engine->contexts[--engine->count]);
		if (engine->unchecked[engine->count] != NULL)
			ub_ctx_delete(engine->unchecked[engine->count]);
	}
	free(engine);
}
