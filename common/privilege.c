/* SPDX-License-Identifier: ISC */
/* Drops uid, groups and capabilities, and believes only what it reads back. */
#include "common/privilege.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "common/log.h"

static cap_flag_value_t
flag_of(cap_t caps, cap_value_t cap, cap_flag_t set)
{
	cap_flag_value_t value = CAP_CLEAR;

	(void)cap_get_flag(caps, cap, set, &value);
	return value;
}

int
privilege_has_net_admin(void)
{
	cap_t caps = cap_get_proc();
	int has;

	if (caps == NULL)
		fatal("privilege: cap_get_proc");
	has = flag_of(caps, CAP_NET_ADMIN, CAP_PERMITTED) == CAP_SET;
	cap_free(caps);
	return has;
}

static void
ids_check(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1)
		fatal("privilege: getresuid");
	if (r != uid || e != uid || s != uid || rg != gid || eg != gid ||
	    sg != gid || getgroups(0, NULL) != 0)
		fatalx("privilege: ids were not dropped");
}

void
privilege_drop_user(void)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return;
	if ((user = getpwnam(PRIVILEGE_USER)) == NULL)
		fatalx("there is no user '%s': create it, see README.md",
		    PRIVILEGE_USER);
	if (user->pw_uid == 0)
		fatalx("user '%s' must not be root", PRIVILEGE_USER);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
		fatal("privilege: keepcaps");
	if (setgroups(0, NULL) == -1 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == -1 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == -1)
		fatal("privilege: cannot become user '%s'", PRIVILEGE_USER);
	ids_check(user->pw_uid, user->pw_gid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1)
		fatal("privilege: keepcaps");
}

/*
 * Only possible with CAP_SETPCAP, which the change of user has left permitted
 * and not effective; no_new_privs stands in without.
 */
static void
bounding_drop(cap_t has)
{
	cap_value_t cap = CAP_SETPCAP;
	cap_t may;

	if (flag_of(has, cap, CAP_PERMITTED) != CAP_SET)
		return;
	if ((may = cap_dup(has)) == NULL ||
	    cap_set_flag(may, CAP_EFFECTIVE, 1, &cap, CAP_SET) == -1 ||
	    cap_set_proc(may) == -1)
		fatal("privilege: CAP_SETPCAP");
	cap_free(may);
	for (cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (cap_drop_bound(cap) == -1)
			fatal("privilege: bounding set");
}

/* What of the wanted set the process has. */
static cap_t
limited(const char *text, cap_t has)
{
	cap_t want = cap_from_text(text);
	cap_t keep = cap_init();
	cap_value_t cap;

	if (want == NULL || keep == NULL)
		fatal("privilege: capabilities '%s'", text);
	for (cap = 0; cap <= cap_max_bits() - 1; cap++) {
		if (flag_of(want, cap, CAP_PERMITTED) != CAP_SET ||
		    flag_of(has, cap, CAP_PERMITTED) != CAP_SET)
			continue;
		if (cap_set_flag(keep, CAP_PERMITTED, 1, &cap, CAP_SET) == -1 ||
		    cap_set_flag(keep, CAP_EFFECTIVE, 1, &cap, CAP_SET) == -1)
			fatal("privilege: cap_set_flag");
	}
	cap_free(want);
	return keep;
}

void
privilege_limit(const char *text)
{
	cap_t has = cap_get_proc();
	cap_t keep, now;

	if (has == NULL)
		fatal("privilege: cap_get_proc");
	keep = limited(text, has);
	if (cap_reset_ambient() != 0)
		fatal("privilege: ambient capabilities");
	bounding_drop(has);
	if (cap_set_proc(keep) == -1)
		fatal("privilege: cap_set_proc");
	if ((now = cap_get_proc()) == NULL || cap_compare(now, keep) != 0)
		fatalx("privilege: capabilities were not dropped");
	cap_free(has);
	cap_free(keep);
	cap_free(now);
}
