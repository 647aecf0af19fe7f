/* SPDX-License-Identifier: ISC */
/* The policy that tpxd runs with. */
#ifndef CTL_IMAGE_H
#define CTL_IMAGE_H

#include "ctl/ctl.h"

struct image;

/* CTL_GOOD and a checked image, mapped until the end; or why not, explained. */
int image_ask(const struct ctl *, const struct image **);

#endif
