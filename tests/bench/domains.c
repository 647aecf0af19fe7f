/* SPDX-License-Identifier: ISC */
/*
 * What a list of domains costs: tests-bench-domains [NAMES].  Prints how long
 * reading, building and checking take of a CPU, the bytes of a name beside its
 * text, and the time of a look-up of names that are in the list and of others,
 * the median of many runs of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/domain_index.h"
#include "policy/domain_list.h"

/* No name is asked for twice in a round, and all are more than caches hold. */
#define KEYS (1U << 19)
#define ROUNDS 5
/* Look-ups that are timed together: what disturbs some of them is left out. */
#define RUN 1024
#define RUNS (KEYS / RUN * ROUNDS)

static double
cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The n-th name, of the shape and length that published lists have. */
static int
name_of(unsigned int n, const char *prefix, char *buf, size_t size)
{
	unsigned int mixed = n * 2654435761U;

	return snprintf(buf, size, "%s%s%x.track%u.example%u.%s", prefix,
	    n % 4 == 0 ? "ads-" : "", mixed, n % 977, n % 7919,
	    n % 3 == 0 ? "co.uk" : "com");
}

/* The bytes of the names, without what makes wildcards of some. */
static size_t
list_write(unsigned int count, struct text *text)
{
	char name[128];
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		bytes += (size_t)name_of(i, "", name, sizeof(name));
		text_printf(text, "%s%s\n", i % 5 == 0 ? "*." : "", name);
	}
	return bytes;
}

static int
compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Names are made ahead, so that only the look-up is measured. */
static double
lookup_ns(const struct domain_index *index, unsigned int first,
    unsigned int count, const char *prefix, size_t *found)
{
	static char keys[KEYS][64];
	static size_t lens[KEYS];
	static double ns[RUNS];
	struct domain_set set;
	unsigned int i, run;
	double start;

	for (i = 0; i < KEYS; i++)
		lens[i] = (size_t)name_of(
		    first + (unsigned int)((i * 15485863ULL) % count), prefix,
		    keys[i], sizeof(keys[i]));
	*found = 0;
	for (run = 0; run < RUNS; run++) {
		unsigned int at = run * RUN % KEYS;

		start = cpu_s();
		for (i = at; i < at + RUN; i++) {
			domain_index_find(index, keys[i], lens[i], &set);
			*found += set.bits[0];
		}
		ns[run] = (cpu_s() - start) * 1e9 / RUN;
	}
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	return ns[RUNS / 2];
}

static void
lookups(const struct domain_index *index, unsigned int count)
{
	static const struct {
		const char *what, *prefix;
		int other;
	} kinds[] = { { "names of the list", "", 0 },
		{ "www. and names of the list", "www.", 0 },
		{ "other names", "", 1 },
		{ "www. and other names", "www.", 1 } };
	size_t i, found;
	double ns;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		ns = lookup_ns(index, kinds[i].other ? count : 0, count,
		    kinds[i].prefix, &found);
		printf("look-up of %s: %.0f ns, %.0f %% found\n", kinds[i].what,
		    ns, 100.0 * (double)found / KEYS / ROUNDS);
	}
}

int
main(int argc, char *argv[])
{
	unsigned int count =
	    argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 1000000;
	static struct conf_errors errors;
	struct domain_builder builder = { 0 };
	struct text text = { 0 };
	const char *why;
	double at[4];
	size_t names, len, list_bytes = list_write(count, &text);
	void *bytes;

	at[0] = cpu_s();
	if (domain_list_read(
		text.bytes, text.len, 0, &builder, &names, &errors) == -1)
		return 1;
	at[1] = cpu_s();
	if (domain_builder_finish(&builder, 1, 1, &bytes, &len) == -1)
		return 1;
	at[2] = cpu_s();
	if (domain_index_check(bytes, len, &why) == -1)
		return 1;
	at[3] = cpu_s();
	printf("%zu names of %zu bytes of text: read in %.2f s, built in "
	       "%.2f s, checked in %.3f s\n",
	    names, list_bytes, at[1] - at[0], at[2] - at[1], at[3] - at[2]);
	printf("%zu bytes, %.1f a name over its text\n", len,
	    ((double)len - (double)list_bytes) / (double)names);
	lookups(bytes, count);
	free(bytes);
	domain_builder_free(&builder);
	text_free(&text);
	return 0;
}
