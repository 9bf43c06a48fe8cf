/* What a traced message leaves behind at its receivers. */
#include <stdio.h>

#include "server/router/message_trace.h"
#include "tests/unit/server/shard.h"

#define QUIET "CONNECT {\"verbose\":false,\"headers\":true}\r\n"
#define MANY  3000u

struct traced {
    struct shard shard;
    struct tracer tracer;
    struct client publisher, told, gone;
};

static int64_t wall(void *owner)
{
    (void)owner;
    return 0;
}

static void write_server(void *owner, struct json_writer *w)
{
    (void)owner;
    json_object_begin(w);
    json_object_end(w);
}

static void traced_init(struct traced *t)
{
    shard_init(&t->shard);
    t->tracer = (struct tracer){.wall = wall,
                                .write_server = write_server,
                                .router = t->shard.clients.router,
                                .logger = &t->shard.logger};
    router_set_tracer(t->shard.clients.router, &t->tracer);
    shard_join(&t->shard, &t->publisher);
    shard_join(&t->shard, &t->told);
    shard_join(&t->shard, &t->gone);
    shard_say(&t->shard, &t->publisher, QUIET);
    shard_say(&t->shard, &t->told, QUIET "SUB tr 1\r\n");
    shard_say(&t->shard, &t->gone, QUIET);
}

static void traced_deinit(struct traced *t)
{
    shard_leave(&t->shard, &t->publisher);
    shard_leave(&t->shard, &t->told);
    shard_leave(&t->shard, &t->gone);
    shard_deinit(&t->shard);
}

static void publish(struct traced *t, const char *subject, bool only)
{
    const char *headers = only ? "NATS/1.0\r\nNats-Trace-Dest: tr\r\nNats-Trace-Only: true\r\n\r\n"
                               : "NATS/1.0\r\nNats-Trace-Dest: tr\r\n\r\n";
    char text[256];

    snprintf(text, sizeof(text), "HPUB %s %zu %zu\r\n%s\r\n", subject, strlen(headers),
             strlen(headers), headers);
    shard_forget(&t->told);
    shard_say(&t->shard, &t->publisher, text);
    (void)buf_add_byte(&t->told.out, 0);
    ck_assert_ptr_nonnull(strstr((const char *)t->told.out.at, "\"type\":\"in\""));
}

static bool told(const struct traced *t, const char *text)
{
    return strstr((const char *)t->told.out.at, text) != NULL;
}

START_TEST(who_has_ended_in_this_moment_is_named_as_closed)
{
    struct traced t;

    traced_init(&t);
    shard_say(&t.shard, &t.gone, "SUB s 1\r\n");
    publish(&t, "s", false);
    ck_assert(told(&t, "\"sub\":\"s\""));
    client_doom(&t.gone, "gone");
    for (int only = 0; only < 2; only++) {
        publish(&t, "s", only);
        ck_assert(told(&t, "Not delivered because client is closed"));
    }
    traced_deinit(&t);
}
END_TEST

/* It takes a while when it had many; to others it is gone. */
START_TEST(whose_subscriptions_are_leaving_is_not_named)
{
    struct traced t;
    uint32_t most;
    char line[64];

    for (int only = 0; only < 2; only++) {
        traced_init(&t);
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(line, sizeof(line), "SUB s %s%u\r\n", i % 2 == 0 ? "crew " : "", i);
            shard_say(&t.shard, &t.gone, line);
        }
        shard_say(&t.shard, &t.publisher, "SUB s crew 1\r\n");
        client_doom(&t.gone, "gone");
        most = 10;
        ck_assert(!client_leave_part(&t.gone, &most));
        publish(&t, "s", only);
        ck_assert(!told(&t, "closed"));
        ck_assert(told(&t, "\"queue\":\"crew\""));
        CK_OUT(&t.publisher, only ? ""
                                  : "HMSG s 1 33 33\r\nNATS/1.0\r\nNats-Trace-Dest: "
                                    "tr\r\n\r\n\r\n");
        traced_deinit(&t);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        who_has_ended_in_this_moment_is_named_as_closed,
        whose_subscriptions_are_leaving_is_not_named,
    };

    return UNIT_RUN_PLAIN("router_trace", tests);
}
