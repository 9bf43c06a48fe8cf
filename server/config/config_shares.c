/* exports and imports of an account (reference core.md 4). */
#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/config/blocks.h"
#include "server/share.h"
#include "server/subject_transform.h"

#define THRESHOLD_NS    INT64_C(120000000000)
#define LOCAL_ARENA_MAX (1u << 20)

/* ---- exports ----------------------------------------------------------------------------------
 */

static void read_kind(struct config_reader *reader, const struct config_value *value,
                      struct export_options *export, enum share_kind kind)
{
    if (export->kind != SHARE_NONE) {
        config_error(reader, value, "Detected %s \"%.*s\" but already saw a %s",
                     kind == SHARE_STREAM ? "stream" : "service", BYTES_ARG(value->text),
                     export->kind == SHARE_STREAM ? "stream" : "service");
        return;
    }
    export->kind = kind;
    if (config_bytes(reader, value, &export->subject) && !subject_valid_strict(export->subject))
        config_error(reader, value, "\"%.*s\" is no subject that can be exported",
                     BYTES_ARG(export->subject));
}

static void read_stream(struct config_reader *reader, const struct config_value *value, void *to)
{
    read_kind(reader, value, to, SHARE_STREAM);
}

static void read_service(struct config_reader *reader, const struct config_value *value, void *to)
{
    read_kind(reader, value, to, SHARE_SERVICE);
}

static void read_accounts(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct export_options *export = to;

    export->restricted = true;
    export->accounts = config_array(reader, value, sizeof(struct bytes), &export->accounts_count);
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        if (config_is(reader, e, CONFIG_STRING))
            export->accounts[export->accounts_count++] = e->text;
    }
}

static void read_response(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct export_options *export = to;
    struct bytes word;

    if (!config_bytes(reader, value, &word))
        return;
    if (bytes_equal_nocase(word, BYTES("stream")) || bytes_equal_nocase(word, BYTES("chunk")) ||
        bytes_equal_nocase(word, BYTES("chunked")))
        export->streamed = true;
    else if (!bytes_equal_nocase(word, BYTES("single")) &&
             !bytes_equal_nocase(word, BYTES("singleton")))
        config_error(reader, value, "Unknown response type: \"%.*s\"", BYTES_ARG(word));
    if (export->kind == SHARE_STREAM)
        config_error(reader, value, "Detected response directive on non-service");
}

static void read_threshold(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct export_options *export = to;

    if (value->type != CONFIG_STRING || !text_read_duration(value->text, &export->threshold_ns))
        config_error(reader, value, "Expected response threshold to be a parseable time duration");
}

static const struct config_option options_of_export[] = {
    CONFIG_READ("stream", read_stream),
    CONFIG_READ("service", read_service),
    CONFIG_READ("accounts", read_accounts),
    CONFIG_READ("response response_type", read_response),
    CONFIG_READ("threshold response_threshold response_max_time response_time", read_threshold),
    CONFIG_FIELD("account_token_position", CONFIG_AS_INT64, struct export_options, token_position),
    CONFIG_FIELD("allow_trace", CONFIG_AS_BOOL, struct export_options, traced),
    CONFIG_REFUSED("latency"),
};

static const struct config_block export_block = CONFIG_BLOCK(options_of_export);

/* The token that names the importer is a wildcard in what is exported. */
static bool position_fits(const struct export_options *export)
{
    if (export->token_position == 0)
        return true;
    return export->token_position > 0 &&
           bytes_equal(subject_token(export->subject, (size_t) export->token_position - 1),
                       BYTES("*"));
}

/* Who serves lets messages be traced there, and who imports a stream lets them be traced here. */
static void check_trace(struct config_reader *reader, const struct config_value *item,
                        const char *otherwise)
{
    const struct config_value *given = config_member(item, BYTES("allow_trace"));

    if (given != NULL)
        config_error(reader, given, "%s", otherwise);
}

void config_exports(struct config_reader *reader, const struct config_value *value,
                    struct export_list *list)
{
    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value, "Exports should be an array, got %s",
                     config_type_text(value->type));
        return;
    }
    list->at = config_array(reader, value, sizeof(struct export_options), &list->count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct export_options export = {.place = &e->place, .threshold_ns = THRESHOLD_NS};
        unsigned errors = reader->error_count;

        if (e->type != CONFIG_MAP) {
            config_error(reader, e, "Export Items should be a map with type entry, got %s",
                         config_type_text(e->type));
            continue;
        }
        (void)config_read_block(reader, e, &export_block, &export);
        if (reader->error_count != errors || export.kind == SHARE_NONE)
            continue;
        if (export.kind == SHARE_STREAM)
            check_trace(reader, e, "Detected allow_trace directive on non-service");
        if (!position_fits(&export))
            config_error(reader, e, "Error adding %s export \"%.*s\": sublist: invalid subject",
                         export.kind == SHARE_STREAM ? "stream" : "service",
                         BYTES_ARG(export.subject));
        list->at[list->count++] = export;
    }
}

/* ---- imports ----------------------------------------------------------------------------------
 */

static void read_from(struct config_reader *reader, const struct config_value *value,
                      struct import_options *import, enum share_kind kind)
{
    const struct config_value *account, *subject;

    if (import->kind != SHARE_NONE) {
        config_error(reader, value, "Detected %s but already saw a %s",
                     kind == SHARE_STREAM ? "stream" : "service",
                     import->kind == SHARE_STREAM ? "stream" : "service");
        return;
    }
    import->kind = kind;
    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Import entry should be an account map, got %s",
                     config_type_text(value->type));
        return;
    }
    account = config_member(value, BYTES("account"));
    subject = config_member(value, BYTES("subject"));
    if (account == NULL || subject == NULL || account->type != CONFIG_STRING ||
        subject->type != CONFIG_STRING || account->text.size == 0 || subject->text.size == 0) {
        config_error(reader, value, "Expect an account name and a subject");
        return;
    }
    import->account = account->text;
    import->subject = subject->text;
    if (!subject_valid_strict(import->subject))
        config_error(reader, subject, "\"%.*s\" is no subject that can be imported",
                     BYTES_ARG(import->subject));
}

static void read_stream_from(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    read_from(reader, value, to, SHARE_STREAM);
}

static void read_service_from(struct config_reader *reader, const struct config_value *value,
                              void *to)
{
    read_from(reader, value, to, SHARE_SERVICE);
}

static const struct config_option options_of_import[] = {
    CONFIG_READ("stream", read_stream_from),
    CONFIG_READ("service", read_service_from),
    CONFIG_FIELD("prefix", CONFIG_AS_BYTES, struct import_options, prefix),
    CONFIG_FIELD("to", CONFIG_AS_BYTES, struct import_options, to),
    CONFIG_FIELD("share", CONFIG_AS_BOOL, struct import_options, share),
    CONFIG_FIELD("allow_trace", CONFIG_AS_BOOL, struct import_options, traced),
};

static const struct config_block import_block = CONFIG_BLOCK(options_of_import);

static struct bytes requested_as(const struct import_options *import)
{
    return import->to.size > 0 ? import->to : import->subject;
}

/* What is requested there would be answered twice. */
static bool is_requested(struct config_reader *reader, const struct config_value *value,
                         const struct import_list *list, const struct import_options *import)
{
    for (size_t i = 0; i < list->count && import->kind == SHARE_SERVICE; i++) {
        const struct import_options *other = &list->at[i];

        if (other->kind != SHARE_SERVICE || !bytes_equal(other->account, import->account) ||
            !bytes_equal(requested_as(other), requested_as(import)))
            continue;
        config_error(reader, value,
                     "Duplicate service import subject \"%.*s\", previously used in import for "
                     "account \"%.*s\", subject \"%.*s\"",
                     BYTES_ARG(requested_as(import)), BYTES_ARG(other->account),
                     BYTES_ARG(other->subject));
        return true;
    }
    return false;
}

void config_imports(struct config_reader *reader, const struct config_value *value,
                    struct import_list *list)
{
    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value, "Imports should be an array, got %s",
                     config_type_text(value->type));
        return;
    }
    list->at = config_array(reader, value, sizeof(struct import_options), &list->count);
    for (const struct config_value *e = value->child; e != NULL; e = e->next) {
        struct import_options import = {.place = &e->place};
        unsigned errors = reader->error_count;

        if (e->type != CONFIG_MAP) {
            config_error(reader, e, "Import Items should be a map with type entry, got %s",
                         config_type_text(e->type));
            continue;
        }
        (void)config_read_block(reader, e, &import_block, &import);
        if (import.kind == SHARE_SERVICE)
            check_trace(reader, e, "Detected allow_trace directive on a non-stream");
        if (import.prefix.size > 0 && import.to.size > 0)
            config_error(reader, e, "Stream import can not have a 'prefix' and a 'to' property");
        if (reader->error_count == errors && import.kind != SHARE_NONE &&
            !is_requested(reader, e, list, &import))
            list->at[list->count++] = import;
    }
}

/* ---- what only all accounts together show -----------------------------------------------------
 */

static const struct account_options *find(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->accounts_count; i++) {
        if (bytes_equal(auth->accounts[i]->name, name))
            return auth->accounts[i];
    }
    return NULL;
}

static const char *word(enum share_kind kind)
{
    return kind == SHARE_STREAM ? "stream" : "service";
}

static void check_export(struct config_reader *reader, const struct auth_options *auth,
                         const struct export_options *export)
{
    const struct config_value at = {.place = *export->place};

    for (size_t i = 0; i < export->accounts_count; i++) {
        if (find(auth, export->accounts[i]) == NULL)
            config_error(reader, &at, "\"%.*s\" account not defined for %s export",
                         BYTES_ARG(export->accounts[i]), word(export->kind));
    }
}

static bool is_twice(const struct account_options *account, size_t place)
{
    const struct import_options *import = &account->imports.at[place];

    for (size_t i = 0; i < place && import->kind == SHARE_STREAM; i++) {
        const struct import_options *other = &account->imports.at[i];

        if (other->kind == import->kind && bytes_equal(other->account, import->account) &&
            bytes_equal(other->subject, import->subject) && bytes_equal(other->to, import->to) &&
            bytes_equal(other->prefix, import->prefix))
            return true;
    }
    return false;
}

/* A walk from an import's account along its imports: where requests under a subject go on to, or
 * where a stream's messages under it come from. */
struct walk {
    const struct auth_options *auth;
    const struct account_options *home;
    enum share_kind kind;
    struct visit *visits; /* each is asked once, but again for another subject */
    size_t count, capacity;
};

struct visit {
    const struct account_options *account;
    struct bytes subject;
};

/* False: that was asked before. */
static bool visit(struct walk *walk, const struct account_options *account, struct bytes subject)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->visits[i].account == account && bytes_equal(walk->visits[i].subject, subject))
            return false;
    }
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 8 : walk->capacity * 2;
        walk->visits = heap_resize(walk->visits, walk->capacity * sizeof(*walk->visits));
    }
    walk->visits[walk->count++] = (struct visit){account, subject};
    return true;
}

/* What of `subject` in the importing account is in the exporting one; empty: nothing. */
static struct bytes beyond(const struct import_options *import, struct bytes subject)
{
    struct bytes local, other = bytes_of(NULL, 0);
    struct arena arena;

    arena_init(&arena, LOCAL_ARENA_MAX);
    local = share_local(import, &arena);
    if (local.size > 0 && subject_collide(local, subject))
        other = bytes_equal(local, import->subject) && subject_covers(local, subject)
                    ? subject
                    : import->subject;
    arena_deinit(&arena);
    return other;
}

static bool comes_home(struct walk *walk, struct bytes subject, struct bytes name);

static bool goes_home(struct walk *walk, struct bytes subject, const struct import_options *import)
{
    struct bytes other = bytes_of(NULL, 0);

    if (import->kind == walk->kind)
        other = beyond(import, subject);
    return other.size > 0 && comes_home(walk, other, import->account);
}

static bool comes_home(struct walk *walk, struct bytes subject, struct bytes name)
{
    const struct account_options *account = find(walk->auth, name);

    if (account == NULL)
        return false;
    if (account == walk->home)
        return true;
    if (!visit(walk, account, subject))
        return false;
    for (size_t i = 0; i < account->imports.count; i++) {
        if (goes_home(walk, subject, &account->imports.at[i]))
            return true;
    }
    return false;
}

/* Would what is imported come round to this account again? */
static bool forms_cycle(const struct auth_options *auth, const struct account_options *account,
                        const struct import_options *import)
{
    struct walk walk = {.auth = auth, .home = account, .kind = import->kind};
    bool home = comes_home(&walk, import->subject, import->account);

    heap_give(walk.visits);
    return home;
}

static void check_import(struct config_reader *reader, const struct auth_options *auth,
                         const struct account_options *account, size_t place)
{
    const struct import_options *import = &account->imports.at[place];
    const struct account_options *from = find(auth, import->account);
    const struct config_value at = {.place = *import->place};
    struct subject_transform_error error = {""};

    if (from == NULL) {
        config_error(reader, &at, "\"%.*s\" account not defined for %s import",
                     BYTES_ARG(import->account), word(import->kind));
        return;
    }
    if (share_export(from, import, account->name) == NULL)
        snprintf(error.text, sizeof(error.text), "%s import not authorized", word(import->kind));
    else if (is_twice(account, place))
        snprintf(error.text, sizeof(error.text), "stream import already exists");
    else if (import->prefix.size > 0 && subject_has_wildcard(import->prefix))
        snprintf(error.text, sizeof(error.text),
                 "stream import prefix can not contain wildcard tokens");
    else if (forms_cycle(auth, account, import))
        snprintf(error.text, sizeof(error.text), "import forms a cycle");
    else if (share_import_valid(import, &error))
        return;
    config_error(reader, &at, "Error adding %s import \"%.*s\": %s", word(import->kind),
                 BYTES_ARG(import->subject), error.text);
}

void config_shares_check(struct config_reader *reader, const struct auth_options *auth)
{
    for (size_t i = 0; i < auth->accounts_count; i++) {
        const struct account_options *account = auth->accounts[i];

        for (size_t n = 0; n < account->exports.count; n++)
            check_export(reader, auth, &account->exports.at[n]);
        for (size_t n = 0; n < account->imports.count; n++)
            check_import(reader, auth, account, n);
    }
}
