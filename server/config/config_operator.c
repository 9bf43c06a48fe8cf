/* operator, trusted_keys, resolver and resolver_preload (reference core.md 3.7): accounts that are
 * signed for. */
#include "base/subject.h"
#include "server/auth/jwt_claims.h"
#include "server/auth/jwt_file.h"
#include "server/auth/jwt_shares.h"
#include "server/auth/nkey.h"
#include "server/config/blocks.h"
#include "server/config/parser.h"
#include "server/router/share.h"

/* The token that the value is, or that stands in the file it names. False: said. */
static bool read_token(struct config_reader *reader, const struct config_value *value,
                       struct bytes *token)
{
    const struct config_source *source = reader->source;
    const char *path = (const char *)value->text.at; /* the lexer ends every text with a zero */
    char reason[128] = "";

    *token = value->text;
    if (bytes_starts(value->text, BYTES("eyJ")))
        return true;
    if (!source->read(source->context, path, reader->arena, token, reason)) {
        config_error(reader, value, "error parsing operator JWT: open %s: %s", path, reason);
        return false;
    }
    *token = jwt_file_token(*token);
    return true;
}

static void read_one(struct config_reader *reader, const struct config_value *value,
                     struct auth_options *auth)
{
    struct bytes system = auth->system_account, token;
    struct jwt jwt;

    if (!config_is(reader, value, CONFIG_STRING) || !read_token(reader, value, &token))
        return;
    if (!jwt_read(reader->arena, token, &jwt) ||
        !jwt_operator_read(reader->arena, &jwt, auth->operators, &system)) {
        config_error(reader, value, "invalid operator JWT");
        return;
    }
    if (auth->system_account.size > 0 && !bytes_equal(system, auth->system_account))
        config_error(reader, value, "system_account in config and operator JWT must be identical");
    auth->system_account = system;
}

static bool begin(struct config_reader *reader, const struct config_value *value,
                  struct auth_options *auth)
{
    if (auth->operators != NULL) {
        config_error(reader, value, "conflicting options for 'TrustedKeys' and 'TrustedOperators'");
        return false;
    }
    auth->operators = CONFIG_NEW(reader, struct operator_options);
    *auth->operators = (struct operator_options){0};
    return true;
}

void config_trusted_keys(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = &((struct options *)to)->auth;
    const struct config_value *first = config_elements(value);

    if (first == NULL || !begin(reader, value, auth))
        return;
    auth->operators->keys_only = true;
    for (const struct config_value *e = first; e != NULL; e = config_element_next(value, e)) {
        if (config_is(reader, e, CONFIG_STRING) &&
            !jwt_operator_add(reader->arena, e->text, auth->operators))
            config_error(reader, e,
                         "trust key \"%.*s\" required to be a valid public operator nkey",
                         BYTES_ARG(e->text));
    }
}

void config_operator(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = &((struct options *)to)->auth;

    if (!begin(reader, value, auth))
        return;
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e))
        read_one(reader, e, auth);
}

void config_resolver_preload(struct config_reader *reader, const struct config_value *value,
                             void *to)
{
    if (config_is(reader, value, CONFIG_MAP))
        ((struct options *)to)->auth.preload = value;
}

/* What is wrong with them is said where the account stands. */
static void place_shares(struct account_options *account, const struct config_value *value)
{
    for (size_t i = 0; i < account->exports.count; i++)
        account->exports.at[i].place = &value->place;
    for (size_t i = 0; i < account->imports.count; i++)
        account->imports.at[i].place = &value->place;
}

/* Whatever account serves it: what is requested under a subject is requested of one. */
static void check_requests(struct config_reader *reader, const struct config_value *value,
                           const struct import_list *imports)
{
    struct bytes *requested = config_take(reader, (imports->count + 1) * sizeof(*requested));
    size_t count = 0;

    for (size_t i = 0; i < imports->count; i++) {
        struct bytes subject;

        if (imports->at[i].kind != SHARE_SERVICE)
            continue;
        subject = share_local(&imports->at[i], reader->arena);
        for (size_t n = 0; n < count; n++) {
            if (subject_covers(requested[n], subject) || subject_covers(subject, requested[n]))
                config_error(reader, value,
                             "account JWT: overlapping subject namespace for \"%.*s\" and "
                             "\"%.*s\"",
                             BYTES_ARG(subject), BYTES_ARG(requested[n]));
        }
        requested[count++] = subject;
    }
}

static void read_account(struct config_reader *reader, const struct config_value *value,
                         struct auth_options *auth)
{
    struct account_options *account;
    const char *why;
    struct jwt jwt;

    if (!config_is(reader, value, CONFIG_STRING))
        return;
    if (!jwt_read(reader->arena, value->text, &jwt) || jwt.kind != JWT_ACCOUNT ||
        !bytes_equal(jwt.subject, value->key)) {
        config_error(reader, value, "invalid account JWT");
        return;
    }
    if (!jwt_operator_knows(auth->operators, jwt.issuer)) {
        config_error(reader, value, "account JWT is not signed by an operator that is trusted");
        return;
    }
    account = jwt_account_read(reader->arena, auth->operators, &jwt, &why);
    if (account == NULL) {
        config_error(reader, value, "account JWT: %s not supported", why);
        return;
    }
    place_shares(account, value);
    for (size_t i = 0; i < account->mappings.count; i++)
        config_mapping_check(reader, value, &account->mappings.at[i]);
    check_requests(reader, value, &account->imports);
    auth->accounts[auth->accounts_count++] = account;
}

/* ---- what accounts allow each other --------------------------------------------------------- */

static struct account_options *find(const struct auth_options *auth, struct bytes name)
{
    for (size_t i = 0; i < auth->accounts_count; i++) {
        if (bytes_equal(auth->accounts[i]->name, name))
            return auth->accounts[i];
    }
    return NULL;
}

static void allow(struct config_reader *reader, const struct auth_options *auth,
                  struct export_options *export, struct bytes importer)
{
    if (export->accounts == NULL)
        export->accounts = config_take(reader, auth->accounts_count * sizeof(struct bytes));
    for (size_t i = 0; i < export->accounts_count; i++)
        if (bytes_equal(export->accounts[i], importer))
            return;
    export->accounts[export->accounts_count++] = importer;
}

/* Each import needs an activation of its own where an export asks for them. */
static void activate(struct config_reader *reader, const struct auth_options *auth,
                     const struct account_options *importer, const struct import_options *import)
{
    const struct config_value at = {.place = *import->place};
    struct account_options *from = find(auth, import->account);
    bool asked = false, allowed = false;

    for (size_t i = 0; from != NULL && i < from->exports.count; i++) {
        struct export_options *export = &from->exports.at[i];

        if (export->kind != import->kind || !subject_covers(export->subject, import->subject))
            continue;
        asked = asked || export->claims->activated;
        if (!export->claims->activated) {
            allowed = true;
        } else if (jwt_activates(reader->arena, from, export, import, importer->name)) {
            allow(reader, auth, export, importer->name);
            allowed = true;
        }
    }
    if (asked && !allowed)
        config_error(reader, &at,
                     "account JWT: import of \"%.*s\" has no activation that is valid without end",
                     BYTES_ARG(import->subject));
}

static void activate_all(struct config_reader *reader, const struct auth_options *auth)
{
    for (size_t i = 0; i < auth->accounts_count; i++)
        for (size_t n = 0; n < auth->accounts[i]->imports.count; n++)
            activate(reader, auth, auth->accounts[i], &auth->accounts[i]->imports.at[n]);
}

static bool check(struct config_reader *reader, const struct auth_options *auth)
{
    unsigned errors = reader->error_count;

    if (auth->resolver.kind == RESOLVER_NONE && !auth->operators->keys_only)
        config_error(reader, NULL, "operators require an account resolver to be configured");
    else if (auth->resolver.kind == RESOLVER_NONE)
        config_notice(reader, NULL,
                      "\"trusted_keys\" without a resolver: there are no accounts, and nobody is "
                      "let in");
    if (auth->accounts_count > 0)
        config_error(reader, NULL, "operators do not allow Accounts to be configured directly");
    if (auth->users_count > 0 || auth->user.size > 0 || auth->token.size > 0)
        config_error(reader, NULL, "operators do not allow users to be configured directly");
    return reader->error_count == errors;
}

void config_operator_finish(struct config_reader *reader, struct auth_options *auth)
{
    size_t count = 0;

    if (auth->operators == NULL &&
        (auth->resolver.kind != RESOLVER_NONE || auth->preload != NULL)) {
        config_notice(reader, auth->preload, "\"resolver\" has no effect without an operator");
        auth->resolver.kind = RESOLVER_NONE;
        return;
    }
    if (auth->operators == NULL || !check(reader, auth))
        return;
    if (auth->resolver.kind == RESOLVER_FULL || auth->resolver.kind == RESOLVER_CACHE) {
        config_resolver_check(reader, auth);
        return;
    }
    if (auth->resolver.kind == RESOLVER_URL && auth->preload != NULL)
        config_error(reader, auth->preload,
                     "resolver preloads only available for writeable resolver types "
                     "MEM/DIR/CACHE_DIR");
    if (auth->preload == NULL || auth->resolver.kind == RESOLVER_URL)
        return;
    for (const struct config_value *e = auth->preload->child; e != NULL; e = e->next)
        count++;
    auth->accounts = config_take(reader, (count + 1) * sizeof(struct account_options *));
    for (const struct config_value *e = auth->preload->child; e != NULL; e = e->next)
        read_account(reader, e, auth);
    activate_all(reader, auth);
    config_shares_check(reader, auth);
}
