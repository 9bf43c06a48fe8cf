#include "server/config/reader.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/host.h"
#include "base/text.h"

#define SECOND_NS INT64_C(1000000000)
#define TEXT_MAX  1024u

void config_reader_init(struct config_reader *reader, struct arena *arena)
{
    *reader = (struct config_reader){.arena = arena};
    buf_init(&reader->errors, CONFIG_REPORT_MAX);
    buf_init(&reader->warnings, CONFIG_REPORT_MAX);
    buf_init(&reader->notices, CONFIG_REPORT_MAX);
}

void config_reader_deinit(struct config_reader *reader)
{
    buf_deinit(&reader->errors);
    buf_deinit(&reader->warnings);
    buf_deinit(&reader->notices);
}

void *config_take(struct config_reader *reader, size_t size)
{
    void *at = arena_take(reader->arena, size);

    assert(at != NULL);
    return at;
}

/* ---- saying what is wrong ------------------------------------------------------------------- */

/* "file:line:column: sentence"; without a place the sentence alone. */
static void say(struct buf *out, const struct config_value *at, const char *before,
                struct bytes field, const char *format, va_list arguments)
{
    char text[TEXT_MAX];

    (void)vsnprintf(text, sizeof(text), format, arguments);
    if (at != NULL && at->place.file != NULL)
        (void)buf_print(out, "%s:%u:%u: ", at->place.file, at->place.line, at->place.column);
    if (before != NULL)
        (void)buf_print(out, "%s \"%.*s\": ", before, BYTES_ARG(field));
    (void)buf_print(out, "%s\n", text);
}

void config_error(struct config_reader *reader, const struct config_value *at, const char *format,
                  ...)
{
    va_list arguments;

    reader->error_count++;
    va_start(arguments, format);
    say(&reader->errors, at, NULL, BYTES(""), format, arguments);
    va_end(arguments);
}

void config_warn(struct config_reader *reader, const struct config_value *at, struct bytes field,
                 const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(&reader->warnings, at, "invalid use of field", field, format, arguments);
    va_end(arguments);
}

void config_notice(struct config_reader *reader, const struct config_value *at, const char *format,
                   ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(&reader->notices, at, NULL, BYTES(""), format, arguments);
    va_end(arguments);
}

/* ---- single values -------------------------------------------------------------------------- */

bool config_is(struct config_reader *reader, const struct config_value *value,
               enum config_type type)
{
    if (value->type == type)
        return true;
    if (value->key.size > 0)
        config_error(reader, value, "%.*s: expected %s, got %s", CONFIG_KEY(value),
                     config_type_text(type), config_type_text(value->type));
    else
        config_error(reader, value, "expected %s, got %s", config_type_text(type),
                     config_type_text(value->type));
    return false;
}

bool config_bool(struct config_reader *reader, const struct config_value *value, bool *to)
{
    if (!config_is(reader, value, CONFIG_BOOL))
        return false;
    *to = value->boolean;
    return true;
}

bool config_int64(struct config_reader *reader, const struct config_value *value, int64_t *to)
{
    if (!config_is(reader, value, CONFIG_INTEGER))
        return false;
    *to = value->integer;
    return true;
}

bool config_int64_in(struct config_reader *reader, const struct config_value *value, int64_t least,
                     int64_t most, int64_t *to)
{
    if (!config_is(reader, value, CONFIG_INTEGER))
        return false;
    if (value->integer < least || value->integer > most) {
        config_error(reader, value, "%.*s: %lld is not between %lld and %lld", CONFIG_KEY(value),
                     (long long)value->integer, (long long)least, (long long)most);
        return false;
    }
    *to = value->integer;
    return true;
}

bool config_duration_text(struct config_reader *reader, const struct config_value *value,
                          int64_t *to)
{
    if (!config_is(reader, value, CONFIG_STRING))
        return false;
    if (text_read_duration(value->text, to))
        return true;
    config_error(reader, value, "error parsing %.*s: time: invalid duration \"%.*s\"",
                 CONFIG_KEY(value), BYTES_ARG(value->text));
    return false;
}

bool config_duration(struct config_reader *reader, const struct config_value *value, int64_t *to)
{
    if (value->type != CONFIG_INTEGER)
        return config_duration_text(reader, value, to);
    config_warn(reader, value, value->key, "%.*s should be converted to a duration",
                CONFIG_KEY(value));
    if (value->integer > INT64_MAX / SECOND_NS || value->integer < INT64_MIN / SECOND_NS) {
        config_error(reader, value, "%.*s: so many seconds are no duration", CONFIG_KEY(value));
        return false;
    }
    *to = value->integer * SECOND_NS;
    return true;
}

bool config_bytes(struct config_reader *reader, const struct config_value *value, struct bytes *to)
{
    if (!config_is(reader, value, CONFIG_STRING))
        return false;
    *to = value->text;
    return true;
}

bool config_text(struct config_reader *reader, const struct config_value *value, const char **to)
{
    struct bytes text;

    if (!config_bytes(reader, value, &text))
        return false;
    if (bytes_find(text, 0) < text.size) {
        config_error(reader, value, "%.*s: a zero byte is in the text", CONFIG_KEY(value));
        return false;
    }
    *to = (const char *)text.at;
    return true;
}

bool config_chars(struct config_reader *reader, const struct config_value *value, char *to,
                  size_t size)
{
    const char *text;

    if (!config_text(reader, value, &text))
        return false;
    if (strlen(text) >= size) {
        config_error(reader, value, "%.*s: longer than %zu bytes", CONFIG_KEY(value), size - 1);
        return false;
    }
    memcpy(to, text, strlen(text) + 1);
    return true;
}

/* ---- addresses ------------------------------------------------------------------------------ */

/* "host:port"; the host may be in brackets and only then hold colons. */
static bool split_address(struct bytes text, struct bytes *host, struct bytes *port)
{
    size_t end = 0;

    if (text.size > 0 && text.at[0] == '[') {
        end = bytes_find(text, ']');
        if (end + 1 >= text.size || text.at[end + 1] != ':')
            return false;
        *host = bytes_skip(bytes_take(text, end), 1);
        *port = bytes_skip(text, end + 2);
    } else {
        end = bytes_find(text, ':');
        if (end == text.size)
            return false;
        *host = bytes_take(text, end);
        *port = bytes_skip(text, end + 1);
    }
    return bytes_find(*port, ':') == port->size;
}

static bool read_port(struct bytes text, int *port)
{
    bool negative = bytes_starts(text, BYTES("-"));
    uint64_t value;

    if (!bytes_read_u64(negative ? bytes_skip(text, 1) : text, &value) || value > INT_MAX)
        return false;
    *port = negative ? -(int)value : (int)value;
    return true;
}

void config_host(struct config_reader *reader, const struct config_value *value, char *host,
                 const struct config_place **place)
{
    if (config_chars(reader, value, host, HOST_SIZE))
        *place = &value->place;
}

static bool split_listen(struct config_reader *reader, const struct config_value *value,
                         struct bytes *host, int *port)
{
    struct bytes number;

    if (value->type != CONFIG_STRING)
        config_error(reader, value, "expected port or host:port, got %s",
                     config_type_text(value->type));
    else if (!split_address(value->text, host, &number))
        config_error(reader, value, "could not parse address string \"%.*s\"",
                     BYTES_ARG(value->text));
    else if (!read_port(number, port))
        config_error(reader, value, "could not parse port \"%.*s\"", BYTES_ARG(number));
    else if (host->size >= HOST_SIZE || bytes_find(*host, 0) < host->size)
        config_error(reader, value, "could not parse address string \"%.*s\"",
                     BYTES_ARG(value->text));
    else
        return true;
    return false;
}

void config_listen(struct config_reader *reader, const struct config_value *value, char *host,
                   const struct config_place **place, int *port)
{
    struct bytes name;
    int64_t number;

    if (value->type == CONFIG_INTEGER) {
        if (config_int64_in(reader, value, -1, UINT16_MAX, &number))
            *port = (int)number;
    } else if (split_listen(reader, value, &name, port) && name.size > 0) {
        memcpy(host, name.at, name.size);
        host[name.size] = 0;
        *place = &value->place;
    }
}

/* ---- arrays --------------------------------------------------------------------------------- */

const struct config_value *config_elements(const struct config_value *value)
{
    return value->type == CONFIG_ARRAY ? value->child : value;
}

const struct config_value *config_element_next(const struct config_value *value,
                                               const struct config_value *element)
{
    return value->type == CONFIG_ARRAY ? element->next : NULL;
}

void *config_array(struct config_reader *reader, const struct config_value *value, size_t size,
                   size_t *count)
{
    size_t elements = 0;

    for (const struct config_value *element = config_elements(value); element != NULL;
         element = config_element_next(value, element))
        elements++;
    *count = 0;
    return config_take(reader, size * (elements + 1));
}

/* ---- tables --------------------------------------------------------------------------------- */

static bool has_name(const char *names, struct bytes key)
{
    while (*names != 0) {
        size_t size = strcspn(names, " ");

        if (bytes_equal_nocase(bytes_of(names, size), key))
            return true;
        names += size + (names[size] == ' ');
    }
    return false;
}

const struct config_option *config_option_find(const struct config_block *block, struct bytes key)
{
    for (size_t i = 0; i < block->count; i++) {
        if (has_name(block->options[i].names, key))
            return &block->options[i];
    }
    return NULL;
}

static void read_int(struct config_reader *reader, const struct config_value *value, int *to)
{
    int64_t read;

    if (config_int64_in(reader, value, INT_MIN, INT_MAX, &read))
        *to = (int)read;
}

static void refuse(struct config_reader *reader, const struct config_value *value)
{
    config_error(reader, value, "\"%.*s\" is not supported yet", CONFIG_KEY(value));
}

static void refuse_if(struct config_reader *reader, const struct config_value *value)
{
    bool asked;

    if (config_bool(reader, value, &asked) && asked)
        refuse(reader, value);
}

/* What was wrong has been said by the time that a reader returns. */
static void read_option(struct config_reader *reader, const struct config_value *value,
                        const struct config_option *option, void *to)
{
    void *field = (char *)to + option->offset;

    switch (option->kind) {
    case CONFIG_AS_BOOL: (void)config_bool(reader, value, field); break;
    case CONFIG_AS_INT: read_int(reader, value, field); break;
    case CONFIG_AS_INT64: (void)config_int64(reader, value, field); break;
    case CONFIG_AS_DURATION: (void)config_duration(reader, value, field); break;
    case CONFIG_AS_TEXT: (void)config_text(reader, value, field); break;
    case CONFIG_AS_BYTES: (void)config_bytes(reader, value, field); break;
    case CONFIG_AS_CHARS: (void)config_chars(reader, value, field, option->size); break;
    case CONFIG_AS_READ: option->read(reader, value, to); break;
    case CONFIG_AS_IGNORED: break;
    case CONFIG_AS_NOTICED:
        config_notice(reader, value, "\"%.*s\" is accepted and has no effect: %s",
                      CONFIG_KEY(value), option->say);
        break;
    case CONFIG_AS_REFUSED: refuse(reader, value); break;
    case CONFIG_AS_REFUSED_IF: refuse_if(reader, value); break;
    }
}

static void unknown(struct config_reader *reader, const struct config_value *value,
                    const struct config_block *block)
{
    char text[TEXT_MAX];

    if (value->used)
        return;
    snprintf(text, sizeof(text), block->unknown != NULL ? block->unknown : "unknown field \"%.*s\"",
             CONFIG_KEY(value));
    config_error(reader, value, "%s", text);
}

bool config_read_block(struct config_reader *reader, const struct config_value *map,
                       const struct config_block *block, void *to)
{
    if (!config_is(reader, map, CONFIG_MAP))
        return false;
    for (const struct config_value *member = map->child; member != NULL; member = member->next) {
        const struct config_option *option = config_option_find(block, member->key);

        if (option == NULL)
            unknown(reader, member, block);
        else
            read_option(reader, member, option, to);
    }
    return true;
}
