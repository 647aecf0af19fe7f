/* SPDX-License-Identifier: ISC */
/*
 * How many flows a relay has open, by what limits them: memory that the
 * supervisor makes.  Each relay writes its own part and reads all, so that
 * nothing has to be worked out when one dies: the supervisor clears its part.
 * Whoever reads it believes nothing in it.
 */
#ifndef SCHEMA_TALLY_H
#define SCHEMA_TALLY_H

#include <stdint.h>

/* A key is in the bucket that it says itself, in any cell.  Powers of two. */
#define TALLY_BUCKETS 16384U
#define TALLY_BUCKET_CELLS 16U
#define TALLY_CELLS (TALLY_BUCKETS * TALLY_BUCKET_CELLS)

/* count 0: the cell is free, whatever its key. */
struct tally_cell {
	_Atomic uint64_t key;
	_Atomic uint64_t count;
};

struct tally_part {
	struct tally_cell cell[TALLY_CELLS];
};

#endif
