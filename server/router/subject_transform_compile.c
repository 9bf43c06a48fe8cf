/* What a transform is read from: the source, and the destination with its functions. */
#include <stdarg.h>
#include <stdio.h>

#include "base/subject.h"
#include "server/router/subject_transform_priv.h"

#define INVALID_SUBJECT  "invalid subject"
#define TOKEN_QUOTED_MAX 200u /* of a token in an error text */
#define CHECK_ARENA_MAX  ((size_t)1 << 20)

/* A capital may be either case. In the order in which a token is searched for them. */
static const struct function {
    const char *name;
    enum part_kind kind;
    bool mapping; /* may stand in the destination of a mapping */
} functions[] = {
    {"Wildcard", PART_WILDCARD, true},
    {"Partition", PART_PARTITION, true},
    {"SplitFromLeft", PART_SPLIT_FROM_LEFT, true},
    {"SplitFromRight", PART_SPLIT_FROM_RIGHT, true},
    {"SliceFromLeft", PART_SLICE_FROM_LEFT, true},
    {"SliceFromRight", PART_SLICE_FROM_RIGHT, true},
    {"Left", PART_LEFT, false},
    {"Right", PART_RIGHT, false},
    {"Split", PART_SPLIT, true},
    {"Random", PART_RANDOM, true},
};

struct compiling {
    struct subject_transform *transform;
    enum subject_transform_use use;
    struct arena *arena;
    struct subject_transform_error *error;
    size_t source_wildcards;
    int64_t source_places[SUBJECT_TRANSFORM_TOKENS_MAX + 1]; /* of the n-th wildcard, from 1 */
    size_t used;                                             /* wildcards that parts ask for */
};

[[gnu::format(printf, 2, 3)]] static bool refuse(struct subject_transform_error *error,
                                                 const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(error->text, sizeof error->text, format, values);
    va_end(values);
    return false;
}

static int quoted(struct bytes token)
{
    return (int)(token.size < TOKEN_QUOTED_MAX ? token.size : TOKEN_QUOTED_MAX);
}

static bool refuse_token(const struct compiling *in, struct bytes token, const char *why)
{
    return refuse(in->error, "invalid mapping destination: %s in %.*s", why, quoted(token),
                  (const char *)token.at);
}

/* ---- the text of a function ----------------------------------------------------------------- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r' && byte != '\v');
}

static size_t skip_blanks(struct bytes token, size_t at)
{
    while (at < token.size && is_blank(token.at[at]))
        at++;
    return at;
}

static bool is_function(struct bytes token)
{
    return token.size > 4 && token.at[0] == '{' && token.at[1] == '{' &&
           token.at[token.size - 1] == '}' && token.at[token.size - 2] == '}';
}

/* Where what follows the name starts, 0: another name stands there. */
static size_t skip_name(struct bytes token, size_t at, const char *name)
{
    for (; *name != 0; name++, at++) {
        bool capital = *name >= 'A' && *name <= 'Z';

        if (at >= token.size)
            return 0;
        if (token.at[at] != (uint8_t)*name && !(capital && token.at[at] == (uint8_t)(*name + 32)))
            return 0;
    }
    return at;
}

/* Does ")" stand there, and "}}" behind it? */
static bool closes(struct bytes token, size_t at)
{
    if (token.at[at] != ')')
        return false;
    at = skip_blanks(token, at + 1);
    return at + 1 < token.size && token.at[at] == '}' && token.at[at + 1] == '}';
}

/* "{{ name (...) }}" at `start`: what is between the outermost parentheses, in one line. */
static bool find_at(struct bytes token, size_t start, const char *name, struct bytes *arguments)
{
    size_t from, end, line;

    if (token.at[start] != '{' || token.at[start + 1] != '{')
        return false;
    from = skip_name(token, skip_blanks(token, start + 2), name);
    if (from == 0)
        return false;
    from = skip_blanks(token, from);
    if (from >= token.size || token.at[from] != '(')
        return false;
    from++;
    line = from + bytes_find(bytes_skip(token, from), '\n');
    for (end = line < token.size ? line + 1 : token.size; end-- > from;) {
        if (closes(token, end)) {
            *arguments = bytes_take(bytes_skip(token, from), end - from);
            return true;
        }
    }
    return false;
}

static bool find_function(struct bytes token, const char *name, struct bytes *arguments)
{
    for (size_t start = 0; start + 4 < token.size; start++) {
        if (find_at(token, start, name, arguments))
            return true;
    }
    return false;
}

/* ---- its arguments -------------------------------------------------------------------------- */

static size_t argument_count(struct bytes arguments)
{
    size_t count = 1;

    for (size_t i = 0; i < arguments.size; i++)
        count += arguments.at[i] == ',';
    return count;
}

/* Blanks behind a comma are not part of what follows. */
static struct bytes next_argument(struct bytes *rest)
{
    size_t size = bytes_find(*rest, ',');
    struct bytes argument = bytes_take(*rest, size);

    *rest = bytes_skip(*rest, size < rest->size ? size + 1 : size);
    *rest = bytes_skip(*rest, skip_blanks(*rest, 0));
    return argument;
}

static bool read_number(struct bytes text, int64_t *number)
{
    bool negative;
    uint64_t value;

    while (text.size > 0 && text.at[0] == ' ')
        text = bytes_skip(text, 1);
    while (text.size > 0 && text.at[text.size - 1] == ' ')
        text = bytes_take(text, text.size - 1);
    negative = text.size > 0 && text.at[0] == '-';
    if (negative || (text.size > 0 && text.at[0] == '+'))
        text = bytes_skip(text, 1);
    if (!bytes_read_u64(text, &value) || value > (uint64_t)INT64_MAX + negative)
        return false;
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool take_wildcards(struct compiling *in, struct subject_transform_part *part, size_t count)
{
    part->count = count;
    part->wildcards = ARENA_ARRAY(in->arena, int64_t, count + 1);
    return part->wildcards != NULL || refuse(in->error, "too long");
}

static bool refuse_argument(const struct compiling *in, struct bytes token)
{
    return refuse_token(in, token, "function argument is invalid or in the wrong format");
}

static bool read_count(const struct compiling *in, struct bytes token, struct bytes text,
                       int64_t *count)
{
    if (read_number(text, count) && *count <= INT32_MAX)
        return true;
    return refuse_argument(in, token);
}

/* How many it must have: `wanted`. */
static bool check_count(const struct compiling *in, struct bytes token, struct bytes arguments,
                        size_t wanted)
{
    size_t count = argument_count(arguments);

    if (count < wanted || (wanted == 1 && arguments.size == 0))
        return refuse_token(in, token, "not enough arguments passed to the function");
    if (count > wanted)
        return refuse_token(in, token, "too many arguments passed to the function");
    return true;
}

static bool read_partition(struct compiling *in, struct bytes token, struct bytes arguments,
                           struct subject_transform_part *part)
{
    size_t count = argument_count(arguments) - 1;

    if (!read_count(in, token, next_argument(&arguments), &part->number) ||
        !take_wildcards(in, part, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_number(next_argument(&arguments), &part->wildcards[i]))
            return refuse_argument(in, token);
    }
    return true;
}

static bool read_random(struct compiling *in, struct bytes token, struct bytes arguments,
                        struct subject_transform_part *part)
{
    if (argument_count(arguments) != 1)
        return refuse_token(in, token, "not enough arguments passed to the function");
    return read_count(in, token, arguments, &part->number);
}

static bool read_separator(struct compiling *in, struct bytes token, struct bytes text,
                           struct subject_transform_part *part)
{
    if (bytes_find(text, ' ') < text.size)
        return refuse_argument(in, token);
    part->text = text;
    return true;
}

static bool read_arguments(struct compiling *in, struct bytes token, struct bytes arguments,
                           struct subject_transform_part *part)
{
    if (part->kind == PART_PARTITION)
        return read_partition(in, token, arguments, part);
    if (part->kind == PART_RANDOM)
        return read_random(in, token, arguments, part);
    if (!check_count(in, token, arguments, part->kind == PART_WILDCARD ? 1 : 2) ||
        !take_wildcards(in, part, 1))
        return false;
    if (!read_number(next_argument(&arguments), &part->wildcards[0]))
        return refuse_argument(in, token);
    if (part->kind == PART_WILDCARD)
        return true;
    if (part->kind == PART_SPLIT)
        return read_separator(in, token, arguments, part);
    return read_count(in, token, arguments, &part->number);
}

/* ---- the tokens of a destination ------------------------------------------------------------ */

static bool read_token(struct compiling *in, struct bytes token,
                       struct subject_transform_part *part)
{
    struct bytes arguments;
    int64_t index;

    *part = (struct subject_transform_part){.text = token};
    if (token.size > 1 && token.at[0] == '$' && bytes_find(token, ' ') == token.size &&
        read_number(bytes_skip(token, 1), &index)) {
        part->kind = PART_WILDCARD;
        if (!take_wildcards(in, part, 1))
            return false;
        part->wildcards[0] = index;
        return true;
    }
    if (!is_function(token))
        return true;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        part->kind = functions[i].kind;
        if (find_function(token, functions[i].name, &arguments))
            return read_arguments(in, token, arguments, part);
    }
    return refuse_token(in, token, "unknown function");
}

/* Wildcards become the tokens of the subject that they stand for. */
static bool place_wildcards(struct compiling *in, struct bytes token,
                            struct subject_transform_part *part)
{
    in->used += part->count;
    for (size_t i = 0; i < part->count; i++) {
        int64_t index = part->wildcards[i];

        if (index > (int64_t)in->source_wildcards)
            return refuse(in->error,
                          "invalid mapping destination: wildcard index out of range in %.*s: "
                          "[%lld]",
                          quoted(token), (const char *)token.at, (long long)index);
        part->wildcards[i] = index > 0 ? in->source_places[index] : 0;
    }
    return true;
}

static bool compile_token(struct compiling *in, struct bytes token,
                          struct subject_transform_part *part)
{
    bool fixed = in->source_wildcards == 0 && !in->transform->tail;

    if (!read_token(in, token, part))
        return false;
    if (fixed) {
        if (part->kind != PART_LITERAL && part->kind != PART_PARTITION && part->kind != PART_RANDOM)
            return refuse_token(in, token, "wildcard index out of range");
        part->count = 0;
        return true;
    }
    if (in->use == SUBJECT_TRANSFORM_IMPORT && part->kind > PART_WILDCARD)
        return refuse_token(in, token,
                            "the only mapping function allowed for import transforms is "
                            "{{Wildcard()}}");
    return place_wildcards(in, token, part);
}

static bool compile_destination(struct compiling *in)
{
    struct subject_transform *transform = in->transform;
    size_t count = subject_token_count(transform->destination);

    transform->count = transform->tail ? count - 1 : count;
    transform->parts = ARENA_ARRAY(in->arena, struct subject_transform_part, count);
    if (transform->parts == NULL)
        return refuse(in->error, "too long");
    for (size_t i = 0; i < transform->count; i++) {
        if (!compile_token(in, subject_token(transform->destination, i), &transform->parts[i]))
            return false;
    }
    if (in->use == SUBJECT_TRANSFORM_IMPORT && in->used < in->source_wildcards)
        return refuse_token(in, transform->destination, "not using all of the token wildcard(s)");
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool has_tail(struct bytes subject)
{
    return subject.size > 0 && subject.at[subject.size - 1] == '>' &&
           (subject.size == 1 || subject.at[subject.size - 2] == '.');
}

static bool has_blank(struct bytes token)
{
    return skip_blanks(token, 0) != 0 || bytes_find(token, ' ') < token.size ||
           bytes_find(token, '\t') < token.size || bytes_find(token, '\n') < token.size ||
           bytes_find(token, '\f') < token.size || bytes_find(token, '\r') < token.size;
}

static bool known_function(struct bytes token)
{
    struct bytes arguments;

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (functions[i].mapping && find_function(token, functions[i].name, &arguments))
            return true;
    }
    return false;
}

/* What a mapping looks at before it is a transform. `behind`: a '>' stood before this token. */
static bool check_mapping_token(const struct compiling *in, struct bytes token, bool behind)
{
    if (token.size == 0)
        return refuse(in->error, "invalid mapping destination: invalid transform");
    if (behind)
        return refuse_token(in, token, "invalid transform");
    if (is_function(token))
        return known_function(token) || refuse_token(in, token, "unknown function");
    if (has_blank(token))
        return refuse(in->error, "invalid mapping destination: invalid transform");
    return true;
}

static bool check_mapping(const struct compiling *in, struct bytes rest)
{
    bool behind = false, more = true;

    while (more) {
        size_t size = bytes_find(rest, '.');
        struct bytes token = bytes_take(rest, size);

        if (!check_mapping_token(in, token, behind))
            return false;
        behind = bytes_equal(token, BYTES(">"));
        more = size < rest.size;
        rest = bytes_skip(rest, more ? size + 1 : size);
    }
    return true;
}

static bool check_subjects(struct compiling *in, struct bytes source, struct bytes destination)
{
    bool tail = has_tail(source);
    size_t places = subject_token_count(destination);

    if (!subject_valid(source) || !subject_valid(destination) || tail != has_tail(destination))
        return refuse(in->error, INVALID_SUBJECT);
    if (subject_token_count(source) > SUBJECT_TRANSFORM_TOKENS_MAX ||
        places > SUBJECT_TRANSFORM_TOKENS_MAX)
        return refuse(in->error, INVALID_SUBJECT);
    for (size_t i = 0; i < places; i++) {
        if (bytes_equal(subject_token(destination, i), BYTES("*")))
            return refuse(in->error, INVALID_SUBJECT);
    }
    in->transform->tail = tail;
    return true;
}

static void find_wildcards(struct compiling *in, struct bytes source)
{
    size_t count = subject_token_count(source);

    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(subject_token(source, i), BYTES("*")))
            in->source_places[++in->source_wildcards] = (int64_t)i;
    }
    in->transform->tail_from = in->transform->tail ? count - 1 : 0;
}

bool subject_transform_compile(struct subject_transform *transform, struct bytes source,
                               struct bytes destination, enum subject_transform_use use,
                               struct arena *arena, struct subject_transform_error *error)
{
    struct compiling in = {.transform = transform, .use = use, .arena = arena, .error = error};
    struct bytes everything = source.size > 0 ? source : BYTES(">");

    error->text[0] = 0;
    *transform = (struct subject_transform){
        .source = arena_copy(arena, source),
        .destination = arena_copy(arena, destination),
    };
    if (transform->source.at == NULL || transform->destination.at == NULL)
        return refuse(error, "too long");
    if (destination.size == 0)
        return true;
    if (use == SUBJECT_TRANSFORM_MAPPING && !check_mapping(&in, destination))
        return false;
    if (!check_subjects(&in, everything, destination))
        return false;
    find_wildcards(&in, everything);
    return compile_destination(&in);
}

bool subject_transform_valid(struct bytes source, struct bytes destination,
                             enum subject_transform_use use, struct subject_transform_error *error)
{
    struct subject_transform transform;
    struct arena arena;
    bool valid;

    arena_init(&arena, CHECK_ARENA_MAX);
    valid = subject_transform_compile(&transform, source, destination, use, &arena, error);
    arena_deinit(&arena);
    return valid;
}
