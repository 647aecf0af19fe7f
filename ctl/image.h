/* SPDX-License-Identifier: ISC */
/* The policy that tpxd runs with. */
#ifndef CTL_IMAGE_H
#define CTL_IMAGE_H

#include "ctl/ctl.h"

#include "policy/lists.h"
#include "policy/mapping.h"
#include "policy/render.h"

struct image_answer {
	struct mapping policy;	      /* checked, and mapped until the end */
	struct lists_mapping domains; /* the same; index NULL: none */
	struct render_local local;
};

/* CTL_GOOD and what is asked for; or why not, explained. */
int image_ask(const struct ctl *, struct image_answer *);

#endif
