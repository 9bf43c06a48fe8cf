#include "server/resolver/resolver_priv.h"

#include <stdio.h>

#include "base/heap.h"
#include "server/auth/jwt_claims.h"
#include "server/config/value.h"

/* ---- in force ------------------------------------------------------------------------------- */

static void told(void *owner, const struct account_options *account, const char *why)
{
    const struct server *server = owner;

    logger_error(server->logger, "Account [%.*s]: %s", BYTES_ARG(account->name), why);
}

static const struct account_options *find(const void *owner, struct bytes name)
{
    const struct signed_account *account = signed_accounts_find(owner, name);

    return account != NULL ? account->options : NULL;
}

/* There, but nobody comes into it before it was looked up: who was let in once may be revoked. */
static void stay_out(struct signed_accounts *accounts, struct bytes name)
{
    if (name.size == 0 || signed_accounts_find(accounts, name) != NULL)
        return;
    signed_accounts_stand_in(accounts, name);
    (void)signed_accounts_drop(accounts, name); /* it is there */
}

/* The options are those of a server that had no directory until now. */
static void give(struct resolver *resolver, struct auth_options *options)
{
    struct signed_accounts *accounts = &resolver->accounts;

    if (resolver->options.kind != RESOLVER_URL)
        signed_accounts_stand_in(accounts, options->system_account);
    else
        stay_out(accounts, options->system_account);
    signed_accounts_settle(accounts, told, resolver->server);
    options->accounts = accounts->list;
    options->accounts_count = accounts->all.count;
    options->finder =
        (struct account_finder){find, accounts, resolver_looks_up(&resolver->options)};
}

void resolver_settle(struct resolver *resolver)
{
    struct server *server = resolver->server;

    give(resolver, &server->options.auth);
    server_accounts_renewed(server);
    signed_accounts_forget(&resolver->accounts);
}

/* ---- what is stored ------------------------------------------------------------------------- */

static bool has_room(const struct resolver *resolver, struct bytes name)
{
    const struct signed_account *known = signed_accounts_find(&resolver->accounts, name);

    return (known != NULL && !known->unknown) || resolver->options.limit == 0 ||
           resolver_caches(resolver) || resolver->accounts.count < (size_t)resolver->options.limit;
}

static void read_stored(void *owner, struct bytes name, struct bytes token)
{
    struct resolver *resolver = owner;
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct signed_account *account = signed_account_read(resolver->accounts.operators, token, why);

    if (account != NULL && !bytes_equal(signed_account_name(account), name)) {
        snprintf(why, sizeof(why), "subject does not match jwt content");
        signed_account_free(account);
        account = NULL;
    } else if (account != NULL && !resolver_keeps_streams(resolver, account)) {
        snprintf(why, sizeof(why), RESOLVER_HAS_STREAMS);
        signed_account_free(account);
        account = NULL;
    }
    if (account == NULL) {
        logger_error(resolver->server->logger, "Account [%.*s] is not used: its file: %s",
                     BYTES_ARG(name), why);
        return;
    }
    if (resolver_caches(resolver))
        resolver_cache_note(resolver, account);
    signed_accounts_take(&resolver->accounts, account);
}

static bool read_all(struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE])
{
    const struct resolver_files *files = resolver->options.files;

    return resolver->dir == NULL || files->list(resolver->dir, read_stored, resolver, reason);
}

/* What the configuration brings is stored where it is newer. */
static bool preload(struct resolver *resolver, const struct config_value *value,
                    char reason[static RESOLVER_REASON_SIZE])
{
    const struct resolver_files *files = resolver->options.files;
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct signed_account *account =
        signed_account_read(resolver->accounts.operators, value->text, why);

    if (account == NULL) {
        logger_error(resolver->server->logger, "Preloaded account [%.*s] is not used: %s",
                     BYTES_ARG(value->key), why);
        return true;
    }
    if (resolver_has_newer(resolver, account)) {
        signed_account_free(account);
        return true;
    }
    if (resolver_caches(resolver))
        resolver_cache_note(resolver, account);
    signed_accounts_take(&resolver->accounts, account);
    return resolver->dir == NULL || (files->write(resolver->dir, value->key, value->text, reason) &&
                                     files->sync(resolver->dir, reason));
}

static bool preload_all(struct resolver *resolver, const struct config_value *map,
                        char reason[static RESOLVER_REASON_SIZE])
{
    for (const struct config_value *e = map != NULL ? map->child : NULL; e != NULL; e = e->next) {
        if (!has_room(resolver, e->key)) {
            snprintf(reason, RESOLVER_REASON_SIZE, "jwt store is full");
            return false;
        }
        if (!preload(resolver, e, reason))
            return false;
    }
    return true;
}

/* Streams of accounts that are not known at the start are opened later by servers that stand alone
 * only (jetstream_late_admit). */
static bool may_look_up(const struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE])
{
    const struct options *options = &resolver->server->options;

    if (!options->jetstream || !options->cluster.configured)
        return true;
    snprintf(reason, RESOLVER_REASON_SIZE,
             "a resolver %s and JetStream in a cluster are not supported yet",
             resolver_caches(resolver) ? "that caches" : "by URL");
    return false;
}

static bool open_directory(struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE])
{
    const struct resolver_files *files = resolver->options.files;

    if (resolver_looks_up(&resolver->options) &&
        (!may_look_up(resolver, reason) || !resolver_lookups_init(resolver, reason)))
        return false;
    if (resolver->options.kind == RESOLVER_URL || files == NULL)
        return true; /* a simulation */
    resolver->dir = files->open(resolver->options.directory, reason);
    return resolver->dir != NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static const char *where(const struct resolver *resolver)
{
    return resolver->options.kind == RESOLVER_URL ? resolver->options.host
                                                  : resolver->options.directory;
}

static void free_all(struct resolver *resolver)
{
    resolver_writes_deinit(resolver);
    resolver_lookups_deinit(resolver);
    resolver_cache_deinit(resolver);
    signed_accounts_deinit(&resolver->accounts);
    if (resolver->dir != NULL)
        resolver->options.files->close(resolver->dir);
    heap_give((void *)resolver->options.directory);
    heap_give(resolver);
}

struct resolver *resolver_create(struct server *server)
{
    struct auth_options *options = &server->options.auth;
    struct resolver *resolver = HEAP_NEW(struct resolver);
    char reason[RESOLVER_REASON_SIZE];

    resolver->server = server;
    resolver->options = options->resolver;
    if (options->resolver.directory != NULL)
        resolver->options.directory = heap_text(bytes_of_text(options->resolver.directory));
    resolver_writes_init(resolver);
    if (resolver_caches(resolver))
        resolver_cache_init(resolver);
    signed_accounts_init(&resolver->accounts, options->operators, prng_next(&server->prng));
    if (!open_directory(resolver, reason) || !read_all(resolver, reason) ||
        !preload_all(resolver, options->preload, reason)) {
        logger_fatal(server->logger, "Could not start resolver: %s: %s", where(resolver), reason);
        free_all(resolver);
        return NULL;
    }
    give(resolver, options);
    signed_accounts_forget(&resolver->accounts);
    resolver_cache_trim(resolver);
    if (resolver->options.kind != RESOLVER_URL)
        logger_info(server->logger, "Managing %s jwt in exclusive directory %s",
                    resolver_caches(resolver) ? "some" : "all", where(resolver));
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver_sync_stop(resolver);
    free_all(resolver);
}

void resolver_start(struct resolver *resolver)
{
    if (resolver_looks_up(&resolver->options)) {
        resolver_lookups_start(resolver);
        if (resolver_caches(resolver))
            resolver_cache_start(resolver);
        return;
    }
    if (signed_accounts_find(&resolver->accounts, resolver->server->options.auth.system_account)
            ->unknown)
        logger_info(resolver->server->logger, "Using bootstrapping system account");
    resolver_sync_start(resolver);
}

/* ---- a reload ------------------------------------------------------------------------------- */

static void read_stored_again(void *owner, struct bytes name, struct bytes token)
{
    struct resolver *resolver = owner;
    const struct signed_account *known = signed_accounts_find(&resolver->accounts, name);

    if (known == NULL || known->unknown || !bytes_equal(signed_account_token(known), token))
        read_stored(resolver, name, token);
    else if (resolver_caches(resolver) && !jwt_cache_has(&resolver->cached.jwts, name))
        resolver_cache_note(resolver, known);
}

/* Those that no operator is there for any more. */
static void drop_strangers(struct resolver *resolver)
{
    struct signed_accounts *accounts = &resolver->accounts;
    const struct signed_account *account;

    for (size_t at = 0; (account = signed_accounts_next(accounts, &at)) != NULL;) {
        if (account->gone || account->unknown ||
            jwt_operator_knows(accounts->operators, account->options->claims->issuer))
            continue;
        (void)signed_accounts_drop(accounts, signed_account_name(account)); /* it is there */
        at = 0;
    }
}

void resolver_reread(struct resolver *resolver, struct options *options)
{
    const struct resolver_files *files = resolver->options.files;
    char reason[RESOLVER_REASON_SIZE];
    const char *directory = resolver->options.directory;

    resolver->options = options->auth.resolver;
    resolver->options.directory = directory;
    resolver->options.files = files;
    resolver->accounts.operators = options->auth.operators;
    drop_strangers(resolver);
    if (resolver_caches(resolver))
        resolver->cached.jwts.limit = (size_t)resolver->options.limit;
    if (resolver->dir != NULL && !files->list(resolver->dir, read_stored_again, resolver, reason))
        logger_error(resolver->server->logger, "%s: %s", directory, reason);
    if (!preload_all(resolver, options->auth.preload, reason))
        logger_error(resolver->server->logger, "%s: %s", directory, reason);
    resolver_cache_trim(resolver);
    give(resolver, &options->auth);
}

void resolver_reread_done(struct resolver *resolver)
{
    signed_accounts_forget(&resolver->accounts);
}
