/* SPDX-License-Identifier: ISC */
/* A list of free blocks, the one used last first; looks at no byte in them. */
#include "dnsd/unsent.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <stdlib.h>
#include <string.h>

struct unsent_block {
	struct unsent_block *next;
	uint16_t begin, end; /* of what is in bytes */
	uint8_t bytes[UNSENT_BLOCK_BYTES];
};

struct unsent_memory {
	unsigned int owners_most, owners;
	unsigned int shared_most, shared;
	unsigned int touched; /* blocks that were used ever */
	struct unsent_block *free;
	struct unsent_block blocks[];
};

struct unsent_memory *
unsent_memory_new(unsigned int owners, unsigned int shared)
{
	struct unsent_memory *memory;

	memory = calloc(
	    1, sizeof(*memory) + (owners + shared) * sizeof(memory->blocks[0]));
	if (memory == NULL)
		return NULL;
	memory->owners_most = owners;
	memory->shared_most = shared;
	return memory;
}

/* How many there are of what a queue's next block is one of. */
static unsigned int *
kind_of(struct unsent_memory *memory, const struct unsent *unsent)
{
	return unsent->blocks == 0 ? &memory->owners : &memory->shared;
}

static int
has_room(const struct unsent_memory *memory, const struct unsent *unsent)
{
	if (unsent->blocks == 0)
		return memory->owners < memory->owners_most;
	return memory->shared < memory->shared_most &&
	       unsent->blocks < UNSENT_BLOCKS;
}

static int
block_add(struct unsent_memory *memory, struct unsent *unsent)
{
	struct unsent_block *block = memory->free;

	if (!has_room(memory, unsent))
		return -1;
	if (block != NULL)
		memory->free = block->next;
	else
		block = &memory->blocks[memory->touched++];
	block->next = NULL;
	block->begin = block->end = 0;
	++*kind_of(memory, unsent);
	if (unsent->blocks++ == 0)
		unsent->first = block;
	else
		unsent->last->next = block;
	unsent->last = block;
	return 0;
}

static void
first_drop(struct unsent_memory *memory, struct unsent *unsent)
{
	struct unsent_block *block = unsent->first;

	unsent->bytes -= (size_t)(block->end - block->begin);
	unsent->first = block->next;
	unsent->blocks--;
	--*kind_of(memory, unsent);
	block->next = memory->free;
	memory->free = block;
}

int
unsent_add(struct unsent_memory *memory, struct unsent *unsent,
    const uint8_t *bytes, size_t len)
{
	struct unsent_block *block;
	size_t n;

	while (len > 0) {
		if ((unsent->blocks == 0 ||
			unsent->last->end == UNSENT_BLOCK_BYTES) &&
		    block_add(memory, unsent) == -1)
			return -1;
		block = unsent->last;
		n = UNSENT_BLOCK_BYTES - (size_t)block->end;
		n = len < n ? len : n;
		memcpy(block->bytes + block->end, bytes, n);
		block->end = (uint16_t)(block->end + n);
		unsent->bytes += n;
		bytes += n;
		len -= n;
	}
	return 0;
}

static void
was_sent(struct unsent_memory *memory, struct unsent *unsent, size_t sent)
{
	struct unsent_block *block;
	size_t n;

	while (sent > 0) {
		block = unsent->first;
		n = (size_t)(block->end - block->begin);
		n = sent < n ? sent : n;
		block->begin = (uint16_t)(block->begin + n);
		unsent->bytes -= n;
		sent -= n;
		if (block->begin == block->end)
			first_drop(memory, unsent);
	}
}

ssize_t
unsent_send(struct unsent_memory *memory, struct unsent *unsent, int fd)
{
	struct iovec parts[UNSENT_BLOCKS];
	struct msghdr header = { .msg_iov = parts };
	struct unsent_block *block = unsent->first;
	ssize_t sent;

	while (header.msg_iovlen < unsent->blocks) {
		parts[header.msg_iovlen++] = (struct iovec){
			.iov_base = block->bytes + block->begin,
			.iov_len = (size_t)(block->end - block->begin),
		};
		block = block->next;
	}
	if (unsent->blocks == 0)
		return 0;
	sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		was_sent(memory, unsent, (size_t)sent);
	return sent;
}

void
unsent_drop(struct unsent_memory *memory, struct unsent *unsent)
{
	while (unsent->blocks > 0)
		first_drop(memory, unsent);
}

void
unsent_memory_free(struct unsent_memory *memory)
{
	free(memory);
}
