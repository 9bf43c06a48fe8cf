/*
 * rig_consumers: the consumers of a rig's stream, made and told as the stream's shell does it: from
 * what is applied, so that a crash leaves what the log has. What a consumer sends is said as text.
 */
#ifndef TESTS_UNIT_SERVER_RIG_CONSUMERS_H
#define TESTS_UNIT_SERVER_RIG_CONSUMERS_H

#include "server/stream/consumer_view.h"
#include "tests/unit/server/stream_rig.h"

#define RIG_CONSUMERS_MAX 4u

struct rig_consumer {
    struct rig_consumers *all;
    struct consumer *consumer;
    char name[32];
};

struct rig_consumers {
    struct rig *rig;
    struct stream_events events;
    struct consumer_view view;
    struct consumer_stream stream;
    struct rig_consumer at[RIG_CONSUMERS_MAX];
    size_t count;
    bool leads;
    void (*said)(void *context, const char *text);
    void *context;
};

/* ---- what a machine asks for ----------------------------------------------------------------- */

static inline void rig_consumer_propose(void *owner, uint8_t type, struct bytes body)
{
    struct rig *rig = ((struct rig_consumer *)owner)->all->rig;
    const size_t pad = 16 - RECORD_HEAD;
    uint8_t *at = record_begin(&rig->gather, type, 0, pad + body.size);

    memset(at, 0, pad);
    memcpy(at + pad, body.at, body.size);
    record_end(&rig->gather, pad + body.size);
    rig->gathered++;
}

[[gnu::format(printf, 2, 3)]] static inline void rig_consumer_say(struct rig_consumer *c,
                                                                  const char *format, ...)
{
    char text[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    c->all->said(c->all->context, text);
}

static inline void rig_consumer_deliver(void *owner, const struct consumer_delivery *delivery)
{
    unsigned long long deliveries, consumer;
    char ack[200];

    snprintf(ack, sizeof ack, "%.*s", BYTES_ARG(delivery->ack_reply));
    if (sscanf(ack, "$JS.ACK.S.%*[^.].%llu.%*u.%llu.", &deliveries, &consumer) != 2)
        rig_die("an ack subject: %s", ack);
    rig_consumer_say(owner, "deliver %llu to %.*s, delivery %llu, consumer sequence %llu",
                     (unsigned long long)delivery->sequence, BYTES_ARG(delivery->to), deliveries,
                     consumer);
}

static inline void rig_consumer_status(void *owner, struct bytes to, struct bytes reply,
                                       struct bytes headers)
{
    (void)reply;
    rig_consumer_say(owner, "tell %.*s %.*s", BYTES_ARG(to), (int)headers.size - 13,
                     (const char *)headers.at + 9);
}

static inline void rig_consumer_answer(void *owner, struct bytes to, bool committed)
{
    (void)owner, (void)to, (void)committed;
}

static inline void rig_consumer_advise(void *owner, const struct consumer_advice *advice)
{
    rig_consumer_say(owner, "advise of %llu", (unsigned long long)advice->stream_seq);
}

static inline enum consumer_interest rig_consumer_interest(void *owner, struct bytes subject)
{
    (void)owner, (void)subject;
    return INTEREST_READY;
}

static inline void rig_consumer_nothing(void *owner)
{
    (void)owner;
}

static inline void rig_consumer_wake_at(void *owner, int64_t deadline_ns)
{
    (void)owner, (void)deadline_ns;
}

static const struct consumer_out rig_consumer_out = {
    .propose = rig_consumer_propose,
    .deliver = rig_consumer_deliver,
    .status = rig_consumer_status,
    .answer = rig_consumer_answer,
    .advise = rig_consumer_advise,
    .interest = rig_consumer_interest,
    .inactive = rig_consumer_nothing,
    .wake_at = rig_consumer_wake_at,
};

/* ---- what is applied ------------------------------------------------------------------------- */

static inline void rig_consumers_created(void *owner, const struct effect *effect)
{
    struct rig_consumers *all = owner;
    struct rig_consumer *c = &all->at[all->count++];
    struct consumer_config config;
    struct arena arena;

    if (all->count > RIG_CONSUMERS_MAX)
        rig_die("too many consumers");
    arena_init(&arena, 1 << 16);
    if (consumer_config_decode(effect->consumer.json, &arena, &config) != OK)
        rig_die("config of %.*s", BYTES_ARG(effect->consumer.name));
    c->all = all;
    all->stream = consumer_view_stream(&all->view, BYTES("S"), 1 << 20);
    snprintf(c->name, sizeof c->name, "%.*s", BYTES_ARG(effect->consumer.name));
    c->consumer = consumer_create(effect->consumer.number, &config, effect->consumer.created_ns,
                                  &all->stream, &rig_consumer_out, c, 1);
    if (all->leads)
        consumer_lead(c->consumer, 1, all->rig->now_ns);
    arena_deinit(&arena);
}

static inline void rig_consumers_stored(void *owner, const struct index_entry *entry)
{
    struct rig_consumers *all = owner;
    struct consumer_message message = consumer_view_message(&all->view, entry);

    for (size_t i = 0; i < all->count; i++)
        consumer_stored(all->at[i].consumer, &message);
}

static inline void rig_consumers_removed(void *owner, const struct index_entry *entry)
{
    struct rig_consumers *all = owner;
    struct consumer_message message = consumer_view_message(&all->view, entry);

    for (size_t i = 0; i < all->count; i++)
        consumer_removed(all->at[i].consumer, &message);
}

static inline void rig_consumers_record(void *owner, const struct record *record)
{
    struct rig_consumers *all = owner;
    struct bytes body = bytes_skip(record->body, 16 - RECORD_HEAD);

    for (size_t i = 0; i < all->count; i++) {
        struct consumer *consumer = all->at[i].consumer;

        if (consumer_number(consumer) != consumer_record_number(body))
            continue;
        if (consumer_apply(consumer, all->leads ? 1 : 0, record->type, body) != OK)
            rig_die("a record of %s does not apply", all->at[i].name);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static inline void rig_consumers_forget(struct rig_consumers *all)
{
    for (size_t i = 0; i < all->count; i++)
        consumer_destroy(all->at[i].consumer);
    all->count = 0;
}

static inline void rig_consumers_init(struct rig_consumers *all, struct rig *rig,
                                      void (*said)(void *context, const char *text), void *context)
{
    *all = (struct rig_consumers){.rig = rig, .leads = true, .said = said, .context = context};
    all->view = (struct consumer_view){.state = &rig->state, .overlay = &rig->decider.overlay};
    all->events = (struct stream_events){.owner = all,
                                         .stored = rig_consumers_stored,
                                         .removed = rig_consumers_removed,
                                         .consumer = rig_consumers_created};
    rig->events = &all->events;
    rig->record = rig_consumers_record;
    rig->state.events = rig->events;
}

/* As rig_crash; who waited is gone. */
static inline void rig_consumers_crash(struct rig_consumers *all, uint64_t kept)
{
    rig_consumers_forget(all);
    all->leads = false;
    rig_crash(all->rig, kept);
    all->leads = true;
    for (size_t i = 0; i < all->count; i++)
        consumer_lead(all->at[i].consumer, 1, all->rig->now_ns);
}

static inline void rig_consumers_refuse(struct rig_consumers *all)
{
    rig_refuse(all->rig);
    for (size_t i = 0; i < all->count; i++)
        consumer_refused(all->at[i].consumer, 1);
}

static inline struct consumer *rig_consumers_find(struct rig_consumers *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->at[i].name, name) == 0)
            return all->at[i].consumer;
    rig_die("no consumer %s", name);
}

/* Right before the batch is proposed. Hand-outs join it only if nothing else is in flight. */
static inline void rig_consumers_work(struct rig_consumers *all)
{
    struct rig *rig = all->rig;

    for (size_t i = 0; i < all->count; i++)
        consumer_work(all->at[i].consumer, 1, rig->now_ns);
    if (rig->applied != rig->proposed)
        return;
    all->view.tail = true;
    for (size_t i = 0; i < all->count; i++) {
        consumer_offered(all->at[i].consumer);
        consumer_hand_out(all->at[i].consumer, 1, rig->now_ns);
    }
    all->view.tail = false;
}

#endif
