#include "server/router/share.h"

#include <stdio.h>

#include "base/subject.h"

#define CHECK_ARENA_MAX (1u << 20)

/* ---- who may -------------------------------------------------------------------------------- */

static bool is_listed(const struct export_options *export, struct bytes importer)
{
    for (size_t i = 0; i < export->accounts_count; i++) {
        if (bytes_equal(export->accounts[i], importer))
            return true;
    }
    return false;
}

static bool allows(const struct export_options *export, const struct import_options *import,
                   struct bytes importer)
{
    size_t position = (size_t) export->token_position;

    if (export->kind != import->kind || !subject_covers(export->subject, import->subject))
        return false;
    if (position > 0)
        return bytes_equal(subject_token(import->subject, position - 1), importer);
    return !export->restricted || is_listed(export, importer);
}

const struct export_options *share_export(const struct account_options *from,
                                          const struct import_options *import,
                                          struct bytes importer)
{
    for (size_t i = 0; i < from->exports.count; i++) {
        if (allows(&from->exports.at[i], import, importer))
            return &from->exports.at[i];
    }
    return NULL;
}

/* ---- how subjects change -------------------------------------------------------------------- */

/* What stands between `open` and `close`, without blanks; empty when that is not how it is. */
static struct bytes inside(struct bytes text, struct bytes open, struct bytes close)
{
    struct bytes end = bytes_skip(text, text.size > close.size ? text.size - close.size : 0);

    if (text.size <= open.size + close.size || !bytes_equal(end, close) ||
        !bytes_equal_nocase(bytes_take(text, open.size), open))
        return bytes_of(NULL, 0);
    return bytes_trim(bytes_skip(bytes_take(text, text.size - close.size), open.size));
}

/* The number of "$2" or "{{wildcard(2)}}", 0 when that is not what the token is. */
static size_t reference_of(struct bytes token)
{
    struct bytes function = inside(token, BYTES("{{"), BYTES("}}"));
    struct bytes digits = function.size > 0 ? inside(function, BYTES("wildcard("), BYTES(")"))
                                            : inside(token, BYTES("$"), BYTES(""));
    uint64_t number;

    if (!bytes_read_u64(digits, &number))
        return 0;
    return number <= SUBJECT_TRANSFORM_TOKENS_MAX ? (size_t)number : 0;
}

static struct bytes out_of_room(void)
{
    return bytes_of(NULL, 0);
}

/* "q.$2.*" as what it takes: "q.*.*". */
static struct bytes pattern_of(struct bytes to, struct arena *arena)
{
    uint8_t *at = arena_take(arena, to.size + 1);
    struct bytes token;
    size_t size = 0;

    if (at == NULL)
        return out_of_room();
    for (size_t i = 0; (token = subject_token(to, i)).at != NULL; i++) {
        if (i > 0)
            at[size++] = '.';
        if (reference_of(token) > 0) {
            at[size++] = '*';
        } else {
            memcpy(at + size, token.at, token.size);
            size += token.size;
        }
    }
    return bytes_of(at, size);
}

/* Which wildcard of `to`, from 1, stands for the n-th of the subject. A `*` of it is a reference,
 * too: the k-th of those to the k-th. */
static size_t place_of(struct bytes to, size_t n)
{
    size_t place = 0, stars = 0;
    struct bytes token;

    for (size_t i = 0; (token = subject_token(to, i)).at != NULL; i++) {
        size_t reference = bytes_equal(token, BYTES("*")) ? ++stars : reference_of(token);

        if (reference == 0)
            continue;
        place++;
        if (reference == n)
            return place;
    }
    return n;
}

/* The exported subject, with its wildcards as references to those of `to`. */
static struct bytes target_of(struct bytes subject, struct bytes to, struct arena *arena)
{
    struct bytes token, done = bytes_of(NULL, 0);
    struct buf text;
    size_t wildcards = 0;

    buf_init(&text, CHECK_ARENA_MAX);
    for (size_t i = 0; (token = subject_token(subject, i)).at != NULL; i++) {
        if (i > 0)
            (void)buf_add_byte(&text, '.');
        if (bytes_equal(token, BYTES("*")))
            (void)buf_print(&text, "$%zu", place_of(to, ++wildcards));
        else
            (void)buf_add(&text, token);
    }
    done = arena_copy(arena, buf_bytes(&text));
    buf_deinit(&text);
    return done;
}

/* Its wildcards as references to those of what it comes from, in their order. */
static struct bytes numbered(struct bytes subject, struct arena *arena)
{
    return target_of(subject, bytes_of(NULL, 0), arena);
}

static bool compile_service(const struct import_options *import,
                            struct subject_transform *transform, struct arena *arena,
                            struct subject_transform_error *error)
{
    struct bytes to = import->to.size > 0 ? import->to : import->subject;
    struct bytes pattern = pattern_of(to, arena), target = target_of(import->subject, to, arena);

    if (!subject_valid_strict(pattern)) {
        snprintf(error->text, sizeof(error->text), "invalid subject");
        return false;
    }
    return subject_transform_compile(transform, pattern, target, SUBJECT_TRANSFORM_ANY, arena,
                                     error);
}

static struct bytes prefixed(const struct import_options *import, struct arena *arena)
{
    struct bytes prefix = import->prefix;
    struct bytes rest = numbered(import->subject, arena), done;
    struct buf text;

    if (prefix.size > 0 && prefix.at[prefix.size - 1] == '.')
        prefix = bytes_take(prefix, prefix.size - 1);
    if (prefix.size == 0)
        return rest;
    buf_init(&text, CHECK_ARENA_MAX);
    (void)buf_add(&text, prefix);
    (void)buf_add_byte(&text, '.');
    (void)buf_add(&text, rest);
    done = arena_copy(arena, buf_bytes(&text));
    buf_deinit(&text);
    return done;
}

struct bytes share_local(const struct import_options *import, struct arena *arena)
{
    if (import->to.size > 0)
        return pattern_of(import->to, arena);
    return import->prefix.size > 0 ? pattern_of(prefixed(import, arena), arena) : import->subject;
}

static bool compile_stream(const struct import_options *import, struct subject_transform *transform,
                           struct arena *arena, struct subject_transform_error *error)
{
    struct subject_transform_error inner;

    if (import->to.size == 0)
        return subject_transform_compile(transform, import->subject, prefixed(import, arena),
                                         SUBJECT_TRANSFORM_ANY, arena, error);
    if (subject_transform_compile(transform, import->subject, numbered(import->to, arena),
                                  SUBJECT_TRANSFORM_IMPORT, arena, &inner))
        return true;
    snprintf(error->text, sizeof(error->text),
             "failed to create mapping transform for stream import subject from \"%.*s\" to "
             "\"%.*s\": %.*s",
             (int)(import->subject.size < 80 ? import->subject.size : 80), import->subject.at,
             (int)(import->to.size < 80 ? import->to.size : 80), import->to.at, 120, inner.text);
    return false;
}

bool share_compile(const struct import_options *import, struct subject_transform *transform,
                   struct arena *arena, struct subject_transform_error *error)
{
    return import->kind == SHARE_STREAM ? compile_stream(import, transform, arena, error)
                                        : compile_service(import, transform, arena, error);
}

bool share_import_valid(const struct import_options *import, struct subject_transform_error *error)
{
    struct subject_transform transform;
    struct arena arena;
    bool valid;

    arena_init(&arena, CHECK_ARENA_MAX);
    valid = share_compile(import, &transform, &arena, error);
    arena_deinit(&arena);
    return valid;
}

bool share_requests(const struct account_options *importer, struct bytes subject)
{
    struct arena arena;
    bool found = false;

    if (importer == NULL || importer->imports.count == 0)
        return false;
    arena_init(&arena, CHECK_ARENA_MAX);
    for (size_t i = 0; i < importer->imports.count && !found; i++) {
        const struct import_options *import = &importer->imports.at[i];

        found =
            import->kind == SHARE_SERVICE && subject_covers(share_local(import, &arena), subject);
    }
    arena_deinit(&arena);
    return found;
}
