/* SPDX-License-Identifier: ISC */
#include "ctl/metrics_format.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/utf8.h"

#define US_PER_S 1000000U
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void
metrics_begin(struct metrics *metrics, FILE *out, int is_json)
{
	memset(metrics, 0, sizeof(*metrics));
	metrics->out = out;
	metrics->is_json = is_json;
	if (!is_json)
		return;
	json_begin(&metrics->json, out);
	json_array(&metrics->json, NULL);
}

static void
family_end(struct metrics *metrics)
{
	if (!metrics->is_json || !metrics->begun)
		return;
	json_array_end(&metrics->json);
	json_object_end(&metrics->json);
}

void
metrics_end(struct metrics *metrics)
{
	family_end(metrics);
	if (!metrics->is_json)
		return;
	json_array_end(&metrics->json);
	(void)putc('\n', metrics->out);
}

void
metrics_family(struct metrics *metrics, const char *name, const char *type,
    const char *help)
{
	struct json *json = &metrics->json;

	family_end(metrics);
	metrics->begun = 1;
	metrics->name = name;
	if (!metrics->is_json) {
		(void)fprintf(metrics->out, "# HELP %s %s\n# TYPE %s %s\n",
		    name, help, name, type);
		return;
	}
	json_object(json, NULL);
	json_string(json, "name", name);
	json_string(json, "type", type);
	json_string(json, "help", help);
	json_array(json, "samples");
}

static void
put_value(FILE *out, const char *text)
{
	uint32_t code;
	size_t len;

	for (; *text != '\0'; text += len) {
		len = utf8_next(text, &code);
		if (code == '\n')
			(void)fputs("\\n", out);
		else if (code == '"' || code == '\\')
			(void)fprintf(out, "\\%c", (char)code);
		else if (utf8_is_control(code) || code == UTF8_BAD)
			(void)fputs(REPLACEMENT, out);
		else
			(void)fwrite(text, 1, len, out);
	}
}

static void
text_labels(FILE *out, const struct metrics_label *labels)
{
	const char *before = "{";

	for (; labels != NULL && labels->name != NULL; labels++) {
		(void)fprintf(out, "%s%s=\"", before, labels->name);
		put_value(out, labels->value);
		(void)putc('"', out);
		before = ",";
	}
	if (*before == ',')
		(void)putc('}', out);
}

static void
json_labels(struct json *json, const struct metrics_label *labels)
{
	json_object(json, "labels");
	for (; labels != NULL && labels->name != NULL; labels++)
		json_string(json, labels->name, labels->value);
	json_object_end(json);
}

static void
json_sample(struct metrics *metrics, const char *suffix,
    const struct metrics_label *labels)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s%s", metrics->name, suffix);
	json_object(&metrics->json, NULL);
	json_string(&metrics->json, "name", name);
	json_labels(&metrics->json, labels);
}

void
metrics_uint(struct metrics *metrics, const char *suffix,
    const struct metrics_label *labels, uint64_t value)
{
	if (metrics->is_json) {
		json_sample(metrics, suffix, labels);
		json_uint(&metrics->json, "value", value);
		json_object_end(&metrics->json);
		return;
	}
	(void)fprintf(metrics->out, "%s%s", metrics->name, suffix);
	text_labels(metrics->out, labels);
	(void)fprintf(metrics->out, " %" PRIu64 "\n", value);
}

char *
metrics_seconds_text(uint64_t us, char buf[METRICS_NUMBER_BYTES])
{
	size_t len;

	(void)snprintf(buf, METRICS_NUMBER_BYTES, "%" PRIu64 ".%06" PRIu64,
	    us / US_PER_S, us % US_PER_S);
	len = strlen(buf);
	while (buf[len - 1] == '0')
		buf[--len] = '\0';
	if (buf[len - 1] == '.')
		buf[--len] = '\0';
	return buf;
}

void
metrics_seconds(struct metrics *metrics, const char *suffix,
    const struct metrics_label *labels, uint64_t us)
{
	char buf[METRICS_NUMBER_BYTES];

	if (metrics->is_json) {
		json_sample(metrics, suffix, labels);
		json_real(&metrics->json, "value", (double)us / US_PER_S);
		json_object_end(&metrics->json);
		return;
	}
	(void)fprintf(metrics->out, "%s%s", metrics->name, suffix);
	text_labels(metrics->out, labels);
	(void)fprintf(metrics->out, " %s\n", metrics_seconds_text(us, buf));
}
