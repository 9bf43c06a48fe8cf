/* exports and imports of an account (reference core.md 4). */
#include "base/subject.h"
#include "base/text.h"
#include "server/config/blocks.h"
#include "server/router/share_check.h"

#define THRESHOLD_NS INT64_C(120000000000)

/* ---- exports -------------------------------------------------------------------------------- */

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

/* ---- imports -------------------------------------------------------------------------------- */

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

/* ---- what only all accounts together show --------------------------------------------------- */

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

static const struct account_options *find_for_check(const void *owner, struct bytes name)
{
    return find(owner, name);
}

static void check_import(struct config_reader *reader, const struct auth_options *auth,
                         const struct account_options *account, size_t place)
{
    const struct account_finder accounts = {find_for_check, auth};
    const struct config_value at = {.place = *account->imports.at[place].place};
    char why[SHARE_WHY_SIZE];

    if (!share_import_allowed(&accounts, account, place, why))
        config_error(reader, &at, "%s", why);
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
