/* Core messaging in a cluster of three, with libnats. The fixture's own server stands aside. */
#include "tests/e2e/c/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVERS 3

struct cluster {
    int ports[SERVERS], links[SERVERS];
    pid_t servers[SERVERS];
    char directory[256];
    natsConnection *nc[SERVERS];
};

static void start(struct cluster *c, int i)
{
    char port[16], name[8], link[64], routes[256], log[300];
    const char *const arguments[] = {"millrace", "-a",       "127.0.0.1",      "-p", port,
                                     "-n",       name,       "--cluster_name", "C",  "--cluster",
                                     link,       "--routes", routes,           NULL};

    snprintf(port, sizeof port, "%d", c->ports[i]);
    snprintf(name, sizeof name, "n%d", i);
    snprintf(link, sizeof link, "nats://127.0.0.1:%d", c->links[i]);
    snprintf(routes, sizeof routes, "nats://127.0.0.1:%d,nats://127.0.0.1:%d,nats://127.0.0.1:%d",
             c->links[0], c->links[1], c->links[2]);
    snprintf(log, sizeof log, "%s/%s.log", c->directory, name);
    c->servers[i] = server_spawn(arguments, log);
    await_log(log, "Server is ready");
}

static natsConnection *connect_to(const struct cluster *c, int i)
{
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    char url[64];

    snprintf(url, sizeof url, "nats://127.0.0.1:%d", c->ports[i]);
    ok(natsOptions_Create(&options));
    ok(natsOptions_SetURL(options, url));
    ok(natsOptions_SetTimeout(options, WAIT_MS));
    ok(natsOptions_SetMaxReconnect(options, 1000));
    ok(natsOptions_SetReconnectWait(options, 20));
    ok(natsConnection_Connect(&nc, options));
    natsOptions_Destroy(options);
    return nc;
}

/* Until what was subscribed at `to` before is known at `from`. */
static void settle(natsConnection *from, natsConnection *to)
{
    int64_t end = now_ms() + WAIT_MS;
    natsSubscription *probe = NULL;
    natsMsg *msg = NULL;

    ok(natsConnection_SubscribeSync(&probe, to, "probe"));
    ok(natsConnection_FlushTimeout(to, WAIT_MS));
    while (natsSubscription_NextMsg(&msg, probe, 20) != NATS_OK) {
        check(now_ms() < end);
        ok(natsConnection_PublishString(from, "probe", "?"));
    }
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(probe);
}

static void settle_all(struct cluster *c)
{
    for (int from = 0; from < SERVERS; from++)
        for (int to = 0; to < SERVERS; to++)
            settle(c->nc[from], c->nc[to]);
}

static void begin(struct cluster *c, const struct fixture *f)
{
    *c = (struct cluster){0};
    snprintf(c->directory, sizeof c->directory, "%s", f->directory);
    for (int i = 0; i < SERVERS; i++) {
        c->ports[i] = free_port();
        c->links[i] = free_port();
    }
    for (int i = 0; i < SERVERS; i++)
        start(c, i);
    for (int i = 0; i < SERVERS; i++)
        c->nc[i] = connect_to(c, i);
    settle_all(c);
}

static void stop(struct cluster *c, int i)
{
    kill(c->servers[i], SIGKILL);
    check(waitpid(c->servers[i], NULL, 0) == c->servers[i]);
}

static void end(struct cluster *c)
{
    for (int i = 0; i < SERVERS; i++) {
        natsConnection_Destroy(c->nc[i]);
        stop(c, i);
    }
}

static void messages_reach_all_servers_once(struct fixture *f)
{
    natsSubscription *subs[SERVERS] = {NULL};
    struct cluster c;
    natsMsg *msg = NULL;
    char text[32];

    begin(&c, f);
    for (int i = 0; i < SERVERS; i++)
        ok(natsConnection_SubscribeSync(&subs[i], c.nc[i], "a.*"));
    settle_all(&c);
    for (int n = 0; n < 1000; n++) {
        snprintf(text, sizeof text, "%d", n);
        ok(natsConnection_PublishString(c.nc[0], "a.b", text));
    }
    for (int i = 0; i < SERVERS; i++) {
        for (int n = 0; n < 1000; n++) {
            snprintf(text, sizeof text, "%d", n);
            ok(natsSubscription_NextMsg(&msg, subs[i], WAIT_MS));
            check(strcmp(natsMsg_GetData(msg), text) == 0);
            natsMsg_Destroy(msg);
        }
        gives(NATS_TIMEOUT, natsSubscription_NextMsg(&msg, subs[i], 50));
        natsSubscription_Destroy(subs[i]);
    }
    end(&c);
}

static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    ok(natsConnection_PublishString(nc, natsMsg_GetReply(msg), closure));
    natsMsg_Destroy(msg);
}

static void requests_are_shared_by_a_group_on_two_servers(struct fixture *f)
{
    char names[2][2] = {"0", "1"};
    natsSubscription *members[2] = {NULL};
    int answered[2] = {0};
    struct cluster c;
    natsMsg *msg = NULL;

    begin(&c, f);
    ok(natsConnection_QueueSubscribe(&members[0], c.nc[1], "svc", "q", answer, names[0]));
    ok(natsConnection_QueueSubscribe(&members[1], c.nc[2], "svc", "q", answer, names[1]));
    settle_all(&c);
    for (int i = 0; i < 300; i++) {
        ok(natsConnection_RequestString(&msg, c.nc[0], "svc", "?", WAIT_MS));
        answered[natsMsg_GetData(msg)[0] - '0']++;
        natsMsg_Destroy(msg);
    }
    check(answered[0] > 80);
    check(answered[1] > 80);
    gives(NATS_NO_RESPONDERS, natsConnection_RequestString(&msg, c.nc[0], "nobody", "?", WAIT_MS));
    for (int i = 0; i < 2; i++)
        natsSubscription_Destroy(members[i]);
    end(&c);
}

static void a_client_goes_to_a_server_that_it_was_told_of(struct fixture *f)
{
    int64_t until = now_ms() + WAIT_MS;
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL;
    struct cluster c;
    char **urls = NULL;
    int count = 0;

    begin(&c, f);
    ok(natsConnection_SubscribeSync(&sub, c.nc[0], "x"));
    ok(natsConnection_FlushTimeout(c.nc[0], WAIT_MS));
    while (count < 2) {
        check(now_ms() < until);
        ok(natsConnection_GetDiscoveredServers(c.nc[0], &urls, &count));
        for (int i = 0; i < count; i++)
            free(urls[i]);
        free(urls);
        usleep(5000);
    }
    stop(&c, 0);
    while (natsSubscription_NextMsg(&msg, sub, 20) != NATS_OK) {
        check(now_ms() < until);
        ok(natsConnection_PublishString(c.nc[1], "x", "hello"));
    }
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
    start(&c, 0);
    end(&c);
}

const struct test tests_cluster[] = {
    {"in a cluster messages reach all servers once", messages_reach_all_servers_once},
    {"in a cluster requests are shared by a group on two servers",
     requests_are_shared_by_a_group_on_two_servers},
    {"in a cluster a client goes to a server that it was told of",
     a_client_goes_to_a_server_that_it_was_told_of},
    {NULL, NULL},
};
