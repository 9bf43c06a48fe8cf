#include "tests/sim/oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x)       ((unsigned long long)(x))
#define AGE_LATE_NS  INT64_C(5000000000) /* one second is promised; the rest is the disk's */
#define AGE_EARLY_NS INT64_C(1000000)
#define LARGE        211u

void oracle_init(struct oracle *oracle, unsigned stream)
{
    *oracle = (struct oracle){.stream = stream, .content = {stream, LARGE}};
}

void oracle_deinit(struct oracle *oracle)
{
    free(oracle->publishes);
    free(oracle->messages);
}

void oracle_violate(struct oracle *oracle, const char *format, ...)
{
    va_list arguments;
    int head;

    if (oracle->violation[0] != 0)
        return; /* the first one tells most */
    head = snprintf(oracle->violation, sizeof oracle->violation, "stream S%u: ", oracle->stream);
    va_start(arguments, format);
    vsnprintf(oracle->violation + head, sizeof oracle->violation - (size_t)head, format, arguments);
    va_end(arguments);
}

/* ---- publishes ------------------------------------------------------------------------------- */

uint64_t oracle_sent(struct oracle *oracle, uint8_t subject, uint32_t msg_id, int64_t now_ns)
{
    uint64_t id = ++oracle->publish_count;

    if (id >= oracle->publish_capacity) {
        oracle->publish_capacity =
            oracle->publish_capacity == 0 ? 1024 : oracle->publish_capacity * 2;
        oracle->publishes =
            realloc(oracle->publishes, oracle->publish_capacity * sizeof *oracle->publishes);
        assert(oracle->publishes != NULL);
    }
    oracle->publishes[id] =
        (struct oracle_publish){.sent_ns = now_ns, .msg_id = msg_id, .subject = subject};
    return id;
}

struct oracle_message *oracle_message(struct oracle *oracle, uint64_t sequence)
{
    if (sequence >= oracle->message_capacity) {
        uint64_t capacity = oracle->message_capacity == 0 ? 1024 : oracle->message_capacity;

        while (capacity <= sequence)
            capacity *= 2;
        oracle->messages = realloc(oracle->messages, capacity * sizeof *oracle->messages);
        assert(oracle->messages != NULL);
        memset(oracle->messages + oracle->message_capacity, 0,
               (capacity - oracle->message_capacity) * sizeof *oracle->messages);
        oracle->message_capacity = capacity;
    }
    return &oracle->messages[sequence];
}

/* No sequence of a run is that high. */
static bool plausible(struct oracle *oracle, uint64_t sequence)
{
    if (sequence > 0 && sequence < 1000000)
        return true;
    oracle_violate(oracle, "sequence %llu came up", ULL(sequence));
    return false;
}

/* `sequence` holds the content of publish `id`: once and for ever. */
static void bind(struct oracle *oracle, uint64_t sequence, uint64_t id, const char *how)
{
    struct oracle_message *message = oracle_message(oracle, sequence);

    if (message->id != 0 && message->id != id)
        oracle_violate(oracle, "sequence %llu held publish %llu and now (%s) publish %llu",
                       ULL(sequence), ULL(message->id), how, ULL(id));
    message->id = id;
}

void oracle_answered(struct oracle *oracle, uint64_t id, enum oracle_outcome outcome,
                     uint64_t sequence, int64_t now_ns)
{
    struct oracle_publish *publish = &oracle->publishes[id];

    publish->outcome = (uint8_t)outcome;
    publish->answered_ns = now_ns;
    publish->sequence = sequence;
    oracle->refused += outcome == ORACLE_REFUSED;
    oracle->duplicates += outcome == ORACLE_DUPLICATE;
    oracle->stored += outcome == ORACLE_STORED;
    if (outcome != ORACLE_STORED && outcome != ORACLE_DUPLICATE)
        return;
    if (!plausible(oracle, sequence))
        return;
    if (outcome == ORACLE_STORED)
        bind(oracle, sequence, id, "acknowledged");
    if (sequence > oracle->stored_last)
        oracle->stored_last = sequence;
}

void oracle_crashed(struct oracle *oracle)
{
    for (uint64_t id = 1; id <= oracle->publish_count; id++) {
        if (oracle->publishes[id].outcome == ORACLE_OPEN)
            oracle->publishes[id].outcome = ORACLE_UNKNOWN;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The publish that it is of; 0: none. */
static uint64_t recognise(struct oracle *oracle, uint64_t sequence, struct bytes payload)
{
    uint64_t id = 0;

    switch (content_recognise(&oracle->content, payload, oracle->publish_count, &id)) {
    case CONTENT_KNOWN: return id;
    case CONTENT_STRANGE:
        oracle_violate(oracle, "sequence %llu shows a message nobody sent", ULL(sequence));
        break;
    case CONTENT_CHANGED:
        oracle_violate(oracle, "sequence %llu: the payload of publish %llu has changed",
                       ULL(sequence), ULL(id));
        break;
    }
    return 0;
}

static void check_outcome(struct oracle *oracle, uint64_t sequence, uint64_t id)
{
    const struct oracle_publish *publish = &oracle->publishes[id];

    if (publish->outcome == ORACLE_REFUSED)
        oracle_violate(oracle, "sequence %llu shows publish %llu, which was refused", ULL(sequence),
                       ULL(id));
    if (publish->outcome == ORACLE_DUPLICATE)
        oracle_violate(oracle,
                       "sequence %llu shows publish %llu, which was called a duplicate of %llu",
                       ULL(sequence), ULL(id), ULL(publish->sequence));
    if (publish->outcome == ORACLE_STORED && publish->sequence != sequence)
        oracle_violate(oracle, "publish %llu was acknowledged as %llu and is shown as %llu",
                       ULL(id), ULL(publish->sequence), ULL(sequence));
}

static void check_presence(struct oracle *oracle, int64_t asked_ns, uint64_t sequence)
{
    const struct oracle_message *message = oracle_message(oracle, sequence);

    if (message->gone_ns != 0 && asked_ns > message->gone_ns)
        oracle_violate(oracle, "sequence %llu is back after it was removed", ULL(sequence));
    if (message->absent_ns != 0 && asked_ns > message->absent_ns)
        oracle_violate(oracle, "sequence %llu is back after it was not found", ULL(sequence));
}

void oracle_check_age(struct oracle *oracle, int64_t asked_ns, uint64_t sequence)
{
    const struct oracle_publish *publish = &oracle->publishes[oracle_message(oracle, sequence)->id];

    if (oracle->max_age_ns > 0 && publish->outcome == ORACLE_STORED &&
        asked_ns > publish->answered_ns + oracle->max_age_ns + AGE_LATE_NS)
        oracle_violate(oracle, "sequence %llu is older than its stream allows", ULL(sequence));
}

void oracle_shown(struct oracle *oracle, int64_t asked_ns, uint64_t sequence, const char *subject,
                  size_t subject_size, const uint8_t *payload, size_t size)
{
    char name[16];
    uint64_t id;

    oracle->shown++;
    if (!plausible(oracle, sequence))
        return;
    id = recognise(oracle, sequence, bytes_of(payload, size));
    if (id == 0)
        return;
    content_subject(&oracle->content, oracle->publishes[id].subject, name);
    if (strlen(name) != subject_size || memcmp(name, subject, subject_size) != 0)
        oracle_violate(oracle, "sequence %llu: the subject of publish %llu has changed",
                       ULL(sequence), ULL(id));
    check_outcome(oracle, sequence, id);
    check_presence(oracle, asked_ns, sequence);
    bind(oracle, sequence, id, "shown");
}

void oracle_not_found(struct oracle *oracle, uint64_t sequence, int64_t now_ns)
{
    struct oracle_message *message = oracle_message(oracle, sequence);
    const struct oracle_publish *publish = &oracle->publishes[message->id];

    if (message->absent_ns == 0)
        message->absent_ns = now_ns;
    if (oracle->max_age_ns > 0 && message->id != 0 &&
        now_ns < publish->sent_ns + oracle->max_age_ns - AGE_EARLY_NS)
        oracle_violate(oracle, "sequence %llu is gone before its time", ULL(sequence));
}
