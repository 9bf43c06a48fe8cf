/* Streams and consumers with libnats. */
#include "tests/e2e/c/fixture.h"

#include <string.h>

#define BATCH 50

static uint64_t publish(struct fixture *f, const char *subject, const char *text)
{
    jsPubAck *ack = NULL;
    uint64_t seq;

    ok(js_Publish(&ack, f->js, subject, text, (int)strlen(text), NULL, NULL));
    seq = ack->Sequence;
    jsPubAck_Destroy(ack);
    return seq;
}

static void publish_many(struct fixture *f, const char *subject, int count)
{
    char text[32];

    for (int i = 1; i <= count; i++) {
        snprintf(text, sizeof text, "%d", i);
        check(publish(f, subject, text) == (uint64_t)i);
    }
}

static void expect_state(struct fixture *f, uint64_t messages, uint64_t last)
{
    jsStreamInfo *info = NULL;

    ok(js_GetStreamInfo(&info, f->js, "S", NULL, NULL));
    check(info->State.Msgs == messages);
    check(info->State.LastSeq == last);
    jsStreamInfo_Destroy(info);
}

static uint64_t sequence_of(natsMsg *msg, uint64_t *count)
{
    jsMsgMetaData *meta = NULL;
    uint64_t seq;

    ok(natsMsg_GetMetaData(&meta, msg));
    seq = meta->Sequence.Stream;
    if (count != NULL)
        *count = meta->NumDelivered;
    jsMsgMetaData_Destroy(meta);
    return seq;
}

static void a_publish_is_acked_with_its_number(struct fixture *f)
{
    jsPubAck *ack = NULL;

    fixture_add_stream(f, "S", "s.*");
    for (uint64_t i = 1; i <= 100; i++) {
        ok(js_Publish(&ack, f->js, "s.a", "x", 1, NULL, NULL));
        check(ack->Sequence == i);
        check(strcmp(ack->Stream, "S") == 0);
        check(!ack->Duplicate);
        jsPubAck_Destroy(ack);
    }
    expect_state(f, 100, 100);
}

static void a_publish_no_stream_takes_is_refused(struct fixture *f)
{
    gives(NATS_NO_RESPONDERS, js_Publish(NULL, f->js, "none", "x", 1, NULL, NULL));
}

static void a_repeated_id_is_a_duplicate_also_after_a_kill(struct fixture *f)
{
    jsPubOptions options;
    jsPubAck *ack = NULL;

    fixture_add_stream(f, "S", "s");
    ok(jsPubOptions_Init(&options));
    options.MsgId = "id-1";
    for (int i = 0; i < 3; i++) {
        ok(js_Publish(&ack, f->js, "s", "x", 1, &options, NULL));
        check(ack->Sequence == 1);
        check(ack->Duplicate == (i > 0));
        jsPubAck_Destroy(ack);
        if (i == 1)
            fixture_kill_and_restart(f);
    }
    expect_state(f, 1, 1);
}

static void a_failed_expectation_is_refused(struct fixture *f)
{
    jsPubOptions options;
    jsErrCode code = 0;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 3);
    ok(jsPubOptions_Init(&options));
    options.ExpectLastSeq = 2;
    check(js_Publish(NULL, f->js, "s", "x", 1, &options, &code) != NATS_OK);
    check(code == JSStreamWrongLastSequenceErr);
    options.ExpectLastSeq = 3;
    ok(js_Publish(NULL, f->js, "s", "x", 1, &options, NULL));
    expect_state(f, 4, 4);
}

static void asynchronous_publishes_are_all_stored(struct fixture *f)
{
    const int count = 5000;
    jsPubOptions options;
    char text[32];
    natsMsg *msg = NULL;

    fixture_add_stream(f, "S", "s");
    for (int i = 1; i <= count; i++) {
        snprintf(text, sizeof text, "%d", i);
        ok(js_PublishAsync(f->js, "s", text, (int)strlen(text), NULL));
    }
    ok(jsPubOptions_Init(&options));
    options.MaxWait = 3 * WAIT_MS;
    ok(js_PublishAsyncComplete(f->js, &options));
    expect_state(f, (uint64_t)count, (uint64_t)count);
    ok(js_GetMsg(&msg, f->js, "S", 4321, NULL, NULL));
    check(strcmp(natsMsg_GetData(msg), "4321") == 0);
    natsMsg_Destroy(msg);
}

/* Fetches and acks with a confirmation until `count` messages have come, in order. */
static void fetch_and_ack(natsSubscription *sub, uint64_t first, uint64_t last)
{
    uint64_t next = first;

    while (next <= last) {
        natsMsgList list = {NULL, 0};

        ok(natsSubscription_Fetch(&list, sub, BATCH, WAIT_MS, NULL));
        for (int i = 0; i < list.Count; i++) {
            check(sequence_of(list.Msgs[i], NULL) == next);
            next++;
            ok(natsMsg_AckSync(list.Msgs[i], NULL, NULL));
        }
        natsMsgList_Destroy(&list);
    }
}

static void a_pull_subscription_fetches_and_acks_everything(struct fixture *f)
{
    natsSubscription *sub = NULL;
    jsConsumerInfo *info = NULL;
    natsMsgList list = {NULL, 0};

    fixture_add_stream(f, "S", "s.*");
    publish_many(f, "s.a", 120);
    ok(js_PullSubscribe(&sub, f->js, "s.a", "C", NULL, NULL, NULL));
    fetch_and_ack(sub, 1, 120);
    ok(js_GetConsumerInfo(&info, f->js, "S", "C", NULL, NULL));
    check(info->AckFloor.Stream == 120);
    check(info->NumAckPending == 0);
    check(info->NumPending == 0);
    jsConsumerInfo_Destroy(info);
    gives(NATS_TIMEOUT, natsSubscription_Fetch(&list, sub, 1, 300, NULL));
    natsSubscription_Destroy(sub);
}

static void an_unacked_message_comes_again(struct fixture *f)
{
    natsSubscription *sub = NULL;
    jsSubOptions options;
    natsMsgList list = {NULL, 0};
    uint64_t count = 0;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 1);
    ok(jsSubOptions_Init(&options));
    options.Config.AckWait = 300000000;
    ok(js_PullSubscribe(&sub, f->js, "s", "C", NULL, &options, NULL));
    for (uint64_t i = 1; i <= 3; i++) {
        ok(natsSubscription_Fetch(&list, sub, 1, WAIT_MS, NULL));
        check(sequence_of(list.Msgs[0], &count) == 1);
        check(count == i);
        if (i == 2)
            ok(natsMsg_Nak(list.Msgs[0], NULL));
        natsMsgList_Destroy(&list);
    }
    natsSubscription_Destroy(sub);
}

static void what_was_acked_is_read_after_a_kill(struct fixture *f)
{
    natsSubscription *sub = NULL;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 300);
    fixture_kill_and_restart(f);
    expect_state(f, 300, 300);
    ok(js_PullSubscribe(&sub, f->js, "s", "C", NULL, NULL, NULL));
    fetch_and_ack(sub, 1, 300);
    natsSubscription_Destroy(sub);
}

static void an_ordered_reader_gets_everything_in_order(struct fixture *f)
{
    natsSubscription *sub = NULL;
    jsSubOptions options;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 1000);
    ok(jsSubOptions_Init(&options));
    options.Ordered = true;
    ok(js_SubscribeSync(&sub, f->js, "s", NULL, &options, NULL));
    for (uint64_t i = 1; i <= 1000; i++) {
        natsMsg *msg = NULL;

        ok(natsSubscription_NextMsg(&msg, sub, WAIT_MS));
        check(sequence_of(msg, NULL) == i);
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(sub);
}

static void a_push_subscription_acks_what_it_gets(struct fixture *f)
{
    natsSubscription *sub = NULL;
    jsSubOptions options;
    jsConsumerInfo *info = NULL;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 50);
    ok(jsSubOptions_Init(&options));
    options.Config.Durable = "P";
    ok(js_SubscribeSync(&sub, f->js, "s", NULL, &options, NULL));
    for (uint64_t i = 1; i <= 50; i++) {
        natsMsg *msg = NULL;

        ok(natsSubscription_NextMsg(&msg, sub, WAIT_MS));
        check(sequence_of(msg, NULL) == i);
        ok(natsMsg_AckSync(msg, NULL, NULL));
        natsMsg_Destroy(msg);
    }
    ok(js_GetConsumerInfo(&info, f->js, "S", "P", NULL, NULL));
    check(info->AckFloor.Stream == 50);
    check(info->PushBound);
    jsConsumerInfo_Destroy(info);
    natsSubscription_Destroy(sub);
}

static void a_deleted_message_and_a_deleted_stream_are_gone(struct fixture *f)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;

    fixture_add_stream(f, "S", "s");
    publish_many(f, "s", 3);
    ok(js_DeleteMsg(f->js, "S", 2, NULL, NULL));
    gives(NATS_NOT_FOUND, js_GetMsg(&msg, f->js, "S", 2, NULL, &code));
    check(code == JSNoMessageFoundErr);
    expect_state(f, 2, 3);
    ok(js_PurgeStream(f->js, "S", NULL, NULL));
    expect_state(f, 0, 3);
    ok(js_DeleteStream(f->js, "S", NULL, NULL));
    gives(NATS_NOT_FOUND, js_DeleteStream(f->js, "S", NULL, &code));
    check(code == JSStreamNotFoundErr);
}

const struct test tests_stream[] = {
    {"a publish is acked with its number", a_publish_is_acked_with_its_number},
    {"a publish no stream takes is refused", a_publish_no_stream_takes_is_refused},
    {"a repeated id is a duplicate, also after a kill",
     a_repeated_id_is_a_duplicate_also_after_a_kill},
    {"a failed expectation is refused", a_failed_expectation_is_refused},
    {"asynchronous publishes are all stored", asynchronous_publishes_are_all_stored},
    {"a pull subscription fetches and acks everything",
     a_pull_subscription_fetches_and_acks_everything},
    {"an unacked message comes again", an_unacked_message_comes_again},
    {"what was acked is read after a kill", what_was_acked_is_read_after_a_kill},
    {"an ordered reader gets everything in order", an_ordered_reader_gets_everything_in_order},
    {"a push subscription acks what it gets", a_push_subscription_acks_what_it_gets},
    {"a deleted message and a deleted stream are gone",
     a_deleted_message_and_a_deleted_stream_are_gone},
    {NULL, NULL},
};
