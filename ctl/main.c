/* SPDX-License-Identifier: ISC */
/* tpxctl: one subcommand each in a file of its name. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/standard.h"
#include "ctl/ctl.h"
#include "policy/conf.h"
#include "policy/conf_parse.h"

static const struct command {
	const char *name;
	int (*run)(const struct ctl *, int argc, char *argv[]);
	const char *arguments;
} commands[] = {
	{ "status", status_run, "" },
	{ "metrics", metrics_run, "" },
	{ "flows", flows_run,
	    "[--live] [--since 1h] [--client A] [--action A] [--host H]"
	    " [-n N] [--follow] [--db FILE]" },
	{ "dns", dns_run,
	    "[--since 1h] [--client A] [--action A] [--host H] [-n N]"
	    " [--follow] [--db FILE]" },
	{ "top", top_run,
	    "[hosts | clients | users | rules | units] [--since 1h] [-n N]"
	    " [--db FILE]" },
	{ "sql", sql_run, "[--db FILE] 'SELECT ...'" },
	{ "kill", kill_run, "FLOW-ID | --client A" },
	{ "plan", plan_run, "[-f file]" },
	{ "explain", explain_run,
	    "[-f file] PROTO SRC DST[:PORT] [user U] [group G]"
	    " [on INTERFACE] [domain D] [name WORD]" },
	{ "reload", reload_run, "" },
	{ "apply", apply_run, "[-f file] [--confirm seconds]" },
	{ "confirm", confirm_run, "" },
	{ "pause", pause_run, "" },
	{ "resume", resume_run, "" },
	{ "guard", guard_run, "[-f file] [-x libexecdir]" },
	{ "unblock", unblock_run, "[-x libexecdir]" },
	{ "doctor", doctor_run, "[-f file]" },
	{ "leaktest", leaktest_run, "[-f file] [--quick] [-x libexecdir]" },
	{ "version", version_run, "" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
command_print(const char *before, const struct command *command)
{
	(void)fprintf(stderr, "%s %s%s%s\n", before, command->name,
	    command->arguments[0] == '\0' ? "" : " ", command->arguments);
}

static int
usage(void)
{
	size_t i;

	(void)fprintf(stderr, "usage: tpxctl [-s socket] [--json] command\n");
	for (i = 0; i < COMMANDS; i++)
		command_print("       tpxctl", &commands[i]);
	return CTL_USAGE;
}

static int
command_usage(const struct command *command)
{
	command_print("usage: tpxctl [-s socket] [--json]", command);
	return CTL_USAGE;
}

static int
command_unknown(const char *word)
{
	struct nearest nearest;
	size_t i;

	nearest_init(&nearest, word);
	for (i = 0; i < COMMANDS; i++)
		nearest_try(&nearest, commands[i].name);
	if (nearest.best == NULL) {
		log_warnx("unknown command '%s'", word);
		return usage();
	}
	log_warnx(
	    "unknown command '%s'; did you mean '%s'?", word, nearest.best);
	return CTL_USAGE;
}

/* --json may stand behind the subcommand, too. */
static int
take_json(int argc, char *argv[], int *json)
{
	int from, to = 0;

	for (from = 0; from < argc; from++) {
		if (strcmp(argv[from], "--json") == 0)
			*json = 1;
		else
			argv[to++] = argv[from];
	}
	argv[to] = NULL;
	return to;
}

/* Whoever reads the output must not take a part of it for all. */
static int
command_run(const struct command *command, const struct ctl *ctl, int argc,
    char *argv[])
{
	int result = command->run(ctl, argc, argv);

	if (result == CTL_USAGE)
		return command_usage(command);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return result;
	log_warn("standard output");
	return result == CTL_GOOD ? CTL_FAILED : result;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl ctl = { .socket = CONF_SOCKET };
	size_t i;
	int c;

	log_init("tpxctl", -1, 0);
	standard_begin(1);
	while ((c = getopt_long(argc, argv, "+s:", options, NULL)) != -1) {
		if (c == '?')
			return usage();
		if (c == 'j')
			ctl.json = 1;
		else
			ctl.socket = optarg;
	}
	argv += optind;
	argc = take_json(argc - optind, argv, &ctl.json);
	optind = 1;
	for (i = 0; i < COMMANDS && argc > 0; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return command_run(&commands[i], &ctl, argc, argv);
	return argc > 0 ? command_unknown(argv[0]) : usage();
}
