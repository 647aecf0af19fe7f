/* SPDX-License-Identifier: ISC */
/*
 * Owns the tables of names and never looks into them.  Without a table there
 * are no names by DNS, and everything else goes on.
 */
#include "supervisor/names.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "policy/binding.h"
#include "supervisor/tpxd.h"

/* The bytes are taken early, each table has its own. */
void
names_init(struct names *names)
{
	names->fd = names->reader = -1;
	if (getrandom(names->seed, sizeof(names->seed), 0) !=
	    sizeof(names->seed))
		fatal("seed of names");
}

static int
table_make(struct names *names)
{
	size_t len = binding_table_bytes();
	void *table;
	int saved;

	names->fd = memfd_shared("tpx-names", len, &table);
	if (names->fd == -1)
		return -1;
	binding_table_init(table, names->seed);
	munmap(table, len);
	names->reader = memfd_read_only(names->fd);
	if (names->reader != -1)
		return 0;
	saved = errno;
	close(names->fd);
	names->fd = -1;
	errno = saved;
	return -1;
}

void
names_begin(struct tpxd *tpxd)
{
	struct names *names;
	uint32_t i, made = 0;

	for (i = 0; i < tpxd->dns.count; i++) {
		names = &tpxd->dns.dnsds[i].names;
		if (names->fd != -1)
			continue;
		if (table_make(names) == -1)
			log_warn("names of flows by dns");
		else
			made++;
	}
	if (made == 0)
		return;
	relays_connect(tpxd, names_to_relay);
	names_to_flowlog(tpxd);
}

void
names_to_dnsd(const struct dnsd *dnsd)
{
	if (dnsd->names.fd != -1)
		(void)ipc_send_empty(
		    dnsd->child.channel, MSG_DNSD_NAMES, dnsd->names.fd);
}

static void
names_send(struct tpxd *tpxd, const struct child *reader, enum msg_type type)
{
	struct msg_worker body;
	const struct names *names;
	uint32_t i;

	for (i = 0; i < tpxd->dns.count; i++) {
		names = &tpxd->dns.dnsds[i].names;
		body.worker = i;
		if (names->fd != -1 && IPC_SEND(reader->channel, type, 0, &body,
					   names->reader) == -1)
			log_warn("%s: names of flows by dns", reader->program);
	}
}

void
names_to_relay(struct tpxd *tpxd, struct relay *relay)
{
	names_send(tpxd, &relay->child, MSG_RELAY_NAMES);
}

void
names_to_flowlog(struct tpxd *tpxd)
{
	if (tpxd->flowlog.state == CHILD_RUNNING)
		names_send(tpxd, &tpxd->flowlog, MSG_LOG_NAMES);
}
