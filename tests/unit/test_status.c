/* SPDX-License-Identifier: ISC */
/* `tpxctl status' for people and for programs; its client against a server. */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/status.h"

static struct status status;
static char *text;
static size_t len;

static int
set_up(void **state)
{
	static const struct msg_ctl_status main_part = {
		.uptime_us = 3723000000,
		.loaded_at_us = 1700000000123456,
		.open = 1,
		.accepted = 2,
		.relayed = 3,
		.passed = 4,
		.blocked = 5,
		.unlogged = 18,
		.refused = 19,
		.long_hello = 20,
		.dns_queries = 11,
		.dns_cache_hits = 12,
		.dns_blocked = 13,
		.dns_servfail = 14,
		.dns_limited = 15,
		.dns_repeated = 16,
		.dns_unlogged = 17,
		.log_rows = 6,
		.log_dropped = 7,
		.log_queued = 8,
		.log_bytes = 9000,
		.state = IPC_STATE_ARMED,
		.lease_ms = 3000,
		.generation = 1,
		.version = "0.1.0",
		.config_path = "/etc/tpx/tpx.conf",
		.log_path = "/var/lib/tpx/flows.db",
	};
	struct msg_ctl_process *process = status.processes;

	(void)state;
	memset(&status, 0, sizeof(status));
	status.main = main_part;
	process->pid = 42;
	process->cpu_ms = 1500;
	process->rss_kib = 2048;
	process->heartbeat_age_ms = -1;
	strcpy(process->name, "supervisor");
	strcpy(process->state, "running");
	status.nprocesses = 1;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static const char *
printed(void (*print)(const struct status *, FILE *))
{
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(&status, out);
	(void)fclose(out);
	return text;
}

static void
test_json_has_exactly_the_promised_keys(void **state)
{
	(void)state;
	strcpy(status.alarms[0].text, "a \"word\"");
	status.nalarms = 1;
	assert_string_equal(printed(status_print_json),
	    "{\"version\":\"0.1.0\",\"state\":\"armed\","
	    "\"on_failure\":\"closed\",\"lease_ms\":3000,\"uptime_s\":3723,"
	    "\"config\":{\"path\":\"/etc/tpx/tpx.conf\",\"generation\":1,"
	    "\"loaded_at\":\"2023-11-14T22:13:20.123Z\"},"
	    "\"processes\":[{\"name\":\"supervisor\",\"index\":0,\"pid\":42,"
	    "\"state\":\"running\",\"restarts\":0,\"heartbeat_age_ms\":null,"
	    "\"rss_kib\":2048,\"cpu_s\":1.5}],"
	    "\"flows\":{\"open\":1,\"accepted\":2,\"relayed\":3,\"passed\":4,"
	    "\"blocked\":5,\"unlogged\":18,\"refused\":19,"
	    "\"long_hello\":20},"
	    "\"dns\":{\"queries\":11,"
	    "\"cache_hits\":12,"
	    "\"blocked\":13,\"servfail\":14,\"limited\":15,\"repeated\":16,"
	    "\"unlogged\":17},\"log\":{\"rows\":6,\"dropped\":7,"
	    "\"queued\":8,\"bytes\":9000,\"path\":\"/var/lib/tpx/flows.db\"},"
	    "\"alarms\":[\"a \\\"word\\\"\"]}\n");
}

static unsigned int
lines(const char *all)
{
	unsigned int count = 0;

	for (; *all != '\0'; all++)
		count += *all == '\n';
	return count;
}

static void
test_text_begins_with_the_state_and_fits_twenty_lines(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i < 64; i++) {
		status.processes[i] = status.processes[0];
		strcpy(status.processes[i].name, "relay");
		status.processes[i].index = i;
	}
	status.nprocesses = 64;
	for (i = 0; i < STATUS_ALARMS; i++)
		strcpy(status.alarms[i].text, "alarm");
	status.nalarms = STATUS_ALARMS;
	(void)printed(status_print_text);
	assert_in_range(lines(text), 3, 20);
	assert_memory_equal(text, "state       armed", 17);
	assert_non_null(strstr(text, "63x running"));
	assert_non_null(strstr(text, "and 60 more"));
}

static void
test_one_process_that_is_not_well_shows(void **state)
{
	(void)state;
	status.processes[1] = status.processes[0];
	strcpy(status.processes[1].state, "waiting");
	status.nprocesses = 2;
	assert_non_null(strstr(printed(status_print_text), "2x waiting"));
}

static void
test_text_cannot_drive_a_terminal(void **state)
{
	(void)state;
	strcpy(status.main.config_path, "/tmp/\x1b[31mred\n\xc2\x9b");
	(void)printed(status_print_text);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\\x1b[31mred\\x0a\\xc2\\x9b"));
}

/* A control socket whose only client is answered with these bytes. */
struct answer {
	struct msg_header header;
	struct msg_ctl_end end;
};

static char path[64];

static pid_t
serve(const struct answer *answer, size_t bytes)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char request[256];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "/tmp/tpx-ctl-test-%d", getpid());
	strcpy(name.sun_path, path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid == 0) {
		int client = accept(fd, NULL, NULL);

		(void)!read(client, request, sizeof(request));
		if (answer != NULL)
			(void)!write(client, answer, bytes);
		_exit(0);
	}
	close(fd);
	return pid;
}

static int
on_message(void *ctx, const struct client_message *message)
{
	(void)message;
	++*(int *)ctx;
	return 0;
}

static int
ask(const struct answer *answer, size_t bytes)
{
	struct ctl ctl = { .socket = path };
	int count = 0;
	pid_t pid = serve(answer, bytes);
	int result =
	    client_ask(&ctl, IPC_CTL_COMMAND_STATUS, on_message, &count);

	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
	assert_int_equal(count, 0);
	return result;
}

static void
test_end_of_the_answer_gives_the_exit_code(void **state)
{
	struct answer answer = { .header = { .type = MSG_CTL_END,
				     .len_bytes = sizeof(answer.end),
				     .id = 1 },
		.end = { .exit_code = 4 } };

	(void)state;
	assert_int_equal(ask(&answer, sizeof(answer)), CTL_NOT_PERMITTED);
	answer.end.exit_code = 0;
	assert_int_equal(ask(&answer, sizeof(answer)), CTL_GOOD);
}

static void
test_answer_that_breaks_the_contract_is_refused(void **state)
{
	struct answer answer = { .header = { .type = MSG_CTL_END,
				     .len_bytes = sizeof(answer.end),
				     .id = 1 } };

	(void)state;
	assert_int_equal(ask(&answer, sizeof(answer) - 1), CTL_FAILED);
	answer.header.id = 2;
	assert_int_equal(ask(&answer, sizeof(answer)), CTL_FAILED);
	answer.header.id = 1;
	answer.header.type = MSG_STOP;
	assert_int_equal(ask(&answer, sizeof(answer)), CTL_FAILED);
	assert_int_equal(ask(NULL, 0), CTL_FAILED);
}

static void
test_nobody_there_is_not_running(void **state)
{
	struct ctl ctl = { .socket = "/nonexistent/socket" };
	int count = 0;

	(void)state;
	assert_int_equal(
	    client_ask(&ctl, IPC_CTL_COMMAND_STATUS, on_message, &count),
	    CTL_NOT_RUNNING);
	assert_int_equal(client_is_running(&ctl), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json_has_exactly_the_promised_keys),
		TEST(test_text_begins_with_the_state_and_fits_twenty_lines),
		TEST(test_one_process_that_is_not_well_shows),
		TEST(test_text_cannot_drive_a_terminal),
		TEST(test_end_of_the_answer_gives_the_exit_code),
		TEST(test_answer_that_breaks_the_contract_is_refused),
		TEST(test_nobody_there_is_not_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
