/*
 * Other servers asked for an account, by a request in the system account: those with a directory of
 * all answer with its token, or with nothing. The first answer that is that account counts; when as
 * many as there are other members have answered, or the time is over, there is none.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/resolver/resolver_priv.h"

#define TOKEN_SIZE   23u /* with its zero */
#define SUBJECT_SIZE 128u
#define PLACE        3u /* of the name in an answer's subject */

struct ask {
    struct ask *next;
    struct resolver *resolver;
    char name[NKEY_TEXT_SIZE];
    size_t others, answers;
    struct bytes answer; /* owned; empty: none yet */
    char why[SIGNED_ACCOUNT_WHY_SIZE];
    struct timer timer; /* the answer is there, or the time is over */
    fetch_done_fn *done;
    void *owner;
};

static struct bytes name_of(const struct ask *ask)
{
    return bytes_of(ask->name, NKEY_TEXT_SIZE);
}

static void ask_free(struct ask *ask)
{
    timers_cancel(io_timers(ask->resolver->server->io), &ask->timer);
    heap_give((void *)ask->answer.at);
    heap_give(ask);
}

/* ---- answers -------------------------------------------------------------------------------- */

static struct ask *find(const struct asks *asks, struct bytes name)
{
    for (struct ask *ask = asks->all; ask != NULL; ask = ask->next)
        if (bytes_equal(name_of(ask), name))
            return ask;
    return NULL;
}

/* What is none of that account may come from anybody; another may have it. */
static bool is_account(struct ask *ask, struct bytes token)
{
    struct signed_account *account =
        signed_account_read(ask->resolver->accounts.operators, bytes_trim(token), ask->why);
    bool right = account != NULL && bytes_equal(signed_account_name(account), name_of(ask));

    if (account != NULL && !right)
        snprintf(ask->why, sizeof(ask->why), "subject does not match jwt content");
    signed_account_free(account);
    return right;
}

/* A sink: nothing is published here. */
static void answered(void *owner, const struct message *message)
{
    struct asks *asks = owner;
    struct io *io = asks->resolver->server->io;
    struct ask *ask = find(asks, subject_token(message_sent_to(message), PLACE));

    if (ask == NULL || ask->answer.size > 0)
        return;
    ask->answers++;
    if (message->payload.size > 0 && is_account(ask, message->payload))
        ask->answer = heap_copy(message->payload);
    else if (ask->answers < ask->others)
        return;
    else if (ask->why[0] == 0)
        snprintf(ask->why, sizeof(ask->why), "account jwt not found");
    timers_arm(io_timers(io), &ask->timer, io_now(io));
}

static void take_out(struct ask *ask)
{
    struct ask **link = &ask->resolver->lookups.asks.all;

    while (*link != ask)
        link = &(*link)->next;
    *link = ask->next;
}

static void fired(struct timer *timer)
{
    struct ask *ask = owner_of(timer, struct ask, timer);
    bool found = ask->answer.size > 0;

    take_out(ask);
    if (!found && ask->why[0] == 0)
        snprintf(ask->why, sizeof(ask->why), "fetching jwt timed out");
    ask->done(ask->owner, ask->answer, found ? NULL : ask->why);
    ask_free(ask);
}

/* ---- asking --------------------------------------------------------------------------------- */

static size_t count_others(const struct resolver *resolver)
{
    const struct cluster_node *node;
    size_t count = 0;

    if (resolver->server->cluster == NULL)
        return 0;
    for (size_t at = 0; (node = cluster_next(resolver->server->cluster, &at)) != NULL;)
        count += node->up;
    return count;
}

static void send(struct resolver *resolver, struct bytes name)
{
    struct server *server = resolver->server;
    char subject[SUBJECT_SIZE], reply[SUBJECT_SIZE];
    struct message message = {0};

    snprintf(subject, sizeof(subject), "$SYS.REQ.ACCOUNT.%.*s.CLAIMS.LOOKUP", BYTES_ARG(name));
    snprintf(reply, sizeof(reply), "%s%.*s", resolver->lookups.asks.inbox_subject, BYTES_ARG(name));
    message.subject = bytes_of_text(subject);
    message.reply = bytes_of_text(reply);
    (void)router_publish(server->router, system_account(server),
                         &message); /* or the time ends it */
}

void resolver_ask(struct resolver *resolver, struct bytes name, fetch_done_fn *done, void *owner)
{
    struct io *io = resolver->server->io;
    struct ask *ask = HEAP_NEW(struct ask);

    assert(name.size == NKEY_TEXT_SIZE);
    ask->resolver = resolver;
    memcpy(ask->name, name.at, NKEY_TEXT_SIZE);
    ask->others = count_others(resolver);
    ask->done = done;
    ask->owner = owner;
    ask->timer.fire = fired;
    ask->next = resolver->lookups.asks.all;
    resolver->lookups.asks.all = ask;
    timers_arm(io_timers(io), &ask->timer, io_now(io) + resolver->options.timeout_ns);
    send(resolver, name);
}

/* ---- life ----------------------------------------------------------------------------------- */

void resolver_asks_start(struct resolver *resolver)
{
    struct server *server = resolver->server;
    struct asks *asks = &resolver->lookups.asks;
    char token[TOKEN_SIZE] = "", subject[SUBJECT_SIZE];

    asks->resolver = resolver;
    text_base62(&server->prng, token, TOKEN_SIZE - 1);
    snprintf(asks->inbox_subject, sizeof(asks->inbox_subject), "$SYS._INBOX.%s.", token);
    snprintf(subject, sizeof(subject), "%s*", asks->inbox_subject);
    asks->inbox = router_sink_add_known(server->router, system_account(server),
                                        bytes_of_text(subject), answered, asks);
}

void resolver_asks_stop(struct resolver *resolver)
{
    struct asks *asks = &resolver->lookups.asks;
    struct ask *ask;

    if (asks->inbox != NULL)
        router_sink_remove(resolver->server->router, asks->inbox);
    while ((ask = asks->all) != NULL) {
        asks->all = ask->next;
        ask_free(ask);
    }
}
