/*
 * args: the words of a command line by a table of flags. Pure: words in, values or a sentence out.
 *
 * Flags and other words may come in any order. A flag is --name VALUE, --name=VALUE, -n VALUE or
 * -nVALUE; a switch is --name, --no-name or -n, and one-letter switches may be joined. What follows
 * "--" is no flag. A flag that is given twice is refused unless it is a list. Values are read while
 * parsing, so a command never sees a number that is none.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/arena.h"

enum flag_kind {
    FLAG_SWITCH,
    FLAG_TEXT,
    FLAG_NUMBER,   /* with a sign */
    FLAG_SIZE,     /* 512, 4K, 1MB, 2GiB: units are powers of 1024; -1 */
    FLAG_DURATION, /* 300ms, 1h30m, and days, weeks, months (30 d), years (365 d): 7d, 2w, 1M, 1y */
    FLAG_LIST,     /* may be given again and again; commas do not split */
};

struct flag {
    const char *name;
    char letter; /* 0: none */
    enum flag_kind kind;
    const char *value; /* what help calls the value */
    const char *help;
    const char *was;   /* an older name of the same flag, or NULL */
    const char *group; /* below which head short help has it; NULL: not one that most need */
};

struct flag_value {
    bool given;
    bool on;          /* of a switch; false when it was not given */
    int64_t number;   /* of numbers, sizes (bytes) and durations (ns); 0 when it was not given */
    const char *text; /* as written, NULL when it was not given; the last of a list */
    const char **list;
    size_t count; /* of the list */
};

struct flag_set {
    const struct flag *flags;
    size_t count;
};

#define FLAG_SETS       2u
#define ARGS_WORDS_MAX  1024u
#define ARGS_ERROR_SIZE 256u

struct args {
    struct flag_set sets[FLAG_SETS];
    struct flag_value *values[FLAG_SETS];
    const char **words; /* what is no flag */
    size_t word_count;
    char error[ARGS_ERROR_SIZE];
};

/* False: `error` says why, naming a near match. What args points at lives in argv and `arena`. */
bool args_parse(struct args *args, struct flag_set own, struct flag_set shared, int argc,
                const char *const *argv, struct arena *arena);

/* The flag must be in one of the tables (asserted). */
const struct flag_value *args_flag(const struct args *args, const char *name);
bool args_on(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name); /* NULL: not given */
/* The number, or `otherwise` when the flag is not given. */
int64_t args_number(const struct args *args, const char *name, int64_t otherwise);
/* A word, or NULL when there are not so many. */
const char *args_word(const struct args *args, size_t index);

/* The readers of values, for prompts too. */
bool args_read_size(const char *text, int64_t *bytes);
bool args_read_duration(const char *text, int64_t *ns);
bool args_read_number(const char *text, int64_t *value);

#endif
