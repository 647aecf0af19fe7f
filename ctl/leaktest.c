/* SPDX-License-Identifier: ISC */
/*
 * tpxctl leaktest: whether anything leaks, on this host and with its
 * configuration.  All of it happens in namespaces that have no names and whose
 * first process is a child of this one, so that whatever ends either of them
 * ends everything: the kernel cleans up.
 */
#include <sys/wait.h>

#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/output.h"
#include "common/sandbox.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/fetch.h"
#include "ctl/image.h"
#include "ctl/leak/instance.h"
#include "ctl/leak/parent.h"
#include "ctl/leak/phase.h"
#include "ctl/leak/report.h"
#include "ctl/leak/trial.h"
#include "ctl/policy.h"
#include "policy/image.h"
#include "policy/print.h"

struct leaktest {
	const char *path; /* of the configuration, NULL: the running one */
	const char *libexecdir;
	int quick;
	struct fetched fetched;
	const void *image;
	size_t image_len;
	const char *conf; /* of the test's own tpxd */
	size_t conf_len;
};

/* The test has no upstreams: what would go through one goes directly. */
static void
upstreams_drop(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		conf->rules[i].via.name[0] = '\0';
	conf->default_via.name[0] = '\0';
	conf->upstream_count = 0;
}

/* The child's part: the image's length, the image, and the test's text. */
static int
conf_write(const char *path, int fd)
{
	struct text text = { 0 };
	struct conf *conf;
	void *image;
	size_t len;
	int result = policy_parse(path, &conf);

	if (result != CTL_GOOD)
		return result;
	if (image_build(conf, 1, &image, &len) == -1) {
		log_warn("%s", path);
		return CTL_FAILED;
	}
	(void)snprintf(conf->socket, sizeof(conf->socket), INSTANCE_SOCKET);
	(void)snprintf(conf->log_dir, sizeof(conf->log_dir), INSTANCE_LOG_DIR);
	upstreams_drop(conf);
	print_conf(conf, &text);
	if (text_check(&text) == -1 ||
	    output_all(fd, (const char *)&len, sizeof(len)) == -1 ||
	    output_all(fd, image, len) == -1 ||
	    output_all(fd, text.bytes, text.len) == -1) {
		log_warn("%s", path);
		return CTL_FAILED;
	}
	return CTL_GOOD;
}

static int
conf_fetch(struct leaktest *test)
{
	const char *why = "it has another length";
	struct fetched *got = &test->fetched;
	size_t len;

	if (fetch_as_user(test->path, conf_write, got) == -1)
		return CTL_FAILED;
	memcpy(&len, got->bytes, sizeof(len));
	if (len > got->len - sizeof(len) ||
	    image_check(got->bytes + sizeof(len), len, &why) == -1) {
		log_warnx("%s: %s", test->path, why);
		return CTL_FAILED;
	}
	test->image = got->bytes + sizeof(len);
	test->image_len = len;
	test->conf = got->bytes + sizeof(len) + len;
	test->conf_len = got->len - sizeof(len) - len;
	return CTL_GOOD;
}

/*
 * The file that the running tpxd was started with, if it still says what tpxd
 * runs with: an image cannot be turned into a configuration again.
 */
static int
conf_running(const struct ctl *ctl, struct leaktest *test)
{
	static char path[CLIENT_PATH_BYTES];
	struct image_answer answer;
	int result = image_ask(ctl, &answer);

	if (result == CTL_GOOD)
		result = client_config_path(ctl, path);
	if (result != CTL_GOOD)
		return result;
	test->path = path;
	result = conf_fetch(test);
	if (result != CTL_GOOD)
		return result;
	image_stamp((void *)(uintptr_t)test->image,
	    image_settings(answer.policy.image)->generation);
	if (answer.policy.size_bytes == test->image_len &&
	    memcmp(answer.policy.image, test->image, test->image_len) == 0)
		return CTL_GOOD;
	log_warnx("%s is not what tpxd runs with: reload it, or name a file "
		  "with -f",
	    path);
	return CTL_FAILED;
}

/* What lies beside the programs of a build, else what is installed. */
static int
programs_find(
    const struct leaktest *test, char libexecdir[PATH_MAX], char tpxd[PATH_MAX])
{
	if (realpath(test->libexecdir, libexecdir) == NULL) {
		log_warn("%s", test->libexecdir);
		return -1;
	}
	if (snprintf(tpxd, PATH_MAX, "%s/tpxd", libexecdir) >= PATH_MAX ||
	    access(tpxd, X_OK) == -1)
		(void)snprintf(tpxd, PATH_MAX, "%s/tpxd", TPX_SBINDIR);
	return 0;
}

/* The first process of the namespaces. */
static int
test_run(const struct ctl *ctl, const struct leaktest *test)
{
	static char libexecdir[PATH_MAX], tpxd[PATH_MAX];
	static struct trial trial;
	struct instance instance = { .gateway = &trial.site.gateway,
		.libexecdir = libexecdir,
		.tpxd = tpxd };
	struct report report = { 0 };
	int complete;

	sandbox_raise_descriptors();
	if (programs_find(test, libexecdir, tpxd) == -1 ||
	    instance_prepare(&instance, test->conf, test->conf_len) == -1 ||
	    trial_new(&trial, test->image) == -1)
		return CTL_FAILED;
	report_begin(&report, ctl->json);
	complete = phase_run_all(&trial, &instance, test->image_len,
		       test->quick, report_phase, &report) == 0;
	report_end(&report, &trial, complete);
	return complete && trial.leaked == 0 ? CTL_GOOD : CTL_FAILED;
}

/*
 * The first process of a pid namespace takes all others with it, whatever ends
 * it; and it does not outlive who has started it.
 */
static int
test_fork(const struct ctl *ctl, const struct leaktest *test)
{
	pid_t child;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) == -1) {
		log_warn("namespaces");
		return CTL_FAILED;
	}
	if (parent_prepare() == -1)
		return CTL_FAILED;
	child = fork();
	if (child == 0) {
		if (parent_follow() == -1)
			_exit(CTL_FAILED);
		status = test_run(ctl, test);
		if (fflush(stdout) == EOF || ferror(stdout)) {
			log_warn("standard output");
			status = CTL_FAILED;
		}
		_exit(status);
	}
	if (child == -1 || waitpid(child, &status, 0) == -1) {
		log_warn("leaktest");
		return CTL_FAILED;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : CTL_FAILED;
}

int
leaktest_run(const struct ctl *ctl, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	struct leaktest test = { .libexecdir = TPX_LIBEXECDIR };
	int c, result;

	while ((c = getopt_long(argc, argv, "f:x:", options, NULL)) != -1) {
		if (c == 'f')
			test.path = optarg;
		else if (c == 'x')
			test.libexecdir = optarg;
		else if (c == 'q')
			test.quick = 1;
		else
			return CTL_USAGE;
	}
	if (optind != argc)
		return CTL_USAGE;
	if (geteuid() != 0) {
		log_warnx("not permitted: leaktest is for root");
		return CTL_NOT_PERMITTED;
	}
	result =
	    test.path != NULL ? conf_fetch(&test) : conf_running(ctl, &test);
	if (result == CTL_GOOD)
		result = test_fork(ctl, &test);
	free(test.fetched.bytes);
	return result;
}
