/*
 * fake: a stream that is a plain array, a shell that writes down what the consumer asks for, and a
 * clock that the test moves. What was asked for since the last look is text, one line each:
 *
 *     3>in.1 d1 c3 p0                     message 3 to in.1: delivery 1, consumer sequence 3, 0
 *     pending in.1 408 Request Timeout|Nats-...   a status, its lines joined by '|', "<reply>"
 *     behind the subject answer r.1 committed                an answer to an ack ("answer r.1" when
 *     it need not wait) advise naked 3 c3 d1                an advisory; "terminated", "exhausted",
 *     "acked", "resumed" settled 3                           (only if the fake is told to)
 *     inactive
 *     advise pinned g, advise unpinned g admin               and " pin" behind a message with a pin
 * id
 *
 * Proposed records wait until the test applies or refuses them.
 */
#ifndef TESTS_UNIT_CONSUMERS_FAKE_H
#define TESTS_UNIT_CONSUMERS_FAKE_H

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/subject.h"
#include "base/text.h"
#include "consumers/consumer.h"
#include "tests/unit/unit.h"

#define FAKE_MESSAGES_MAX 8192u
#define FAKE_RECORDS_MAX  4096u
#define FAKE_SECOND       INT64_C(1000000000)
#define FAKE_WALL         INT64_C(1700000000000000000)

/* Like ck_assert, which writes down every assertion that holds: too slow for a simulation. */
#define FAKE_MUST(condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

struct fake_message {
    bool present;
    int64_t time_ns;
    uint32_t size;
    char subject[24];
    char ack[128]; /* of its last delivery */
};

struct fake_record {
    uint8_t type;
    struct bytes body;
};

struct fake {
    void *reports; /* a test's own */
    char pin[23];  /* of the last message that had one */
    struct fake_message messages[FAKE_MESSAGES_MAX];
    uint64_t first, last;
    struct fake_record records[FAKE_RECORDS_MAX]; /* proposed, not yet applied */
    size_t proposed;
    struct fake_record log[FAKE_RECORDS_MAX]; /* applied; what a restart has */
    size_t logged;
    struct consumer *consumer;
    struct consumer_config config;
    struct consumer_stream stream;
    struct consumer_out out;
    struct buf asked;
    uint64_t damaged;        /* that message is known to be; 0: none is */
    uint64_t tail;           /* messages behind `last` up to here are gathered, not applied */
    bool shows_tail;         /* inside consumer_hand_out */
    const char *deaf;        /* nobody listens to inboxes that start like this */
    const char *behind;      /* who listens to those does not keep up */
    uint64_t caught_up;      /* one more each time that somebody does again */
    uint64_t unsent;         /* bytes of what was asked for that have not left */
    uint64_t interest_asked; /* calls of interest */
    int64_t now_ns, log_now_ns;
    int64_t wake_ns;
    int64_t unsent_since_ns; /* what was handed out since then has not left; 0: all has */
    uint64_t looked_up;      /* calls of next */
    bool say_settled;
    bool removes_settled; /* as a work-queue stream does */
};

/* ---- the stream ------------------------------------------------------------------------------ */

static inline bool fake_message_at(struct fake *fake, uint64_t sequence,
                                   struct consumer_message *out)
{
    struct fake_message *message;

    if (sequence == 0 || sequence >= FAKE_MESSAGES_MAX)
        return false;
    message = &fake->messages[sequence];
    if (!message->present)
        return false;
    *out = (struct consumer_message){
        .sequence = sequence,
        .time_ns = message->time_ns,
        .size = message->size,
        .subject = bytes_of_text(message->subject),
    };
    return true;
}

static inline bool fake_takes(const struct consumer_filter *filter, struct bytes subject)
{
    for (size_t i = 0; i < filter->count; i++)
        if (subject_matches(filter->subjects[i], subject))
            return true;
    return filter->count == 0;
}

/* How far `get` and `next` see. */
static inline uint64_t fake_end(const struct fake *fake)
{
    return fake->shows_tail && fake->tail > fake->last ? fake->tail : fake->last;
}

static inline uint64_t fake_first(void *owner)
{
    return ((struct fake *)owner)->first;
}

static inline uint64_t fake_last(void *owner)
{
    return ((struct fake *)owner)->last;
}

static inline bool fake_get(void *owner, uint64_t sequence, struct consumer_message *out)
{
    return sequence <= fake_end(owner) && fake_message_at(owner, sequence, out);
}

static inline bool fake_next(void *owner, const struct consumer_filter *filter, uint64_t from,
                             struct consumer_message *out)
{
    struct fake *fake = owner;

    fake->looked_up++;
    for (uint64_t sequence = from; sequence <= fake_end(fake); sequence++)
        if (fake_message_at(fake, sequence, out) && fake_takes(filter, out->subject))
            return true;
    return false;
}

static inline uint64_t fake_ahead(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    struct fake *fake = owner;
    struct consumer_message message;
    uint64_t count = 0;

    if (from <= fake->last)
        from = fake->last + 1;
    for (uint64_t sequence = from; sequence <= fake_end(fake); sequence++)
        count += fake_message_at(fake, sequence, &message) && fake_takes(filter, message.subject);
    return count;
}

static inline bool fake_previous(void *owner, const struct consumer_filter *filter, uint64_t up_to,
                                 struct consumer_message *out)
{
    for (uint64_t sequence = up_to; sequence > 0; sequence--)
        if (fake_message_at(owner, sequence, out) && fake_takes(filter, out->subject))
            return true;
    return false;
}

static inline bool fake_first_at(void *owner, int64_t time_ns, struct consumer_message *out)
{
    struct fake *fake = owner;

    for (uint64_t sequence = 1; sequence <= fake->last; sequence++)
        if (fake_message_at(fake, sequence, out) && out->time_ns >= time_ns)
            return true;
    return false;
}

static inline bool fake_is_last(void *owner, uint64_t sequence, uint64_t up_to)
{
    struct consumer_message message, other;

    if (!fake_message_at(owner, sequence, &message))
        return false;
    for (uint64_t later = sequence + 1; later <= up_to; later++)
        if (fake_message_at(owner, later, &other) && bytes_equal(other.subject, message.subject))
            return false;
    return sequence <= up_to;
}

static inline bool fake_damaged(void *owner, uint64_t sequence)
{
    return ((struct fake *)owner)->damaged == sequence;
}

static inline uint64_t fake_pending(void *owner, const struct consumer_filter *filter,
                                    uint64_t from)
{
    struct fake *fake = owner;
    struct consumer_message message;
    uint64_t count = 0;

    for (uint64_t sequence = from; sequence <= fake->last; sequence++)
        count += fake_message_at(fake, sequence, &message) && fake_takes(filter, message.subject);
    return count;
}

static inline uint64_t fake_pending_last(void *owner, const struct consumer_filter *filter,
                                         uint64_t from, uint64_t up_to)
{
    struct consumer_message message;
    uint64_t count = 0;

    for (uint64_t sequence = from; sequence <= up_to; sequence++)
        count += fake_message_at(owner, sequence, &message) &&
                 fake_takes(filter, message.subject) && fake_is_last(owner, sequence, up_to);
    return count;
}

/* ---- the shell ------------------------------------------------------------------------------- */

static inline void fake_say(struct fake *fake, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    FAKE_MUST(buf_add(&fake->asked, bytes_of_text(text)));
}

static inline void fake_propose(void *owner, uint8_t type, struct bytes body)
{
    struct fake *fake = owner;

    FAKE_MUST(fake->proposed < FAKE_RECORDS_MAX);
    fake->records[fake->proposed++] = (struct fake_record){type, heap_copy(body)};
}

static inline void fake_deliver(void *owner, const struct consumer_delivery *delivery)
{
    struct fake *fake = owner;
    unsigned long long deliveries, sequence, consumer, pending;
    long long time_ns;
    struct fake_message *message = &fake->messages[delivery->sequence];

    snprintf(message->ack, sizeof(message->ack), "%.*s", BYTES_ARG(delivery->ack_reply));
    FAKE_MUST(sscanf(message->ack, "$JS.ACK.S.C.%llu.%llu.%llu.%lld.%llu", &deliveries, &sequence,
                     &consumer, &time_ns, &pending) == 5);
    FAKE_MUST(sequence == delivery->sequence);
    FAKE_MUST(time_ns == message->time_ns);
    FAKE_MUST(delivery->handed_ns <= fake->log_now_ns);
    fake_say(fake, "%llu>%.*s d%llu c%llu p%llu%s%s\n", sequence, BYTES_ARG(delivery->to),
             deliveries, consumer, pending, delivery->headers_only ? " headers" : "",
             delivery->headers.size > 0 ? " pin" : "");
    if (delivery->headers.size > 0)
        FAKE_MUST(sscanf((const char *)delivery->headers.at, "Nats-Pin-Id: %22s\r\n", fake->pin) ==
                  1);
}

static inline int64_t fake_waits_since(void *owner)
{
    const struct fake *fake = owner;

    return fake->unsent_since_ns == 0 ? INT64_MAX : fake->unsent_since_ns;
}

static inline void fake_status(void *owner, struct bytes to, struct bytes reply,
                               struct bytes headers)
{
    struct fake *fake = owner;
    char text[512] = "";
    size_t size = 0;

    FAKE_MUST(bytes_starts(headers, BYTES("NATS/1.0 ")));
    FAKE_MUST(headers.size > 13);
    FAKE_MUST(memcmp(headers.at + headers.size - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 9; i < headers.size - 4; i++)
        if (headers.at[i] != '\r')
            text[size++] = headers.at[i] == '\n' ? '|' : (char)headers.at[i];
    fake_say(fake, "%.*s%s%.*s%s %s\n", BYTES_ARG(to), reply.size > 0 ? "<" : "", BYTES_ARG(reply),
             reply.size > 0 ? ">" : "", text);
}

static inline void fake_answer(void *owner, struct bytes to, bool committed)
{
    fake_say(owner, "answer %.*s%s\n", BYTES_ARG(to), committed ? " committed" : "");
}

static inline void fake_advise(void *owner, const struct consumer_advice *advice)
{
    static const char *const kinds[] = {"exhausted", "naked", "terminated", "acked", "resumed"};

    if (advice->kind == ADVISORY_RESUMED) {
        fake_say(owner, "advise resumed\n");
        return;
    }
    if (advice->kind == ADVISORY_PINNED || advice->kind == ADVISORY_UNPINNED) {
        bool pinned = advice->kind == ADVISORY_PINNED;

        fake_say(owner, "advise %s %.*s%s%.*s\n", pinned ? "pinned" : "unpinned",
                 BYTES_ARG(advice->group), pinned ? "" : " ", BYTES_ARG(advice->reason));
        return;
    }
    fake_say(owner, "advise %s %llu", kinds[advice->kind], (unsigned long long)advice->stream_seq);
    if (advice->kind != ADVISORY_MAX_DELIVERIES)
        fake_say(owner, " c%llu", (unsigned long long)advice->consumer_seq);
    fake_say(owner, " d%llu", (unsigned long long)advice->deliveries);
    if (advice->kind == ADVISORY_ACK_METRIC)
        fake_say(owner, " t%lld", (long long)advice->ack_time_ns);
    fake_say(owner, "%s%.*s\n", advice->reason.size > 0 ? " " : "", BYTES_ARG(advice->reason));
}

static inline enum consumer_interest fake_interest(void *owner, struct bytes subject)
{
    struct fake *fake = owner;

    fake->interest_asked++;
    if (fake->deaf != NULL && bytes_starts(subject, bytes_of_text(fake->deaf)))
        return INTEREST_NONE;
    if (fake->behind != NULL && bytes_starts(subject, bytes_of_text(fake->behind)))
        return INTEREST_BEHIND;
    return INTEREST_READY;
}

static inline uint64_t fake_caught_up(void *owner)
{
    return ((struct fake *)owner)->caught_up;
}

static inline uint64_t fake_unsent(void *owner)
{
    return ((struct fake *)owner)->unsent;
}

static inline void fake_inactive(void *owner)
{
    fake_say(owner, "inactive\n");
}

static inline void fake_wake_at(void *owner, int64_t deadline_ns)
{
    ((struct fake *)owner)->wake_ns = deadline_ns;
}

static inline void fake_remove(struct fake *fake, uint64_t sequence);

static inline void fake_settled(void *owner, uint64_t sequence)
{
    struct fake *fake = owner;

    if (fake->say_settled)
        fake_say(fake, "settled %llu\n", (unsigned long long)sequence);
    if (fake->removes_settled)
        fake_remove(fake, sequence);
}

/* ---- driving it ------------------------------------------------------------------------------ */

static inline struct consumer_config fake_config(void)
{
    return (struct consumer_config){
        .durable_name = BYTES("C"),
        .name = BYTES("C"),
        .ack_policy = ACK_EXPLICIT,
        .ack_wait_ns = 30 * FAKE_SECOND,
        .max_deliver = -1,
        .max_waiting = 512,
        .max_ack_pending = 1000,
        .opt_start_time_ns = TIME_UNSET,
        .pause_until_ns = TIME_UNSET,
    };
}

static inline struct fake *fake_create(void)
{
    struct fake *fake = HEAP_NEW(struct fake);

    fake->config = fake_config();
    fake->now_ns = 5 * FAKE_SECOND;
    fake->log_now_ns = FAKE_WALL;
    fake->wake_ns = INT64_MAX;
    buf_init(&fake->asked, 16u << 20);
    fake->stream = (struct consumer_stream){
        .owner = fake,
        .name = BYTES("S"),
        .message_max = 1000,
        .first = fake_first,
        .last = fake_last,
        .get = fake_get,
        .next = fake_next,
        .ahead = fake_ahead,
        .previous = fake_previous,
        .first_at = fake_first_at,
        .pending = fake_pending,
        .pending_last = fake_pending_last,
        .is_last = fake_is_last,
        .damaged = fake_damaged,
    };
    fake->out = (struct consumer_out){
        .propose = fake_propose,
        .deliver = fake_deliver,
        .waits_since = fake_waits_since,
        .status = fake_status,
        .answer = fake_answer,
        .advise = fake_advise,
        .interest = fake_interest,
        .caught_up = fake_caught_up,
        .unsent = fake_unsent,
        .inactive = fake_inactive,
        .wake_at = fake_wake_at,
        .settled = fake_settled,
    };
    return fake;
}

static inline void fake_drop_records(struct fake *fake)
{
    for (size_t i = 0; i < fake->proposed; i++)
        heap_give((void *)fake->records[i].body.at);
    fake->proposed = 0;
}

static inline void fake_forget_log(struct fake *fake)
{
    for (size_t i = 0; i < fake->logged; i++)
        heap_give((void *)fake->log[i].body.at);
    fake->logged = 0;
}

static inline void fake_destroy(struct fake *fake)
{
    if (fake->consumer != NULL)
        consumer_destroy(fake->consumer);
    fake_drop_records(fake);
    fake_forget_log(fake);
    buf_deinit(&fake->asked);
    heap_give(fake);
}

/* Makes the consumer from fake->config; it leads unless the test wants otherwise. */
static inline void fake_consumer(struct fake *fake)
{
    fake->consumer =
        consumer_create(7, &fake->config, fake->log_now_ns, &fake->stream, &fake->out, fake, 1);
    ck_assert_ptr_nonnull(fake->consumer);
}

static inline void fake_lead(struct fake *fake)
{
    fake_consumer(fake);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
}

/* Gathers one message of `size` bytes (subject included) and offers it. */
static inline uint64_t fake_gather_sized(struct fake *fake, const char *subject, uint32_t size)
{
    uint64_t sequence = (fake->tail > fake->last ? fake->tail : fake->last) + 1;

    FAKE_MUST(sequence < FAKE_MESSAGES_MAX);
    fake->tail = sequence;
    fake->messages[sequence].present = true;
    fake->messages[sequence].time_ns = fake->log_now_ns;
    fake->messages[sequence].size = size;
    snprintf(fake->messages[sequence].subject, sizeof(fake->messages[sequence].subject), "%s",
             subject);
    return sequence;
}

static inline uint64_t fake_gather(struct fake *fake, const char *subject)
{
    uint64_t sequence = fake_gather_sized(fake, subject, (uint32_t)strlen(subject) + 10);

    consumer_offered(fake->consumer);
    return sequence;
}

/* The oldest of what is gathered is stored. False: there is none. */
static inline bool fake_store_next(struct fake *fake, struct consumer_message *message)
{
    if (fake->last >= fake->tail)
        return false;
    fake->last++;
    if (fake->first == 0)
        fake->first = fake->last;
    FAKE_MUST(fake_message_at(fake, fake->last, message));
    if (fake->consumer != NULL)
        consumer_stored(fake->consumer, message);
    return true;
}

static inline void fake_store_tail(struct fake *fake)
{
    struct consumer_message message;

    while (fake_store_next(fake, &message))
        continue;
}

static inline void fake_drop_tail(struct fake *fake)
{
    while (fake->tail > fake->last)
        fake->messages[fake->tail--].present = false;
}

/* Stores one message of `size` bytes (subject included). */
static inline uint64_t fake_store_sized(struct fake *fake, const char *subject, uint32_t size)
{
    uint64_t sequence = fake_gather_sized(fake, subject, size);

    fake_store_tail(fake);
    return sequence;
}

static inline uint64_t fake_store(struct fake *fake, const char *subject)
{
    return fake_store_sized(fake, subject, (uint32_t)strlen(subject) + 10);
}

static inline void fake_store_many(struct fake *fake, const char *subject, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fake_store(fake, subject);
}

static inline void fake_remove(struct fake *fake, uint64_t sequence)
{
    struct consumer_message message;

    if (!fake_message_at(fake, sequence, &message))
        return;
    fake->messages[sequence].present = false;
    while (fake->first <= fake->last && !fake->messages[fake->first].present)
        fake->first++;
    if (fake->consumer != NULL)
        consumer_removed(fake->consumer, &message);
}

/* Everything gathered and proposed is applied, in order. */
static inline void fake_apply(struct fake *fake)
{
    size_t count = fake->proposed;

    fake_store_tail(fake);
    for (size_t i = 0; i < count; i++) {
        FAKE_MUST(fake->logged < FAKE_RECORDS_MAX);
        fake->log[fake->logged++] = fake->records[i];
        FAKE_MUST(consumer_apply(fake->consumer, fake->now_ns, fake->records[i].type,
                                 fake->records[i].body) == OK);
    }
    fake->proposed -= count;
    memmove(fake->records, fake->records + count, fake->proposed * sizeof(fake->records[0]));
}

static inline void fake_refuse(struct fake *fake)
{
    fake_drop_records(fake);
    fake_drop_tail(fake);
    consumer_refused(fake->consumer, fake->now_ns);
}

/* One turn, at whose end the batch leaves. */
static inline void fake_work(struct fake *fake)
{
    consumer_work(fake->consumer, fake->now_ns, fake->log_now_ns);
    fake->shows_tail = true;
    consumer_hand_out(fake->consumer, fake->now_ns, fake->log_now_ns);
    fake->shows_tail = false;
}

/* Turns until nothing is left to do now. */
static inline void fake_turn(struct fake *fake)
{
    for (size_t i = 0; i < 100; i++) {
        fake_work(fake);
        if (fake->proposed == 0 && fake->tail <= fake->last && !consumer_hungry(fake->consumer))
            return;
        fake_apply(fake);
    }
    ck_abort_msg("the consumer never comes to rest");
}

/* Time passes; the consumer is woken whenever it asked for it. */
static inline void fake_pass(struct fake *fake, int64_t span_ns)
{
    int64_t until = fake->now_ns + span_ns;

    for (size_t i = 0; i < 100000 && fake->wake_ns <= until; i++) {
        int64_t step = fake->wake_ns > fake->now_ns ? fake->wake_ns - fake->now_ns : 0;

        fake->now_ns += step;
        fake->log_now_ns += step;
        fake->wake_ns = INT64_MAX;
        fake_turn(fake);
    }
    FAKE_MUST(fake->wake_ns > until);
    fake->log_now_ns += until - fake->now_ns;
    fake->now_ns = until;
}

static inline void fake_pull(struct fake *fake, const char *reply, const char *body)
{
    consumer_request(fake->consumer, fake->now_ns, bytes_of_text(reply), bytes_of(NULL, 0),
                     bytes_of_text(body));
}

/* A leading consumer with that policy and one group, "g". */
static inline struct fake *fake_grouped(enum priority_policy policy)
{
    static struct bytes group = BYTES("g");
    struct fake *fake = fake_create();

    fake->config.priority_policy = policy;
    fake->config.priority_groups = (struct schema_strings){&group, 1};
    fake->config.priority_timeout_ns = policy == PRIORITY_PINNED ? 10 * FAKE_SECOND : 0;
    fake_lead(fake);
    return fake;
}

/* For that group; `more` are further members of the request. */
static inline void fake_pull_in_group(struct fake *fake, const char *reply, unsigned batch,
                                      const char *more)
{
    char body[256];

    snprintf(body, sizeof body, "{\"batch\":%u,\"group\":\"g\"%s}", batch, more);
    fake_pull(fake, reply, body);
}

/* Says `body` to the ack subject of the last delivery of that message. */
static inline void fake_ack(struct fake *fake, uint64_t sequence, const char *body,
                            const char *reply)
{
    FAKE_MUST(fake->messages[sequence].ack[0] != 0);
    consumer_ack(fake->consumer, fake->now_ns, fake->log_now_ns,
                 bytes_of_text(fake->messages[sequence].ack), bytes_of_text(reply),
                 bytes_of_text(body));
}

static inline void fake_acks(struct fake *fake, uint64_t first, uint64_t last)
{
    for (uint64_t sequence = first; sequence <= last; sequence++)
        fake_ack(fake, sequence, "", "");
}

static inline struct consumer_info fake_info(struct fake *fake)
{
    struct consumer_info info;

    consumer_describe(fake->consumer, fake->now_ns, fake->log_now_ns, &info);
    return info;
}

/* A crash: the durable half is what the state's bytes say, and what is proposed is gone. */
static inline void fake_restart(struct fake *fake)
{
    struct buf state;

    buf_init(&state, 16u << 20);
    FAKE_MUST(consumer_state_encode(fake->consumer, &state));
    consumer_destroy(fake->consumer);
    fake_drop_records(fake);
    fake_drop_tail(fake);
    fake->wake_ns = INT64_MAX;
    fake_consumer(fake);
    ck_assert_int_eq(consumer_state_decode(fake->consumer, buf_bytes(&state)), OK);
    consumer_lead(fake->consumer, fake->now_ns, fake->log_now_ns);
    buf_deinit(&state);
}

/* What was asked for since the last look, which it forgets. */
static inline const char *fake_asked(struct fake *fake)
{
    static char text[1 << 20];

    FAKE_MUST(fake->asked.size < sizeof(text));
    memcpy(text, fake->asked.at == NULL ? (const uint8_t *)"" : fake->asked.at, fake->asked.size);
    text[fake->asked.size] = 0;
    buf_clear(&fake->asked);
    return text;
}

#define EXPECT(fake, text)                                                                         \
    do {                                                                                           \
        const char *asked_ = fake_asked(fake);                                                     \
        ck_assert_msg(strcmp(asked_, (text)) == 0, "expected\n%s\nbut was asked\n%s", (text),      \
                      asked_);                                                                     \
    } while (0)

#endif
