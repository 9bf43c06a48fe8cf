#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/text.h"
#include "cli/near.h"

#define DAY_NS INT64_C(86400000000000)

/* ---- values ---------------------------------------------------------------------------------- */

bool args_read_number(const char *text, int64_t *value)
{
    char *end;

    errno = 0;
    if (text[0] == 0 || isspace((unsigned char)text[0]))
        return false;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == 0;
}

/* K, KB, KiB and so on; nothing, or B: bytes. */
static bool read_unit(const char *unit, int64_t *factor)
{
    static const char letters[] = "KMGTP";
    const char *letter;

    *factor = 1;
    if (unit[0] == 0 || strcasecmp(unit, "B") == 0)
        return true;
    letter = strchr(letters, toupper((unsigned char)unit[0]));
    if (letter == NULL ||
        (unit[1] != 0 && strcasecmp(unit + 1, "B") != 0 && strcasecmp(unit + 1, "iB") != 0))
        return false;
    for (const char *at = letters; at <= letter; at++)
        *factor *= 1024;
    return true;
}

bool args_read_size(const char *text, int64_t *bytes)
{
    int64_t factor;
    char *end;

    errno = 0;
    if (!isdigit((unsigned char)text[0]) && text[0] != '-')
        return false;
    *bytes = strtoll(text, &end, 10);
    if (end == text || errno != 0 || !read_unit(end, &factor))
        return false;
    return !__builtin_mul_overflow(*bytes, factor, bytes);
}

/* One "90d" off the front; false: not one of ours, or too long. */
static bool take_days(const char **text, int64_t *ns)
{
    static const struct {
        char letter;
        int64_t days;
    } units[] = {{'d', 1}, {'w', 7}, {'M', 30}, {'y', 365}};
    char *end;
    int64_t count, part;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    count = strtoll(*text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (*end != units[i].letter)
            continue;
        if (errno != 0 || __builtin_mul_overflow(count, units[i].days * DAY_NS, &part) ||
            __builtin_add_overflow(*ns, part, ns))
            return false;
        *text = end + 1;
        return true;
    }
    return false;
}

bool args_read_duration(const char *text, int64_t *ns)
{
    bool negative = text[0] == '-';
    int64_t rest = 0;
    bool days = false;

    *ns = 0;
    if (strcmp(text, "-1") == 0) {
        *ns = -1;
        return true;
    }
    text += negative;
    while (take_days(&text, ns))
        days = true;
    if (*text != 0 || !days)
        if (*text == '-' || !text_read_duration(bytes_of_text(text), &rest))
            return false;
    if (__builtin_add_overflow(*ns, rest, ns))
        return false;
    if (negative)
        *ns = -*ns;
    return true;
}

/* ---- parsing --------------------------------------------------------------------------------- */

struct parser {
    struct args *args;
    struct arena *arena;
    int argc;
    const char *const *argv;
    int at;
};

[[gnu::format(printf, 2, 3)]] static bool refuse(struct args *args, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    (void)vsnprintf(args->error, sizeof(args->error), format, list);
    va_end(list);
    return false;
}

static const struct flag *find_name(const struct args *args, const char *name, size_t size,
                                    struct flag_value **value)
{
    for (size_t s = 0; s < FLAG_SETS; s++)
        for (size_t i = 0; i < args->sets[s].count; i++) {
            const struct flag *flag = &args->sets[s].flags[i];

            if ((strncmp(flag->name, name, size) == 0 && flag->name[size] == 0) ||
                (flag->was != NULL && strncmp(flag->was, name, size) == 0 &&
                 flag->was[size] == 0)) {
                *value = &args->values[s][i];
                return flag;
            }
        }
    return NULL;
}

static const struct flag *find_letter(const struct args *args, char letter,
                                      struct flag_value **value)
{
    for (size_t s = 0; s < FLAG_SETS; s++)
        for (size_t i = 0; i < args->sets[s].count; i++)
            if (args->sets[s].flags[i].letter == letter) {
                *value = &args->values[s][i];
                return &args->sets[s].flags[i];
            }
    return NULL;
}

static bool read_value(struct args *args, const struct flag *flag, struct flag_value *value)
{
    switch (flag->kind) {
    case FLAG_NUMBER:
        if (!args_read_number(value->text, &value->number))
            return refuse(args, "--%s takes a whole number, not \"%.60s\"", flag->name,
                          value->text);
        return true;
    case FLAG_SIZE:
        if (!args_read_size(value->text, &value->number))
            return refuse(args, "--%s takes a size such as 512, 64KB or 1GiB, not \"%.60s\"",
                          flag->name, value->text);
        return true;
    case FLAG_DURATION:
        if (!args_read_duration(value->text, &value->number))
            return refuse(args, "--%s takes a duration such as 500ms, 2h30m or 7d, not \"%.60s\"",
                          flag->name, value->text);
        return true;
    case FLAG_SWITCH:
    case FLAG_TEXT:
    case FLAG_LIST: return true;
    }
    return true;
}

static void add_to_list(struct parser *p, struct flag_value *value)
{
    if (value->list == NULL)
        value->list = ARENA_ARRAY(p->arena, const char *, (size_t)p->argc);
    value->list[value->count++] = value->text; /* no more than there are words */
}

static bool give(struct parser *p, const struct flag *flag, struct flag_value *value,
                 const char *text)
{
    if (value->given && flag->kind != FLAG_LIST)
        return refuse(p->args, "--%s is given twice", flag->name);
    value->given = true;
    value->text = text;
    if (flag->kind == FLAG_LIST)
        add_to_list(p, value);
    return read_value(p->args, flag, value);
}

/* The value behind a flag: what stands in the same word, or the next word. */
static bool give_next(struct parser *p, const struct flag *flag, struct flag_value *value,
                      const char *here)
{
    if (here != NULL)
        return give(p, flag, value, here);
    if (p->at == p->argc)
        return refuse(p->args, "--%s needs a value: --%s %s", flag->name, flag->name,
                      flag->value != NULL ? flag->value : "VALUE");
    return give(p, flag, value, p->argv[p->at++]);
}

static bool turn(struct parser *p, const struct flag *flag, struct flag_value *value, bool on)
{
    if (value->given && value->on != on)
        return refuse(p->args, "--%s and --no-%s contradict each other", flag->name, flag->name);
    value->given = true;
    value->on = on;
    return true;
}

static bool unknown(struct parser *p, const char *word, size_t size)
{
    char name[NEAR_WORD_MAX + 1];
    struct near near;

    snprintf(name, sizeof(name), "%.*s", (int)size, word);
    near_init(&near, name);
    for (size_t s = 0; s < FLAG_SETS; s++)
        for (size_t i = 0; i < p->args->sets[s].count; i++)
            near_offer(&near, p->args->sets[s].flags[i].name);
    if (near.best != NULL)
        return refuse(p->args, "unknown flag --%s: did you mean --%s?", name, near.best);
    return refuse(p->args, "unknown flag --%s", name);
}

static bool read_switch(struct parser *p, const struct flag *flag, struct flag_value *value,
                        const char *text)
{
    if (text == NULL || strcmp(text, "true") == 0)
        return turn(p, flag, value, true);
    if (strcmp(text, "false") == 0)
        return turn(p, flag, value, false);
    return refuse(p->args, "--%s is a switch: --%s or --no-%s", flag->name, flag->name, flag->name);
}

static bool read_long(struct parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const char *text = equals != NULL ? equals + 1 : NULL;
    struct flag_value *value;
    const struct flag *flag = find_name(p->args, word, size, &value);

    if (flag == NULL && size > 3 && strncmp(word, "no-", 3) == 0) {
        flag = find_name(p->args, word + 3, size - 3, &value);
        if (flag != NULL && flag->kind == FLAG_SWITCH && text == NULL)
            return turn(p, flag, value, false);
        flag = NULL;
    }
    if (flag == NULL)
        return unknown(p, word, size);
    return flag->kind == FLAG_SWITCH ? read_switch(p, flag, value, text)
                                     : give_next(p, flag, value, text);
}

static bool read_letters(struct parser *p, const char *word)
{
    for (; *word != 0; word++) {
        struct flag_value *value;
        const struct flag *flag = find_letter(p->args, *word, &value);

        if (flag == NULL)
            return refuse(p->args, "unknown flag -%c", *word);
        if (flag->kind != FLAG_SWITCH) {
            const char *here = word[1] == '=' ? word + 2 : word[1] != 0 ? word + 1 : NULL;

            return give_next(p, flag, value, here);
        }
        if (!turn(p, flag, value, true))
            return false;
    }
    return true;
}

static bool read_words(struct parser *p)
{
    bool flags = true;

    while (p->at < p->argc) {
        const char *word = p->argv[p->at++];

        if (flags && strcmp(word, "--") == 0) {
            flags = false;
        } else if (flags && strncmp(word, "--", 2) == 0) {
            if (!read_long(p, word + 2))
                return false;
        } else if (flags && word[0] == '-' && word[1] != 0 && !isdigit((unsigned char)word[1])) {
            if (!read_letters(p, word + 1))
                return false;
        } else {
            p->args->words[p->args->word_count++] = word;
        }
    }
    return true;
}

bool args_parse(struct args *args, struct flag_set own, struct flag_set shared, int argc,
                const char *const *argv, struct arena *arena)
{
    struct parser parser = {.args = args, .arena = arena, .argc = argc, .argv = argv};

    *args = (struct args){.sets = {own, shared}};
    if (argc < 0 || (size_t)argc > ARGS_WORDS_MAX)
        return refuse(args, "more than %u words", ARGS_WORDS_MAX);
    args->words = ARENA_ARRAY(arena, const char *, (size_t)argc + 1);
    for (size_t s = 0; s < FLAG_SETS; s++)
        args->values[s] = ARENA_ARRAY(arena, struct flag_value, args->sets[s].count + 1);
    return read_words(&parser);
}

/* ---- asking ---------------------------------------------------------------------------------- */

const struct flag_value *args_flag(const struct args *args, const char *name)
{
    struct flag_value *value = NULL;
    const struct flag *flag = find_name(args, name, strlen(name), &value);

    assert(flag != NULL);
    return value;
}

bool args_on(const struct args *args, const char *name)
{
    return args_flag(args, name)->on;
}

const char *args_text(const struct args *args, const char *name)
{
    return args_flag(args, name)->text;
}

int64_t args_number(const struct args *args, const char *name, int64_t otherwise)
{
    const struct flag_value *value = args_flag(args, name);

    return value->given ? value->number : otherwise;
}

const char *args_word(const struct args *args, size_t index)
{
    return index < args->word_count ? args->words[index] : NULL;
}
