/* SPDX-License-Identifier: ISC */
/* For tests of subcommands of tpxctl: what one of them prints. */
#ifndef TESTS_CTL_FIXTURE_H
#define TESTS_CTL_FIXTURE_H

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/ctl.h"

#define CTL_WORDS 16

static char output[65536];

/* Runs a subcommand; its standard output goes to output. */
static inline int
ctl_run(int (*run)(const struct ctl *, int argc, char *argv[]), int json,
    const char *const words[])
{
	struct ctl ctl = { .socket = "/nonexistent", .json = json };
	const char *argv[CTL_WORDS] = { NULL };
	FILE *file = tmpfile();
	int saved, argc, result;
	size_t n;

	for (argc = 0; words[argc] != NULL; argc++)
		argv[argc] = words[argc];
	assert_non_null(file);
	(void)fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(file), STDOUT_FILENO) != -1);
	optind = 0;
	/* getopt(3) wants to order the words, not to change them. */
	result = run(&ctl, argc, (char **)(uintptr_t)argv);
	(void)fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) != -1);
	close(saved);
	rewind(file);
	n = fread(output, 1, sizeof(output) - 1, file);
	output[n] = '\0';
	(void)fclose(file);
	return result;
}

/* How often a word is in output. */
static inline unsigned int
count(const char *word)
{
	unsigned int n = 0;
	const char *at;

	for (at = strstr(output, word); at != NULL; at = strstr(at + 1, word))
		n++;
	return n;
}

#endif
