/* From a request to the disk and back: one worker at a time, with all that waited for it. */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/jwt_claims.h"
#include "server/resolver/resolver_priv.h"

/* ---- changes -------------------------------------------------------------------------------- */

static void change_free(struct change *change)
{
    signed_account_free(change->account);
    for (size_t i = 0; i < change->names_count; i++)
        heap_give((void *)change->names[i].at);
    heap_give(change->names);
    heap_give((void *)change->stored.at);
    heap_give((void *)change->evicted.at);
    heap_give((void *)change->reply.at);
    heap_give(change);
}

static size_t size_of(const struct change *change)
{
    size_t size = change->account != NULL ? signed_account_token(change->account).size : 0;

    size += change->stored.size;

    for (size_t i = 0; i < change->names_count; i++)
        size += change->names[i].size + sizeof(change->names[i]);
    return size;
}

static void free_all(struct change *change)
{
    while (change != NULL) {
        struct change *next = change->next;

        change_free(change);
        change = next;
    }
}

/* ---- the worker ----------------------------------------------------------------------------- */

/* Where the other file stays there is no room. */
static void keep(struct resolver *resolver, struct change *change, struct bytes name,
                 struct bytes token)
{
    const struct resolver_files *files = resolver->options.files;

    change->failed = (change->evicted.size > 0 &&
                      !files->remove(resolver->dir, change->evicted, false, change->reason)) ||
                     !files->write(resolver->dir, name, token, change->reason);
}

static void erase(struct resolver *resolver, struct change *change)
{
    const struct resolver_files *files = resolver->options.files;

    while (change->done < change->names_count && !change->failed) {
        change->failed = !files->remove(resolver->dir, change->names[change->done],
                                        !resolver->options.delete_hard, change->reason);
        change->done += !change->failed;
    }
}

static void run(struct io_work *work, struct io *io)
{
    struct writes *writes = owner_of(work, struct writes, work);
    struct resolver *resolver = writes->resolver;
    char reason[RESOLVER_REASON_SIZE];

    (void)io;
    if (resolver->dir == NULL) {
        for (struct change *change = writes->running; change != NULL; change = change->next)
            change->done = change->names_count;
        return;
    }
    for (struct change *change = writes->running; change != NULL; change = change->next) {
        if (change->account != NULL)
            keep(resolver, change, signed_account_name(change->account),
                 signed_account_token(change->account));
        else if (change->stored.size > 0)
            keep(resolver, change, bytes_of(change->name, NKEY_TEXT_SIZE), change->stored);
        else
            erase(resolver, change);
    }
    if (resolver->options.files->sync(resolver->dir, reason))
        return;
    for (struct change *change = writes->running; change != NULL; change = change->next) {
        change->failed = true;
        snprintf(change->reason, sizeof(change->reason), "%s", reason);
    }
}

/* ---- and back ------------------------------------------------------------------------------- */

/* Operators may have changed meanwhile. */
static void put_in_force(struct resolver *resolver, struct change *change)
{
    struct signed_accounts *accounts = &resolver->accounts;

    if (change->in_force)
        return;
    if (change->account == NULL) {
        for (size_t i = 0; i < change->done; i++)
            (void)signed_accounts_drop(accounts, change->names[i]); /* it may not be there */
        return;
    }
    if (change->failed)
        return;
    if (!jwt_operator_knows(accounts->operators, change->account->options->claims->issuer)) {
        change->failed = true;
        snprintf(change->reason, sizeof(change->reason), "account validation failed");
        return;
    }
    memcpy(change->name, signed_account_name(change->account).at, NKEY_TEXT_SIZE);
    signed_accounts_take(accounts, change->account);
    change->account = NULL;
    change->kept = true;
}

static void answer_removal(struct resolver *resolver, const struct change *change)
{
    char message[96];

    if (!change->failed) {
        snprintf(message, sizeof(message), "deleted %zu accounts", change->done);
        resolver_answer(resolver, change->reply, BYTES(""), message);
        return;
    }
    snprintf(message, sizeof(message), "deleted %zu accounts, failed for %zu", change->done,
             change->names_count - change->done);
    resolver_refuse(resolver, change->reply, BYTES(""), message, change->reason);
}

/* Nobody asked for it. */
static void say_failed(struct resolver *resolver, const struct change *change)
{
    if (!change->failed)
        return;
    if (change->stored.size > 0)
        logger_error(resolver->server->logger, "Account [%.*s] is not cached: %s",
                     (int)NKEY_TEXT_SIZE, change->name, change->reason);
    else
        logger_error(resolver->server->logger, "%s: %s", resolver->options.directory,
                     change->reason);
}

static void answer(struct resolver *resolver, const struct change *change)
{
    const struct resolver_words *words = resolver_words(resolver);

    if (change->in_force)
        say_failed(resolver, change);
    else if (change->account != NULL)
        resolver_refuse(resolver, change->reply, signed_account_name(change->account),
                        words->resulted, change->reason);
    else if (change->kept)
        resolver_answer(resolver, change->reply, bytes_of(change->name, NKEY_TEXT_SIZE),
                        words->updated);
    else
        answer_removal(resolver, change);
}

static void begin(struct resolver *resolver)
{
    struct writes *writes = &resolver->writes;

    if (writes->running != NULL || resolver->first == NULL)
        return;
    writes->running = resolver->first;
    resolver->first = resolver->last = NULL;
    resolver->waiting = resolver->waiting_bytes = 0;
    io_work(resolver->server->io, &writes->work);
}

static bool change_anything(const struct change *all)
{
    while (all != NULL && all->in_force)
        all = all->next;
    return all != NULL;
}

static void put_all_in_force(struct resolver *resolver, struct change *all)
{
    server_shards_halt(resolver->server); /* who is let in anywhere is looked up in all of this */
    for (struct change *change = all; change != NULL; change = change->next) {
        put_in_force(resolver, change);
        resolver->adding -= change->adds;
    }
    resolver_settle(resolver);
    server_shards_go_on(resolver->server);
}

static void done(struct io_work *work)
{
    struct writes *writes = owner_of(work, struct writes, work);
    struct resolver *resolver = writes->resolver;
    struct change *all = writes->running;

    if (change_anything(all))
        put_all_in_force(resolver, all);
    for (const struct change *change = all; change != NULL; change = change->next)
        answer(resolver, change);
    writes->running = NULL;
    free_all(all);
    begin(resolver);
}

void resolver_writes_init(struct resolver *resolver)
{
    resolver->writes = (struct writes){.work = {.run = run, .done = done}, .resolver = resolver};
}

void resolver_writes_deinit(struct resolver *resolver)
{
    free_all(resolver->writes.running);
    free_all(resolver->first);
}

/* ---- asking for it -------------------------------------------------------------------------- */

static bool has_room(const struct resolver *resolver, size_t size)
{
    return resolver->waiting < RESOLVER_CHANGES_MAX &&
           resolver->waiting_bytes + size <= RESOLVER_BYTES_MAX;
}

static bool enqueue(struct resolver *resolver, const struct change *asked)
{
    struct change *change;

    if (!has_room(resolver, size_of(asked)))
        return false;
    change = HEAP_NEW(struct change);
    *change = *asked;
    change->adds =
        asked->account != NULL && !resolver_expects(resolver, signed_account_name(asked->account));
    resolver->adding += change->adds;
    change->reply = heap_copy(asked->reply);
    if (resolver->last != NULL)
        resolver->last->next = change;
    else
        resolver->first = change;
    resolver->last = change;
    resolver->waiting++;
    resolver->waiting_bytes += size_of(change);
    begin(resolver);
    return true;
}

/* What is noted there is about to be written. */
static struct bytes note(struct resolver *resolver, const struct signed_account *account)
{
    if (!resolver_caches(resolver))
        return bytes_of(NULL, 0);
    resolver_cache_note(resolver, account);
    return resolver_cache_evict(resolver);
}

bool resolver_keep(struct resolver *resolver, struct signed_account *account, struct bytes reply)
{
    return has_room(resolver, signed_account_token(account).size) &&
           enqueue(resolver, &(struct change){.account = account,
                                              .reply = reply,
                                              .evicted = note(resolver, account)});
}

bool resolver_store(struct resolver *resolver, const struct signed_account *account)
{
    struct change change = {.in_force = true};

    if (!has_room(resolver, signed_account_token(account).size))
        return false;
    memcpy(change.name, signed_account_name(account).at, NKEY_TEXT_SIZE);
    change.stored = heap_copy(signed_account_token(account));
    change.evicted = note(resolver, account);
    return enqueue(resolver, &change); /* there is room */
}

bool resolver_remove(struct resolver *resolver, struct bytes *names, size_t count,
                     struct bytes reply)
{
    if (!enqueue(resolver, &(struct change){.names = names, .names_count = count, .reply = reply}))
        return false;
    for (size_t i = 0; i < count && resolver_caches(resolver); i++)
        jwt_cache_drop(&resolver->cached.jwts, names[i]);
    return true;
}

bool resolver_unstore(struct resolver *resolver, struct bytes *names, size_t count)
{
    return enqueue(resolver,
                   &(struct change){.in_force = true, .names = names, .names_count = count});
}

/* The next one that is on its way to be kept, of the account; NULL: no more. */
static const struct change *next_of(const struct change *from, struct bytes name)
{
    while (from != NULL &&
           (from->account == NULL || !bytes_equal(signed_account_name(from->account), name)))
        from = from->next;
    return from;
}

bool resolver_expects(const struct resolver *resolver, struct bytes name)
{
    const struct signed_account *known = signed_accounts_find(&resolver->accounts, name);

    return (known != NULL && !known->unknown) || next_of(resolver->writes.running, name) != NULL ||
           next_of(resolver->first, name) != NULL;
}

static bool any_newer(const struct change *from, const struct signed_account *account)
{
    struct bytes name = signed_account_name(account);

    while ((from = next_of(from, name)) != NULL) {
        if (!signed_account_newer(account, from->account))
            return true;
        from = from->next;
    }
    return false;
}

bool resolver_has_newer(const struct resolver *resolver, const struct signed_account *account)
{
    const struct signed_account *known =
        signed_accounts_find(&resolver->accounts, signed_account_name(account));

    return (known != NULL && !known->unknown && !signed_account_newer(account, known)) ||
           any_newer(resolver->writes.running, account) || any_newer(resolver->first, account);
}

bool resolver_has(const struct resolver *resolver, const struct signed_account *account)
{
    struct bytes name = signed_account_name(account);
    const struct signed_account *known = signed_accounts_find(&resolver->accounts, name);

    return known != NULL && !known->unknown &&
           memcmp(known->hash, account->hash, DIGEST_SIZE) == 0 && resolver->first == NULL &&
           resolver->writes.running == NULL;
}
