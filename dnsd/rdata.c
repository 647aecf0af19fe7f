/* SPDX-License-Identifier: ISC */
/* Reads what a resolver sent, within the message given.  Pure. */
#include "dnsd/rdata.h"

#include "dnsd/dname.h"
#include "dnsd/wire.h"
#include "dnsd/writer.h"

/*
 * What is in the data: n a name that may be compressed, N one that may not, s a
 * length and so many bytes, * anything to the end; digits: so many bytes.
 * Types that are not here are "*".
 */
static const struct {
	uint16_t type;
	const char *parts;
} layouts[] = {
	{ WIRE_A, "4" },
	{ WIRE_NS, "n" },
	{ 3, "n" }, /* MD, MF */
	{ 4, "n" },
	{ WIRE_CNAME, "n" },
	{ WIRE_SOA, "nn20" },
	{ 7, "n" }, /* MB, MG, MR */
	{ 8, "n" },
	{ 9, "n" },
	{ WIRE_PTR, "n" },
	{ 14, "nn" },	/* MINFO */
	{ 15, "2n" },	/* MX */
	{ 17, "NN" },	/* RP */
	{ 18, "2N" },	/* AFSDB */
	{ 21, "2N" },	/* RT */
	{ 24, "18N*" }, /* SIG */
	{ 26, "2NN" },	/* PX */
	{ WIRE_AAAA, "16" },
	{ 30, "N*" },	 /* NXT */
	{ 33, "6N" },	 /* SRV */
	{ 35, "4sssN" }, /* NAPTR */
	{ 36, "2N" },	 /* KX */
	{ WIRE_DNAME, "N" },
	{ WIRE_RRSIG, "18N*" },
	{ WIRE_NSEC, "N*" },
	{ WIRE_SVCB, "2N*" },
	{ WIRE_HTTPS, "2N*" },
};

static const char *
layout_of(uint16_t type)
{
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].type == type)
			return layouts[i].parts;
	return "*";
}

static int
copy(const struct rdata *data, size_t *at, size_t len, struct writer *writer)
{
	if (len > data->at + data->bytes - *at ||
	    writer_bytes(writer, data->message + *at, len) == -1)
		return -1;
	*at += len;
	return 0;
}

/* Only the name's pointers may lead out of the data. */
static int
copy_name(
    const struct rdata *data, size_t *at, int compress, struct writer *writer)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	int len = dname_read(data->message, data->len, at, name);

	if (len == -1 || *at > data->at + data->bytes)
		return -1;
	return writer_name(writer, name, (size_t)len, compress);
}

static int
copy_part(const struct rdata *data, size_t *at, const char **part,
    struct writer *writer)
{
	size_t end = data->at + data->bytes, fixed = 0;
	char kind = *(*part)++;

	switch (kind) {
	case 'n':
	case 'N':
		return copy_name(data, at, kind == 'n', writer);
	case 's':
		if (*at == end)
			return -1;
		return copy(data, at, 1U + data->message[*at], writer);
	case '*':
		return copy(data, at, end - *at, writer);
	}
	for (fixed = (size_t)(kind - '0'); **part >= '0' && **part <= '9';
	     (*part)++)
		fixed = fixed * 10 + (size_t)(**part - '0');
	return copy(data, at, fixed, writer);
}

int
rdata_write(const struct rdata *data, struct writer *writer)
{
	const char *part = layout_of(data->type);
	size_t at = data->at;

	while (*part != '\0')
		if (copy_part(data, &at, &part, writer) == -1)
			return -1;
	return at == data->at + data->bytes ? 0 : -1;
}
