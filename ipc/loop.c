/* SPDX-License-Identifier: ISC */
#include "ipc/loop.h"

#include <event2/event.h>
#include <stddef.h>

struct event_base *
ipc_loop_new(int callbacks)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		return NULL;
	event_config_require_features(
	    config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
	event_config_set_flag(
	    config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	if (callbacks > 0)
		event_config_set_max_dispatch_interval(
		    config, NULL, callbacks, LOOP_WORK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base != NULL)
		event_base_priority_init(base, LOOP_PRIORITIES);
	return base;
}
