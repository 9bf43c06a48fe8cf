#include "server/resolver/signed_accounts.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "server/auth/jwt_claims.h"
#include "server/auth/jwt_shares.h"
#include "server/auth/nkey.h"
#include "server/config/blocks.h"
#include "server/router/share.h"

#define MEMORY_MAX (16u << 20) /* of one account, beside its token */

/* ---- one of them ---------------------------------------------------------------------------- */

void signed_account_free(struct signed_account *account)
{
    if (account == NULL)
        return;
    arena_deinit(&account->arena);
    heap_give(account);
}

struct bytes signed_account_token(const struct signed_account *account)
{
    return account->options->claims->token;
}

struct bytes signed_account_name(const struct signed_account *account)
{
    return account->options->name;
}

bool signed_account_newer(const struct signed_account *account, const struct signed_account *other)
{
    if (account->issued_s != other->issued_s)
        return account->issued_s > other->issued_s;
    return memcmp(account->hash, other->hash, DIGEST_SIZE) > 0;
}

/* As of a configuration file, where the reader has places; here the sentence is enough. */
static bool mappings_fit(struct signed_account *account, char why[static SIGNED_ACCOUNT_WHY_SIZE])
{
    const struct mapping_list *mappings = &account->options->mappings;
    const struct config_value nowhere = {0};
    struct config_reader reader;
    bool fit;

    config_reader_init(&reader, &account->arena);
    for (size_t i = 0; i < mappings->count; i++)
        config_mapping_check(&reader, &nowhere, &mappings->at[i]);
    fit = reader.error_count == 0;
    if (!fit)
        snprintf(why, SIGNED_ACCOUNT_WHY_SIZE, "a mapping cannot be");
    config_reader_deinit(&reader);
    return fit;
}

/* What is requested under a subject is requested of one account. */
static bool requests_fit(struct signed_account *account, char why[static SIGNED_ACCOUNT_WHY_SIZE])
{
    const struct import_list *imports = &account->options->imports;

    for (size_t i = 0; i < imports->count; i++) {
        struct bytes subject = share_local(&imports->at[i], &account->arena);

        for (size_t n = 0; n < i && imports->at[i].kind == SHARE_SERVICE; n++) {
            struct bytes other = share_local(&imports->at[n], &account->arena);

            if (imports->at[n].kind != SHARE_SERVICE ||
                (!subject_covers(other, subject) && !subject_covers(subject, other)))
                continue;
            snprintf(why, SIGNED_ACCOUNT_WHY_SIZE,
                     "overlapping subject namespace for \"%.*s\" and \"%.*s\"",
                     (int)(other.size < 80 ? other.size : 80), other.at,
                     (int)(subject.size < 80 ? subject.size : 80), subject.at);
            return false;
        }
    }
    return true;
}

/* Those that count are chosen of them later, into the same room. */
static bool claim_imports(struct signed_account *account)
{
    struct import_list *imports = &account->options->imports;

    account->claimed = *imports;
    imports->at = ARENA_ARRAY(&account->arena, struct import_options, imports->count + 1);
    imports->count = 0;
    return imports->at != NULL;
}

static size_t parts_of(struct bytes token)
{
    size_t parts = 1;

    for (size_t i = 0; i < token.size; i++)
        parts += token.at[i] == '.';
    return parts;
}

static bool read_claims(struct signed_account *account, const struct operator_options *operators,
                        struct bytes token, char why[static SIGNED_ACCOUNT_WHY_SIZE])
{
    const char *what = NULL, *wrong = NULL;
    struct jwt jwt;

    if (parts_of(token) != 3)
        wrong = "expected 3 chunks";
    else if (!jwt_read(&account->arena, token, &jwt))
        wrong = "claim failed V2 signature verification";
    else if (jwt.kind != JWT_ACCOUNT)
        wrong = "not account claim";
    else if (jwt_operator_strict_own(operators, jwt.issuer))
        wrong = "operator requires issuer to be a signing key";
    else if (!jwt_operator_knows(operators, jwt.issuer))
        wrong = "account validation failed"; /* no operator here has signed it */
    if (wrong != NULL) {
        snprintf(why, SIGNED_ACCOUNT_WHY_SIZE, "%s", wrong);
        return false;
    }
    account->issued_s = jwt.issued_s;
    account->options = jwt_account_read(&account->arena, operators, &jwt, &what);
    if (account->options == NULL)
        snprintf(why, SIGNED_ACCOUNT_WHY_SIZE, "%s not supported", what);
    return account->options != NULL;
}

struct signed_account *signed_account_read(const struct operator_options *operators,
                                           struct bytes token,
                                           char why[static SIGNED_ACCOUNT_WHY_SIZE])
{
    struct signed_account *account = HEAP_NEW(struct signed_account);

    arena_init(&account->arena, token.size * 2 + MEMORY_MAX);
    snprintf(why, SIGNED_ACCOUNT_WHY_SIZE, "it is too large");
    if (token.size > JWT_SIZE_MAX ||
        !read_claims(account, operators, arena_copy(&account->arena, token), why) ||
        !mappings_fit(account, why) || !requests_fit(account, why) || !claim_imports(account)) {
        signed_account_free(account);
        return NULL;
    }
    digest_sha256(token, account->hash);
    return account;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static struct bytes key_of(const void *item)
{
    return signed_account_name(item);
}

void signed_accounts_init(struct signed_accounts *accounts,
                          const struct operator_options *operators, uint64_t seed)
{
    *accounts = (struct signed_accounts){.operators = operators};
    table_init(&accounts->all, key_of, seed);
}

void signed_accounts_forget(struct signed_accounts *accounts)
{
    struct signed_account *account;

    while ((account = accounts->retired) != NULL) {
        accounts->retired = account->retired;
        signed_account_free(account);
    }
    for (size_t at = 0; (account = table_next(&accounts->all, &at)) != NULL;)
        account->changed = false;
}

void signed_accounts_deinit(struct signed_accounts *accounts)
{
    struct signed_account *account;

    signed_accounts_forget(accounts);
    for (size_t at = 0; (account = table_next(&accounts->all, &at)) != NULL;)
        signed_account_free(account);
    table_deinit(&accounts->all);
    heap_give(accounts->list);
}

static bool counts(const struct signed_account *account)
{
    return !account->gone && !account->unknown;
}

static void mix(struct signed_accounts *accounts, const struct signed_account *account)
{
    for (size_t i = 0; i < DIGEST_SIZE && counts(account); i++)
        accounts->hash[i] ^= account->hash[i];
}

static void put(struct signed_accounts *accounts, struct signed_account *account)
{
    struct signed_account *before = table_remove(&accounts->all, signed_account_name(account));

    if (before != NULL) {
        mix(accounts, before);
        accounts->count -= counts(before);
        before->retired = accounts->retired;
        accounts->retired = before;
    }
    account->changed = true;
    mix(accounts, account);
    accounts->count += counts(account);
    table_add(&accounts->all, account);
}

void signed_accounts_take(struct signed_accounts *accounts, struct signed_account *account)
{
    put(accounts, account);
}

static struct signed_account *bare(struct bytes name)
{
    struct signed_account *account = HEAP_NEW(struct signed_account);

    arena_init(&account->arena, MEMORY_MAX);
    account->options = ARENA_NEW(&account->arena, struct account_options);
    *account->options = (struct account_options){
        .name = arena_copy(&account->arena, name),
        .claims = ARENA_NEW(&account->arena, struct account_claims),
        .max_connections = -1,
        .max_subscriptions = -1,
        .max_payload = -1,
        .max_leaves = -1,
    };
    return account;
}

void signed_accounts_stand_in(struct signed_accounts *accounts, struct bytes name)
{
    struct signed_account *account;

    if (signed_accounts_find(accounts, name) != NULL)
        return;
    account = bare(name);
    account->unknown = true;
    put(accounts, account);
}

bool signed_accounts_drop(struct signed_accounts *accounts, struct bytes name)
{
    const struct signed_account *before = signed_accounts_find(accounts, name);
    struct signed_account *account;

    if (before == NULL)
        return false;
    account = bare(name);
    account->gone = true;
    account->options->max_connections = 0;
    account->options->jetstream.enabled = before->options->jetstream.enabled;
    account->options->jetstream.limits = before->options->jetstream.limits;
    put(accounts, account);
    return true;
}

const struct signed_account *signed_accounts_find(const struct signed_accounts *accounts,
                                                  struct bytes name)
{
    const struct signed_account *account = table_find(&accounts->all, name);

    return account != NULL && !account->gone ? account : NULL;
}

const struct signed_account *signed_accounts_next(const struct signed_accounts *accounts,
                                                  size_t *at)
{
    return table_next(&accounts->all, at);
}

/* ---- what they allow each other ------------------------------------------------------------- */

/* Those whose imports may count otherwise than before. */
static bool concerned(const struct signed_accounts *accounts, const struct signed_account *account)
{
    if (account->changed)
        return true;
    for (size_t i = 0; i < account->claimed.count; i++) {
        const struct signed_account *from =
            table_find(&accounts->all, account->claimed.at[i].account);

        if (from != NULL && from->changed)
            return true;
    }
    return false;
}

static bool is_listed(const struct export_options *export, struct bytes name)
{
    for (size_t i = 0; i < export->accounts_count; i++)
        if (bytes_equal(export->accounts[i], name))
            return true;
    return false;
}

/* The room doubles when it is full. */
static void list(struct signed_account *from, struct export_options *export, struct bytes name)
{
    size_t count = export->accounts_count;
    struct bytes *names = export->accounts;

    if (is_listed(export, name))
        return;
    if ((count & (count - 1)) == 0) {
        names = ARENA_ARRAY(&from->arena, struct bytes, count == 0 ? 1 : count * 2);
        if (names == NULL)
            return; /* a great many: no more are let in */
        if (count > 0)
            memcpy(names, export->accounts, count * sizeof(*names));
        export->accounts = names;
    }
    names[count] = arena_copy(&from->arena, name);
    export->accounts_count += names[count].at != NULL;
}

/* The next export that the import may be of, from *at on; NULL: no more. */
static struct export_options *next_export(struct signed_account *from,
                                          const struct import_options *import, size_t *at)
{
    while (from != NULL && *at < from->options->exports.count) {
        struct export_options *export = &from->options->exports.at[(*at)++];

        if (export->kind == import->kind && subject_covers(export->subject, import->subject))
            return export;
    }
    return NULL;
}

/* Whoever shows an activation is let in; false: it would have to, and does not. */
static bool activate(struct signed_accounts *accounts, const struct signed_account *importer,
                     const struct import_options *import)
{
    struct signed_account *from = table_find(&accounts->all, import->account);
    struct bytes name = importer->options->name;
    struct export_options *export;
    bool allowed = true, asked = false;
    struct arena arena;

    arena_init(&arena, import->token.size * 2 + MEMORY_MAX);
    for (size_t at = 0; (export = next_export(from, import, &at)) != NULL;) {
        bool shown = !export->claims->activated ||
                     jwt_activates(&arena, from->options, export, import, name);

        if (export->claims->activated && shown)
            list(from, export, name);
        allowed = shown || (asked && allowed);
        asked = true;
    }
    arena_deinit(&arena);
    return allowed;
}

static const struct account_options *find(const void *owner, struct bytes name)
{
    const struct signed_account *account = signed_accounts_find(owner, name);

    return account != NULL ? account->options : NULL;
}

/* Those that are allowed, in their order. */
static void choose(struct signed_accounts *accounts, struct signed_account *account,
                   signed_accounts_told_fn *told, void *owner)
{
    const struct account_finder others = {find, accounts};
    struct import_list *imports = &account->options->imports;
    char why[SHARE_WHY_SIZE];

    imports->count = 0;
    for (size_t i = 0; i < account->claimed.count; i++) {
        const struct import_options *import = &account->claimed.at[i];

        imports->at[imports->count++] = *import;
        snprintf(why, sizeof(why), "an import has no activation that is valid without end");
        if (activate(accounts, account, import) &&
            share_import_allowed(&others, account->options, imports->count - 1, why))
            continue;
        imports->count--;
        if (told != NULL)
            told(owner, account->options, why);
    }
}

static void make_list(struct signed_accounts *accounts)
{
    struct signed_account *account;
    size_t count = 0;

    accounts->list =
        heap_resize(accounts->list, (accounts->all.count + 1) * sizeof(*accounts->list));
    for (size_t at = 0; (account = table_next(&accounts->all, &at)) != NULL;)
        accounts->list[count++] = account->options;
}

void signed_accounts_settle(struct signed_accounts *accounts, signed_accounts_told_fn *told,
                            void *owner)
{
    struct signed_account *account;

    make_list(accounts);
    for (size_t at = 0; (account = table_next(&accounts->all, &at)) != NULL;)
        if (concerned(accounts, account))
            choose(accounts, account, told, owner);
}
