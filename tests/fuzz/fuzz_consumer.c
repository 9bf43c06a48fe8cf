/*
 * Any bytes as what a consumer is told: requests and acks of clients, records and state from a
 * disk. The input is a list of steps, each a kind, a size and that many bytes. The machine's
 * assertions judge.
 */
#include <stdio.h>

#include "base/heap.h"
#include "base/text.h"
#include "consumers/consumer.h"

#define MESSAGES      20u
#define SECOND        INT64_C(1000000000)
#define PROPOSALS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct shell {
    struct consumer *consumer;
    struct consumer_stream stream;
    struct consumer_out out;
    struct {
        uint8_t type;
        struct bytes body;
    } proposals[PROPOSALS_MAX];
    size_t proposed;
    int64_t now_ns;
    bool leading;
};

static const struct bytes subjects[] = {BYTES("a.x"), BYTES("a.y"), BYTES("b")};

/* Every third message is gone. */
static bool get(void *owner, uint64_t sequence, struct consumer_message *out)
{
    (void)owner;
    if (sequence == 0 || sequence > MESSAGES || sequence % 3 == 0)
        return false;
    *out = (struct consumer_message){.sequence = sequence,
                                     .time_ns = (int64_t)sequence,
                                     .size = 20,
                                     .subject = subjects[sequence % 2]};
    return true;
}

static uint64_t first(void *owner)
{
    (void)owner;
    return 1;
}

static uint64_t last(void *owner)
{
    (void)owner;
    return MESSAGES;
}

static bool next(void *owner, const struct consumer_filter *filter, uint64_t from,
                 struct consumer_message *out)
{
    (void)filter;
    for (; from <= MESSAGES; from++)
        if (get(owner, from, out))
            return true;
    return false;
}

static uint64_t ahead(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    (void)owner, (void)filter, (void)from;
    return 0;
}

static bool previous(void *owner, const struct consumer_filter *filter, uint64_t up_to,
                     struct consumer_message *out)
{
    (void)filter;
    for (up_to = up_to < MESSAGES ? up_to : MESSAGES; up_to > 0; up_to--)
        if (get(owner, up_to, out))
            return true;
    return false;
}

static bool first_at(void *owner, int64_t time_ns, struct consumer_message *out)
{
    return get(owner, time_ns > 0 ? (uint64_t)time_ns : 1, out);
}

static uint64_t pending(void *owner, const struct consumer_filter *filter, uint64_t from)
{
    struct consumer_message message;
    uint64_t count = 0;

    for (; next(owner, filter, from, &message); from = message.sequence + 1)
        count++;
    return count;
}

static uint64_t pending_last(void *owner, const struct consumer_filter *filter, uint64_t from,
                             uint64_t up_to)
{
    (void)owner, (void)filter;
    return from <= up_to ? 1 : 0;
}

static bool is_last(void *owner, uint64_t sequence, uint64_t up_to)
{
    (void)owner;
    return sequence == up_to;
}

static void propose(void *owner, uint8_t type, struct bytes body)
{
    struct shell *shell = owner;

    if (shell->proposed == PROPOSALS_MAX)
        return;
    shell->proposals[shell->proposed].type = type;
    shell->proposals[shell->proposed++].body = heap_copy(body);
}

static void deliver(void *owner, const struct consumer_delivery *delivery)
{
    (void)owner, (void)delivery;
}

static void status(void *owner, struct bytes to, struct bytes reply, struct bytes headers)
{
    (void)owner, (void)to, (void)reply, (void)headers;
}

static void answer(void *owner, struct bytes to, bool committed)
{
    (void)owner, (void)to, (void)committed;
}

static void advise(void *owner, const struct consumer_advice *advice)
{
    (void)owner, (void)advice;
}

static enum consumer_interest interest(void *owner, struct bytes subject)
{
    (void)owner;
    if (subject.size % 7 == 3)
        return INTEREST_NONE;
    return subject.size % 5 == 2 ? INTEREST_BEHIND : INTEREST_READY;
}

static void nothing(void *owner)
{
    (void)owner;
}

static void wake_at(void *owner, int64_t deadline_ns)
{
    (void)owner, (void)deadline_ns;
}

static void settled(void *owner, uint64_t sequence)
{
    (void)owner, (void)sequence;
}

static void forget(struct shell *shell)
{
    for (size_t i = 0; i < shell->proposed; i++)
        heap_give((void *)shell->proposals[i].body.at);
    shell->proposed = 0;
}

/* What the leader proposed itself must be taken. */
static void apply_own(struct shell *shell)
{
    if (shell->proposed == PROPOSALS_MAX) { /* some were dropped: the disk refused */
        forget(shell);
        consumer_refused(shell->consumer, shell->now_ns);
        return;
    }
    for (size_t i = 0; i < shell->proposed; i++) {
        enum err err = consumer_apply(shell->consumer, shell->now_ns, shell->proposals[i].type,
                                      shell->proposals[i].body);
        assert(err == OK);
    }
    forget(shell);
}

static void lead(struct shell *shell, bool leading)
{
    forget(shell);
    if (leading)
        consumer_lead(shell->consumer, shell->now_ns, shell->now_ns);
    else
        consumer_follow(shell->consumer);
    shell->leading = leading;
}

/* A record of somebody else: only followers see such. */
static void apply_any(struct shell *shell, struct bytes bytes)
{
    uint8_t body[8 + 255] = {7};

    if (bytes.size == 0)
        return;
    memcpy(body + 8, bytes.at + 1, bytes.size - 1);
    (void)consumer_apply(shell->consumer, 0, (uint8_t)(32 + bytes.at[0] % 8),
                         bytes_of(body, 8 + bytes.size - 1)); /* damage is an answer */
}

static void acknowledge(struct shell *shell, struct bytes bytes)
{
    char subject[64];
    int length =
        snprintf(subject, sizeof(subject), "$JS.ACK.S.C.1.%u.%u.5.6",
                 bytes.size > 0 ? bytes.at[0] % 24u : 0, bytes.size > 1 ? bytes.at[1] % 40u : 0);
    struct bytes body = bytes.size > 2 ? bytes_skip(bytes, 2) : bytes_of(NULL, 0);

    consumer_ack(shell->consumer, shell->now_ns, shell->now_ns, bytes_of(subject, (size_t)length),
                 bytes.size % 2 == 0 ? BYTES("reply") : bytes_of(NULL, 0), body);
    consumer_ack(shell->consumer, shell->now_ns, shell->now_ns, bytes, BYTES("reply"), BYTES(""));
}

static void decode_any(struct shell *shell, struct bytes bytes)
{
    struct buf state;

    if (shell->leading)
        return;
    if (bytes.size > 0) {
        (void)consumer_state_decode(shell->consumer, bytes); /* damage is an answer */
        return;
    }
    buf_init(&state, 1u << 20);
    if (consumer_state_encode(shell->consumer, &state)) {
        enum err err = consumer_state_decode(shell->consumer, buf_bytes(&state));
        assert(err == OK);
    }
    buf_deinit(&state);
}

static void step(struct shell *shell, uint8_t kind, struct bytes bytes)
{
    switch (kind % 10) {
    case 0:
        if (!shell->leading)
            apply_any(shell, bytes);
        return;
    case 1: decode_any(shell, bytes); return;
    case 2: lead(shell, bytes.size % 2 == 0); return;
    case 3:
        consumer_request(shell->consumer, shell->now_ns, BYTES("inbox"), bytes_of(NULL, 0), bytes);
        return;
    case 4: consumer_request(shell->consumer, shell->now_ns, bytes, bytes, BYTES("3")); return;
    case 5: acknowledge(shell, bytes); return;
    case 6: shell->now_ns += (int64_t)bytes.size * SECOND; return;
    case 7: consumer_flow(shell->consumer, shell->now_ns, shell->now_ns, bytes, bytes); return;
    case 8: consumer_bound(shell->consumer, shell->now_ns, bytes.size % 2 == 0); return;
    default:
        consumer_work(shell->consumer, shell->now_ns, shell->now_ns);
        consumer_hand_out(shell->consumer, shell->now_ns, shell->now_ns);
        if (bytes.size % 2 == 0)
            apply_own(shell);
        return;
    }
}

static void make(struct shell *shell, uint8_t form)
{
    struct consumer_config config = {
        .durable_name = BYTES("C"),
        .name = BYTES("C"),
        .ack_policy = form % 3,
        .ack_wait_ns = 3 * SECOND,
        .max_deliver = form & 8 ? 2 : -1,
        .max_waiting = 5,
        .max_ack_pending = form & 16 ? 4 : -1,
        .deliver_policy = form & 32 ? DELIVER_LAST_PER_SUBJECT : DELIVER_ALL,
        .flow_control = (form & 64) != 0,
        .opt_start_time_ns = TIME_UNSET,
        .pause_until_ns = TIME_UNSET,
    };
    shell->stream = (struct consumer_stream){.owner = shell,
                                             .name = BYTES("S"),
                                             .message_max = 100,
                                             .first = first,
                                             .last = last,
                                             .get = get,
                                             .next = next,
                                             .ahead = ahead,
                                             .previous = previous,
                                             .first_at = first_at,
                                             .pending = pending,
                                             .pending_last = pending_last,
                                             .is_last = is_last};
    shell->out = (struct consumer_out){.propose = propose,
                                       .deliver = deliver,
                                       .status = status,
                                       .answer = answer,
                                       .advise = advise,
                                       .interest = interest,
                                       .inactive = nothing,
                                       .wake_at = wake_at,
                                       .settled = settled};

    if (form & 64)
        config.deliver_subject = BYTES("to.me");
    shell->now_ns = SECOND;
    shell->consumer = consumer_create(7, &config, 0, &shell->stream, &shell->out, shell, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shell shell = {0};
    struct bytes in = bytes_of(data, size);

    if (size == 0)
        return 0;
    make(&shell, data[0]);
    in = bytes_skip(in, 1);
    while (in.size >= 2) {
        size_t length = in.at[1] < in.size - 2 ? in.at[1] : in.size - 2;

        step(&shell, in.at[0], bytes_of(in.at + 2, length));
        in = bytes_skip(in, 2 + length);
    }
    forget(&shell);
    consumer_destroy(shell.consumer);
    return 0;
}
