/* SPDX-License-Identifier: ISC */
/* Which owners rules tell apart; rules by owner in the kernel and the relay. */
#include "policy/owner_class.h"

#include <errno.h>
#include <netinet/in.h>

#include "render_fixture.h"

#define LOCAL "capture local\n"

static struct owner_classes
classes_of(const char *text, struct image **image)
{
	struct owner_classes owners = { .generation = 0 };
	size_t len;

	*image = fixture_image(text, &len);
	assert_int_equal(owner_classes_make(&owners, *image), 0);
	return owners;
}

static void
test_without_such_rules_there_are_no_classes(void **state)
{
	struct image *image;
	struct owner_classes owners =
	    classes_of(LOCAL "exclude user 5\nblock to any\n", &image);
	struct policy_owner owner;

	(void)state;
	assert_int_equal(owners.classes, 0);
	assert_int_equal(owner_class_find(&owners, 0x81, &owner), -1);
	owner_classes_release(&owners);
	free(image);
}

static void
test_ids_that_all_rules_treat_alike_are_one_class(void **state)
{
	struct image *image;
	struct owner_classes owners = classes_of(LOCAL
	    "block user { 10-20 30 }\nblock user 15-40 group 7\n"
	    "block to ::1\n",
	    &image);

	(void)state;
	/* nobody's, 10-14, 15-20 and 30, the rest of 15-40; none's, 7 */
	assert_int_equal(owners.users.classes, 4);
	assert_int_equal(owners.groups.classes, 2);
	assert_int_equal(owners.classes, 8);
	assert_int_equal(owners.users.count, 5);
	assert_int_equal(owners.users.ranges[1].first, 15);
	assert_int_equal(owners.users.ranges[1].last, 20);
	assert_int_equal(
	    owners.users.ranges[1].class, owners.users.ranges[3].class);
	owner_classes_release(&owners);
	free(image);
}

static uint32_t
class_of(const struct owner_ids *ids, uint32_t id)
{
	size_t i;

	for (i = 0; i < ids->count; i++)
		if (id >= ids->ranges[i].first && id <= ids->ranges[i].last)
			return ids->ranges[i].class;
	return 0;
}

/* What the kernel marks is decided by a relay as by the kernel. */
static void
test_who_stands_for_a_class_is_decided_as_everyone_in_it(void **state)
{
	struct image *image;
	struct owner_classes owners = classes_of(LOCAL
	    "block user { 10-20 30 }\nrelay group { 3 5-6 } idle 1m\n"
	    "pass user 15-40 group 7\nblock user 4294967294\ndefault relay\n",
	    &image);
	static const uint32_t ids[] = { 0, 3, 5, 6, 7, 9, 10, 14, 15, 20, 21,
		30, 40, 41, 4294967294 };
	struct policy_query query = { .proto = IPPROTO_TCP, .dport = 80 };
	struct policy_owner owner, other;
	struct policy_verdict is, shall;
	size_t i, n;
	uint8_t mark;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		for (n = 0; n < sizeof(ids) / sizeof(ids[0]); n++) {
			owner = (struct policy_owner){ ids[i], ids[n] };
			query.owner = &owner;
			shall = policy_match(image, &query);
			mark = owner_class_mark(
			    &owners, class_of(&owners.users, ids[i]) *
					     owners.groups.classes +
					 class_of(&owners.groups, ids[n]));
			assert_int_equal(
			    owner_class_find(&owners, mark, &other), 0);
			query.owner = &other;
			is = policy_match(image, &query);
			assert_int_equal(is.rule, shall.rule);
		}
	owner_classes_release(&owners);
	free(image);
}

static void
test_a_mark_of_another_generation_is_nobodys(void **state)
{
	struct image *image;
	struct owner_classes owners =
	    classes_of(LOCAL "block user 5\n", &image);
	struct policy_owner owner;
	uint8_t mark = owner_class_mark(&owners, 1);

	(void)state;
	assert_int_equal(owner_class_find(&owners, mark, &owner), 0);
	assert_int_equal(owner.uid, 5);
	assert_int_equal(owner_class_find(&owners, 0, &owner), -1);
	assert_int_equal(owner_class_find(&owners, 64, &owner), -1);
	assert_int_equal(owner_class_find(&owners, 255, &owner), -1);
	image_stamp(image, 2);
	assert_int_equal(owner_classes_make(&owners, image), 0);
	assert_int_equal(owner_class_find(&owners, mark, &owner), -1);
	assert_int_not_equal(owner_class_mark(&owners, 1), mark);
	owner_classes_release(&owners);
	free(image);
}

static void
test_too_many_classes_are_refused(void **state)
{
	struct text text = { 0 };
	struct conf *conf;
	void *bytes;
	size_t len;
	int i;

	(void)state;
	text_puts(&text, LOCAL);
	for (i = 0; i < (int)OWNER_CLASSES_MAX; i++)
		text_printf(&text, "block user %d\n", i * 2);
	conf = fixture_conf(text.bytes);
	assert_int_equal(image_build(conf, 1, &bytes, &len), -1);
	assert_int_equal(errno, E2BIG);
	conf_free(conf);
	text_free(&text);
}

static void
test_the_kernel_asks_sockets_of_this_host_alone(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE LOCAL
	    "block user { www-data 1000-1999 } group staff to ::1 port 80\n"
	    "exclude user 7 port 22\n",
	    RENDER_CAPTURE);
	const char *line =
	    "\t\tip6 daddr ::1 th dport 80 meta skuid { 33, 1000-1999 } "
	    "meta skgid 50 goto block_0\n";
	const char *found;

	(void)state;
	/* In the verdicts of this host's TCP and UDP, and in no other. */
	found = strstr(text, line);
	assert_non_null(found);
	assert_true(strstr(text, "\tchain verdict_local_tcp {") < found);
	found = strstr(found + 1, line);
	assert_non_null(found);
	assert_null(strstr(found + 1, line));
	assert_has(text, "th dport 22 meta skuid 7 goto excluded_own\n");
	assert_lacks(text, "th dport 22 meta skuid 7 goto excluded\n");
	assert_has(text, "jump unowned\n");
	free(text);
}

static void
test_what_is_relayed_brings_its_owner_along(void **state)
{
	char *text = capture_of(LOCAL "relay user 5 idle 1m\n", RENDER_CAPTURE);
	char *none = capture_of(LOCAL "exclude user 5\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "\tchain owner_0 {\n\t\tip ttl set 129\n"
			 "\t\tip6 hoplimit set 129\n\t}\n");
	assert_has(text, "\tchain owner {\n"
			 "\t\tmeta skuid { 5 } goto owner_1\n"
			 "\t\tgoto owner_0\n\t}\n");
	assert_has(text, "\t\tjump owner\n");
	assert_has(text, "goto local_again\n");
	assert_lacks(none, "ttl");
	assert_lacks(none, "local_again");
	free(text);
	free(none);
}

static void
test_the_guard_lets_go_whom_it_excludes(void **state)
{
	struct text guard = { 0 };
	size_t len;
	struct image *image = fixture_image("capture local user 8 group staff\n"
					    "exclude user 7 group 9\n",
	    &len);

	(void)state;
	render_guard(image, &local, &guard);
	assert_whole(guard.bytes);
	assert_has(guard.bytes, "\t\tmeta skuid 7 meta skgid 9 "
				"goto excluded_own\n");
	assert_has(guard.bytes, "\t\tmeta skuid 8 goto guarded\n"
				"\t\tmeta skgid 50 goto guarded\n");
	text_free(&guard);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_such_rules_there_are_no_classes),
		cmocka_unit_test(
		    test_ids_that_all_rules_treat_alike_are_one_class),
		cmocka_unit_test(
		    test_who_stands_for_a_class_is_decided_as_everyone_in_it),
		cmocka_unit_test(test_a_mark_of_another_generation_is_nobodys),
		cmocka_unit_test(test_too_many_classes_are_refused),
		cmocka_unit_test(
		    test_the_kernel_asks_sockets_of_this_host_alone),
		cmocka_unit_test(test_what_is_relayed_brings_its_owner_along),
		cmocka_unit_test(test_the_guard_lets_go_whom_it_excludes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
