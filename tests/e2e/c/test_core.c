/* Core messaging with libnats. */
#include "tests/e2e/c/fixture.h"

#include <string.h>

static void expect_string(natsSubscription *sub, const char *wanted)
{
    natsMsg *msg = NULL;

    ok(natsSubscription_NextMsg(&msg, sub, WAIT_MS));
    check(strcmp(natsMsg_GetData(msg), wanted) == 0);
    natsMsg_Destroy(msg);
}

static void published_bytes_arrive(struct fixture *f)
{
    natsConnection *other = fixture_connect(f);
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL;
    char bytes[256];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    ok(natsConnection_SubscribeSync(&sub, f->nc, "bytes"));
    ok(natsConnection_FlushTimeout(f->nc, WAIT_MS));
    ok(natsConnection_Publish(other, "bytes", bytes, sizeof bytes));
    ok(natsSubscription_NextMsg(&msg, sub, WAIT_MS));
    check(natsMsg_GetDataLength(msg) == sizeof bytes);
    check(memcmp(natsMsg_GetData(msg), bytes, sizeof bytes) == 0);
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(other);
}

static void wildcards_match_tokens(struct fixture *f)
{
    natsSubscription *star = NULL, *tail = NULL;
    const char *subjects[] = {"a.b.c", "a.c", "a.b.c.d", "a.x.c"};
    uint64_t stars = 0, tails = 0;

    ok(natsConnection_SubscribeSync(&star, f->nc, "a.*.c"));
    ok(natsConnection_SubscribeSync(&tail, f->nc, "a.b.>"));
    for (size_t i = 0; i < 4; i++)
        ok(natsConnection_PublishString(f->nc, subjects[i], subjects[i]));
    ok(natsConnection_FlushTimeout(f->nc, WAIT_MS));
    expect_string(star, "a.b.c");
    expect_string(star, "a.x.c");
    expect_string(tail, "a.b.c");
    expect_string(tail, "a.b.c.d");
    ok(natsSubscription_QueuedMsgs(star, &stars));
    ok(natsSubscription_QueuedMsgs(tail, &tails));
    check(stars == 0);
    check(tails == 0);
    natsSubscription_Destroy(star);
    natsSubscription_Destroy(tail);
}

static void a_queue_group_gets_each_message_once(struct fixture *f)
{
    natsSubscription *members[2] = {NULL};
    uint64_t queued[2] = {0};

    for (int i = 0; i < 2; i++)
        ok(natsConnection_QueueSubscribeSync(&members[i], f->nc, "work", "crew"));
    for (int i = 0; i < 200; i++)
        ok(natsConnection_PublishString(f->nc, "work", "x"));
    ok(natsConnection_FlushTimeout(f->nc, WAIT_MS));
    for (int i = 0; i < 2; i++)
        ok(natsSubscription_QueuedMsgs(members[i], &queued[i]));
    check(queued[0] + queued[1] == 200);
    check(queued[0] > 0);
    check(queued[1] > 0);
    for (int i = 0; i < 2; i++)
        natsSubscription_Destroy(members[i]);
}

static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    ok(natsConnection_Publish(nc, natsMsg_GetReply(msg), natsMsg_GetData(msg),
                              natsMsg_GetDataLength(msg)));
    natsMsg_Destroy(msg);
}

static void a_request_gets_its_reply(struct fixture *f)
{
    natsConnection *service = fixture_connect(f);
    natsSubscription *sub = NULL;

    ok(natsConnection_Subscribe(&sub, service, "echo", answer, NULL));
    ok(natsConnection_FlushTimeout(service, WAIT_MS));
    for (int i = 0; i < 100; i++) {
        natsMsg *reply = NULL;
        char text[16];

        snprintf(text, sizeof text, "%d", i);
        ok(natsConnection_RequestString(&reply, f->nc, "echo", text, WAIT_MS));
        check(natsMsg_GetDataLength(reply) == (int)strlen(text));
        check(memcmp(natsMsg_GetData(reply), text, strlen(text)) == 0);
        natsMsg_Destroy(reply);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(service);
}

static void a_request_nobody_serves_fails_at_once(struct fixture *f)
{
    natsMsg *reply = NULL;

    gives(NATS_NO_RESPONDERS,
          natsConnection_RequestString(&reply, f->nc, "nobody", "", 3 * WAIT_MS));
}

static void headers_arrive(struct fixture *f)
{
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL, *got = NULL;
    const char **values = NULL, *value = NULL;
    int count = 0;

    ok(natsConnection_SubscribeSync(&sub, f->nc, "h"));
    ok(natsMsg_Create(&msg, "h", NULL, "body", 4));
    ok(natsMsgHeader_Add(msg, "Two", "1"));
    ok(natsMsgHeader_Add(msg, "Two", "2"));
    ok(natsMsgHeader_Set(msg, "two", "lower"));
    ok(natsConnection_PublishMsg(f->nc, msg));
    ok(natsSubscription_NextMsg(&got, sub, WAIT_MS));
    ok(natsMsgHeader_Values(got, "Two", &values, &count));
    check(count == 2);
    check(strcmp(values[0], "1") == 0);
    check(strcmp(values[1], "2") == 0);
    ok(natsMsgHeader_Get(got, "two", &value));
    check(strcmp(value, "lower") == 0);
    free((void *)values);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(got);
    natsSubscription_Destroy(sub);
}

static void auto_unsubscribe_ends_after_its_count(struct fixture *f)
{
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL;

    ok(natsConnection_SubscribeSync(&sub, f->nc, "auto"));
    ok(natsSubscription_AutoUnsubscribe(sub, 2));
    for (int i = 0; i < 5; i++)
        ok(natsConnection_PublishString(f->nc, "auto", i % 2 == 0 ? "even" : "odd"));
    expect_string(sub, "even");
    expect_string(sub, "odd");
    check(natsSubscription_NextMsg(&msg, sub, 200) != NATS_OK);
    natsSubscription_Destroy(sub);
}

static void subscriptions_are_in_force_after_a_restart(struct fixture *f)
{
    natsSubscription *sub = NULL;

    ok(natsConnection_SubscribeSync(&sub, f->nc, "again"));
    fixture_kill_and_restart(f);
    ok(natsConnection_PublishString(f->nc, "again", "hello"));
    expect_string(sub, "hello");
    natsSubscription_Destroy(sub);
}

const struct test tests_core[] = {
    {"published bytes arrive", published_bytes_arrive},
    {"wildcards match tokens", wildcards_match_tokens},
    {"a queue group gets each message once", a_queue_group_gets_each_message_once},
    {"a request gets its reply", a_request_gets_its_reply},
    {"a request nobody serves fails at once", a_request_nobody_serves_fails_at_once},
    {"headers arrive", headers_arrive},
    {"auto-unsubscribe ends after its count", auto_unsubscribe_ends_after_its_count},
    {"subscriptions are in force after a restart", subscriptions_are_in_force_after_a_restart},
    {NULL, NULL},
};
