/* SPDX-License-Identifier: ISC */
/* The numbers of DNS messages and how they stand there (RFC 1035, 4.1). */
#ifndef DNSD_WIRE_H
#define DNSD_WIRE_H

#include <stdint.h>

#define WIRE_HEADER_BYTES 12
#define WIRE_QUESTION_BYTES 4 /* type and class, behind the name */
#define WIRE_RECORD_BYTES 10  /* type, class, TTL, length, behind the name */
#define WIRE_LABEL_MAX 63
#define WIRE_POINTER 0xc0

/* Flags of the header, RFC 1035 and RFC 4035. */
#define WIRE_QR 0x8000
#define WIRE_OPCODE 0x7800
#define WIRE_TC 0x0200
#define WIRE_RD 0x0100
#define WIRE_RA 0x0080
#define WIRE_AD 0x0020
#define WIRE_CD 0x0010
#define WIRE_DO 0x8000 /* of EDNS, RFC 3225 */

#define WIRE_CLASS_IN 1
#define WIRE_OPTION_EDE 15 /* RFC 8914 */

/* What this server takes and gives over UDP, and what is safe without EDNS. */
#define WIRE_UDP_BYTES 1232
#define WIRE_UDP_PLAIN_BYTES 512

enum wire_type {
	WIRE_A = 1,
	WIRE_NS = 2,
	WIRE_CNAME = 5,
	WIRE_SOA = 6,
	WIRE_PTR = 12,
	WIRE_AAAA = 28,
	WIRE_DNAME = 39,
	WIRE_OPT = 41,
	WIRE_RRSIG = 46,
	WIRE_NSEC = 47,
	WIRE_NSEC3 = 50,
	WIRE_SVCB = 64,
	WIRE_HTTPS = 65,
	WIRE_TKEY = 249,
	WIRE_TSIG = 250,
	WIRE_IXFR = 251,
	WIRE_AXFR = 252,
	WIRE_MAILB = 253,
	WIRE_MAILA = 254,
	WIRE_ANY = 255,
};

enum wire_rcode {
	WIRE_NOERROR = 0,
	WIRE_FORMERR = 1,
	WIRE_SERVFAIL = 2,
	WIRE_NXDOMAIN = 3,
	WIRE_NOTIMP = 4,
	WIRE_REFUSED = 5,
	WIRE_YXDOMAIN = 6,
	WIRE_BADVERS = 16,
};

enum wire_ede {
	WIRE_EDE_OTHER = 0,
	WIRE_EDE_STALE = 3,
	WIRE_EDE_BOGUS = 6,
	WIRE_EDE_NOT_READY = 14,
	WIRE_EDE_BLOCKED = 15,
	WIRE_EDE_STALE_NXDOMAIN = 19,
	WIRE_EDE_NOT_SUPPORTED = 21,
	WIRE_EDE_NO_AUTHORITY = 22,
};

static inline uint16_t
wire_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
wire_get32(const uint8_t *at)
{
	return (uint32_t)wire_get16(at) << 16 | wire_get16(at + 2);
}

static inline void
wire_put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void
wire_put32(uint8_t *at, uint32_t value)
{
	wire_put16(at, value >> 16);
	wire_put16(at + 2, value & UINT16_MAX);
}

#endif
