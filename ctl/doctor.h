/* SPDX-License-Identifier: ISC */
/*
 * What `tpxctl doctor' looks at.  Each check only reads, works without a
 * running tpxd, and says in a few words what it has found.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include <stdint.h>

#include "policy/image.h"
#include "policy/text.h"

struct patient {
	const struct image *image; /* NULL: there is no policy to go by */
	uint32_t mark_mask;
	int is_running; /* tpxd is */
	uint32_t pid;	/* of a relay of it, or 0 */
};

enum health {
	HEALTH_FINE,
	HEALTH_ILL,
	HEALTH_UNKNOWN, /* it may not be looked at */
};

/* What is found is written to text, also why it is not known. */
typedef enum health check_fn(const struct patient *, struct text *);

/* Settings below /proc/sys. */
enum health check_src_valid_mark(const struct patient *, struct text *);
enum health check_rp_filter(const struct patient *, struct text *);
enum health check_bridge(const struct patient *, struct text *);
enum health check_forwarding4(const struct patient *, struct text *);
enum health check_forwarding6(const struct patient *, struct text *);
enum health check_conntrack_room(const struct patient *, struct text *);
enum health check_conntrack_accounts(const struct patient *, struct text *);
enum health check_local_ports(const struct patient *, struct text *);
enum health check_ipv6(const struct patient *, struct text *);
enum health check_ipv6_captured(const struct patient *, struct text *);
enum health check_syn_cookies(const struct patient *, struct text *);
enum health check_fast_open(const struct patient *, struct text *);
enum health check_mptcp(const struct patient *, struct text *);

/* What else uses the kernel, and what it lacks. */
enum health check_interfaces(const struct patient *, struct text *);
enum health check_rules(const struct patient *, struct text *);
enum health check_routes(const struct patient *, struct text *);
enum health check_nft_marks(const struct patient *, struct text *);
enum health check_nft_features(const struct patient *, struct text *);
enum health check_landlock(const struct patient *, struct text *);

/* The host. */
enum health check_user(const struct patient *, struct text *);
enum health check_log_owner(const struct patient *, struct text *);
enum health check_log_space(const struct patient *, struct text *);
enum health check_descriptors(const struct patient *, struct text *);
enum health check_resolver(const struct patient *, struct text *);
enum health check_clock(const struct patient *, struct text *);
enum health check_networkd(const struct patient *, struct text *);

/*
 * Whether a line of `nft list ruleset' changes or compares bits of a mark that
 * are in the mask.  What sets a whole mark changes all of them.
 */
int doctor_mark_is_used(const char *line, uint32_t mask);

#endif
