/* SPDX-License-Identifier: ISC */
/* What counts as the answer that closes a way past DNS. */
#include "ctl/leak/question.h"

#include "policy_fixture.h"

#define ID 0x1234

static uint8_t answer[QUESTION_BYTES];
static size_t len;

/* The answer that denies it; the question again with another header. */
static void
deny(enum question question, uint8_t rcode)
{
	len = question_build(question, ID, answer);
	answer[2] |= 0x80;
	answer[3] = rcode;
}

static int
is_denied(enum question question)
{
	return question_is_denied(question, ID, answer, len);
}

static void
test_each_question_is_denied_in_its_way(void **state)
{
	(void)state;
	deny(QUESTION_CANARY, 3);
	assert_true(is_denied(QUESTION_CANARY));
	deny(QUESTION_DDR, 0);
	assert_true(is_denied(QUESTION_DDR));
	deny(QUESTION_PRIVATE_RELAY_H2, 3);
	assert_true(is_denied(QUESTION_PRIVATE_RELAY_H2));
}

static void
test_other_answers_deny_nothing(void **state)
{
	uint8_t byte;
	size_t i;

	(void)state;
	deny(QUESTION_CANARY, 0);
	assert_false(is_denied(QUESTION_CANARY));
	deny(QUESTION_CANARY, 2);
	assert_false(is_denied(QUESTION_CANARY));
	deny(QUESTION_DDR, 0);
	answer[7] = 1; /* a record */
	assert_false(is_denied(QUESTION_DDR));
	deny(QUESTION_CANARY, 3);
	assert_false(is_denied(QUESTION_BELOW_CANARY));
	/* Another id, no answer, or about something else. */
	for (i = 0; i < len; i++) {
		if (i >= 2 && i < 12 && i != 2)
			continue;
		byte = answer[i];
		answer[i] = (uint8_t)(i == 2 ? 1 : byte ^ 1);
		assert_false(is_denied(QUESTION_CANARY));
		answer[i] = byte;
	}
	while (len-- > 0)
		assert_false(is_denied(QUESTION_CANARY));
}

static void
test_only_what_is_closed_is_asked_for(void **state)
{
	size_t bytes;
	struct image *image = fixture_image(
	    FIXTURE_CAPTURE "dns recurse\ndns canary no\n", &bytes);

	(void)state;
	assert_false(question_is_closed(image, QUESTION_CANARY));
	assert_false(question_is_closed(image, QUESTION_BELOW_CANARY));
	assert_true(question_is_closed(image, QUESTION_DDR));
	assert_false(question_is_closed(image, QUESTION_PRIVATE_RELAY));
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_question_is_denied_in_its_way),
		cmocka_unit_test(test_other_answers_deny_nothing),
		cmocka_unit_test(test_only_what_is_closed_is_asked_for),
	};

	return cmocka_run_group_tests_name("leak_question", tests, NULL, NULL);
}
