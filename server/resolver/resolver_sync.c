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

/* ---- told -------------------------------------------------------------------------------------
 */

void resolver_pack(struct resolver *resolver, struct bytes reply, struct bytes hash)
{
    const struct signed_account **all;
    size_t count;
    struct buf out;

    if (reply.size == 0)
        return;
    all = resolver_sorted(resolver, &count);
    if (bytes_equal(hash, bytes_of(resolver->accounts.hash, DIGEST_SIZE)))
        count = 0;
    buf_init(&out, PACK_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&out);
        if (buf_add(&out, signed_account_name(all[i])) && buf_add_byte(&out, '|') &&
            buf_add(&out, signed_account_token(all[i])))
            resolver_send(resolver, reply, buf_bytes(&out));
    }
    resolver_send(resolver, reply, BYTES(""));
    buf_deinit(&out);
    heap_give(all);
}

/* ---- hearing ----------------------------------------------------------------------------------
 */

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

/* A sink: nothing is published here. */
static void heard(void *owner, const struct message *message)
{
    struct bytes rest = message->payload;

    while (rest.size > 0) {
        size_t size = bytes_find(rest, '\n');

        merge_line(owner, bytes_take(rest, size));
        rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
    }
}

/* ---- asking -----------------------------------------------------------------------------------
 */

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
    if (resolver->inbox == NULL)
        return;
    timers_cancel(io_timers(resolver->server->io), &resolver->sync);
    router_sink_remove(resolver->server->router, resolver->inbox);
}
