/*
 * lexer: the words of a configuration file: keys, scalars, what stands between. It knows no
 * nesting.
 *
 * The language is the reference's (reference config.md 1.1) with its oddities: a number directly
 * followed by anything that cannot end it is a string, ']' included; '#' begins a comment only
 * where a word could begin; a duration such as 30s is a string, 2m an integer of two million.
 */
#ifndef SERVER_CONFIG_LEXER_H
#define SERVER_CONFIG_LEXER_H

#include "base/arena.h"
#include "server/config/value.h"

#define LEXER_END   (-1) /* behind the last byte */
#define LEXER_ERROR 192u

struct lexer {
    struct bytes text;
    struct arena *arena; /* strings with escapes are made here, and every text gets its zero */
    const char *file;
    size_t at;
    uint32_t line;
    size_t line_end;         /* where the last line end was, 0 before there is one */
    char error[LEXER_ERROR]; /* once a call has failed */
};

enum lexer_word {
    LEXER_SCALAR,   /* `value` is it */
    LEXER_VARIABLE, /* value.text is the name behind '$' */
    LEXER_MAP,      /* '{' was taken */
    LEXER_ARRAY,    /* '[' was taken */
};

void lexer_init(struct lexer *lexer, struct arena *arena, const char *file, struct bytes text);

/* The byte to come, or LEXER_END. */
int lexer_peek(const struct lexer *lexer);
void lexer_advance(struct lexer *lexer);
struct config_place lexer_place(const struct lexer *lexer);

bool lexer_is_blank(int byte); /* within a line */
bool lexer_is_line_end(int byte);
bool lexer_is_space(int byte);     /* either */
bool lexer_is_separator(int byte); /* between key and value */

/* Skips a comment that begins here, up to its line end; false: none does. */
bool lexer_comment(struct lexer *lexer);

/*
 * Each of these takes one word; false: it is none, `error` says why.
 *
 * A key begins here. *keyword: it is no key but the bare word `include`, and blanks follow.
 */
bool lexer_key(struct lexer *lexer, struct bytes *key, struct config_place *place, bool *keyword);
/* What `include` names. */
bool lexer_include(struct lexer *lexer, struct bytes *path);
/* A value begins here. value->place is set. */
bool lexer_value(struct lexer *lexer, enum lexer_word *word, struct config_value *value);

/* Sets `error`, always false. */
[[gnu::format(printf, 2, 3)]] bool lexer_fail(struct lexer *lexer, const char *format, ...);
/* How a sentence shows a byte. */
const char *lexer_show(int byte, char out[static 8]);

#endif
