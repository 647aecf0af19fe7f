/* SPDX-License-Identifier: ISC */
/*
 * Tokens of a configuration: words, "strings", braces and the ends of
 * statements.  A newline ends a statement unless a brace is open; # begins a
 * comment that ends with the line; inside braces commas are blanks.
 *
 * Not accepted, each as TOKEN_BAD with the reason: NUL and other control bytes
 * (a carriage return inside a line too), bytes that are not UTF-8 outside
 * comments, a comma outside braces, a string that its line does not end, an
 * escape other than \" and \\, a word or string of more than LEXER_WORD_BYTES.
 */
#ifndef POLICY_LEXER_H
#define POLICY_LEXER_H

#include <stddef.h>

#define LEXER_WORD_BYTES 1024

enum token_kind {
	TOKEN_FILE_END,
	TOKEN_STATEMENT_END,
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_BAD
};

/* Where something stands: lines and columns count from 1, in characters. */
struct place {
	unsigned int line;
	unsigned int column;
	unsigned int length;
	size_t line_start; /* offset of the line's first byte */
};

/* bytes points into the lexer's text; a string's includes its quotes. */
struct token {
	enum token_kind kind;
	struct place place;
	const char *bytes;
	size_t len;
	int first;	 /* the first token of its line */
	const char *why; /* of TOKEN_BAD, a static string */
};

struct lexer {
	const char *text;
	size_t len;
	size_t at;
	size_t line_start;
	unsigned int line;
	unsigned int column;
	int in_braces;
	int in_comment;
	int in_line; /* a token of this line was returned */
	int in_statement;
	/* The first line that ends in CR LF (taken as LF); line 0: none. */
	struct place line_return;
};

/* text is kept, not copied; it needs no NUL at its end. */
void lexer_init(struct lexer *, const char *text, size_t len);

/*
 * Every statement is followed by one TOKEN_STATEMENT_END, the last one also
 * without a final newline; blank lines give none.  After the end the answer
 * stays TOKEN_FILE_END.
 */
struct token lexer_next(struct lexer *);

/* Drops what is left of this line or, with braces open, of the braces. */
void lexer_skip_statement(struct lexer *);

/* A newline ends the statement again, though a brace was not closed. */
void lexer_leave_braces(struct lexer *);

/*
 * The bytes of a word or string, unescaped and with a NUL; -1 with ENAMETOOLONG
 * when they do not fit.
 */
int token_copy(const struct token *, char *buf, size_t size);

/* Whether it is this word; a string never is. */
int token_is(const struct token *, const char *word);

#endif
