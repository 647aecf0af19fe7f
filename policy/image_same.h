/* SPDX-License-Identifier: ISC */
/*
 * What of an image is as in another one, so that whoever works by it may go on
 * when one takes the place of the other.
 */
#ifndef POLICY_IMAGE_SAME_H
#define POLICY_IMAGE_SAME_H

struct image;

/* 1 when questions go to the same servers, in the same order. */
int image_same_servers(const struct image *, const struct image *);

/*
 * 1 when all is the same that the resolver reads: answers that were right by
 * one are right by the other.
 */
int image_same_resolver(const struct image *, const struct image *);

#endif
