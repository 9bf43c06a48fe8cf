/*
 * form: a JSON object that is filled in member by member: an old configuration with some members
 * changed, or a new one. What is not changed is written as it was read, whatever it means.
 */
#ifndef CLI_FORM_H
#define CLI_FORM_H

#include "cli/cli.h"

#define FORM_FIELDS_MAX 128u

struct form {
    struct cli *cli;
    struct form_field {
        const char *key;
        struct bytes value; /* JSON */
    } fields[FORM_FIELDS_MAX];
    size_t count;
};

void form_init(struct form *form, struct cli *cli);
/* All members of an object. False: it has too many. */
bool form_load(struct form *form, const struct json *object);

/* Each replaces the member or adds it. */
void form_text(struct form *form, const char *key, const char *value);
void form_number(struct form *form, const char *key, int64_t value);
void form_bool(struct form *form, const char *key, bool value);
void form_raw(struct form *form, const char *key, const char *json);
void form_list(struct form *form, const char *key, const char *const *texts, size_t count);
void form_remove(struct form *form, const char *key);
bool form_has(const struct form *form, const char *key);

/* All members of the object in a file, or of its member "config": whole answers of the API are
 * taken as well. EXIT_DONE, or said; `next`: where such a file comes from. */
int form_read(struct form *form, const char *file, const char *next);
/* On standard error what is another than in `before`, member by member; how many. */
unsigned form_show_changes(const struct form *form, const struct json *before);

/* The object as JSON; lives as long as the run. */
const char *form_json(const struct form *form);
/* The same read again. */
const struct json *form_parse(const struct form *form);
/* A text as a JSON string, quotes included. */
const char *form_quote(struct cli *cli, const char *text);
/* {"key":"value"} on standard output: pairs of texts up to a NULL. For commands whose JSON is no
 * more than that. */
[[gnu::sentinel]] void form_say(struct cli *cli, ...);
/* A JSON value as it is written. */
struct bytes form_write(struct cli *cli, const struct json *value);

/* A flag of the command line that is one member of a configuration, as it stands. */
struct form_flag {
    const char *flag;
    const char *key;
};
/* Takes over those that were given: numbers, sizes and durations as numbers (durations in ns),
 * switches as booleans, texts and lists as texts. */
void form_take_flags(struct form *form, const struct form_flag *flags, size_t count);
/* {"a":"b"} of the flag's list of "a=b" or "a:b". EXIT_DONE, or said. */
int form_pairs(struct form *form, const char *key, const char *flag);

/* One of several words, each with abbreviations: "file:f", "memory:m:mem". NULL: none. */
const char *form_choose(const char *text, const char *const *choices, size_t count);

#endif
