/* SPDX-License-Identifier: ISC */
/* What is captured and what is excluded. */
#include <stdio.h>

#include "conf_fixture.h"

/* As warning_of() the lines, and no other. */
static const char *
warning_in(const char *lines)
{
	char text[256];

	(void)snprintf(
	    text, sizeof(text), FIXTURE_CAPTURE "default pass\n%s", lines);
	return warning_of(text);
}

static void
test_nothing_local_is_captured_by_default(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_CAPTURE);

	(void)state;
	assert_int_equal(conf->local, LOCAL_NONE);
	assert_int_equal(conf->users.count, 0);
	assert_int_equal(conf->exclusion_count, 0);
	conf_free(conf);
}

static void
test_the_whole_host_needs_no_interface(void **state)
{
	struct conf *conf = fixture_conf("capture local # all\n");

	(void)state;
	assert_int_equal(conf->local, LOCAL_HOST);
	assert_int_equal(conf->interface_count, 0);
	conf_free(conf);
}

static void
test_statements_with_users_add_up(void **state)
{
	struct conf *conf =
	    fixture_conf("capture local user { www-data 1000-1999, 0 }\n"
			 "capture local user 4294967294\n");

	(void)state;
	assert_int_equal(conf->local, LOCAL_USERS);
	assert_int_equal(conf->users.count, 4);
	assert_string_equal(conf->users.items[0].name, "www-data");
	assert_int_equal(conf->users.items[0].uids.first, 33);
	assert_int_equal(conf->users.items[0].uids.last, 33);
	assert_string_equal(conf->users.items[1].name, "");
	assert_int_equal(conf->users.items[1].uids.first, 1000);
	assert_int_equal(conf->users.items[1].uids.last, 1999);
	assert_int_equal(conf->users.items[2].uids.last, 0);
	assert_int_equal(conf->users.items[3].uids.first, 4294967294);
	conf_free(conf);
}

/* Also where a statement of that name could begin. */
static void
test_a_user_may_be_called_as_a_statement(void **state)
{
	static struct user user[] = { { "log", 7 } };
	static const struct users users = { user, 1 };
	static const char text[] = "capture local user {\nlog\n}\n";
	struct conf *conf;

	(void)state;
	assert_int_equal(
	    conf_parse(text, strlen(text), &users, &conf, &errors), 0);
	assert_int_equal(conf->users.items[0].uids.first, 7);
	conf_free(conf);
}

static void
test_every_unknown_user_is_told_with_the_nearest(void **state)
{
	const struct conf_error *error =
	    error_of("capture local user { wwwdata 5\n nobody }\n");

	(void)state;
	assert_int_equal(errors.errors, 2);
	assert_string_equal(
	    error->message, "there is no user 'wwwdata' in /etc/passwd");
	assert_string_equal(error->suggestion, "www-data");
	assert_int_equal(error->place.line, 1);
	assert_int_equal(error->place.column, 22);
	assert_int_equal(errors.items[1].place.line, 2);
	assert_string_equal(errors.items[1].suggestion, "");
}

static void
test_without_a_list_of_users_numbers_are_known(void **state)
{
	static const char number[] = "capture local user 33\n";
	static const char name[] = "capture local user www-data\n";
	struct conf *conf;

	(void)state;
	assert_int_equal(
	    conf_parse(number, strlen(number), NULL, &conf, &errors), 0);
	conf_free(conf);
	assert_int_equal(
	    conf_parse(name, strlen(name), NULL, &conf, &errors), -1);
}

static void
test_groups_are_captured_beside_users(void **state)
{
	struct conf *conf =
	    fixture_conf("capture local user 7 group { build }\n"
			 "capture local group { 5-6 staff }\n");

	(void)state;
	assert_int_equal(conf->local, LOCAL_USERS);
	assert_int_equal(conf->users.count, 1);
	assert_int_equal(conf->groups.count, 3);
	assert_string_equal(conf->groups.items[0].name, "build");
	assert_int_equal(conf->groups.items[0].uids.first, 1201);
	assert_int_equal(conf->groups.items[1].uids.last, 6);
	conf_free(conf);
	assert_string_equal(error_of("capture local group www-data\n")->message,
	    "there is no group 'www-data' in /etc/group");
	error_of("capture local group 1 group 2\n");
	error_of("capture local group\n");
	error_of("capture local users 1\n");
}

static void
test_rules_and_exclusions_have_owners(void **state)
{
	struct conf *conf =
	    fixture_conf("capture local\n"
			 "exclude group { staff 5-6 } user www-data\n"
			 "block user 33 to any\n");

	(void)state;
	assert_string_equal(
	    conf->exclusions[0].users.items[0].name, "www-data");
	assert_int_equal(conf->exclusions[0].groups.count, 2);
	assert_int_equal(conf->exclusions[0].protos, RULE_PROTOS | RULE_OTHER);
	assert_int_equal(conf->rules[0].users.items[0].uids.last, 33);
	conf_free(conf);
	assert_string_equal(warning_in("exclude user 5\n"),
	    "the exclusion never matches: only this host's own sockets have a "
	    "user, and none is captured");
	assert_string_equal(warning_in("block user 5\n"),
	    "the rule never matches: only this host's own sockets have a user, "
	    "and none is captured");
	assert_string_equal(
	    warning_in("capture local\nblock user 5\nblock to ::1\n"), "");
}

static void
test_the_whole_host_goes_with_no_other_statement(void **state)
{
	static const char message[] =
	    "'capture local' without users is the whole host and goes with no "
	    "other; the first is at 1:1";
	static const char *const texts[] = {
		"capture local\ncapture local\n",
		"capture local\ncapture local user 7\n",
		"capture local user 7\ncapture local\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_string_equal(error_of(texts[i])->message, message);
		assert_int_equal(errors.errors, 1);
		assert_int_equal(errors.items[0].place.line, 2);
	}
}

static void
test_an_exclusion_has_the_selectors_of_a_rule(void **state)
{
	struct conf *conf = fixture_conf(
	    FIXTURE_CAPTURE "table <t> { 10.0.0.0/8 }\n"
			    "exclude proto udp from <t> to ::1 port { 1 3-4 }\n"
			    "exclude to ::1\nexclude proto { udp tcp }\n"
			    "exclude port 22\npass to any\n");
	const struct conf_rule *first = &conf->exclusions[0];

	(void)state;
	assert_int_equal(conf->rule_count, 1);
	assert_int_equal(conf->exclusion_count, 4);
	assert_int_equal(first->protos, RULE_UDP);
	assert_int_equal(first->from.items[0].table, 0);
	assert_int_equal(first->to.count, 1);
	assert_int_equal(first->ports.count, 2);
	assert_int_equal(first->place.line, 3);
	assert_string_equal(
	    first->text, "exclude proto udp from <t> to ::1 port { 1 3-4 }");
	assert_int_equal(conf->exclusions[1].protos, RULE_PROTOS | RULE_OTHER);
	assert_int_equal(conf->exclusions[2].protos, RULE_PROTOS);
	assert_int_equal(conf->exclusions[3].protos, RULE_PROTOS);
	conf_free(conf);
}

static void
test_wrong_selectors_of_an_exclusion_are_explained(void **state)
{
	(void)state;
	assert_string_equal(error_of(FIXTURE_CAPTURE "exclude\n")->message,
	    "the exclusion does not say what it is for");
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "exclude to ::1 idle 1m\n")->message,
	    "'idle' does not go with 'exclude'");
	error_of(FIXTURE_CAPTURE "exclude prot tcp\n");
	assert_string_equal(
	    errors.items[0].expected, "proto, from, to, port, user or group");
	assert_string_equal(errors.items[0].suggestion, "proto");
	error_of(FIXTURE_CAPTURE "table <lan> { }\nexclude to <lon>\n");
	assert_string_equal(errors.items[0].suggestion, "<lan>");
}

static void
test_an_exclusion_that_is_hardly_meant_warns(void **state)
{
	(void)state;
	assert_string_equal(warning_in("exclude from ::1 to 10.0.0.1\n"),
	    "the exclusion never matches: one side is IPv4, the other IPv6");
	assert_string_equal(warning_in("exclude to <t>\ntable <t> { }\n"),
	    "the exclusion never matches: no address is in its tables");
	assert_int_equal(errors.items[0].place.line, 3);
	assert_string_equal(warning_in("exclude port any\n"),
	    "the exclusion is of everything: no tcp or udp is captured");
	assert_string_equal(
	    warning_in("table <t> { 10.0.0.1 ::1 }\n"
		       "exclude from ::/0 to <t>\nexclude proto tcp\n"
		       "exclude from 10.0.0.1 to { ::1 10.0.0.2 }\n"),
	    "");
}

static void
test_what_does_not_go_with_pass_says_why(void **state)
{
	static const char *const lines[][2] = {
		{ FIXTURE_CAPTURE "pass to any max-flows 5 per client\n",
		    "'max-flows' does not go with 'pass': relays count what "
		    "is open, and none sees what passes; 'max-rate' limits "
		    "how many begin" },
		{ FIXTURE_CAPTURE "pass to any idle 5m\n",
		    "'idle' does not go with 'pass': nothing here ends what "
		    "passes" },
		{ FIXTURE_CAPTURE "pass to any via up\n",
		    "'via' does not go with 'pass': what passes goes to its "
		    "server itself" },
		{ FIXTURE_CAPTURE "pass to any source client\n",
		    "'source' does not go with 'pass': what passes has its "
		    "client's address anyway" },
		{ FIXTURE_CAPTURE "block to any max-flows 5\n",
		    "'max-flows' does not go with 'block'" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(
		    error_of(lines[i][0])->message, lines[i][1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_does_not_go_with_pass_says_why),
		cmocka_unit_test(test_nothing_local_is_captured_by_default),
		cmocka_unit_test(test_the_whole_host_needs_no_interface),
		cmocka_unit_test(test_statements_with_users_add_up),
		cmocka_unit_test(test_a_user_may_be_called_as_a_statement),
		cmocka_unit_test(
		    test_every_unknown_user_is_told_with_the_nearest),
		cmocka_unit_test(
		    test_without_a_list_of_users_numbers_are_known),
		cmocka_unit_test(test_groups_are_captured_beside_users),
		cmocka_unit_test(test_rules_and_exclusions_have_owners),
		cmocka_unit_test(
		    test_the_whole_host_goes_with_no_other_statement),
		cmocka_unit_test(test_an_exclusion_has_the_selectors_of_a_rule),
		cmocka_unit_test(
		    test_wrong_selectors_of_an_exclusion_are_explained),
		cmocka_unit_test(test_an_exclusion_that_is_hardly_meant_warns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
