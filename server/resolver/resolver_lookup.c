/*
 * Accounts that a web server has, or other servers: looked up when somebody comes who needs one,
 * one request for all who wait for the same, and so many at a time. What is brought is judged as
 * what is pushed.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "server/auth/jwt_claims.h"
#include "server/resolver/resolver_priv.h"
#include "server/resolver/resolver_subject.h"

#define LOOKUPS_MAX   1024u
#define RUNNING_MAX   16u
#define WAITING_MAX   1024u /* for one of them */
#define SUBJECT_PLACE 3u    /* of the name */

struct lookup {
    struct lookup *next;
    struct resolver *resolver;
    char name[NKEY_TEXT_SIZE];
    bool running;
    bool afresh;           /* although it is known */
    struct bytes *replies; /* of those who wait; owned, each */
    size_t replies_count;
};

static struct bytes name_of(const struct lookup *lookup)
{
    return bytes_of(lookup->name, NKEY_TEXT_SIZE);
}

/* ---- the list ------------------------------------------------------------------------------- */

static void lookup_free(struct lookup *lookup)
{
    for (size_t i = 0; i < lookup->replies_count; i++)
        heap_give((void *)lookup->replies[i].at);
    heap_give(lookup->replies);
    heap_give(lookup);
}

static void look_soon(struct resolver *resolver)
{
    struct io *io = resolver->server->io;

    timers_arm(io_timers(io), &resolver->lookups.look, io_now(io));
}

static struct lookup *find(struct resolver *resolver, struct bytes name)
{
    for (struct lookup *lookup = resolver->lookups.first; lookup != NULL; lookup = lookup->next)
        if (bytes_equal(name_of(lookup), name))
            return lookup;
    return NULL;
}

/* NULL: too many wait; who asks is not let in. */
static struct lookup *add(struct resolver *resolver, struct bytes name)
{
    struct lookups *lookups = &resolver->lookups;
    struct lookup *lookup = find(resolver, name);
    uint8_t key[NKEY_SIZE];

    if (lookup != NULL || lookups->count >= LOOKUPS_MAX || !nkey_read(name, NKEY_ACCOUNT, key))
        return lookup;
    lookup = HEAP_NEW(struct lookup);
    lookup->resolver = resolver;
    memcpy(lookup->name, name.at, NKEY_TEXT_SIZE);
    if (lookups->last != NULL)
        lookups->last->next = lookup;
    else
        lookups->first = lookup;
    lookups->last = lookup;
    lookups->count++;
    return lookup;
}

static void take_out(struct lookup *lookup)
{
    struct lookups *lookups = &lookup->resolver->lookups;
    struct lookup *before = NULL, **link = &lookups->first;

    while (*link != lookup) {
        before = *link;
        link = &before->next;
    }
    *link = lookup->next;
    if (lookups->last == lookup)
        lookups->last = before;
    lookups->count--;
}

/* Whoever waits is told; those who are let in then are so in a later turn. */
static void finish(struct lookup *lookup)
{
    take_out(lookup);
    for (size_t i = 0; i < lookup->replies_count; i++)
        resolver_send(lookup->resolver, lookup->replies[i], BYTES(""));
    lookup_free(lookup);
}

/* ---- what was brought ----------------------------------------------------------------------- */

bool resolver_knows(const struct resolver *resolver, struct bytes name)
{
    const struct signed_account *known = signed_accounts_find(&resolver->accounts, name);
    int64_t now_s = io_wall(resolver->server->io) / INT64_C(1000000000);

    return known != NULL && !known->unknown &&
           (known->options->claims->expires_s == 0 || now_s < known->options->claims->expires_s);
}

/* What it imports from counts when it is here, too. */
static void want_exporters(struct resolver *resolver, const struct signed_account *account)
{
    for (size_t i = 0; i < account->claimed.count; i++) {
        struct bytes from = account->claimed.at[i].account;

        if (signed_accounts_find(&resolver->accounts, from) == NULL)
            (void)add(resolver, from); /* else the next account that needs it asks again */
    }
}

static void put_in_force(struct resolver *resolver, struct signed_account *account)
{
    server_shards_halt(resolver->server);
    signed_accounts_take(&resolver->accounts, account);
    resolver_settle(resolver);
    server_shards_go_on(resolver->server);
    want_exporters(resolver, account);
    if (resolver_caches(resolver) && !resolver_store(resolver, account))
        logger_warn(resolver->server->logger, "Account [%.*s] is not cached: the disk is too slow",
                    BYTES_ARG(signed_account_name(account)));
}

static void say_failed(const struct lookup *lookup, const char *why)
{
    const struct logger *logger = lookup->resolver->server->logger;
    const struct fetch_site *site = &lookup->resolver->lookups.site;

    if (!resolver_caches(lookup->resolver))
        logger_warn(logger, "could not fetch <\"%s://%s:%u%s%.*s\">: %s",
                    site->tls != NULL ? "https" : "http", site->host, site->port, site->path,
                    BYTES_ARG(name_of(lookup)), why);
    else if (lookup->replies_count > 0)
        logger_warn(logger, "Account fetch failed: [%.*s]: %s", BYTES_ARG(name_of(lookup)), why);
    else
        logger_debug(logger, "Account fetch failed: [%.*s]: %s", BYTES_ARG(name_of(lookup)), why);
}

static void take(struct lookup *lookup, struct bytes token)
{
    struct resolver *resolver = lookup->resolver;
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct signed_account *account =
        signed_account_read(resolver->accounts.operators, bytes_trim(token), why);
    const char *objection = NULL;

    if (account == NULL)
        objection = why;
    else if (!bytes_equal(signed_account_name(account), name_of(lookup)))
        objection = "subject does not match jwt content";
    else
        objection = resolver_objection(resolver, account);
    if (objection != NULL)
        say_failed(lookup, objection);
    if (objection == NULL && !resolver_has_newer(resolver, account))
        put_in_force(resolver, account);
    else
        signed_account_free(account);
}

static void fetched(void *owner, struct bytes body, const char *why)
{
    struct lookup *lookup = owner;
    struct resolver *resolver = lookup->resolver;

    resolver->lookups.running--;
    if (why != NULL)
        say_failed(lookup, why);
    else
        take(lookup, body);
    finish(lookup);
    look_soon(resolver);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void begin(struct lookup *lookup)
{
    struct lookups *lookups = &lookup->resolver->lookups;

    lookup->running = true;
    lookups->running++;
    if (resolver_caches(lookup->resolver))
        resolver_ask(lookup->resolver, name_of(lookup), fetched, lookup);
    else
        fetch_begin(&lookups->fetches, &lookups->site, name_of(lookup), fetched, lookup);
}

/* The first that can go on; NULL: none. */
static struct lookup *next_idle(struct lookups *lookups)
{
    struct lookup *lookup = lookups->first;

    while (lookup != NULL && lookup->running)
        lookup = lookup->next;
    return lookup;
}

static void look_fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, lookups.look);
    struct lookups *lookups = &resolver->lookups;
    struct lookup *lookup;

    while (lookups->running < RUNNING_MAX && (lookup = next_idle(lookups)) != NULL) {
        if (!lookup->afresh && resolver_knows(resolver, name_of(lookup)))
            finish(lookup);
        else
            begin(lookup);
    }
}

void resolver_want(struct resolver *resolver, struct bytes name)
{
    if (add(resolver, name) != NULL)
        look_soon(resolver);
}

/* One that is under way is not asked for again. */
void resolver_want_afresh(struct resolver *resolver, struct bytes name)
{
    struct lookup *lookup = add(resolver, name);

    if (lookup == NULL)
        return;
    lookup->afresh = true;
    look_soon(resolver);
}

/* A sink: nothing is published here. Who is one too many waits in vain. */
static void asked(void *owner, const struct message *message)
{
    struct resolver *resolver = owner;
    struct lookup *lookup = add(resolver, subject_token(message_sent_to(message), SUBJECT_PLACE));

    if (lookup == NULL)
        return;
    if (message->reply.size > 0 && lookup->replies_count < WAITING_MAX) {
        lookup->replies =
            heap_resize(lookup->replies, (lookup->replies_count + 1) * sizeof(*lookup->replies));
        lookup->replies[lookup->replies_count++] = heap_copy(message->reply);
    }
    look_soon(resolver);
}

/* ---- life ----------------------------------------------------------------------------------- */

bool resolver_lookups_init(struct resolver *resolver, char reason[static RESOLVER_REASON_SIZE])
{
    static const struct tls_options usual = {
        .peers = true, .verify = true, .version_min = 12, .timeout_ns = TLS_TIMEOUT_NS};
    const struct resolver_options *options = &resolver->options;
    const struct tls_options *tls = resolver->server->options.auth.resolver_tls;
    struct lookups *lookups = &resolver->lookups;
    char why[TLS_REASON_SIZE];

    static_assert(TLS_REASON_SIZE <= RESOLVER_REASON_SIZE, "a reason fits");
    lookups->fetches.io = resolver->server->io;
    lookups->look.fire = look_fired;
    if (resolver_caches(resolver))
        return true;
    lookups->site = (struct fetch_site){
        .host = heap_text(bytes_of_text(options->host)),
        .port = options->port,
        .path = heap_text(bytes_of_text(options->path)),
        .timeout_ns = options->timeout_ns,
        .size_max = JWT_SIZE_MAX,
    };
    if (!options->secure)
        return true;
    lookups->site.tls = tls_context_create(tls != NULL ? tls : &usual, why);
    if (lookups->site.tls == NULL)
        snprintf(reason, RESOLVER_REASON_SIZE, "%s", why);
    return lookups->site.tls != NULL;
}

void resolver_lookups_start(struct resolver *resolver)
{
    struct server *server = resolver->server;
    char subject[RESOLVER_SUBJECT_SIZE];
    struct account *account = system_account(server);

    if (account == NULL)
        return;
    snprintf(subject, sizeof(subject), RESOLVER_SUBJECT "*", server->info.id);
    resolver->lookups.door = router_sink_add(server->router, account, bytes_of_text(subject),
                                             BYTES(""), asked, resolver);
    if (resolver_caches(resolver))
        resolver_asks_start(resolver);
    resolver_want(resolver, server->options.auth.system_account);
}

void resolver_lookups_deinit(struct resolver *resolver)
{
    struct lookups *lookups = &resolver->lookups;
    struct lookup *lookup;

    if (lookups->door != NULL)
        router_sink_remove(resolver->server->router, lookups->door);
    timers_cancel(io_timers(resolver->server->io), &lookups->look);
    resolver_asks_stop(resolver);
    fetches_deinit(&lookups->fetches);
    while ((lookup = lookups->first) != NULL) {
        take_out(lookup);
        lookup_free(lookup);
    }
    tls_context_give(lookups->site.tls);
    heap_give((void *)lookups->site.host);
    heap_give((void *)lookups->site.path);
}
