/* SPDX-License-Identifier: ISC */
/*
 * tpx-flowlog as it runs, with its sandbox on: the test plays the supervisor.
 * TPX_FLOWLOG names the program, else ./tpx-flowlog.
 */
#ifndef TESTS_FLOWLOG_PROCESS_H
#define TESTS_FLOWLOG_PROCESS_H

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "common/memfd.h"
#include "ipc/msg.h"
#include "schema/ledger.h"
#include "tests/unit/flowlog_fixture.h"
#include "tests/unit/policy_fixture.h"

#define WAIT_MS 10000

static char dir[FIXTURE_PATH];
static pid_t pid;
static int supervisor; /* our end of its message socket */
static struct ledger *ledger;
static int ledger_fd;

static inline void
send_message(
    int socket, enum msg_type type, const void *body, size_t len, int fd)
{
	struct msg_header header = { .type = type, .len_bytes = (uint32_t)len };
	struct iovec parts[] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)body, len } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd != -1) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	assert_true(sendmsg(socket, &message, MSG_NOSIGNAL) > 0);
}

/* The next message of this type; others are passed over. */
static inline const void *
await(int socket, enum msg_type type)
{
	static _Alignas(16) uint8_t inbox[LIMIT_MESSAGE_BYTES];
	struct pollfd ready = { .fd = socket, .events = POLLIN };
	struct msg_header header;

	for (;;) {
		if (poll(&ready, 1, WAIT_MS) <= 0)
			fail_msg("no message %d", type);
		if (recv(socket, inbox, sizeof(inbox), 0) <
		    (ssize_t)sizeof(header))
			fail_msg(
			    "the socket was closed before message %d", type);
		memcpy(&header, inbox, sizeof(header));
		if (header.type == type)
			return inbox + sizeof(header);
	}
}

static inline void
configure_text(uint32_t generation, const char *rules)
{
	struct msg_config config = { .generation = generation };
	char text[1024];
	struct conf *conf;
	void *bytes;
	size_t len;
	int fd;

	(void)snprintf(text, sizeof(text), FIXTURE_CAPTURE "log dir \"%s\"\n%s",
	    dir, rules);
	conf = fixture_conf(text);
	assert_int_equal(image_build(conf, generation, &bytes, &len), 0);
	conf_free(conf);
	fd = memfd_sealed("policy", bytes, len);
	free(bytes);
	assert_true(fd != -1);
	config.size_bytes = (uint32_t)len;
	send_message(supervisor, MSG_CONFIG, &config, sizeof(config), fd);
	close(fd);
}

static inline void
spawn(void)
{
	const char *program = getenv("TPX_FLOWLOG");
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		if (ends[1] == 3)
			(void)fcntl(3, F_SETFD, 0);
		else
			(void)dup2(ends[1], 3);
		if (program == NULL)
			program = "./tpx-flowlog";
		(void)execl(program, "tpx-flowlog", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	supervisor = ends[0];
}

/* A new one, as the supervisor makes it; tear_down() releases it. */
static inline void
ledger_new(void)
{
	void *map;

	ledger_fd = memfd_shared("ledger", sizeof(*ledger), &map);
	assert_true(ledger_fd != -1);
	ledger = map;
}

static inline void
ledger_release(void)
{
	if (ledger != NULL) {
		(void)munmap(ledger, sizeof(*ledger));
		close(ledger_fd);
	}
	ledger = NULL;
}

static inline void
send_start(void)
{
	static const struct msg_empty empty;

	if (ledger == NULL)
		ledger_new();
	send_message(
	    supervisor, MSG_LOG_START, &empty, sizeof(empty), ledger_fd);
}

static inline void
start(void)
{
	spawn();
	configure_text(1, "block proto tcp to any port 25\ndefault relay\n");
	send_start();
	(void)await(supervisor, MSG_LOG_READY);
}

static inline void
finish(int signal, int expected_code)
{
	static const struct msg_empty empty;
	int status;

	if (signal != 0)
		assert_int_equal(kill(pid, signal), 0);
	else
		send_message(supervisor, MSG_STOP, &empty, sizeof(empty), -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pid = 0;
	close(supervisor);
	if (signal != 0) {
		assert_true(WIFSIGNALED(status));
		return;
	}
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), expected_code);
}

static inline int
set_up(void **state)
{
	(void)state;
	fixture_dir(dir);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		close(supervisor);
	}
	pid = 0;
	ledger_release();
	fixture_dir_remove(dir);
	return 0;
}

#endif
