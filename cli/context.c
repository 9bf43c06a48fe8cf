#include "cli/context.h"
#include "base/folders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file.h"

#define FILE_MAX  (size_t)65536
#define NAMES_MAX 1000u

#define FIELD(key, flag, member)                                                                   \
    {                                                                                              \
        key, flag, offsetof(struct context, member)                                                \
    }
const struct context_field context_fields[] = {
    FIELD("description", "description", description),
    FIELD("url", "server", url),
    FIELD("user", "user", user),
    FIELD("password", "password", password),
    FIELD("token", "token", token),
    FIELD("creds", "creds", creds),
    FIELD("nkey", "nkey", nkey),
    FIELD("user_jwt", NULL, jwt),
    FIELD("cert", "tlscert", cert),
    FIELD("key", "tlskey", key),
    FIELD("ca", "tlsca", ca),
    FIELD("jetstream_domain", "js-domain", domain),
    FIELD("jetstream_api_prefix", "js-api-prefix", api_prefix),
    FIELD("jetstream_event_prefix", "js-event-prefix", event_prefix),
    FIELD("socks_proxy", "socks-proxy", socks_proxy),
    FIELD("inbox_prefix", "inbox-prefix", inbox_prefix),
};
#undef FIELD
const size_t context_field_count = sizeof(context_fields) / sizeof(context_fields[0]);

/* ---- paths ----------------------------------------------------------------------------------- */

static const char *path(struct arena *arena, const char *middle, const char *name,
                        const char *suffix)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    bool own = config != NULL && config[0] != 0;
    char text[4096];

    snprintf(text, sizeof(text), "%s%s/nats%s%s%s",
             own            ? config
             : home != NULL ? home
                            : "",
             own ? "" : "/.config", middle, name, suffix);
    return (const char *)arena_copy(arena, bytes_of_text(text)).at;
}

static const char *path_of(struct arena *arena, const char *name)
{
    return path(arena, "/context/", name, ".json");
}

bool context_name_valid(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > 120 || name[0] == '.')
        return false;
    for (const char *at = name; *at != 0; at++)
        if (!isalnum((unsigned char)*at) && strchr("-_.@", *at) == NULL)
            return false;
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

const char *context_selected(struct arena *arena)
{
    struct bytes text;

    if (!file_read_regular(path(arena, "/context.txt", "", ""), FILE_MAX, arena, &text))
        return NULL;
    text = bytes_trim(text);
    return text.size > 0 ? (const char *)arena_copy(arena, text).at : NULL;
}

/* A file that begins with "~/" is one of the user's own. */
static const char *at_home(const char *file, struct arena *arena)
{
    const char *home = getenv("HOME");
    char text[4096];

    if (file == NULL || home == NULL || strncmp(file, "~/", 2) != 0 ||
        snprintf(text, sizeof(text), "%s%s", home, file + 1) >= (int)sizeof(text))
        return file;
    return (const char *)arena_copy(arena, bytes_of_text(text)).at;
}

/* A text without zeros (which would end it early), or nothing. */
static bool text_or_nothing(const struct json *value)
{
    if (value == NULL || value->type == JSON_NULL)
        return true;
    return value->type == JSON_STRING && bytes_find(value->text, 0) == value->text.size;
}

static const char *string_of(const struct json *file, const char *key, struct arena *arena)
{
    const struct json *value = json_get(file, bytes_of_text(key));

    assert(text_or_nothing(value));
    if (value == NULL || value->type == JSON_NULL || value->text.size == 0)
        return NULL;
    return (const char *)arena_copy(arena, value->text).at;
}

/* The first member that is not what it should be, or NULL. Members that we do not know are
 * anything. */
static const char *misshapen(const struct json *file)
{
    const struct json *first = json_get(file, BYTES("tls_first"));

    for (size_t i = 0; i < context_field_count; i++)
        if (!text_or_nothing(json_get(file, bytes_of_text(context_fields[i].key))))
            return context_fields[i].key;
    if (first != NULL && first->type != JSON_NULL && first->type != JSON_TRUE &&
        first->type != JSON_FALSE)
        return "tls_first";
    return NULL;
}

bool context_load(struct context *context, const char *name, struct arena *arena,
                  char error[static CONTEXT_ERROR_SIZE])
{
    struct json_error wrong;
    struct bytes text;
    const struct json *first;
    const char *wrong_key;

    *context = (struct context){0};
    if (!context_name_valid(name)) {
        snprintf(error, CONTEXT_ERROR_SIZE, "\"%.120s\" is no name of a context", name);
        return false;
    }
    if (!file_read_regular(path_of(arena, name), FILE_MAX, arena, &text)) {
        snprintf(error, CONTEXT_ERROR_SIZE,
                 errno == ENOENT ? "unknown context \"%s\"" : "cannot read context %s: %s", name,
                 file_why(errno));
        return false;
    }
    context->file = json_parse(arena, text, &wrong);
    if (context->file == NULL || context->file->type != JSON_OBJECT) {
        snprintf(error, CONTEXT_ERROR_SIZE, "context %s is damaged (%s): %s", name,
                 path_of(arena, name), context->file == NULL ? wrong.text : "not an object");
        context->file = NULL;
        return false;
    }
    wrong_key = misshapen(context->file);
    if (wrong_key != NULL) {
        snprintf(error, CONTEXT_ERROR_SIZE, "context %s is damaged (%s): %s is no %s", name,
                 path_of(arena, name), wrong_key,
                 strcmp(wrong_key, "tls_first") == 0 ? "truth value" : "text");
        context->file = NULL;
        return false;
    }
    for (size_t i = 0; i < context_field_count; i++)
        *(const char **)((char *)context + context_fields[i].offset) =
            string_of(context->file, context_fields[i].key, arena);
    context->creds = at_home(context->creds, arena);
    context->nkey = at_home(context->nkey, arena);
    context->cert = at_home(context->cert, arena);
    context->key = at_home(context->key, arena);
    context->ca = at_home(context->ca, arena);
    first = json_get(context->file, BYTES("tls_first"));
    context->tls_first = first != NULL && first->type == JSON_TRUE;
    return true;
}

bool context_exists(const char *name, struct arena *arena)
{
    return access(path_of(arena, name), F_OK) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t context_list(const char ***names, struct arena *arena)
{
    DIR *folder = opendir(path(arena, "/context", "", ""));
    struct dirent *entry;
    size_t count = 0;

    *names = ARENA_ARRAY(arena, const char *, NAMES_MAX);
    while (folder != NULL && count < NAMES_MAX && (entry = readdir(folder)) != NULL) {
        size_t size = strlen(entry->d_name);

        if (size > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 5, ".json") == 0)
            (*names)[count++] =
                (const char *)arena_copy(arena, bytes_of(entry->d_name, size - 5)).at;
    }
    if (folder != NULL)
        (void)closedir(folder);
    qsort(*names, count, sizeof(**names), by_name);
    return count;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool failed(const char *what, const char *where, char error[static CONTEXT_ERROR_SIZE])
{
    snprintf(error, CONTEXT_ERROR_SIZE, "cannot %s %.300s: %s", what, where, strerror(errno));
    return false;
}

static bool make_folders(struct arena *arena, char error[static CONTEXT_ERROR_SIZE])
{
    const char *folder = path(arena, "/context", "", "");

    if (folders_make(folder, 0700))
        return true;
    return failed("make", folder, error);
}

bool context_write(const char *name, struct bytes json, struct arena *arena,
                   char error[static CONTEXT_ERROR_SIZE])
{
    const char *file = path_of(arena, name);

    if (!make_folders(arena, error))
        return false;
    return file_replace(file, json, 0600) || failed("write", file, error);
}

bool context_remove(const char *name, struct arena *arena, char error[static CONTEXT_ERROR_SIZE])
{
    const char *file = path_of(arena, name);

    return unlink(file) == 0 || failed("remove", file, error);
}

bool context_select(const char *name, struct arena *arena, char error[static CONTEXT_ERROR_SIZE])
{
    const char *file = path(arena, "/context.txt", "", "");

    if (name == NULL)
        return unlink(file) == 0 || errno == ENOENT || failed("remove", file, error);
    if (!make_folders(arena, error))
        return false;
    return file_replace(file, bytes_of_text(name), 0600) || failed("write", file, error);
}
