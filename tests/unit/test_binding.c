/* SPDX-License-Identifier: ISC */
/* Names that clients were told for addresses, and who can push out whose. */
#include "policy/binding.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1000

static struct binding_table *
table_new(void)
{
	static const uint64_t seed[2] = { 0x0123456789abcdefULL, 42 };
	struct binding_table *table = mmap(NULL, binding_table_bytes(),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(table, MAP_FAILED);
	binding_table_init(table, seed);
	return table;
}

static void
table_free(struct binding_table *table)
{
	munmap(table, binding_table_bytes());
}

static struct addr
address(unsigned int net, unsigned int host)
{
	struct addr addr = { { 0 } };

	addr.byte[10] = addr.byte[11] = 0xff;
	addr.byte[12] = (uint8_t)net;
	addr.byte[13] = (uint8_t)(host >> 16);
	addr.byte[14] = (uint8_t)(host >> 8);
	addr.byte[15] = (uint8_t)host;
	return addr;
}

static void
learn(struct binding_table *table, unsigned int client, unsigned int server,
    const char *name, uint32_t ttl_s)
{
	struct addr from = address(10, client), to = address(192, server);

	binding_learn(table, &from, &to, name, "", ttl_s, NOW);
}

static struct binding
find(const struct binding_table *table, unsigned int client,
    unsigned int server, const char *wanted, uint32_t now_s)
{
	struct addr from = address(10, client), to = address(192, server);
	struct binding found = BINDING_NONE;

	binding_find(table, &from, &to, wanted, now_s, &found);
	return found;
}

static void
test_a_name_is_one_client_s_and_one_address_s(void **state)
{
	struct binding_table *table = table_new();

	(void)state;
	learn(table, 1, 1, "www.example.org", 60);
	assert_string_equal(
	    find(table, 1, 1, NULL, NOW).name, "www.example.org");
	assert_string_equal(find(table, 2, 1, NULL, NOW).name, "");
	assert_string_equal(find(table, 1, 2, NULL, NOW).name, "");
	assert_int_equal(find(table, 2, 1, NULL, NOW).verdict, BINDING_UNKNOWN);
	table_free(table);
}

static void
test_a_name_ends_after_its_grace(void **state)
{
	struct binding_table *table = table_new();
	uint32_t end = NOW + 60 + BINDING_GRACE_S;

	(void)state;
	learn(table, 1, 1, "www.example.org", 60);
	assert_string_not_equal(find(table, 1, 1, NULL, end - 1).name, "");
	assert_string_equal(find(table, 1, 1, NULL, end).name, "");
	/* told once more, it lasts longer, and is no second name */
	learn(table, 1, 1, "www.example.org", 120);
	assert_string_not_equal(find(table, 1, 1, NULL, end).name, "");
	/* what was good for longer is so still */
	learn(table, 1, 1, "www.example.org", 1);
	assert_string_not_equal(find(table, 1, 1, NULL, end).name, "");
	/* nobody's answer lasts for ever */
	learn(table, 1, 1, "www.example.org", UINT32_MAX);
	assert_string_equal(
	    find(table, 1, 1, NULL, NOW + BINDING_LIFE_MAX_S + BINDING_GRACE_S)
		.name,
	    "");
	table_free(table);
}

static void
test_several_names_of_an_address(void **state)
{
	struct binding_table *table = table_new();

	(void)state;
	learn(table, 1, 1, "a.example.org", 60);
	learn(table, 1, 1, "b.example.org", 90);
	learn(table, 1, 1, "c.example.org", 30);
	assert_string_equal(find(table, 1, 1, NULL, NOW).name, "b.example.org");
	assert_int_equal(
	    find(table, 1, 1, "a.example.org", NOW).verdict, BINDING_AGREES);
	assert_int_equal(
	    find(table, 1, 1, "c.example.org", NOW).verdict, BINDING_AGREES);
	assert_int_equal(
	    find(table, 1, 1, "d.example.org", NOW).verdict, BINDING_DISAGREES);
	assert_int_equal(
	    find(table, 1, 2, "d.example.org", NOW).verdict, BINDING_UNKNOWN);
	table_free(table);
}

static void
test_tables_add_up(void **state)
{
	struct binding_table *one = table_new(), *other = table_new();
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding found = BINDING_NONE;

	(void)state;
	learn(one, 1, 1, "a.example.org", 60);
	learn(other, 1, 1, "b.example.org", 90);
	binding_find(one, &client, &server, "a.example.org", NOW, &found);
	binding_find(other, &client, &server, "a.example.org", NOW, &found);
	assert_string_equal(found.name, "a.example.org");
	assert_int_equal(found.verdict, BINDING_AGREES);
	assert_string_equal(find(other, 1, 1, NULL, NOW).name, "b.example.org");
	table_free(one);
	table_free(other);
}

/* Of the name that is wanted, or that ends last. */
static void
test_aliases_are_of_their_name(void **state)
{
	static const char two[] = "b.example\0c.example\0",
			  one[] = "d.example\0";
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding_table *table = table_new();
	struct binding found;

	(void)state;
	binding_learn(table, &client, &server, "a.example", two, 60, NOW);
	binding_learn(table, &client, &server, "z.example", one, 90, NOW);
	found = find(table, 1, 1, "a.example", NOW);
	assert_memory_equal(found.aliases, two, sizeof(two));
	found = find(table, 1, 1, NULL, NOW);
	assert_memory_equal(found.aliases, one, sizeof(one));
	found = find(table, 1, 1, "b.example", NOW);
	assert_int_equal(found.verdict, BINDING_DISAGREES);
	assert_string_equal(found.aliases, "");
	table_free(table);
}

static void
test_other_aliases_take_the_place_of_those_before(void **state)
{
	static const char two[] = "b.example\0c.example\0",
			  one[] = "d.example\0";
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding_table *table = table_new();
	struct binding found;

	(void)state;
	binding_learn(table, &client, &server, "a.example", two, 60, NOW);
	assert_int_equal(
	    binding_learn(table, &client, &server, "a.example", two, 60, NOW),
	    0);
	assert_int_equal(
	    binding_learn(table, &client, &server, "a.example", one, 1, NOW),
	    1);
	/* and last as long */
	found = find(table, 1, 1, NULL, NOW + 60 + BINDING_GRACE_S - 1);
	assert_string_equal(found.name, "a.example");
	assert_memory_equal(found.aliases, one, sizeof(one));
	table_free(table);
}

static void
test_aliases_without_room_are_left_out(void **state)
{
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding_table *table = table_new();
	char many[4 * 90 + 1] = "";
	struct binding found;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		memset(many + i * 90, (char)('a' + i), 89);
		many[i * 90 + 89] = '\0';
	}
	binding_learn(table, &client, &server, "a.example", many, 60, NOW);
	found = find(table, 1, 1, NULL, NOW);
	assert_memory_equal(found.aliases, many, 180);
	assert_string_equal(found.aliases + 180, "");
	table_free(table);
}

static void
test_readers_are_given_aliases_that_end(void **state)
{
	static const char told[] = "alias.example.org\0";
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding_table *table = table_new();
	uint8_t *bytes = (uint8_t *)table;
	struct binding found;
	size_t i;

	(void)state;
	binding_learn(table, &client, &server, "a.example", told, 60, NOW);
	for (i = 0; i + sizeof(told) < binding_table_bytes(); i++)
		if (memcmp(bytes + i, told, sizeof(told)) == 0)
			memset(bytes + i, 'a', BINDING_ALIASES_BYTES);
	found = find(table, 1, 1, NULL, NOW);
	assert_int_equal(strlen(found.aliases), BINDING_ALIASES_BYTES - 2);
	assert_int_equal(found.aliases[BINDING_ALIASES_BYTES - 1], '\0');
	table_free(table);
}

static void
test_a_flood_leaves_what_others_were_told(void **state)
{
	struct binding_table *table = table_new();
	char name[64];
	unsigned int i, kept = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "w%u.example.org", i);
		learn(table, i, i, name, 60);
	}
	for (i = 0; i < 200000; i++) {
		(void)snprintf(name, sizeof(name), "f%u.example.net", i);
		learn(table, 5000, i, name, BINDING_LIFE_MAX_S);
	}
	for (i = 0; i < 1000; i++)
		kept += find(table, i, i, NULL, NOW).name[0] != '\0';
	assert_true(kept >= 990);
	/* and there is still room for what is new to others */
	learn(table, 1, 2000, "new.example.org", 60);
	assert_string_equal(
	    find(table, 1, 2000, NULL, NOW).name, "new.example.org");
	table_free(table);
}

static void
test_what_is_no_host_s_name_is_not_learned(void **state)
{
	struct binding_table *table = table_new();

	(void)state;
	learn(table, 1, 1, "", 60);
	learn(table, 1, 1, "two words", 60);
	learn(table, 1, 1, "\033[31m", 60);
	assert_int_equal(find(table, 1, 1, NULL, NOW).verdict, BINDING_UNKNOWN);
	table_free(table);
}

/* The writer may be anybody's by then. */
static void
test_readers_are_given_names_whatever_the_bytes(void **state)
{
	static const char told[] = "www.example.org";
	struct binding_table *table = table_new();
	uint8_t *bytes = (uint8_t *)table;
	struct binding found;
	unsigned int n, place = 0;
	size_t i;

	(void)state;
	for (n = 0; n < 300; n++)
		learn(table, n, n, told, 60);
	/* what stands there is as long as can be, or would move a cursor */
	for (i = 0; i + sizeof(told) < binding_table_bytes(); i++)
		if (memcmp(bytes + i, told, sizeof(told)) == 0)
			memset(bytes + i, place++ % 2 ? 'a' : '\033',
			    BINDING_NAME_BYTES);
	assert_int_equal(place, 300);
	for (n = 0; n < 300; n++) {
		found = find(table, n, n, told, NOW);
		assert_string_equal(found.name, "");
		assert_int_equal(found.verdict, BINDING_UNKNOWN);
	}
	table_free(table);
}

/* A name as long as they get, of one letter. */
static void
long_name(char letter, char name[BINDING_NAME_BYTES])
{
	size_t i;

	for (i = 0; i < 249; i++)
		name[i] = i % 50 == 49 ? '.' : letter;
	name[i] = '\0';
}

/* Each has ended when the next one comes, and so takes its place. */
static void
write_in_turn(struct binding_table *table, char names[2][BINDING_NAME_BYTES])
{
	struct addr client = address(10, 1), server = address(192, 1);
	uint32_t i;

	for (i = 0; i < 500000; i++)
		binding_learn(table, &client, &server, names[i % 2], "", 0,
		    NOW + i * (BINDING_GRACE_S + 1));
}

static void
test_a_reader_never_sees_half_a_name(void **state)
{
	struct binding_table *table = table_new();
	char names[2][BINDING_NAME_BYTES];
	unsigned int seen[2] = { 0, 0 };
	struct binding found;
	pid_t writer;

	(void)state;
	long_name('a', names[0]);
	long_name('b', names[1]);
	writer = fork();
	if (writer == 0) {
		write_in_turn(table, names);
		_exit(0);
	}
	do {
		found = find(table, 1, 1, NULL, NOW);
		if (found.name[0] == '\0')
			continue;
		seen[found.name[0] - 'a']++;
		assert_string_equal(found.name, names[found.name[0] - 'a']);
	} while (waitpid(writer, NULL, WNOHANG) == 0);
	assert_true(seen[0] > 0 && seen[1] > 0);
	table_free(table);
}

/* A name that is told again for no longer is nothing new. */
static void
test_a_table_is_walked_and_knows_what_is_new(void **state)
{
	struct binding_table *table = table_new();
	struct addr client = address(10, 1), server = address(192, 1);
	struct binding_item item;
	unsigned int i, found = 0;
	size_t at = 0;

	(void)state;
	assert_int_equal(
	    binding_learn(table, &client, &server, "a.example", "", 60, NOW),
	    1);
	assert_int_equal(
	    binding_learn(table, &client, &server, "a.example", "", 60, NOW),
	    0);
	assert_int_equal(
	    binding_learn(table, &client, &server, "a.example", "", 61, NOW),
	    1);
	assert_int_equal(
	    binding_learn(table, &client, &server, "b.example", "", 60, NOW),
	    1);
	assert_int_equal(
	    binding_learn(table, &client, &server, "two words", "", 60, NOW),
	    0);
	/* As much as finds no room among all is in the clients' regions. */
	for (i = 0; i < 40000; i++)
		learn(table, i, i, "c.example", 60);
	while (
	    binding_next(table, &at, NOW + 61 + BINDING_GRACE_S - 1, &item)) {
		assert_string_equal(item.name, "a.example");
		assert_int_equal(item.until_s, NOW + 61 + BINDING_GRACE_S);
		assert_memory_equal(&item.client, &client, sizeof(client));
		assert_memory_equal(&item.server, &server, sizeof(server));
		found++;
	}
	assert_int_equal(found, 1);
	for (at = 0, found = 0; binding_next(table, &at, NOW, &item);)
		found++;
	assert_in_range(found, 30000, 40002);
	table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_one_client_s_and_one_address_s),
		cmocka_unit_test(test_a_name_ends_after_its_grace),
		cmocka_unit_test(test_several_names_of_an_address),
		cmocka_unit_test(test_tables_add_up),
		cmocka_unit_test(test_aliases_are_of_their_name),
		cmocka_unit_test(
		    test_other_aliases_take_the_place_of_those_before),
		cmocka_unit_test(test_aliases_without_room_are_left_out),
		cmocka_unit_test(test_readers_are_given_aliases_that_end),
		cmocka_unit_test(test_a_table_is_walked_and_knows_what_is_new),
		cmocka_unit_test(test_a_flood_leaves_what_others_were_told),
		cmocka_unit_test(test_what_is_no_host_s_name_is_not_learned),
		cmocka_unit_test(
		    test_readers_are_given_names_whatever_the_bytes),
		cmocka_unit_test(test_a_reader_never_sees_half_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
