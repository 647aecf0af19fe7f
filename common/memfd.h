/* SPDX-License-Identifier: ISC */
/*
 * Memory handed to another process by descriptor (memfd_create(2)).  A sealed
 * one can neither change nor shrink any more, so its reader need not fear
 * SIGBUS or a value that changes after it was checked.
 */
#ifndef COMMON_MEMFD_H
#define COMMON_MEMFD_H

#include <stddef.h>

/* A new memfd that holds a copy of len bytes and is sealed.  -1 with errno. */
int memfd_sealed(const char *name, const void *bytes, size_t len);

/*
 * Maps a descriptor from another process for reading: it must be a memfd of
 * exactly len bytes with all seals of memfd_sealed().  NULL with EPERM when a
 * seal is missing and EINVAL when it has another size.  The mapping outlives
 * the descriptor; munmap(2) ends it.
 */
const void *memfd_map_sealed(int fd, size_t len);

/*
 * A new memfd of len zero bytes, its size sealed, mapped for writing at *map.
 * -1 with errno.
 */
int memfd_shared(const char *name, size_t len, void **map);

/*
 * The same memfd by a new descriptor, which cannot be mapped for writing, not
 * by any process that it is passed to.  Opens it by /proc.  -1 with errno.
 */
int memfd_read_only(int fd);

/* Maps a memfd_shared() of another process, for writing too when write is 1. */
void *memfd_map_shared(int fd, size_t len, int write);

#endif
