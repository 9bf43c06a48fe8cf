#include "tests/sim/oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void oracle_init(struct oracle *oracle)
{
    *oracle = (struct oracle){.purging_from = UINT64_MAX};
}

void oracle_deinit(struct oracle *oracle)
{
    free(oracle->publishes);
    free(oracle->messages);
}

__attribute__((format(printf, 2, 3))) static void violate(struct oracle *oracle, const char *format,
                                                          ...)
{
    va_list arguments;

    if (oracle->violation[0] != 0)
        return; /* the first one tells most */
    va_start(arguments, format);
    vsnprintf(oracle->violation, sizeof oracle->violation, format, arguments);
    va_end(arguments);
}

#define ULL(x) ((unsigned long long)(x))

/* ---- publishes
 * --------------------------------------------------------------------------------------- */

uint64_t oracle_send(struct oracle *oracle, uint8_t subject, uint32_t msg_id, uint64_t expect)
{
    uint64_t id = ++oracle->publish_count;

    if (id >= oracle->publish_capacity) {
        oracle->publish_capacity =
            oracle->publish_capacity == 0 ? 1024 : oracle->publish_capacity * 2;
        oracle->publishes =
            realloc(oracle->publishes, oracle->publish_capacity * sizeof *oracle->publishes);
        assert(oracle->publishes != NULL);
    }
    oracle->publishes[id] = (struct oracle_publish){
        .sent = ++oracle->order, .expect = expect, .msg_id = msg_id, .subject = subject};
    return id;
}

void oracle_subject(uint8_t subject, char out[static 16])
{
    snprintf(out, 16, "s.k%u", subject);
}

size_t oracle_payload(uint64_t id, uint8_t *out, size_t capacity)
{
    uint64_t state = id * 0x9e3779b97f4a7c15u;
    size_t size = 24 + (id % 37 == 0 ? id % 9000 : id % 200);
    int head;

    assert(capacity >= size);
    head = snprintf((char *)out, capacity, "%llu:", ULL(id));
    for (size_t i = (size_t)head; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(state >> 56);
    }
    return size;
}

static struct oracle_message *message_at(struct oracle *oracle, uint64_t seq)
{
    if (seq >= oracle->message_capacity) {
        uint64_t capacity = oracle->message_capacity == 0 ? 1024 : oracle->message_capacity;

        while (capacity <= seq)
            capacity *= 2;
        oracle->messages = realloc(oracle->messages, capacity * sizeof *oracle->messages);
        assert(oracle->messages != NULL);
        memset(oracle->messages + oracle->message_capacity, 0,
               (capacity - oracle->message_capacity) * sizeof *oracle->messages);
        oracle->message_capacity = capacity;
    }
    return &oracle->messages[seq];
}

/* `seq` holds the content of publish `id`: once and for ever. */
static void bind(struct oracle *oracle, uint64_t seq, uint64_t id, const char *how)
{
    struct oracle_message *message = message_at(oracle, seq);

    if (message->id != 0 && message->id != id)
        violate(oracle, "sequence %llu held publish %llu and now (%s) publish %llu", ULL(seq),
                ULL(message->id), how, ULL(id));
    message->id = id;
}

void oracle_acked(struct oracle *oracle, uint64_t id, uint64_t seq, bool duplicate)
{
    struct oracle_publish *publish = &oracle->publishes[id];

    if (seq == 0 || seq > oracle->publish_count) {
        violate(oracle, "publish %llu was acknowledged with sequence %llu", ULL(id), ULL(seq));
        return;
    }
    publish->outcome = ORACLE_ACKED;
    publish->seq = seq;
    publish->duplicate = duplicate;
    oracle->acked_count++;
    if (duplicate) {
        struct oracle_message *message = message_at(oracle, seq);

        if (publish->msg_id == 0)
            violate(oracle, "publish %llu has no message id and was called a duplicate", ULL(id));
        if (message->id != 0 && oracle->publishes[message->id].msg_id != publish->msg_id)
            violate(oracle,
                    "publish %llu was called a duplicate of sequence %llu, which has another id",
                    ULL(id), ULL(seq));
    } else {
        bind(oracle, seq, id, "acknowledged");
    }
    if (seq > oracle->acked_last)
        oracle->acked_last = seq;
}

void oracle_refused(struct oracle *oracle, uint64_t id)
{
    oracle->publishes[id].outcome = ORACLE_REFUSED;
    oracle->refused_count++;
}

void oracle_crashed(struct oracle *oracle)
{
    for (uint64_t id = 1; id <= oracle->publish_count; id++) {
        if (oracle->publishes[id].outcome == ORACLE_OPEN)
            oracle->publishes[id].outcome = ORACLE_UNKNOWN;
    }
    if (oracle->purging_from != UINT64_MAX) {
        oracle->purging_from = UINT64_MAX;
        oracle->may_be_gone = ++oracle->order;
    }
    oracle->crash_count++;
}

/* ---- purges
 * --------------------------------------------------------------------------------------------- */

void oracle_purge_sent(struct oracle *oracle)
{
    oracle->purging_from = oracle->acked_last;
}

void oracle_purge_acked(struct oracle *oracle)
{
    if (oracle->purging_from == UINT64_MAX)
        return;
    if (oracle->purging_from + 1 > oracle->gone_below)
        oracle->gone_below = oracle->purging_from + 1;
    oracle->purging_from = UINT64_MAX;
    oracle->may_be_gone = ++oracle->order;
}

/* ---- reading
 * ---------------------------------------------------------------------------------------------- */

void oracle_seen(struct oracle *oracle, uint64_t asked, uint64_t seq, const char *subject,
                 size_t subject_size, const uint8_t *payload, size_t size)
{
    static uint8_t expected[16384];
    char text[32] = {0}, name[16];
    struct oracle_publish *publish;
    uint64_t id;

    memcpy(text, payload, size < 21 ? size : 21);
    id = strtoull(text, NULL, 10);
    oracle->seen_count++;
    if (id == 0 || id > oracle->publish_count) {
        violate(oracle, "sequence %llu shows a message nobody sent", ULL(seq));
        return;
    }
    publish = &oracle->publishes[id];
    oracle_subject(publish->subject, name);
    if (size != oracle_payload(id, expected, sizeof expected) ||
        memcmp(payload, expected, size) != 0)
        violate(oracle, "sequence %llu: the payload of publish %llu has changed", ULL(seq),
                ULL(id));
    if (strlen(name) != subject_size || memcmp(name, subject, subject_size) != 0)
        violate(oracle, "sequence %llu: the subject of publish %llu has changed", ULL(seq),
                ULL(id));
    if (publish->outcome == ORACLE_REFUSED)
        violate(oracle, "sequence %llu shows publish %llu, which was refused", ULL(seq), ULL(id));
    if (publish->outcome == ORACLE_ACKED && publish->duplicate)
        violate(oracle, "sequence %llu shows publish %llu, which was called a duplicate of %llu",
                ULL(seq), ULL(id), ULL(publish->seq));
    if (publish->outcome == ORACLE_ACKED && publish->seq != seq)
        violate(oracle, "publish %llu was acknowledged as %llu and is shown as %llu", ULL(id),
                ULL(publish->seq), ULL(seq));
    if (seq < oracle->gone_below && asked > oracle->may_be_gone)
        violate(oracle, "sequence %llu is back after a confirmed purge", ULL(seq));
    bind(oracle, seq, id, "shown");
}

void oracle_delivered(struct oracle *oracle, uint64_t seq, uint64_t count)
{
    struct oracle_message *message = message_at(oracle, seq);

    if (message->confirmed)
        violate(oracle, "sequence %llu was delivered again after its ack was confirmed", ULL(seq));
    if (count <= message->deliveries)
        violate(oracle, "sequence %llu: delivery count went from %u to %llu", ULL(seq),
                message->deliveries, ULL(count));
    message->deliveries = (uint32_t)count;
    message->delivered = true;
}

void oracle_ack_confirmed(struct oracle *oracle, uint64_t seq)
{
    message_at(oracle, seq)->confirmed = true;
    oracle->confirmed_count++;
}

/* ---- the end
 * -------------------------------------------------------------------------------------------------
 */

void oracle_final_begin(struct oracle *oracle)
{
    for (uint64_t seq = 0; seq < oracle->message_capacity; seq++)
        oracle->messages[seq].present = false;
}

void oracle_final_present(struct oracle *oracle, uint64_t seq)
{
    message_at(oracle, seq)->present = true;
}

static uint64_t present_above(const struct oracle *oracle, uint64_t seq, int subject)
{
    uint64_t count = 0;

    for (uint64_t at = seq + 1; at < oracle->message_capacity; at++) {
        const struct oracle_message *message = &oracle->messages[at];

        count += message->present &&
                 (subject < 0 || oracle->publishes[message->id].subject == (uint8_t)subject);
    }
    return count;
}

/* A duplicate's ack speaks of a message that was sent before it: with the first attempt. */
static uint64_t first_sent(const struct oracle *oracle, const struct oracle_publish *publish)
{
    uint64_t id = 1;

    if (!publish->duplicate)
        return publish->sent;
    while (oracle->publishes[id].msg_id != publish->msg_id)
        id++;
    return oracle->publishes[id].sent;
}

/* May an acknowledged message be absent at the end? */
static bool may_be_absent(const struct oracle *oracle, const struct oracle_publish *publish)
{
    if (publish->seq < oracle->gone_below || first_sent(oracle, publish) < oracle->may_be_gone)
        return true;
    if (oracle->max_msgs > 0 && present_above(oracle, publish->seq, -1) >= oracle->max_msgs)
        return true;
    return oracle->max_msgs_per_subject > 0 &&
           present_above(oracle, publish->seq, publish->subject) >= oracle->max_msgs_per_subject;
}

static void check_acked(struct oracle *oracle)
{
    for (uint64_t id = 1; id <= oracle->publish_count; id++) {
        const struct oracle_publish *publish = &oracle->publishes[id];

        if (publish->outcome != ORACLE_ACKED)
            continue;
        if (!message_at(oracle, publish->seq)->present && !may_be_absent(oracle, publish))
            violate(oracle, "acknowledged publish %llu (sequence %llu) is gone", ULL(id),
                    ULL(publish->seq));
    }
}

static void check_limits(struct oracle *oracle)
{
    uint64_t total = 0, of_subject[ORACLE_SUBJECTS] = {0};

    for (uint64_t seq = 1; seq < oracle->message_capacity; seq++) {
        const struct oracle_message *message = &oracle->messages[seq];

        if (!message->present)
            continue;
        total++;
        of_subject[oracle->publishes[message->id].subject]++;
        if (seq < oracle->gone_below)
            violate(oracle, "sequence %llu is back after a confirmed purge", ULL(seq));
    }
    if (oracle->max_msgs > 0 && total > oracle->max_msgs)
        violate(oracle, "%llu messages are stored, the limit is %llu", ULL(total),
                ULL(oracle->max_msgs));
    for (int i = 0; oracle->max_msgs_per_subject > 0 && i < ORACLE_SUBJECTS; i++) {
        if (of_subject[i] > oracle->max_msgs_per_subject)
            violate(oracle, "subject %d holds %llu messages, the limit is %llu", i,
                    ULL(of_subject[i]), ULL(oracle->max_msgs_per_subject));
    }
}

/* At most one stored copy per message id: the window is longer than a run. */
static void check_ids(struct oracle *oracle)
{
    uint64_t *first = calloc(oracle->publish_count + 2, sizeof *first);

    assert(first != NULL);
    for (uint64_t seq = 1; seq < oracle->message_capacity; seq++) {
        const struct oracle_message *message = &oracle->messages[seq];
        uint32_t msg_id = message->id != 0 ? oracle->publishes[message->id].msg_id : 0;

        if (msg_id == 0 || msg_id > oracle->publish_count)
            continue;
        if (first[msg_id] != 0)
            violate(oracle, "message id %u was stored as %llu and as %llu", msg_id,
                    ULL(first[msg_id]), ULL(seq));
        first[msg_id] = seq;
    }
    free(first);
}

/* A stored compare-and-set saw the last message of its subject: nothing lies between. */
static void check_expected(struct oracle *oracle)
{
    uint64_t last[ORACLE_SUBJECTS] = {0};

    for (uint64_t seq = 1; seq < oracle->message_capacity; seq++) {
        uint64_t id = oracle->messages[seq].id;
        const struct oracle_publish *publish;

        if (id == 0)
            continue;
        publish = &oracle->publishes[id];
        /* Where messages went away, 0 and higher expectations were right, too. */
        if (publish->expect != ORACLE_NO_CHECK && publish->expect != 0 &&
            publish->expect < last[publish->subject])
            violate(oracle,
                    "publish %llu expected %llu as last of its subject and was stored as %llu "
                    "behind %llu",
                    ULL(id), ULL(publish->expect), ULL(seq), ULL(last[publish->subject]));
        if (publish->expect == 0 && last[publish->subject] != 0 && oracle->may_be_gone == 0 &&
            oracle->max_msgs == 0)
            violate(oracle,
                    "publish %llu expected an empty subject and was stored as %llu behind %llu",
                    ULL(id), ULL(seq), ULL(last[publish->subject]));
        last[publish->subject] = seq;
    }
}

static void check_delivered(struct oracle *oracle)
{
    for (uint64_t seq = 1; seq < oracle->message_capacity; seq++) {
        const struct oracle_message *message = &oracle->messages[seq];

        if (message->present && !message->delivered)
            violate(oracle, "sequence %llu was never delivered to the consumer of everything",
                    ULL(seq));
    }
}

void oracle_final_end(struct oracle *oracle, uint64_t last_seq, bool drained)
{
    if (last_seq < oracle->acked_last)
        violate(oracle, "the stream ends at %llu, but %llu was acknowledged", ULL(last_seq),
                ULL(oracle->acked_last));
    check_acked(oracle);
    check_limits(oracle);
    check_ids(oracle);
    check_expected(oracle);
    if (drained)
        check_delivered(oracle);
}
