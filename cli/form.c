#include "cli/form.h"

#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/limits.h"
#include "cli/api.h"
#include "cli/file.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024)

void form_init(struct form *form, struct cli *cli)
{
    form->cli = cli;
    form->count = 0;
}

static struct form_field *find(struct form *form, const char *key)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->fields[i].key, key) == 0)
            return &form->fields[i];
    return NULL;
}

bool form_has(const struct form *form, const char *key)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->fields[i].key, key) == 0)
            return true;
    return false;
}

void form_raw(struct form *form, const char *key, const char *json)
{
    struct form_field *field = find(form, key);

    if (field == NULL) {
        assert(form->count < FORM_FIELDS_MAX);
        field = &form->fields[form->count++];
        field->key = key;
    }
    field->value = bytes_of_text(json);
}

void form_remove(struct form *form, const char *key)
{
    struct form_field *field = find(form, key);

    if (field != NULL)
        *field = form->fields[--form->count];
}

static struct bytes write_with(struct cli *cli, void (*write)(struct json_writer *, const void *),
                               const void *value)
{
    struct json_writer writer;
    struct buf text;
    struct bytes copy;

    buf_init(&text, TEXT_MAX);
    json_writer_init(&writer, &text);
    write(&writer, value);
    copy = bytes_of_text(cli_text(cli, buf_bytes(&text)));
    buf_deinit(&text);
    return copy;
}

static void write_value(struct json_writer *writer, const void *at);

static void write_children(struct json_writer *writer, const struct json *of)
{
    for (const struct json *at = of->child; at != NULL; at = at->next) {
        if (of->type == JSON_OBJECT)
            json_key(writer, at->key);
        write_value(writer, at);
    }
}

/* The same value as the same text, however it was indented and escaped. */
static void write_value(struct json_writer *writer, const void *at)
{
    const struct json *value = at;

    switch (value->type) {
    case JSON_NULL: json_null(writer); break;
    case JSON_FALSE: json_bool(writer, false); break;
    case JSON_TRUE: json_bool(writer, true); break;
    case JSON_STRING: json_string(writer, value->text); break;
    case JSON_NUMBER: json_raw(writer, value->text); break;
    case JSON_ARRAY:
        json_array_begin(writer);
        write_children(writer, value);
        json_array_end(writer);
        break;
    case JSON_OBJECT:
        json_object_begin(writer);
        write_children(writer, value);
        json_object_end(writer);
        break;
    }
}

struct bytes form_write(struct cli *cli, const struct json *value)
{
    return write_with(cli, write_value, value);
}

int form_read(struct form *form, const char *file, const char *next)
{
    struct json_error wrong;
    const struct json *json, *config;
    struct bytes text;

    if (!file_read(file, 16 * MIB, &form->cli->arena, &text))
        return cli_fail(form->cli, EXIT_USAGE, "--config FILE", "cannot read %s: %s", file,
                        strerror(errno));
    json = json_parse(&form->cli->arena, text, &wrong);
    if (json == NULL || json->type != JSON_OBJECT)
        return cli_fail(form->cli, EXIT_USAGE, next, "%s: %s", file,
                        json == NULL ? wrong.text : "not an object");
    config = api_get(json, "config");
    if (!form_load(form, config != NULL && config->type == JSON_OBJECT ? config : json))
        return cli_fail(form->cli, EXIT_USAGE, NULL, "%s has too many members", file);
    return EXIT_DONE;
}

/* As people write it: the API escapes what has a meaning in HTML. */
static struct bytes unescaped(struct cli *cli, struct bytes json)
{
    struct bytes copy = arena_copy(&cli->arena, json);
    uint8_t *to = (uint8_t *)copy.at;

    for (size_t at = 0; at < json.size;) {
        struct bytes rest = bytes_skip(json, at);
        size_t size = rest.at[0] == '\\' && rest.size > 1 ? 2 : 1;

        if (bytes_starts(rest, BYTES("\\u003c")) || bytes_starts(rest, BYTES("\\u003e")) ||
            bytes_starts(rest, BYTES("\\u0026"))) {
            *to++ = rest.at[5] == 'c' ? '<' : rest.at[5] == 'e' ? '>' : '&';
            at += 6;
            continue;
        }
        memcpy(to, rest.at, size);
        to += size;
        at += size;
    }
    return bytes_take(copy, (size_t)(to - copy.at));
}

unsigned form_show_changes(const struct form *form, const struct json *before)
{
    unsigned changes = 0;

    for (size_t i = 0; i < form->count; i++) {
        const struct form_field *field = &form->fields[i];
        const struct json *old = json_get(before, bytes_of_text(field->key));
        struct bytes was =
            old == NULL ? BYTES("(unset)") : unescaped(form->cli, form_write(form->cli, old));
        struct bytes is = unescaped(form->cli, field->value);

        if (bytes_equal(was, is))
            continue;
        if (changes++ == 0)
            fputs("Differences (-old +new):\n", stderr);
        fprintf(stderr, "  -%s: %.*s\n  +%s: %.*s\n", field->key, BYTES_ARG(was), field->key,
                BYTES_ARG(is));
    }
    return changes;
}

bool form_load(struct form *form, const struct json *object)
{
    for (const struct json *at = object->child; at != NULL; at = at->next) {
        if (form->count == FORM_FIELDS_MAX)
            return false;
        form->fields[form->count++] = (struct form_field){.key = cli_text(form->cli, at->key),
                                                          .value = form_write(form->cli, at)};
    }
    return true;
}

static void write_text(struct json_writer *writer, const void *at)
{
    json_string(writer, bytes_of_text(at));
}

const char *form_quote(struct cli *cli, const char *text)
{
    return (const char *)write_with(cli, write_text, text).at;
}

void form_text(struct form *form, const char *key, const char *value)
{
    form_raw(form, key, form_quote(form->cli, value));
}

void form_number(struct form *form, const char *key, int64_t value)
{
    form_raw(form, key, cli_print(form->cli, "%lld", (long long)value));
}

void form_bool(struct form *form, const char *key, bool value)
{
    form_raw(form, key, value ? "true" : "false");
}

struct texts {
    const char *const *at;
    size_t count;
};

static void write_texts(struct json_writer *writer, const void *at)
{
    const struct texts *texts = at;

    json_array_begin(writer);
    for (size_t i = 0; i < texts->count; i++)
        json_string(writer, bytes_of_text(texts->at[i]));
    json_array_end(writer);
}

void form_list(struct form *form, const char *key, const char *const *texts, size_t count)
{
    struct texts all = {texts, count};

    form_raw(form, key, (const char *)write_with(form->cli, write_texts, &all).at);
}

static void write_form(struct json_writer *writer, const void *at)
{
    const struct form *form = at;

    json_object_begin(writer);
    for (size_t i = 0; i < form->count; i++) {
        json_key(writer, bytes_of_text(form->fields[i].key));
        json_raw(writer, form->fields[i].value);
    }
    json_object_end(writer);
}

const char *form_json(const struct form *form)
{
    return (const char *)write_with(form->cli, write_form, form).at;
}

const struct json *form_parse(const struct form *form)
{
    struct json_error wrong;
    const struct json *json = json_parse(&form->cli->arena, bytes_of_text(form_json(form)), &wrong);

    assert(json != NULL);
    return json;
}

static enum flag_kind kind_of(const struct cli *cli, const char *name)
{
    for (size_t s = 0; s < FLAG_SETS; s++)
        for (size_t i = 0; i < cli->args.sets[s].count; i++)
            if (strcmp(cli->args.sets[s].flags[i].name, name) == 0)
                return cli->args.sets[s].flags[i].kind;
    assert(!"a flag of the command");
    return FLAG_TEXT;
}

void form_take_flags(struct form *form, const struct form_flag *flags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct flag_value *value = args_flag(&form->cli->args, flags[i].flag);

        if (!value->given)
            continue;
        switch (kind_of(form->cli, flags[i].flag)) {
        case FLAG_SWITCH: form_bool(form, flags[i].key, value->on); break;
        case FLAG_TEXT: form_text(form, flags[i].key, value->text); break;
        case FLAG_LIST: form_list(form, flags[i].key, value->list, value->count); break;
        case FLAG_NUMBER:
        case FLAG_SIZE:
        case FLAG_DURATION: form_number(form, flags[i].key, value->number); break;
        }
    }
}

int form_pairs(struct form *form, const char *key, const char *flag)
{
    const struct flag_value *value = args_flag(&form->cli->args, flag);
    struct form *pairs;

    if (!value->given)
        return EXIT_DONE;
    pairs = ARENA_NEW(&form->cli->arena, struct form);
    form_init(pairs, form->cli);
    for (size_t i = 0; i < value->count; i++) {
        size_t size = strcspn(value->list[i], "=:");

        if (size == 0 || value->list[i][size] == 0 || i == FORM_FIELDS_MAX)
            return cli_fail(form->cli, EXIT_USAGE, cli_print(form->cli, "--%s key=value", flag),
                            "\"%s\" is no pair for --%s", value->list[i], flag);
        form_text(pairs, cli_text(form->cli, bytes_of(value->list[i], size)),
                  value->list[i] + size + 1);
    }
    form_raw(form, key, form_json(pairs));
    return EXIT_DONE;
}

const char *form_choose(const char *text, const char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = choices[i];

        while (*at != 0) {
            size_t size = strcspn(at, ":");

            if (strlen(text) == size && strncasecmp(text, at, size) == 0)
                return choices[i];
            at += size + (at[size] == ':');
        }
    }
    return NULL;
}

void form_say(struct cli *cli, ...)
{
    const char *key, *value;
    struct form form;
    va_list list;

    form_init(&form, cli);
    va_start(list, cli);
    while ((key = va_arg(list, const char *)) != NULL &&
           (value = va_arg(list, const char *)) != NULL)
        form_text(&form, key, value);
    va_end(list);
    puts(form_json(&form));
}
