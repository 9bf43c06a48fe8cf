/*
 * sim_links: a cluster of whole servers on a network that parts, stalls and breaks, servers that
 * are killed and stand still, and clients that subscribe, publish and move from one server to
 * another. At any time: no message twice at a subscription, one member at most per queue group, a
 * publisher's messages in order, nothing to who did not ask. After the faults have ended: one link
 * per pair, what each server knows of the others is what their clients subscribe to, every message
 * arrives, every request is answered.
 *
 *     sim_links --seed N             one run, with its story
 *     sim_links --seconds N [--from S]
 *     sim_links --flaws [--flaw NAME] --seconds N   seeded bugs must be found
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "server/cluster/flaws.h"
#include "server/server_priv.h"
#include "tests/sim/client.h"
#include "tests/sim/hunt.h"
#include "tests/sim/sim_shards.h"

#define SERVERS_MAX  5u
#define CLIENTS_MAX  8u
#define SUBS_MAX     12u /* of one client at a time */
#define MESSAGES_MAX 4000u
#define TAKEN_MAX    64u /* deliveries of one message */
#define ROUNDS       4
#define ACTIONS      60
#define CLIENT_PORT  4222
#define CLUSTER_PORT 6222
#define MS           INT64_C(1000000)
#define SECOND       INT64_C(1000000000)
#define START_NS     (3 * SECOND)
#define MESH_NS      (60 * SECOND)
#define NOTICED_NS                                                                                 \
    (4000 * MS) /* the deadline, also after one of its own was excused, and delays                 \
                 */

static const char *const subjects[] = {"a.b", "a.c", "b", "c.d.e"};
static const char *const patterns[] = {"a.b", "a.c", "b", "a.*", "a.>", "*", "c.>", "c.*.e", ">"};
static const char *const queues[] = {"", "", "q0", "q1"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct subscription {
    bool live;
    unsigned sid;
    const char *pattern, *queue;
};

struct person {
    struct run *run;
    struct sim_client client;
    size_t index, server;
    unsigned epoch; /* connection */
    unsigned sid_last;
    struct subscription subs[SUBS_MAX];
    struct subscription gone[64]; /* of this connection: late messages are for them */
    size_t gone_count;
    uint64_t requests, replies;
};

/* Who got a message. */
struct taken {
    size_t person;
    unsigned epoch, sid;
    const char *queue;
};

struct message_sent {
    const char *subject;
    size_t publisher;
    unsigned epoch;
    struct taken taken[TAKEN_MAX];
    size_t taken_count;
};

/* The last of a publisher that a subscription got. */
struct heard_last {
    size_t person, publisher;
    unsigned epoch, sid, publisher_epoch;
    uint64_t id;
};

struct node {
    struct server *server; /* NULL: down */
    struct options options;
    struct cluster_route routes[SERVERS_MAX];
    struct sim_shards shards;
    struct logger logger;
    int64_t back_ns;   /* when it is started again */
    int64_t paused_ns; /* until when it stands still, last time */
};

struct run {
    uint64_t seed;
    bool loud;
    bool faulty; /* faults have begun */
    struct sim *sim;
    struct prng prng;
    size_t servers, people_count, clients_node;
    bool sharded; /* some server has several shards */
    struct node nodes[SERVERS_MAX];
    struct person people[CLIENTS_MAX];
    struct message_sent messages[MESSAGES_MAX];
    uint64_t messages_count;
    struct heard_last *heard;
    size_t heard_count, heard_capacity;
    int64_t parted_ns[SERVERS_MAX][SERVERS_MAX]; /* since when no byte gets through; 0: it does */
    char violation[256];
};

[[gnu::format(printf, 2, 3)]] static void say(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (!run->loud)
        return;
    printf("%10.6f ", (double)sim_now(run->sim) / 1e9);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

[[gnu::format(printf, 2, 3)]] static void violate(struct run *run, const char *format, ...)
{
    va_list arguments;

    if (run->violation[0] != 0)
        return;
    va_start(arguments, format);
    vsnprintf(run->violation, sizeof(run->violation), format, arguments);
    va_end(arguments);
    say(run, "VIOLATION %s", run->violation);
}

static size_t below(struct run *run, size_t count)
{
    return prng_below(&run->prng, count);
}

/* ---- the model ------------------------------------------------------------------------------ */

/* Matches as the protocol says, without the server's code. */
static bool matches(const char *pattern, const char *subject)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");

        if (p == 1 && *pattern == '>')
            return s > 0;
        if (!(p == 1 && *pattern == '*') && (p != s || memcmp(pattern, subject, p) != 0))
            return false;
        if (pattern[p] == 0 || subject[s] == 0)
            return pattern[p] == 0 && subject[s] == 0;
        pattern += p + 1;
        subject += s + 1;
    }
}

static bool connected(const struct person *p)
{
    return sim_client_connected(&p->client) && p->run->nodes[p->server].server != NULL;
}

static const struct subscription *sub_of(const struct person *p, unsigned sid)
{
    for (size_t i = 0; i < SUBS_MAX; i++)
        if (p->subs[i].live && p->subs[i].sid == sid)
            return &p->subs[i];
    for (size_t i = 0; i < p->gone_count; i++)
        if (p->gone[i].sid == sid)
            return &p->gone[i];
    return NULL;
}

static void check_once(struct run *run, uint64_t id, const struct taken *now)
{
    const struct message_sent *m = &run->messages[id];

    for (size_t i = 0; i < m->taken_count; i++) {
        const struct taken *t = &m->taken[i];

        if (t->person == now->person && t->epoch == now->epoch && t->sid == now->sid)
            violate(run, "client %zu got message %llu twice on sid %u", now->person,
                    (unsigned long long)id, now->sid);
        if (*now->queue != 0 && strcmp(now->queue, t->queue) == 0)
            violate(run, "message %llu went to two members of group %s: %zu/%u and %zu/%u",
                    (unsigned long long)id, now->queue, t->person, t->sid, now->person, now->sid);
    }
}

static struct heard_last *last_of(struct run *run, const struct taken *t,
                                  const struct message_sent *m)
{
    for (size_t i = 0; i < run->heard_count; i++) {
        struct heard_last *h = &run->heard[i];

        if (h->person == t->person && h->epoch == t->epoch && h->sid == t->sid &&
            h->publisher == m->publisher && h->publisher_epoch == m->epoch)
            return h;
    }
    if (run->heard_count == run->heard_capacity) {
        run->heard_capacity = run->heard_capacity == 0 ? 256 : run->heard_capacity * 2;
        run->heard = heap_resize(run->heard, run->heard_capacity * sizeof(*run->heard));
    }
    run->heard[run->heard_count] =
        (struct heard_last){t->person, m->publisher, t->epoch, t->sid, m->epoch, 0};
    return &run->heard[run->heard_count++];
}

/* With several shards a message of a group whose member left meanwhile goes on to another member,
 * and later ones may be there before (docs/shards.md). */
static bool may_be_late(const struct run *run, const struct taken *t)
{
    return run->sharded && *t->queue != 0;
}

static void check_order(struct run *run, uint64_t id, const struct taken *t)
{
    struct heard_last *last = last_of(run, t, &run->messages[id]);

    if (last->id > id && !may_be_late(run, t))
        violate(run, "client %zu got message %llu after %llu of the same publisher", t->person,
                (unsigned long long)id, (unsigned long long)last->id);
    last->id = id;
}

static void got_message(struct run *run, struct person *p, const struct client_message *message)
{
    uint64_t id = 0;
    unsigned sid = (unsigned)strtoul((const char *)message->sid.at, NULL, 10);
    const struct subscription *sub = sub_of(p, sid);
    struct taken t = {p->index, p->epoch, sid, ""};
    struct message_sent *m;

    if (!bytes_read_u64(message->payload, &id) || id == 0 || id > run->messages_count) {
        violate(run, "client %zu got a message that nobody sent", p->index);
        return;
    }
    m = &run->messages[id];
    if (sub == NULL || !matches(sub->pattern, m->subject) ||
        !bytes_equal(message->subject, bytes_of_text(m->subject))) {
        violate(run, "client %zu got message %llu on sid %u and has not asked for it", p->index,
                (unsigned long long)id, sid);
        return;
    }
    t.queue = sub->queue;
    check_once(run, id, &t);
    check_order(run, id, &t);
    if (m->taken_count < TAKEN_MAX)
        m->taken[m->taken_count++] = t;
}

/* Requests go to "svc", answered by whoever gets them; replies come to inboxes of their own. */
static void heard(void *context, const struct client_message *message)
{
    struct person *p = context;
    char reply[64];

    bool asked = message->sid.size >= 6; /* else a wildcard got it, too */

    if (bytes_starts(message->subject, BYTES("_R."))) {
        p->replies += asked && message->headers.size == 0;
    } else if (bytes_equal(message->subject, BYTES("svc"))) {
        if (!asked)
            return;
        snprintf(reply, sizeof(reply), "PUB %.*s 1\r\n!\r\n", BYTES_ARG(message->reply));
        sim_client_say(&p->client, reply);
    } else {
        got_message(p->run, p, message);
    }
}

/* ---- servers -------------------------------------------------------------------------------- */

static bool contains(struct bytes line, const char *text)
{
    return memmem(line.at, line.size, text, strlen(text)) != NULL;
}

static void log_line(void *context, struct bytes line)
{
    struct run *run = context;

    /* On a good network there is nothing to complain of but those that have not started. */
    if (!run->faulty && !contains(line, "refused\n") &&
        (contains(line, "[ERR]") || contains(line, " closed: ")))
        violate(run, "at the start: %.*s", (int)(line.size > 200 ? 200 : line.size - 1), line.at);
    if (run->loud)
        printf("%10.6f   %.*s", (double)sim_now(run->sim) / 1e9, BYTES_ARG(line));
}

static void server_up(struct run *run, size_t i)
{
    struct node *n = &run->nodes[i];

    n->back_ns = 0;
    say(run, "server %zu starts", i);
    if (sim_shards_start(&n->shards, sim_node_io(run->sim, i), &n->options, &n->logger,
                         &n->server) != OK)
        violate(run, "server %zu does not start", i);
}

static void server_down(struct run *run, size_t i, enum sim_crash_mode mode)
{
    struct node *n = &run->nodes[i];

    say(run, "server %zu is killed", i);
    sim_crash(run->sim, i, mode);
    server_destroy(n->server);
    n->server = NULL;
    (void)sim_restart(run->sim, i);
    n->back_ns = sim_now(run->sim) + (int64_t)below(run, 5000) * MS;
}

static const struct cluster_node *seen_from(const struct run *run, size_t a, size_t b)
{
    const struct cluster *cluster = run->nodes[a].server->cluster;

    return cluster_node(cluster, cluster_node_id(bytes_of_text(run->nodes[b].options.server_name)));
}

static bool linked(const struct run *run, size_t a, size_t b)
{
    const struct cluster_node *node;

    if (run->nodes[a].server == NULL || run->nodes[b].server == NULL)
        return false;
    node = seen_from(run, a, b);
    return node != NULL && node->up &&
           bytes_equal(node->server_id, bytes_of_text(server_id(run->nodes[b].server)));
}

static bool meshed(const struct run *run)
{
    for (size_t a = 0; a < run->servers; a++)
        for (size_t b = 0; b < run->servers; b++)
            if (a != b && !linked(run, a, b))
                return false;
    return true;
}

/* ---- clients -------------------------------------------------------------------------------- */

static void sub_say(struct person *p, struct subscription *sub)
{
    char line[128];

    sub->sid = ++p->sid_last;
    snprintf(line, sizeof(line), "SUB %s %s %u\r\n", sub->pattern, sub->queue, sub->sid);
    sim_client_say(&p->client, line);
}

static void person_connect(struct run *run, struct person *p)
{
    size_t server = below(run, run->servers);

    if (run->nodes[server].server == NULL || p->client.sock != NULL)
        return;
    p->server = server;
    p->epoch++;
    p->sid_last = 1; /* the inbox */
    p->gone_count = 0;
    say(run, "client %zu goes to server %zu", p->index, server);
    sim_client_connect(&p->client, server, CLIENT_PORT, "_unused");
    for (size_t i = 0; i < SUBS_MAX; i++)
        if (p->subs[i].live)
            sub_say(p, &p->subs[i]);
    sim_client_say(&p->client, "SUB svc service 900000\r\n");
}

static void act_subscribe(struct run *run, struct person *p)
{
    struct subscription *sub = &p->subs[below(run, SUBS_MAX)];

    if (sub->live)
        return;
    *sub = (struct subscription){.live = true,
                                 .pattern = patterns[below(run, COUNT(patterns))],
                                 .queue = queues[below(run, COUNT(queues))]};
    say(run, "client %zu subscribes to %s %s", p->index, sub->pattern, sub->queue);
    sub_say(p, sub);
}

static void act_unsubscribe(struct run *run, struct person *p)
{
    struct subscription *sub = &p->subs[below(run, SUBS_MAX)];
    char line[64];

    if (!sub->live || p->gone_count == COUNT(p->gone))
        return;
    say(run, "client %zu unsubscribes from %s %s", p->index, sub->pattern, sub->queue);
    snprintf(line, sizeof(line), "UNSUB %u\r\n", sub->sid);
    sim_client_say(&p->client, line);
    p->gone[p->gone_count++] = *sub;
    sub->live = false;
}

static void act_publish(struct run *run, struct person *p)
{
    struct message_sent *m;
    char text[32];

    if (run->messages_count + 1 == MESSAGES_MAX)
        return;
    m = &run->messages[++run->messages_count];
    *m = (struct message_sent){
        .subject = subjects[below(run, COUNT(subjects))],
        .publisher = p->index,
        .epoch = p->epoch,
    };
    say(run, "client %zu publishes %llu to %s", p->index, (unsigned long long)run->messages_count,
        m->subject);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)run->messages_count);
    sim_client_publish(&p->client, m->subject, "", "", bytes_of_text(text));
}

static void act_request(struct run *run, struct person *p)
{
    unsigned long long n = ++p->requests;
    char lines[256];

    (void)run;
    snprintf(lines, sizeof(lines), "SUB _R.%zu.%u.%llu %llu\r\nPUB svc _R.%zu.%u.%llu 1\r\n?\r\n",
             p->index, p->epoch, n, 1000000 + n, p->index, p->epoch, n);
    sim_client_say(&p->client, lines);
}

static void act_client(struct run *run)
{
    struct person *p = &run->people[below(run, run->people_count)];

    if (!connected(p)) {
        person_connect(run, p);
        return;
    }
    switch (below(run, 20)) {
    case 0: sim_client_drop(&p->client); break;
    case 1:
    case 2:
    case 3: act_unsubscribe(run, p); break;
    case 4:
    case 5:
    case 6:
    case 7: act_subscribe(run, p); break;
    case 8: act_request(run, p); break;
    default: act_publish(run, p); break;
    }
}

/* ---- faults --------------------------------------------------------------------------------- */

static void note_part(struct run *run, size_t a, size_t b)
{
    if (run->parted_ns[a][b] == 0)
        run->parted_ns[a][b] = run->parted_ns[b][a] = sim_now(run->sim);
}

static void act_network(struct run *run)
{
    size_t a = below(run, run->servers), b = below(run, run->servers);

    if (a == b)
        return;
    switch (below(run, 6)) {
    case 0:
        say(run, "servers %zu and %zu are parted", a, b);
        sim_part(run->sim, a, b);
        note_part(run, a, b);
        break;
    case 1:
        say(run, "nothing gets from server %zu to %zu", a, b);
        sim_cut(run->sim, a, b);
        note_part(run, a, b);
        break;
    case 2:
    case 3:
        say(run, "servers %zu and %zu are joined", a, b);
        sim_join(run->sim, a, b);
        run->parted_ns[a][b] = run->parted_ns[b][a] = 0;
        break;
    case 4:
        say(run, "connections between servers %zu and %zu break", a, b);
        sim_reset(run->sim, a, b);
        break;
    default: sim_delay(run->sim, a, b, 0, (int64_t)below(run, 50) * MS); break;
    }
}

static void act_server(struct run *run)
{
    size_t i = below(run, run->servers);

    if (run->nodes[i].server == NULL)
        return;
    if (below(run, 2) == 0) {
        server_down(run, i, below(run, 2) == 0 ? SIM_CRASH_KILL : SIM_CRASH_POWER);
        return;
    }
    say(run, "server %zu stands still", i);
    run->nodes[i].paused_ns = sim_now(run->sim) + (int64_t)below(run, 3000) * MS;
    sim_pause(run->sim, i, run->nodes[i].paused_ns - sim_now(run->sim));
}

static void bring_back(struct run *run)
{
    for (size_t i = 0; i < run->servers; i++)
        if (run->nodes[i].server == NULL && run->nodes[i].back_ns <= sim_now(run->sim))
            server_up(run, i);
}

/* How long both have run, and been cut off from each other. */
static int64_t cut_off_for(const struct run *run, size_t a, size_t b)
{
    int64_t since_ns = run->parted_ns[a][b];

    if (since_ns == 0)
        return 0;
    since_ns = since_ns > run->nodes[a].paused_ns ? since_ns : run->nodes[a].paused_ns;
    since_ns = since_ns > run->nodes[b].paused_ns ? since_ns : run->nodes[b].paused_ns;
    return sim_now(run->sim) - since_ns;
}

/* A pair that has been cut off for longer than the deadline must know. One way, the one that hears
 * nothing tells the other. */
static void check_noticed(struct run *run)
{
    for (size_t a = 0; a < run->servers; a++)
        for (size_t b = 0; b < run->servers; b++)
            if (linked(run, a, b) && cut_off_for(run, a, b) > NOTICED_NS)
                violate(run, "server %zu has not noticed that %zu is cut off", a, b);
}

static void trouble(struct run *run)
{
    for (int i = 0; i < ACTIONS && run->violation[0] == 0; i++) {
        size_t clients = below(run, 12);

        for (size_t k = 0; k < clients; k++)
            act_client(run);
        if (below(run, 3) == 0)
            act_network(run);
        if (below(run, 12) == 0)
            act_server(run);
        for (size_t k = 0; k < run->servers; k++)
            if (!sim_crashed(run->sim, k))
                sim_shards_stir(&run->nodes[k].shards, run->nodes[k].server, &run->prng);
        sim_run(run->sim, (int64_t)below(run, below(run, 4) == 0 ? 1500 : 20) * MS);
        bring_back(run);
        check_noticed(run);
    }
}

/* ---- after the faults ----------------------------------------------------------------------- */

static void heal(struct run *run)
{
    say(run, "the faults end");
    for (size_t a = 0; a < run->servers; a++) {
        sim_heal(run->sim, a);
        run->nodes[a].back_ns = 0;
        for (size_t b = 0; b < run->servers; b++) {
            if (a == b)
                continue;
            sim_join(run->sim, a, b);
            sim_delay(run->sim, a, b, 0, 0);
            run->parted_ns[a][b] = 0;
        }
    }
    sim_heal(run->sim, run->clients_node);
    bring_back(run);
    sim_run(run->sim, 5 * SECOND); /* those that stood still move again, and are seen to */
}

static void await_mesh(struct run *run, int64_t most_ns)
{
    int64_t from_ns = sim_now(run->sim);

    while (!meshed(run)) {
        if (sim_now(run->sim) - from_ns > most_ns) {
            violate(run, "no mesh after %lld s", (long long)(most_ns / SECOND));
            return;
        }
        sim_run(run->sim, 20 * MS);
    }
    sim_run(run->sim, SECOND);
    if (!meshed(run))
        violate(run, "the mesh does not last");
}

static bool all_connected(const struct run *run)
{
    for (size_t i = 0; i < run->people_count; i++)
        if (!connected(&run->people[i]))
            return false;
    return true;
}

static void gather_people(struct run *run)
{
    for (int tries = 0; tries < 2000 && !all_connected(run); tries++) {
        for (size_t i = 0; i < run->people_count; i++)
            if (!connected(&run->people[i]))
                person_connect(run, &run->people[i]);
        sim_run(run->sim, 10 * MS);
    }
    if (!all_connected(run))
        violate(run, "a client cannot connect");
    sim_run(run->sim, 2 * SECOND);
}

/* How many subscriptions of that kind the clients of a server have, by what they said. */
static uint32_t model_count(const struct run *run, size_t server, struct bytes pattern,
                            struct bytes queue)
{
    uint32_t count = 0;

    for (size_t i = 0; i < run->people_count; i++) {
        const struct person *p = &run->people[i];

        for (size_t k = 0; k < SUBS_MAX && p->server == server; k++)
            count += p->subs[k].live && bytes_equal(bytes_of_text(p->subs[k].pattern), pattern) &&
                     bytes_equal(bytes_of_text(p->subs[k].queue), queue);
    }
    return count;
}

struct known {
    struct run *run;
    size_t at, of;
    size_t count;
};

static bool is_of_the_test(struct bytes subject)
{
    return !bytes_starts(subject, BYTES("_")) && !bytes_equal(subject, BYTES("svc"));
}

static void check_interest(void *context, const struct core_interest *interest)
{
    struct known *known = context;

    if (!is_of_the_test(interest->subject))
        return;
    known->count++;
    if (model_count(known->run, known->of, interest->subject, interest->queue) == 0)
        violate(known->run, "server %zu believes that %zu has interest in %.*s %.*s", known->at,
                known->of, BYTES_ARG(interest->subject), BYTES_ARG(interest->queue));
}

static size_t distinct(const struct run *run, size_t server)
{
    size_t count = 0;

    for (size_t i = 0; i < COUNT(patterns); i++)
        for (size_t k = 1; k < COUNT(queues); k++)
            count +=
                model_count(run, server, bytes_of_text(patterns[i]), bytes_of_text(queues[k])) > 0;
    return count;
}

static void check_convergence(struct run *run)
{
    for (size_t a = 0; a < run->servers; a++) {
        for (size_t b = 0; b < run->servers; b++) {
            struct known known = {run, a, b, 0};

            if (a == b || run->violation[0] != 0)
                continue;
            core_interest_walk(run->nodes[a].server->core, seen_from(run, a, b)->id, check_interest,
                               &known);
            if (known.count != distinct(run, b))
                violate(run, "server %zu knows %zu interests of %zu, who has %zu", a, known.count,
                        b, distinct(run, b));
        }
    }
}

static bool was_taken(const struct message_sent *m, const struct person *p, unsigned sid)
{
    for (size_t i = 0; i < m->taken_count; i++)
        if (m->taken[i].person == p->index && m->taken[i].epoch == p->epoch &&
            m->taken[i].sid == sid)
            return true;
    return false;
}

static bool group_took(const struct message_sent *m, const char *queue)
{
    for (size_t i = 0; i < m->taken_count; i++)
        if (strcmp(m->taken[i].queue, queue) == 0)
            return true;
    return false;
}

static void check_complete(struct run *run, uint64_t id)
{
    const struct message_sent *m = &run->messages[id];

    for (size_t i = 0; i < run->people_count; i++) {
        const struct person *p = &run->people[i];

        for (size_t k = 0; k < SUBS_MAX; k++) {
            const struct subscription *sub = &p->subs[k];

            if (!sub->live || !matches(sub->pattern, m->subject))
                continue;
            if (*sub->queue == 0 ? !was_taken(m, p, sub->sid) : !group_took(m, sub->queue))
                violate(run, "message %llu to %s did not reach client %zu, %s %s",
                        (unsigned long long)id, m->subject, p->index, sub->pattern, sub->queue);
        }
    }
}

static void check_delivery(struct run *run)
{
    uint64_t first = run->messages_count + 1;

    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < run->people_count; i++)
            act_publish(run, &run->people[i]);
    sim_run(run->sim, SECOND);
    for (uint64_t id = first; id <= run->messages_count; id++)
        check_complete(run, id);
}

static void check_requests(struct run *run)
{
    for (size_t i = 0; i < run->people_count; i++)
        run->people[i].replies = run->people[i].requests = 0;
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < run->people_count; i++)
            act_request(run, &run->people[i]);
        sim_run(run->sim, 5 * MS);
    }
    sim_run(run->sim, SECOND);
    for (size_t i = 0; i < run->people_count; i++)
        if (run->people[i].replies != run->people[i].requests)
            violate(run, "client %zu got %llu replies to %llu requests", i,
                    (unsigned long long)run->people[i].replies,
                    (unsigned long long)run->people[i].requests);
}

static void verify(struct run *run)
{
    heal(run);
    await_mesh(run, MESH_NS);
    if (run->violation[0] == 0)
        gather_people(run);
    if (run->violation[0] == 0)
        check_convergence(run);
    if (run->violation[0] == 0)
        check_delivery(run);
    if (run->violation[0] == 0)
        check_requests(run);
}

/* ---- one run -------------------------------------------------------------------------------- */

static void begin_node(struct run *run, size_t i, uint64_t flaws)
{
    static const char *const hosts[SERVERS_MAX] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4",
                                                   "10.0.0.5"};
    struct node *n = &run->nodes[i];

    (void)sim_node_add(run->sim);
    options_default(&n->options);
    n->options.port = CLIENT_PORT;
    n->options.sim.cluster_flaws = flaws;
    snprintf(n->options.server_name, sizeof(n->options.server_name), "n%zu", i);
    n->options.cluster = (struct cluster_options){
        .configured = true, .name = "C", .port = CLUSTER_PORT, .routes = n->routes};
    for (size_t k = 0; k < run->servers; k++) {
        /* Some know one other only, and learn of the rest. */
        if (k != i && (run->seed % 3 != 0 || k == 0 || (i == 0 && k == 1)))
            n->routes[n->options.cluster.routes_count++] =
                (struct cluster_route){.host = hosts[k], .port = CLUSTER_PORT};
    }
    n->logger = (struct logger){.level = LOGGER_INFO, .line = log_line, .context = run};
}

/* In one run of two. */
static void begin_shards(struct run *run, size_t i)
{
    unsigned count = run->seed % 4 < 2 ? 1 : 1 + (unsigned)below(run, 3);

    sim_shards_init(&run->nodes[i].shards, run->sim, i, count, run->seed % 4 == 3);
    run->sharded = run->sharded || count > 1;
}

static void begin(struct run *run, uint64_t seed, bool loud, uint64_t flaws)
{
    memset(run, 0, sizeof(*run));
    run->seed = seed;
    run->loud = loud;
    run->sim = sim_create(seed);
    prng_seed(&run->prng, seed ^ 0x11);
    run->servers = 3 + seed % 3;
    run->people_count = run->servers + below(run, CLIENTS_MAX - run->servers + 1);
    for (size_t i = 0; i < run->servers; i++)
        begin_node(run, i, flaws);
    run->clients_node = sim_node_add(run->sim);
    for (size_t i = 0; i < run->servers; i++)
        begin_shards(run, i);
    for (size_t i = 0; i < run->people_count; i++) {
        struct person *p = &run->people[i];

        p->run = run;
        p->index = i;
        sim_client_init(&p->client, run->sim, sim_node_io(run->sim, run->clients_node), heard, p);
    }
}

/* The first has clients already when the others come. */
static void start(struct run *run)
{
    server_up(run, 0);
    person_connect(run, &run->people[0]);
    if (connected(&run->people[0]))
        for (int i = 0; i < 6; i++)
            act_subscribe(run, &run->people[0]);
    if (run->seed % 2 == 0)
        sim_run(run->sim, (int64_t)below(run, 500) * MS);
    for (size_t i = 1; i < run->servers; i++)
        server_up(run, i);
    await_mesh(run, START_NS);
    run->faulty = true;
}

static void end(struct run *run)
{
    run->faulty = true;
    for (size_t i = 0; i < run->servers; i++)
        if (run->nodes[i].server != NULL)
            server_destroy(run->nodes[i].server);
    sim_destroy(run->sim);
    for (size_t i = 0; i < run->people_count; i++)
        sim_client_deinit(&run->people[i].client);
    heap_give(run->heard);
}

static void draw_faults(struct run *run)
{
    for (size_t i = 0; i < run->servers; i++) {
        struct sim_faults faults = sim_faults_none();

        faults.net_tiny = below(run, 2) ? (uint32_t)below(run, 300000) : 0;
        faults.net_reset = below(run, 3) ? 0 : (uint32_t)below(run, 300);
        faults.net_stall = below(run, 2) ? (uint32_t)below(run, 5000) : 0;
        faults.net_stall_ns = (int64_t)below(run, 1000) * MS;
        faults.net_max_ns <<= below(run, 6);
        faults.turn_max_ns <<= below(run, 8);
        faults.sock_buffer = 256u << below(run, 10);
        sim_set_faults(run->sim, i, &faults);
    }
}

static bool run_seed(uint64_t seed, bool loud, uint64_t flaws, uint64_t *hash)
{
    static struct run run;
    bool good;

    begin(&run, seed, loud, flaws);
    start(&run);
    for (int round = 0; round < ROUNDS && run.violation[0] == 0; round++) {
        draw_faults(&run);
        trouble(&run);
        if (run.violation[0] == 0)
            verify(&run);
    }
    *hash = sim_trace_hash(run.sim);
    good = run.violation[0] == 0;
    if (!good)
        printf("seed %llu: %s\n", (unsigned long long)seed, run.violation);
    if (loud && good)
        printf("seed %llu: good; %llu messages, %.1f s\n", (unsigned long long)seed,
               (unsigned long long)run.messages_count, (double)sim_now(run.sim) / 1e9);
    end(&run);
    return good;
}

/* ---- main ----------------------------------------------------------------------------------- */

/* One seed in fifty runs twice: equal seeds, equal traces. */
static int run_many(uint64_t from, double seconds)
{
    double deadline = hunt_clock() + seconds;
    uint64_t seed = from, bad = 0;

    for (; hunt_clock() < deadline && bad < 5; seed++) {
        uint64_t hash, again;

        if (!run_seed(seed, false, 0, &hash)) {
            bad++;
        } else if (seed % 50 == 0) {
            (void)run_seed(seed, false, 0, &again);
            if (hash != again) {
                printf("seed %llu: two runs differ\n", (unsigned long long)seed);
                bad++;
            }
        }
    }
    printf("sim_links: seeds %llu to %llu\n%llu passed, %llu failed\n", (unsigned long long)from,
           (unsigned long long)seed - 1, (unsigned long long)(seed - from - bad),
           (unsigned long long)bad);
    return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct flaw {
    const char *name, *text;
    uint64_t bit;
};

#define FLAW(name, text) {#name, text, CLUSTER_FLAW_##name},
static const struct flaw flaws[] = {CLUSTER_FLAW_TABLE(FLAW)};

static bool hunt_run(void *context, uint64_t seed, bool flawed)
{
    uint64_t hash;

    return run_seed(seed, false, flawed ? *(uint64_t *)context : 0, &hash);
}

static int run_flaws(const char *name, double seconds)
{
    int found = 0, missed = 0;

    for (size_t i = 0; i < COUNT(flaws); i++) {
        uint64_t bit = flaws[i].bit;
        struct hunt one = {"sim_links", flaws[i].name, flaws[i].text, seconds, hunt_run, &bit};

        if (name != NULL && strcmp(name, flaws[i].name) != 0)
            continue;
        if (hunt(&one))
            found++;
        else
            missed++;
    }
    printf("%d passed, %d failed\n", found, missed);
    return missed == 0 && found > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim_links --seed N | --seconds N [--from N] | [--flaw NAME | --flaws] "
                    "--seconds N\n");
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t seed = 0, from = 1, hash;
    const char *flaw = NULL;
    bool all_flaws = false;
    double seconds = 0;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--flaws") == 0)
            all_flaws = true;
        else if (strcmp(argv[i], "--flaw") == 0)
            flaw = value, i++;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--from") == 0)
            from = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = strtod(value, NULL), i++;
        else
            return usage();
    }
    if (seed != 0)
        return run_seed(seed, true, 0, &hash) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (all_flaws || flaw != NULL)
        return run_flaws(flaw, seconds > 0 ? seconds : 60);
    return run_many(from, seconds > 0 ? seconds : 10);
}
