/* SPDX-License-Identifier: ISC */
/* Channels between real sockets, with peers that behave and that do not. */
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "room_fixture.h"

#include "ipc/channel.h"
#include "ipc/loop.h"

#define TURNS 10000 /* of a loop, which take far less than 10 ms each */

static struct event_base *base;
static struct ipc_channel *channel; /* the supervisor's end */
static int peer;		    /* netctl's end, a bare socket */
static int ends;
static const char *end_why;
static int leases;
static int taken_fd;
static int listeners; /* messages; and of them: */
static int listeners_without_fd;
static int free_in_handler;
static int lacks_memory; /* the kernel, to send anything */
static int tries;	 /* that it has refused for that */

ssize_t __real_sendmsg(int, const struct msghdr *, int);
int __real_sendmmsg(int, struct mmsghdr *, unsigned int, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);
int __wrap_sendmmsg(int, struct mmsghdr *, unsigned int, int);

static int
is_refused(void)
{
	if (!lacks_memory)
		return 0;
	tries++;
	errno = ENOBUFS;
	return 1;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return is_refused() ? -1 : __real_sendmsg(fd, message, flags);
}

int
__wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	return is_refused() ? -1 : __real_sendmmsg(fd, messages, n, flags);
}

static void
on_lease(void *ctx, struct ipc_message *message)
{
	const struct msg_lease *lease = message->body;

	(void)ctx;
	assert_int_equal(message->len, sizeof(*lease));
	leases += (int)lease->state;
	if (free_in_handler) {
		ipc_channel_free(channel);
		channel = NULL;
	}
}

static void
on_source(void *ctx, struct ipc_message *message)
{
	(void)ctx;
	taken_fd = ipc_message_take_fd(message);
}

/* Answers with more than a socket takes. */
static void
on_request(void *ctx, struct ipc_message *message)
{
	struct msg_ctl_text text = { 0 };

	(void)ctx;
	while (ipc_channel_queued(channel) < 3)
		assert_int_equal(
		    IPC_SEND(channel, MSG_CTL_ALARM, message->id, &text, -1),
		    0);
}

static void
on_listener(void *ctx, struct ipc_message *message)
{
	(void)ctx;
	listeners++;
	listeners_without_fd += message->fd == -1;
}

static const struct ipc_handler handlers[] = {
	{ MSG_CTL_REQUEST, on_request },
	{ MSG_LEASE, on_lease },
	{ MSG_NET_SOURCE, on_source },
	{ MSG_NET_DNS_LISTENER, on_listener, 1 },
	{ MSG_NONE, NULL },
};

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	ends++;
	end_why = why;
}

static int
setup(void **state)
{
	int sockets[2];

	(void)state;
	base = ipc_loop_new(0);
	assert_int_equal(ipc_socketpair(sockets), 0);
	peer = sockets[1];
	channel = ipc_channel_new(base, sockets[0], IPC_SUPERVISOR, IPC_NETCTL,
	    handlers, on_end, NULL);
	assert_non_null(channel);
	ipc_channel_set_phase(channel, IPC_PHASE_RUN);
	ends = leases = free_in_handler = 0;
	listeners = listeners_without_fd = 0;
	lacks_memory = tries = 0;
	taken_fd = -1;
	end_why = NULL;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ipc_channel_free(channel);
	event_base_free(base);
	close(peer);
	return 0;
}

static void
run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Sends a message with n copies of standard input. */
static void
peer_send(enum msg_type type, const void *body, size_t len, size_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct msg_header header = { .type = type, .len_bytes = (uint32_t)len };
	struct iovec parts[] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)body, len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *cmsg = &control.align;

	if (n > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	}
	assert_int_equal(sendmsg(peer, &message, 0), sizeof(header) + len);
}

static void
send_lease(void)
{
	struct msg_lease lease = { .state = IPC_LEASE_CAPTURE };

	peer_send(MSG_LEASE, &lease, sizeof(lease), 0);
}

static int
open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* What the peer has sent is received where there is no more room than that. */
static void
run_with_room(int fds)
{
	struct rlimit before = fixture_room(fds);

	run();
	fixture_room_again(&before);
}

static void
send_listener(size_t n)
{
	struct msg_listener listener = { .port = 1 };

	peer_send(MSG_NET_DNS_LISTENER, &listener, sizeof(listener), n);
}

static void
test_message_reaches_its_handler(void **state)
{
	(void)state;
	send_lease();
	send_lease();
	run();
	assert_int_equal(leases, 2);
	assert_int_equal(ends, 0);
}

static void
test_closed_peer_ends_without_a_reason(void **state)
{
	(void)state;
	send_lease();
	shutdown(peer, SHUT_RDWR);
	run();
	run();
	assert_int_equal(leases, 1);
	assert_int_equal(ends, 1);
	assert_null(end_why);
}

static void
test_nothing_is_read_after_a_violation(void **state)
{
	struct msg_beat beat = { 0 };

	(void)state;
	peer_send(MSG_BEAT, &beat, sizeof(beat), 0);
	send_lease();
	run();
	run();
	assert_int_equal(ends, 1);
	assert_string_equal(end_why, "not this sender's message");
	assert_int_equal(leases, 0);
	assert_int_equal(ipc_send_empty(channel, MSG_STOP, -1), -1);
	assert_int_equal(errno, EPIPE);
}

static void
test_message_without_a_handler_is_a_violation(void **state)
{
	struct msg_event event = { 0 };

	(void)state;
	peer_send(MSG_EVENT, &event, sizeof(event), 0);
	run();
	assert_string_equal(end_why, "a message nobody awaits");
}

static void
test_descriptor_is_taken_or_closed(void **state)
{
	struct msg_source source = { 0 };
	int before = open_fds();

	(void)state;
	ipc_channel_set_phase(channel, IPC_PHASE_SETUP);
	peer_send(MSG_NET_SOURCE, &source, sizeof(source), 1);
	run();
	assert_int_not_equal(taken_fd, -1);
	assert_true(fcntl(taken_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(open_fds(), before + 1);
	close(taken_fd);
}

static void
test_reply_with_surplus_fd_is_refused(void **state)
{
	struct msg_lease lease = { .state = IPC_LEASE_CAPTURE };
	int before = open_fds();

	(void)state;
	peer_send(MSG_LEASE, &lease, sizeof(lease), 1);
	run();
	assert_string_equal(end_why, "a wrong number of descriptors");
	assert_int_equal(open_fds(), before);
}

static void
test_as_many_descriptors_as_fit_are_all_closed(void **state)
{
	struct msg_source source = { 0 };
	int before = open_fds();

	(void)state;
	ipc_channel_set_phase(channel, IPC_PHASE_SETUP);
	peer_send(MSG_NET_SOURCE, &source, sizeof(source), 253);
	run();
	assert_string_equal(end_why, "a wrong number of descriptors");
	assert_int_equal(open_fds(), before);
}

static void
test_descriptor_without_room_ends_a_channel_that_needs_it(void **state)
{
	struct msg_source source = { 0 };
	int before = open_fds();

	(void)state;
	peer_send(MSG_NET_SOURCE, &source, sizeof(source), 1);
	send_lease();
	run_with_room(0);
	assert_int_equal(ends, 1);
	assert_string_equal(end_why, "a descriptor that there was no room for");
	assert_int_equal(taken_fd, -1);
	assert_int_equal(leases, 0);
	assert_int_equal(open_fds(), before);
}

static void
test_handler_that_does_without_a_descriptor_hears_of_it(void **state)
{
	int before = open_fds();

	(void)state;
	send_listener(1);
	send_lease();
	send_listener(1);
	run_with_room(0);
	assert_int_equal(ends, 0);
	assert_int_equal(leases, 1);
	assert_int_equal(listeners_without_fd, 2);
	send_listener(1);
	run();
	assert_int_equal(listeners, 3);
	assert_int_equal(listeners_without_fd, 2);
	assert_int_equal(ends, 0);
	assert_int_equal(open_fds(), before);
}

/* Only the kernel can have left it out. */
static void
test_descriptor_that_was_never_sent_is_missed_by_all(void **state)
{
	(void)state;
	send_listener(0);
	run_with_room(0);
	assert_int_equal(listeners, 0);
	assert_string_equal(end_why, "a wrong number of descriptors");
}

static void
test_surplus_fd_is_refused_where_there_is_no_room_for_it(void **state)
{
	struct msg_lease lease = { .state = IPC_LEASE_CAPTURE };

	(void)state;
	peer_send(MSG_LEASE, &lease, sizeof(lease), 1);
	run_with_room(0);
	assert_int_equal(leases, 0);
	assert_string_equal(end_why, "a wrong number of descriptors");
}

static void
test_two_fds_of_which_one_fits_are_refused(void **state)
{
	int before = open_fds();

	(void)state;
	send_listener(2);
	run_with_room(1);
	assert_int_equal(listeners, 0);
	assert_string_equal(end_why, "a wrong number of descriptors");
	assert_int_equal(open_fds(), before);
}

/* What was received at once ends with the channel. */
static void
test_descriptors_behind_a_violation_are_closed(void **state)
{
	struct msg_source source = { 0 };
	struct msg_beat beat = { 0 };
	int before = open_fds();

	(void)state;
	ipc_channel_set_phase(channel, IPC_PHASE_SETUP);
	peer_send(MSG_BEAT, &beat, sizeof(beat), 0);
	peer_send(MSG_NET_SOURCE, &source, sizeof(source), 1);
	peer_send(MSG_NET_SOURCE, &source, sizeof(source), 3);
	run();
	assert_int_equal(ends, 1);
	assert_int_equal(taken_fd, -1);
	assert_int_equal(open_fds(), before);
}

static void
test_more_messages_than_one_call_takes_all_arrive(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		send_lease();
	for (i = 0; i < 100 && leases < 100; i++)
		run();
	assert_int_equal(leases, 100);
}

static void
test_too_long_a_datagram_is_refused(void **state)
{
	static uint8_t body[LIMIT_MESSAGE_BYTES * 2];

	(void)state;
	peer_send(MSG_LEASE, body, sizeof(body), 0);
	run();
	assert_string_equal(end_why, "a wrong length");
}

static void
test_handler_may_free_its_channel(void **state)
{
	(void)state;
	free_in_handler = 1;
	send_lease();
	send_lease();
	run();
	assert_int_equal(leases, 1);
}

static void
test_full_socket_queues_and_full_queue_refuses(void **state)
{
	struct msg_event event = { 0 };
	char inbox[LIMIT_MESSAGE_BYTES];
	int sent = 0, received = 0;

	(void)state;
	while (IPC_SEND(channel, MSG_EVENT, 0, &event, -1) == 0)
		sent++;
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(ipc_channel_queued(channel), 256);
	/* Nothing is lost or out of order once the reader comes back. */
	while (received < sent) {
		if (recv(peer, inbox, sizeof(inbox), MSG_DONTWAIT) > 0)
			received++;
		else
			run();
	}
	assert_int_equal(ipc_channel_queued(channel), 0);
	assert_int_equal(recv(peer, inbox, sizeof(inbox), MSG_DONTWAIT), -1);
}

static int
arrived(void)
{
	char inbox[LIMIT_MESSAGE_BYTES];
	int n = 0;

	while (recv(peer, inbox, sizeof(inbox), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* Waiting for it is no loop. */
static void
test_message_waits_for_memory(void **state)
{
	struct msg_event event = { 0 };
	int i;

	(void)state;
	lacks_memory = 1;
	assert_int_equal(IPC_SEND(channel, MSG_EVENT, 0, &event, -1), 0);
	assert_int_equal(ipc_channel_queued(channel), 1);
	for (i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_in_range(tries, 1, TURNS / 2);
	assert_int_equal(ipc_channel_queued(channel), 1);
	lacks_memory = 0;
	while (ipc_channel_queued(channel) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(arrived(), 1);
	assert_int_equal(ends, 0);
}

static void
test_queue_that_meets_a_lack_of_memory_goes_on(void **state)
{
	struct msg_event event = { 0 };
	int sent = 0, received;

	(void)state;
	while (ipc_channel_queued(channel) < 20)
		sent += IPC_SEND(channel, MSG_EVENT, 0, &event, -1) == 0;
	lacks_memory = 1;
	received = arrived();
	while (tries == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(ipc_channel_queued(channel), 20);
	lacks_memory = 0;
	/* Nobody sends anything else that would wake it up. */
	while (received < sent) {
		event_base_loop(base, EVLOOP_ONCE);
		received += arrived();
	}
	assert_int_equal(received, sent);
	assert_int_equal(ipc_channel_queued(channel), 0);
}

static void
test_channel_that_waits_for_memory_can_be_freed(void **state)
{
	struct msg_event event = { 0 };

	(void)state;
	lacks_memory = 1;
	assert_int_equal(IPC_SEND(channel, MSG_EVENT, 0, &event, -1), 0);
	event_base_loop(base, EVLOOP_ONCE);
	ipc_channel_free(channel);
	channel = NULL;
	event_base_loop(base, EVLOOP_ONCE);
	assert_in_range(tries, 1, 2);
}

static void
test_queued_descriptor_still_arrives(void **state)
{
	struct msg_config config = { .generation = 1, .size_bytes = 1 };
	char inbox[LIMIT_MESSAGE_BYTES], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { inbox, sizeof(inbox) };
	struct msghdr message;
	int sent, received = 0;

	(void)state;
	for (sent = 0; ipc_channel_queued(channel) < 3; sent++)
		assert_int_equal(
		    IPC_SEND(channel, MSG_CONFIG, 0, &config, STDIN_FILENO), 0);
	while (received < sent) {
		memset(&message, 0, sizeof(message));
		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		if (recvmsg(peer, &message, MSG_DONTWAIT) <= 0) {
			run();
			continue;
		}
		received++;
		assert_non_null(CMSG_FIRSTHDR(&message));
		close(*(int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&message)));
	}
}

static int
receive_event(void)
{
	struct {
		struct msg_header header;
		uint8_t body[LIMIT_MESSAGE_BYTES];
	} inbox;
	struct msg_event event;

	if (recv(peer, &inbox, sizeof(inbox), MSG_DONTWAIT) <= 0)
		return -1;
	assert_int_equal(inbox.header.type, MSG_EVENT);
	memcpy(&event, inbox.body, sizeof(event));
	return (int)event.time_us;
}

static void
test_messages_sent_soon_leave_in_order_when_the_loop_runs(void **state)
{
	struct msg_event event = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		event.time_us = i;
		assert_int_equal(
		    ipc_send_soon(channel, MSG_EVENT, &event, sizeof(event)),
		    0);
	}
	event.time_us = 20;
	assert_int_equal(IPC_SEND(channel, MSG_EVENT, 0, &event, -1), 0);
	assert_int_equal(receive_event(), -1);
	run();
	for (i = 0; i <= 20; i++)
		assert_int_equal(receive_event(), i);
	assert_int_equal(receive_event(), -1);
}

/* As many as a socket takes, and then as many as wait for it. */
static void
test_many_messages_sent_soon_do_not_wait_for_the_loop(void **state)
{
	struct msg_event event = { 0 };
	int sent = 0, i;

	(void)state;
	for (; ipc_send_soon(channel, MSG_EVENT, &event, sizeof(event)) == 0;
	     sent++)
		event.time_us++;
	assert_int_equal(errno, ENOBUFS);
	assert_true(sent > 256);
	for (i = 0; i < sent; i++) {
		int number = receive_event();

		if (number == -1) {
			run();
			number = receive_event();
		}
		assert_int_equal(number, i);
	}
	assert_int_equal(ipc_channel_queued(channel), 0);
}

/* Nothing more is read of it until it has got its answer: it never will. */
static void
test_tpxctl_that_leaves_without_its_answer_is_noticed(void **state)
{
	struct msg_ctl_request request = { .command = IPC_CTL_COMMAND_LIVE };
	int sockets[2];

	(void)state;
	ipc_channel_free(channel);
	close(peer);
	assert_int_equal(ipc_socketpair(sockets), 0);
	peer = sockets[1];
	channel = ipc_channel_new(
	    base, sockets[0], IPC_SUPERVISOR, IPC_CTL, handlers, on_end, NULL);
	assert_non_null(channel);
	ipc_channel_set_phase(channel, IPC_PHASE_RUN);
	peer_send(MSG_CTL_REQUEST, &request, sizeof(request), 0);
	run();
	assert_int_equal(ipc_channel_queued(channel), 3);
	assert_int_equal(ends, 0);
	shutdown(peer, SHUT_RDWR);
	run();
	assert_int_equal(ends, 1);
	assert_null(end_why);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_message_reaches_its_handler),
		TEST(test_closed_peer_ends_without_a_reason),
		TEST(test_nothing_is_read_after_a_violation),
		TEST(test_message_without_a_handler_is_a_violation),
		TEST(test_descriptor_is_taken_or_closed),
		TEST(test_reply_with_surplus_fd_is_refused),
		TEST(test_as_many_descriptors_as_fit_are_all_closed),
		TEST(test_descriptor_without_room_ends_a_channel_that_needs_it),
		TEST(test_handler_that_does_without_a_descriptor_hears_of_it),
		TEST(test_descriptor_that_was_never_sent_is_missed_by_all),
		TEST(test_surplus_fd_is_refused_where_there_is_no_room_for_it),
		TEST(test_two_fds_of_which_one_fits_are_refused),
		TEST(test_descriptors_behind_a_violation_are_closed),
		TEST(test_more_messages_than_one_call_takes_all_arrive),
		TEST(test_too_long_a_datagram_is_refused),
		TEST(test_handler_may_free_its_channel),
		TEST(test_full_socket_queues_and_full_queue_refuses),
		TEST(test_message_waits_for_memory),
		TEST(test_queue_that_meets_a_lack_of_memory_goes_on),
		TEST(test_channel_that_waits_for_memory_can_be_freed),
		TEST(test_queued_descriptor_still_arrives),
		TEST(test_messages_sent_soon_leave_in_order_when_the_loop_runs),
		TEST(test_many_messages_sent_soon_do_not_wait_for_the_loop),
		TEST(test_tpxctl_that_leaves_without_its_answer_is_noticed),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
