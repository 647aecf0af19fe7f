/* SPDX-License-Identifier: ISC */
/*
 * The tokenizer of configurations.  Reads text that anybody may have written
 * and never beyond its end.  Pure.
 */
#include "policy/lexer.h"

#include <errno.h>
#include <string.h>

static const char why_nul[] = "a NUL byte in the text";
static const char why_return[] = "a carriage return inside a line";
static const char why_control[] = "a control byte in the text";
static const char why_utf8[] = "bytes that are not UTF-8";
static const char why_comma[] = "a comma outside of braces";
static const char why_string[] = "a string that its line does not end";
static const char why_escape[] =
    "a backslash before something else than \" or \\";
static const char why_long[] = "a word of more than 1024 bytes";

void
lexer_init(struct lexer *lexer, const char *text, size_t len)
{
	memset(lexer, 0, sizeof(*lexer));
	lexer->text = text;
	lexer->len = len;
	lexer->line = 1;
	lexer->column = 1;
}

static unsigned char
peek(const struct lexer *lexer)
{
	return (unsigned char)lexer->text[lexer->at];
}

static int
more(const struct lexer *lexer)
{
	return lexer->at < lexer->len;
}

/* A carriage return that belongs to the end of its line. */
static int
at_line_return(const struct lexer *lexer)
{
	return peek(lexer) == '\r' && (lexer->at + 1 == lexer->len ||
					  lexer->text[lexer->at + 1] == '\n');
}

static struct place
place_here(const struct lexer *lexer)
{
	struct place place = { lexer->line, lexer->column, 1,
		lexer->line_start };

	return place;
}

/* Past one byte; those that continue a UTF-8 character have no column. */
static void
step(struct lexer *lexer)
{
	unsigned char byte = peek(lexer);

	lexer->at++;
	if (byte == '\n') {
		lexer->line++;
		lexer->column = 1;
		lexer->line_start = lexer->at;
	} else if ((byte & 0xc0) != 0x80) {
		lexer->column++;
	}
}

static const char *
control_byte(unsigned char byte)
{
	if (byte == '\0')
		return why_nul;
	if (byte == '\r')
		return why_return;
	if ((byte < ' ' && byte != '\t') || byte == 0x7f)
		return why_control;
	return NULL;
}

/* Bytes of the character here, RFC 3629; 0 when it is none. */
static size_t
utf8_length(const struct lexer *lexer)
{
	static const struct {
		unsigned char first, last, low, high, len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 }, /* C1 controls are left out */
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *at =
	    (const unsigned char *)lexer->text + lexer->at;
	size_t i, n, left = lexer->len - lexer->at;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (at[0] < forms[i].first || at[0] > forms[i].last)
			continue;
		if (forms[i].len == 1)
			return 1;
		if (forms[i].len > left || at[1] < forms[i].low ||
		    at[1] > forms[i].high)
			return 0;
		for (n = 2; n < forms[i].len; n++)
			if ((at[n] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

/* Past one character of a word or string, or the reason why it is none. */
static const char *
step_character(struct lexer *lexer)
{
	const char *why = control_byte(peek(lexer));
	size_t len;

	if (why != NULL)
		return why;
	len = utf8_length(lexer);
	if (len == 0)
		return why_utf8;
	while (len-- > 0)
		step(lexer);
	return NULL;
}

/* Blanks and comments; a control byte in a comment is left for its token. */
static void
skip_blanks(struct lexer *lexer)
{
	lexer->in_comment = 0;
	for (; more(lexer); step(lexer)) {
		unsigned char byte = peek(lexer);

		if (at_line_return(lexer)) {
			if (lexer->line_return.line == 0)
				lexer->line_return = place_here(lexer);
		} else if (byte == '\n') {
			if (!lexer->in_braces)
				return;
			lexer->in_comment = 0;
			lexer->in_line = 0;
		} else if (lexer->in_comment) {
			if (control_byte(byte) != NULL)
				return;
		} else if (byte == '#') {
			lexer->in_comment = 1;
		} else if (byte != ' ' && byte != '\t' &&
			   !(byte == ',' && lexer->in_braces)) {
			return;
		}
	}
}

static int
ends_word(const struct lexer *lexer)
{
	unsigned char byte = peek(lexer);

	return at_line_return(lexer) || byte == ' ' || byte == '\t' ||
	       byte == '\n' || byte == ',' || byte == '#' || byte == '"' ||
	       byte == '{' || byte == '}';
}

static const char *
read_word(struct lexer *lexer)
{
	const char *why;

	while (more(lexer) && !ends_word(lexer)) {
		why = step_character(lexer);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
read_string(struct lexer *lexer)
{
	const char *why;
	int escaped = 0;

	for (step(lexer); more(lexer) && peek(lexer) != '\n';) {
		unsigned char byte = peek(lexer);

		if (escaped && byte != '"' && byte != '\\')
			return why_escape;
		why = step_character(lexer);
		if (why != NULL)
			return why;
		if (byte == '"' && !escaped)
			return NULL;
		escaped = byte == '\\' && !escaped;
	}
	return why_string;
}

/*
 * So that one mistake is one error: on to the next blank, or to the end of the
 * line when what stands there is part of a comment or a string.
 */
static void
skip_bad(struct lexer *lexer, int whole_line)
{
	size_t start = lexer->at;

	while (more(lexer) && peek(lexer) != '\n') {
		if (!whole_line && lexer->at > start && ends_word(lexer))
			return;
		step(lexer);
	}
}

static const char *
read_token(struct lexer *lexer, struct token *token)
{
	unsigned char byte = peek(lexer);

	if (byte == '{' || byte == '}') {
		step(lexer);
		lexer->in_braces = byte == '{';
		token->kind = byte == '{' ? TOKEN_OPEN : TOKEN_CLOSE;
		return NULL;
	}
	if (byte == ',')
		return why_comma;
	token->kind = byte == '"' ? TOKEN_STRING : TOKEN_WORD;
	return byte == '"' ? read_string(lexer) : read_word(lexer);
}

static struct token
token_begin(const struct lexer *lexer)
{
	struct token token = {
		.kind = TOKEN_FILE_END,
		.place = place_here(lexer),
		.bytes = lexer->text + lexer->at,
		.first = !lexer->in_line,
	};

	return token;
}

/* The place of an odd byte is its own, not the one where its word began. */
static struct token
bad_token(struct lexer *lexer, struct token token, const char *why)
{
	int in_string = token.kind == TOKEN_STRING;

	token.kind = TOKEN_BAD;
	token.why = why;
	if (why == why_string || why == why_long)
		return token;
	token.place = place_here(lexer);
	token.bytes = lexer->text + lexer->at;
	token.len = 1;
	skip_bad(lexer, in_string || lexer->in_comment);
	return token;
}

/* The end of a line or of the text; FILE_END only between statements. */
static struct token
read_end(struct lexer *lexer)
{
	struct token token = token_begin(lexer);

	if (lexer->in_statement) {
		token.kind = TOKEN_STATEMENT_END;
		lexer->in_statement = 0;
	}
	lexer->in_braces = 0;
	lexer->in_line = 0;
	return token;
}

/* To the next token or end; past the newlines between statements. */
static int
find_token(struct lexer *lexer)
{
	for (;;) {
		skip_blanks(lexer);
		if (!more(lexer))
			return 0;
		if (peek(lexer) != '\n')
			return 1;
		if (lexer->in_statement)
			return 0;
		step(lexer);
		lexer->in_line = 0;
	}
}

struct token
lexer_next(struct lexer *lexer)
{
	struct token token;
	const char *why;

	if (!find_token(lexer))
		return read_end(lexer);
	token = token_begin(lexer);
	lexer->in_line = 1;
	lexer->in_statement = 1;
	why = read_token(lexer, &token);
	token.len = lexer->at - (size_t)(token.bytes - lexer->text);
	token.place.length = lexer->column - token.place.column;
	if (why == NULL && token.len > LEXER_WORD_BYTES)
		why = why_long;
	return why == NULL ? token : bad_token(lexer, token, why);
}

void
lexer_leave_braces(struct lexer *lexer)
{
	lexer->in_braces = 0;
}

void
lexer_skip_statement(struct lexer *lexer)
{
	struct token token;

	if (!lexer->in_statement)
		return;
	do
		token = lexer_next(lexer);
	while (
	    token.kind != TOKEN_STATEMENT_END && token.kind != TOKEN_FILE_END);
}

int
token_copy(const struct token *token, char *buf, size_t size)
{
	const char *from = token->bytes, *end = token->bytes + token->len;
	size_t n = 0;

	if (token->kind == TOKEN_STRING) {
		from++;
		end--;
	}
	for (; from < end; from++) {
		if (token->kind == TOKEN_STRING && *from == '\\')
			from++;
		if (n + 1 >= size) {
			errno = ENAMETOOLONG;
			return -1;
		}
		buf[n++] = *from;
	}
	buf[n] = '\0';
	return 0;
}

int
token_is(const struct token *token, const char *word)
{
	return token->kind == TOKEN_WORD && strlen(word) == token->len &&
	       memcmp(token->bytes, word, token->len) == 0;
}
