/* SPDX-License-Identifier: ISC */
/* What every subcommand of tpxctl is given, and how it ends. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

enum ctl_exit {
	CTL_GOOD = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_RUNNING = 3,
	CTL_NOT_PERMITTED = 4,
};

struct ctl {
	const char *socket; /* of tpxd */
	int json;
};

/*
 * argv[0] is the subcommand.  They return an enum ctl_exit; CTL_USAGE makes
 * the caller show the usage of the subcommand, behind a line that says which
 * word was wrong where the usage does not show it.  Every other failure has
 * been explained on standard error in one line.
 */
int status_run(const struct ctl *, int argc, char *argv[]);
int flows_run(const struct ctl *, int argc, char *argv[]);
int metrics_run(const struct ctl *, int argc, char *argv[]);
int dns_run(const struct ctl *, int argc, char *argv[]);
int top_run(const struct ctl *, int argc, char *argv[]);
int sql_run(const struct ctl *, int argc, char *argv[]);
int plan_run(const struct ctl *, int argc, char *argv[]);
int explain_run(const struct ctl *, int argc, char *argv[]);
int apply_run(const struct ctl *, int argc, char *argv[]);
int confirm_run(const struct ctl *, int argc, char *argv[]);
int reload_run(const struct ctl *, int argc, char *argv[]);
int guard_run(const struct ctl *, int argc, char *argv[]);
int pause_run(const struct ctl *, int argc, char *argv[]);
int resume_run(const struct ctl *, int argc, char *argv[]);
int kill_run(const struct ctl *, int argc, char *argv[]);
int unblock_run(const struct ctl *, int argc, char *argv[]);
int doctor_run(const struct ctl *, int argc, char *argv[]);
int leaktest_run(const struct ctl *, int argc, char *argv[]);
int version_run(const struct ctl *, int argc, char *argv[]);

#endif
