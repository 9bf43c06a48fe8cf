/*
 * A directory that keeps some accounts (`resolver { type: cache }`): what was brought and pushed is
 * written, what there is no room for goes, and what was kept for its time. Whoever is in force
 * stays so: files are for the next start.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/auth/jwt_claims.h"
#include "server/resolver/resolver_priv.h"

#define SECOND_NS   INT64_C(1000000000)
#define LOOK_MAX_NS (60 * SECOND_NS)
#define LOOK_MIN_NS INT64_C(50000000)
#define EXPIRED_MAX 256u /* in one turn */

/* ---- what is kept, and how long ------------------------------------------------------------- */

static int64_t until_ns(const struct resolver *resolver, const struct signed_account *account)
{
    struct io *io = resolver->server->io;
    int64_t now_ns = io_now(io), ttl_ns = resolver->options.ttl_ns, left_s;
    int64_t expires_s = account->options->claims->expires_s;

    if (ttl_ns > 0)
        return ttl_ns < INT64_MAX - now_ns ? now_ns + ttl_ns : INT64_MAX;
    if (expires_s == 0)
        return INT64_MAX;
    left_s = expires_s - io_wall(io) / SECOND_NS;
    if (left_s <= 0)
        return now_ns;
    return left_s < (INT64_MAX - now_ns) / SECOND_NS ? now_ns + left_s * SECOND_NS : INT64_MAX;
}

void resolver_cache_note(struct resolver *resolver, const struct signed_account *account)
{
    jwt_cache_put(&resolver->cached.jwts, signed_account_name(account),
                  until_ns(resolver, account));
}

struct bytes resolver_cache_evict(struct resolver *resolver)
{
    char name[NKEY_TEXT_SIZE];

    if (!jwt_cache_evict(&resolver->cached.jwts, name))
        return bytes_of(NULL, 0);
    return heap_copy(bytes_of(name, NKEY_TEXT_SIZE));
}

/* ---- what goes ------------------------------------------------------------------------------ */

/* Some file may stay: then it is read at the next start, and goes after its time then. */
static void remove_files(struct resolver *resolver, const char (*names)[NKEY_TEXT_SIZE],
                         size_t count)
{
    struct bytes *copies = heap_take((count + 1) * sizeof(*copies));

    for (size_t i = 0; i < count; i++)
        copies[i] = heap_copy(bytes_of(names[i], NKEY_TEXT_SIZE));
    if (resolver_unstore(resolver, copies, count))
        return;
    logger_warn(resolver->server->logger, "%zu files of accounts are left: the disk is too slow",
                count);
    while (count > 0)
        heap_give((void *)copies[--count].at);
    heap_give(copies);
}

void resolver_cache_trim(struct resolver *resolver)
{
    struct jwt_cache *jwts = &resolver->cached.jwts;
    size_t over = jwts->all.count > jwts->limit ? jwts->all.count - jwts->limit : 0, count = 0;
    char(*names)[NKEY_TEXT_SIZE];

    if (over == 0)
        return;
    names = heap_take(over * sizeof(*names));
    while (jwt_cache_evict(jwts, names[count]))
        if (++count == over)
            break;
    remove_files(resolver, names, count);
    heap_give(names);
}

static int64_t period_ns(const struct resolver *resolver)
{
    int64_t half_ns = resolver->options.ttl_ns / 2;

    if (half_ns == 0 || half_ns > LOOK_MAX_NS)
        return LOOK_MAX_NS;
    return half_ns < LOOK_MIN_NS ? LOOK_MIN_NS : half_ns;
}

/* Those that are many go in several turns. */
static void expiry_fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, cached.expiry);
    struct io *io = resolver->server->io;
    char names[EXPIRED_MAX][NKEY_TEXT_SIZE];
    size_t count = jwt_cache_expire(&resolver->cached.jwts, io_now(io), names, EXPIRED_MAX);

    if (count > 0)
        remove_files(resolver, names, count);
    timers_arm(io_timers(io), timer,
               io_now(io) + (count == EXPIRED_MAX ? LOOK_MIN_NS : period_ns(resolver)));
}

/* ---- the system account --------------------------------------------------------------------- */

/* Others that have it may come up later. */
static void system_fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, cached.system);
    struct server *server = resolver->server;

    if (resolver_knows(resolver, server->options.auth.system_account)) {
        logger_info(server->logger, "System account fetched and updated");
        return;
    }
    resolver_want(resolver, server->options.auth.system_account);
    timers_arm(io_timers(server->io), timer, io_now(server->io) + SECOND_NS);
}

/* ---- life ----------------------------------------------------------------------------------- */

void resolver_cache_init(struct resolver *resolver)
{
    struct cached *cached = &resolver->cached;

    cached->expiry.fire = expiry_fired;
    cached->system.fire = system_fired;
    jwt_cache_init(&cached->jwts, (size_t)resolver->options.limit,
                   prng_next(&resolver->server->prng));
}

void resolver_cache_deinit(struct resolver *resolver)
{
    struct timers *timers = io_timers(resolver->server->io);

    if (!resolver_caches(resolver))
        return;
    timers_cancel(timers, &resolver->cached.expiry);
    timers_cancel(timers, &resolver->cached.system);
    resolver_refresh_stop(resolver);
    jwt_cache_deinit(&resolver->cached.jwts);
}

void resolver_cache_start(struct resolver *resolver)
{
    struct server *server = resolver->server;
    int64_t now_ns = io_now(server->io);

    timers_arm(io_timers(server->io), &resolver->cached.expiry, now_ns + period_ns(resolver));
    resolver_refresh_start(resolver);
    if (resolver_knows(resolver, server->options.auth.system_account))
        return;
    logger_info(server->logger, "Using bootstrapping system account");
    timers_arm(io_timers(server->io), &resolver->cached.system, now_ns + SECOND_NS);
}
