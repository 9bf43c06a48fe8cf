/* What members of a cluster tell each other of accounts. */
#include <stdio.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/owner.h"
#include "base/text.h"
#include "server/resolver/resolver_priv.h"

#define SOON_NS    INT64_C(250000000)
#define TOKEN_SIZE 23u /* with its zero */
#define PACK_MAX   (JWT_SIZE_MAX + 256u)
#define PACK_PART  (256u << 10) /* bytes in a turn, or a little more */
#define PACKS_MAX  64u

#define ASK_CACHES_MAX 16u /* one after the other */

/* ---- told ----------------------------------------------------------------------------------- */

/* All tokens, some in each turn: who has very many would keep everybody waiting, and who asks would
 * be sent more than may wait for one. An account that goes meanwhile is passed by. */
struct pack {
    struct pack *next;
    struct bytes reply; /* owned */
    size_t count, at;
    char (*names)[NKEY_TEXT_SIZE]; /* owned */
};

static void pack_free(struct pack *pack)
{
    heap_give((void *)pack->reply.at);
    heap_give(pack->names);
    heap_give(pack);
}

static size_t send_one(struct resolver *resolver, const struct pack *pack, struct bytes name)
{
    const struct signed_account *account = signed_accounts_find(&resolver->accounts, name);
    size_t size = 0;
    struct buf out;

    if (account == NULL || account->unknown)
        return 0;
    buf_init(&out, PACK_MAX);
    if (buf_add(&out, name) && buf_add_byte(&out, '|') &&
        buf_add(&out, signed_account_token(account))) {
        size = out.size;
        resolver_send(resolver, pack->reply, buf_bytes(&out));
    }
    buf_deinit(&out);
    return size;
}

/* False: there is more. */
static bool send_some(struct resolver *resolver, struct pack *pack)
{
    size_t sent = 0;

    for (; pack->at < pack->count && sent < PACK_PART; pack->at++)
        sent += send_one(resolver, pack, bytes_of(pack->names[pack->at], NKEY_TEXT_SIZE)) +
                NKEY_TEXT_SIZE;
    if (pack->at < pack->count)
        return false;
    resolver_send(resolver, pack->reply, BYTES(""));
    return true;
}

static void arm_pack(struct resolver *resolver)
{
    struct io *io = resolver->server->io;

    if (resolver->packs != NULL)
        timers_arm(io_timers(io), &resolver->pack, io_now(io));
}

static void pack_fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, pack);
    struct pack *pack = resolver->packs;

    if (send_some(resolver, pack)) {
        resolver->packs = pack->next;
        resolver->packs_count--;
        pack_free(pack);
    }
    arm_pack(resolver);
}

static struct pack *pack_make(const struct resolver *resolver, struct bytes reply)
{
    struct pack *pack = HEAP_NEW(struct pack);
    const struct signed_account **all = resolver_sorted(resolver, &pack->count);

    pack->reply = heap_copy(reply);
    pack->names = heap_take((pack->count + 1) * sizeof(*pack->names));
    for (size_t i = 0; i < pack->count; i++)
        memcpy(pack->names[i], signed_account_name(all[i]).at, NKEY_TEXT_SIZE);
    heap_give(all);
    return pack;
}

/* Who is one too many asks again, or another. */
void resolver_pack(struct resolver *resolver, struct bytes reply, struct bytes hash)
{
    struct pack *pack;

    if (reply.size == 0 || resolver->packs_count >= PACKS_MAX)
        return;
    if (bytes_equal(hash, bytes_of(resolver->accounts.hash, DIGEST_SIZE))) {
        resolver_send(resolver, reply, BYTES(""));
        return;
    }
    pack = pack_make(resolver, reply);
    if (resolver->packs != NULL)
        resolver->packs_last->next = pack;
    else
        resolver->packs = pack;
    resolver->packs_last = pack;
    resolver->packs_count++;
    resolver->pack.fire = pack_fired;
    arm_pack(resolver);
}

/* What is no account, and so nothing to servers that do not know it. */
#define NOT_ALL "not all"

void resolver_pass_pack_on(struct resolver *resolver, const struct system_request *request)
{
    struct server *server = resolver->server;
    const struct cluster_node *node;

    if (request->forwarded) {
        resolver_send(resolver, request->reply, BYTES(NOT_ALL));
        return;
    }
    if (server->cluster == NULL)
        return;
    for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;)
        if (node->up)
            system_forward(&server->system, node->id, request);
}

/* ---- hearing -------------------------------------------------------------------------------- */

static void merge_line(struct resolver *resolver, struct bytes line)
{
    size_t bar = bytes_find(line, '|');
    struct bytes name = bytes_take(line, bar);
    const struct logger *logger = resolver->server->logger;
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct signed_account *account;
    const char *objection = NULL;

    if (bar >= line.size)
        return;
    account = signed_account_read(resolver->accounts.operators, bytes_skip(line, bar + 1), why);
    if (account != NULL && !bytes_equal(signed_account_name(account), name))
        objection = "jwt subject nkey and provided nkey do not match";
    else if (account == NULL)
        objection = why;
    else if (!resolver_has_newer(resolver, account) &&
             (objection = resolver_objection(resolver, account)) == NULL &&
             resolver_keep(resolver, account, BYTES("")))
        account = NULL; /* taken; else the next round brings it */
    if (objection != NULL)
        logger_error(logger, "Merging resulted in error: %s", objection);
    signed_account_free(account);
}

/* It was a cache. Chance finds one with all of them soon, if there is one. */
static void ask_another(struct resolver *resolver)
{
    struct io *io = resolver->server->io;

    if (resolver->asked_caches++ < ASK_CACHES_MAX)
        timers_arm(io_timers(io), &resolver->sync, io_now(io) + SOON_NS);
    else
        resolver->asked_caches = 0;
}

/* A sink: nothing is published here. */
static void heard(void *owner, const struct message *message)
{
    struct resolver *resolver = owner;
    struct bytes rest = message->payload;

    if (bytes_equal(rest, BYTES(NOT_ALL))) {
        ask_another(resolver);
        return;
    }
    resolver->asked_caches = 0;
    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');

        merge_line(resolver, bytes_take(rest, size));
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

/* ---- asking --------------------------------------------------------------------------------- */

static uint64_t any_other(struct resolver *resolver)
{
    struct server *server = resolver->server;
    const struct cluster_node *node;
    uint64_t found = 0, seen = 0;

    for (size_t at = 0; (node = cluster_next(server->cluster, &at)) != NULL;) {
        if (node->up && prng_next(&server->prng) % ++seen == 0)
            found = node->id;
    }
    return found;
}

static void ask(struct resolver *resolver)
{
    struct server *server = resolver->server;
    const struct system_request request = {
        .account = system_account(server),
        .subject = BYTES("$SYS.REQ.CLAIMS.PACK"),
        .reply = bytes_of_text(resolver->inbox_subject),
        .body = bytes_of(resolver->accounts.hash, DIGEST_SIZE),
    };
    uint64_t node = any_other(resolver);

    if (node != 0)
        system_forward(&server->system, node, &request);
}

static void fired(struct timer *timer)
{
    struct resolver *resolver = owner_of(timer, struct resolver, sync);
    struct io *io = resolver->server->io;

    ask(resolver);
    timers_arm(io_timers(io), timer, io_now(io) + resolver->options.interval_ns);
}

static void node_up(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    struct resolver *resolver = owner_of(watcher, struct resolver, watcher);
    struct io *io = resolver->server->io;

    (void)node;
    timers_arm(io_timers(io), &resolver->sync, io_now(io) + SOON_NS);
}

static void node_down(struct cluster_watcher *watcher, const struct cluster_node *node)
{
    (void)watcher, (void)node;
}

void resolver_sync_start(struct resolver *resolver)
{
    struct server *server = resolver->server;
    char token[TOKEN_SIZE] = "";

    if (server->cluster == NULL)
        return;
    text_base62(&server->prng, token, TOKEN_SIZE - 1);
    snprintf(resolver->inbox_subject, sizeof(resolver->inbox_subject), "$SYS._INBOX.%s", token);
    resolver->inbox =
        router_sink_add_known(server->router, system_account(server),
                              bytes_of_text(resolver->inbox_subject), heard, resolver);
    resolver->watcher = (struct cluster_watcher){.up = node_up, .down = node_down};
    cluster_watch(server->cluster, &resolver->watcher);
    resolver->sync.fire = fired;
    timers_arm(io_timers(server->io), &resolver->sync,
               io_now(server->io) + resolver->options.interval_ns);
}

void resolver_sync_stop(struct resolver *resolver)
{
    struct pack *pack;

    timers_cancel(io_timers(resolver->server->io), &resolver->pack);
    while ((pack = resolver->packs) != NULL) {
        resolver->packs = pack->next;
        pack_free(pack);
    }
    if (resolver->inbox == NULL)
        return;
    timers_cancel(io_timers(resolver->server->io), &resolver->sync);
    router_sink_remove(resolver->server->router, resolver->inbox);
}
