/* What a server says in the system account without being asked (reference core.md 5.1): only when
 * somebody there, or at another server, listens. */
#include <stdio.h>

#include "base/owner.h"
#include "base/subject.h"
#include "base/text.h"
#include "server/monitor/monitor_priv.h"
#include "server/system/system_priv.h"

#define SECOND_NS         INT64_C(1000000000)
#define STATS_FIRST_NS    (SECOND_NS / 4)
#define STATS_PAUSE_NS    (10 * SECOND_NS)
#define STATS_UNKNOWN_NS  (SECOND_NS / 10) /* right after a start */
#define ACCOUNTS_PAUSE_NS (30 * SECOND_NS)

/* One event in the making. */
struct event {
    struct system *system;
    struct account *account; /* where it is said */
    char subject[SYSTEM_SUBJECT_MAX];
    struct buf body;
    struct json_writer writer;
};

/* False: nobody listens. `middle` may be empty. */
static bool begin(struct event *event, struct system *system, const char *before,
                  struct bytes middle, const char *after)
{
    struct server *server = system->server;
    int size;

    event->system = system;
    event->account = system_account(server);
    if (event->account == NULL)
        return false;
    size = snprintf(event->subject, sizeof(event->subject), "%s%.*s%s", before, BYTES_ARG(middle),
                    after);
    if (size < 0 || size >= (int)sizeof(event->subject) ||
        !subject_literal(bytes_of_text(event->subject)) ||
        !router_interest(server->router, event->account, bytes_of_text(event->subject)))
        return false;
    buf_init(&event->body, SYSTEM_ANSWER_MAX);
    json_writer_init(&event->writer, &event->body);
    return true;
}

static void end(struct event *event)
{
    if (!event->writer.failed)
        system_publish(event->system->server, event->account, bytes_of_text(event->subject),
                       buf_bytes(&event->body));
    buf_deinit(&event->body);
}

/* The members that all advisories begin with, within an object. */
static void head(struct event *event, const char *type)
{
    struct server *server = event->system->server;
    struct json_writer *w = &event->writer;
    char id[22];

    text_base62(&server->prng, id, sizeof(id));
    json_object_begin(w);
    json_put_text(w, BYTES("type"), type);
    json_put_string(w, BYTES("id"), bytes_of(id, sizeof(id)));
    json_put_time(w, BYTES("timestamp"), io_wall(server->io));
    json_key(w, BYTES("server"));
    system_write_server(w, event->system);
}

/* ---- connections of accounts ---------------------------------------------------------------- */

static void say_connections(struct system *system, struct account *account, const char *before,
                            const char *after)
{
    struct event event;

    if (!begin(&event, system, before, account->name, after))
        return;
    head(&event, "io.nats.server.advisory.v1.account_connections");
    monitor_account_stats(&event.writer, system->server, account);
    json_object_end(&event.writer);
    end(&event);
}

static void account_changed(struct system *system, struct account *account)
{
    if (account == NULL || account == router_account_default(system->server->router))
        return;
    say_connections(system, account, "$SYS.SERVER.ACCOUNT.", ".CONNS");
    say_connections(system, account, "$SYS.ACCOUNT.", ".SERVER.CONNS");
}

static bool account_has_connections(const struct account *account)
{
    return account->family != NULL ? atomic_load(&account->family->connections) > 0
                                   : account->connections > 0;
}

static void accounts_fired(struct timer *timer)
{
    struct system *system = owner_of(timer, struct system, accounts);
    struct server *server = system->server;
    struct account *account;

    timers_arm(io_timers(server->io), timer, io_now(server->io) + ACCOUNTS_PAUSE_NS);
    for (size_t at = 0; (account = router_account_next(server->router, &at)) != NULL;) {
        if (account_has_connections(account))
            account_changed(system, account);
    }
}

/* ---- clients -------------------------------------------------------------------------------- */

static void named(void *owner, const struct client_row *row)
{
    struct system *system = owner;
    struct server *server = system->server;
    struct event event;

    account_changed(system, router_account(server->router, row->account));
    if (!begin(&event, system, "$SYS.ACCOUNT.", row->account, ".CONNECT"))
        return;
    head(&event, "io.nats.server.advisory.v1.client_connect");
    json_key(&event.writer, BYTES("client"));
    system_write_client(&event.writer, server, row, false);
    json_object_end(&event.writer);
    end(&event);
}

static void say_end(struct system *system, const struct client_row *row, const char *before,
                    struct bytes middle, const char *after)
{
    struct event event;
    struct json_writer *w = &event.writer;

    if (!begin(&event, system, before, middle, after))
        return;
    head(&event, "io.nats.server.advisory.v1.client_disconnect");
    json_key(w, BYTES("client"));
    system_write_client(w, system->server, row, true);
    json_key(w, BYTES("sent"));
    json_object_begin(w);
    monitor_traffic(w, &row->received);
    json_object_end(w);
    json_key(w, BYTES("received"));
    json_object_begin(w);
    monitor_traffic(w, &row->sent);
    json_object_end(w);
    json_put_text(w, BYTES("reason"), row->reason != NULL ? row->reason : "");
    json_object_end(w);
    end(&event);
}

static bool is_auth_error(const char *reason)
{
    return reason != NULL && (strcmp(reason, "Authentication Failure") == 0 ||
                              strcmp(reason, "Authentication Timeout") == 0);
}

static void ended(void *owner, const struct client_row *row)
{
    struct system *system = owner;

    if (is_auth_error(row->reason))
        say_end(system, row, "$SYS.SERVER.", bytes_of_text(system->server->info.id),
                ".CLIENT.AUTH.ERR");
    account_changed(system, router_account(system->server->router, row->account));
    say_end(system, row, "$SYS.ACCOUNT.", row->account, ".DISCONNECT");
}

/* ---- the server ----------------------------------------------------------------------------- */

void system_say_state(struct system *system, const char *state)
{
    struct event event;

    if (!begin(&event, system, "$SYS.SERVER.", bytes_of_text(system->server->info.id), state))
        return;
    system_write_server(&event.writer, system);
    end(&event);
}

void system_say_stats(struct system *system)
{
    struct event event;
    struct json_writer *w = &event.writer;

    if (!begin(&event, system, "$SYS.SERVER.", bytes_of_text(system->server->info.id), ".STATSZ"))
        return;
    json_object_begin(w);
    json_key(w, BYTES("server"));
    system_write_server(w, system);
    json_key(w, BYTES("statsz"));
    system_write_stats(w, system->server);
    json_object_end(w);
    end(&event);
}

static bool is_soon(const struct server *server)
{
    return io_now(server->io) - server->start_ns < STATS_PAUSE_NS;
}

/* Soon after the start, then less and less often. */
static void stats_fired(struct timer *timer)
{
    struct system *system = owner_of(timer, struct system, stats);
    struct server *server = system->server;

    if (is_soon(server) && monitor_unknown(&server->monitor)) {
        timers_arm(io_timers(server->io), timer, io_now(server->io) + STATS_UNKNOWN_NS);
        return;
    }
    system->stats_pause_ns *= 2;
    if (system->stats_pause_ns > STATS_PAUSE_NS)
        system->stats_pause_ns = STATS_PAUSE_NS;
    timers_arm(io_timers(server->io), timer, io_now(server->io) + system->stats_pause_ns);
    system_say_stats(system);
}

/* ---- life ----------------------------------------------------------------------------------- */

void system_events_init(struct system *system)
{
    struct server *server = system->server;
    struct timers *timers = io_timers(server->io);

    if (system_account(server) == NULL)
        return;
    system->watch = (struct client_watch){.owner = system, .named = named, .ended = ended};
    server->connections.clients.watch = &system->watch;
    system->stats.fire = stats_fired;
    system->accounts.fire = accounts_fired;
    system->stats_pause_ns = STATS_FIRST_NS;
    timers_arm(timers, &system->stats, io_now(server->io) + STATS_FIRST_NS);
    timers_arm(timers, &system->accounts, io_now(server->io) + ACCOUNTS_PAUSE_NS);
}

void system_events_deinit(struct system *system)
{
    struct server *server = system->server;

    timers_cancel(io_timers(server->io), &system->stats);
    timers_cancel(io_timers(server->io), &system->accounts);
    server->connections.clients.watch = NULL;
}
