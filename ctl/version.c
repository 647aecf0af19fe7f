/* SPDX-License-Identifier: ISC */
/* tpxctl version */
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/json.h"
#include "schema/limits.h"

int
version_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct json json;

	(void)argv;
	if (argc != 1)
		return CTL_USAGE;
	if (!ctl->json) {
		(void)printf("tpx %s\n", TPX_VERSION);
		return CTL_GOOD;
	}
	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "version", TPX_VERSION);
	json_object_end(&json);
	(void)putchar('\n');
	return CTL_GOOD;
}
