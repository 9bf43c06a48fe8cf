#include "tests/sim/cluster_history.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x)       ((unsigned long long)(x))
#define LARGE        503u
#define SEQUENCE_MAX 10000000u /* no sequence of a run is that high */

#define VIOLATE(history, format, ...)                                                              \
    report_violate((history)->report, "stream S%u: " format,                                       \
                   (history)->stream __VA_OPT__(, ) __VA_ARGS__)

void history_init(struct history *history, struct report *report, unsigned stream)
{
    *history = (struct history){.report = report, .stream = stream, .content = {stream, LARGE}};
}

void history_deinit(struct history *history)
{
    free(history->publishes);
    free(history->messages);
}

/* ---- publishes ------------------------------------------------------------------------------ */

uint64_t history_sent(struct history *history, uint8_t subject, uint32_t msg_id, int64_t now_ns)
{
    uint64_t id = ++history->publish_count;

    if (id >= history->publish_capacity) {
        history->publish_capacity =
            history->publish_capacity == 0 ? 1024 : history->publish_capacity * 2;
        history->publishes =
            realloc(history->publishes, history->publish_capacity * sizeof *history->publishes);
        assert(history->publishes != NULL);
    }
    history->publishes[id] = (struct history_publish){
        .expect_last = HISTORY_NONE,
        .expect_subject = HISTORY_NONE,
        .known_last = history->acked_last,
        .sent_ns = now_ns,
        .msg_id = msg_id,
        .subject = subject,
    };
    return id;
}

struct history_publish *history_publish(struct history *history, uint64_t id)
{
    assert(id > 0 && id <= history->publish_count);
    return &history->publishes[id];
}

struct history_message *history_message(struct history *history, uint64_t sequence)
{
    if (sequence >= history->message_capacity) {
        uint64_t before = history->message_capacity;
        uint64_t capacity = before == 0 ? 1024 : before;

        while (capacity <= sequence)
            capacity *= 2;
        history->messages = realloc(history->messages, capacity * sizeof *history->messages);
        assert(history->messages != NULL);
        memset(history->messages + before, 0, (capacity - before) * sizeof *history->messages);
        history->message_capacity = capacity;
    }
    return &history->messages[sequence];
}

static bool plausible(struct history *history, uint64_t sequence)
{
    if (sequence > 0 && sequence < SEQUENCE_MAX)
        return true;
    VIOLATE(history, "sequence %llu came up", ULL(sequence));
    return false;
}

/* `sequence` is publish `id`: once and for ever, and no other sequence is. */
static void bind(struct history *history, uint64_t sequence, uint64_t id, const char *how,
                 int64_t now_ns)
{
    struct history_message *message = history_message(history, sequence);
    struct history_publish *publish = history_publish(history, id);

    if (message->id != 0 && message->id != id)
        VIOLATE(history, "sequence %llu held publish %llu and now (%s) publish %llu", ULL(sequence),
                ULL(message->id), how, ULL(id));
    if (publish->shown_as != 0 && publish->shown_as != sequence)
        VIOLATE(history, "publish %llu is stored twice: as %llu and (%s) as %llu", ULL(id),
                ULL(publish->shown_as), how, ULL(sequence));
    if (sequence <= publish->known_last)
        VIOLATE(history,
                "publish %llu has sequence %llu (%s), but %llu was acknowledged before it was sent",
                ULL(id), ULL(sequence), how, ULL(publish->known_last));
    if (message->id == 0)
        message->known_ns = now_ns;
    message->id = id;
    publish->shown_as = sequence;
}

void history_answered(struct history *history, uint64_t id, enum history_outcome outcome,
                      uint64_t sequence, enum history_why why, int64_t now_ns)
{
    struct history_publish *publish;

    if (id == 0 || id > history->publish_count) {
        VIOLATE(history, "an answer to publish %llu, which nobody sent", ULL(id));
        return;
    }
    publish = history_publish(history, id);
    if (publish->outcome != HISTORY_OPEN)
        VIOLATE(history, "publish %llu has two answers", ULL(id));
    publish->outcome = (uint8_t)outcome;
    publish->why = (uint8_t)why;
    publish->sequence = sequence;
    publish->answered_ns = now_ns;
    history->refused += outcome == HISTORY_REFUSED;
    history->duplicates += outcome == HISTORY_DUPLICATE;
    history->stored += outcome == HISTORY_STORED;
    if ((outcome != HISTORY_STORED && outcome != HISTORY_DUPLICATE) ||
        !plausible(history, sequence))
        return;
    if (outcome == HISTORY_STORED) {
        bind(history, sequence, id, "acknowledged", now_ns);
        if (history_message(history, sequence)->missed_ns != 0)
            VIOLATE(history, "sequence %llu is acknowledged after it was looked for",
                    ULL(sequence));
    }
    history_message(history, sequence)->acked = true;
    if (sequence > history->acked_last)
        history->acked_last = sequence;
}

/* ---- removals ------------------------------------------------------------------------------- */

void history_removal_asked(struct history *history, uint64_t sequence, int64_t now_ns)
{
    struct history_message *message = history_message(history, sequence);

    if (message->removal_asked_ns == 0)
        message->removal_asked_ns = now_ns;
}

void history_removed(struct history *history, uint64_t sequence, int64_t now_ns)
{
    struct history_message *message = history_message(history, sequence);

    if (message->removed_ns == 0)
        message->removed_ns = now_ns;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The publish that it is of; 0: none. */
static uint64_t recognise(struct history *history, uint64_t sequence, struct bytes payload)
{
    uint64_t id = 0;

    switch (content_recognise(&history->content, payload, history->publish_count, &id)) {
    case CONTENT_KNOWN: return id;
    case CONTENT_STRANGE:
        VIOLATE(history, "sequence %llu shows a message nobody sent", ULL(sequence));
        break;
    case CONTENT_CHANGED:
        VIOLATE(history, "sequence %llu: the payload of publish %llu has changed", ULL(sequence),
                ULL(id));
        break;
    }
    return 0;
}

static void check_outcome(struct history *history, uint64_t sequence, uint64_t id)
{
    const struct history_publish *publish = history_publish(history, id);

    if (publish->outcome == HISTORY_REFUSED)
        VIOLATE(history, "sequence %llu shows publish %llu, which was refused", ULL(sequence),
                ULL(id));
    if (publish->outcome == HISTORY_DUPLICATE)
        VIOLATE(history, "sequence %llu shows publish %llu, which was called a duplicate of %llu",
                ULL(sequence), ULL(id), ULL(publish->sequence));
}

void history_shown(struct history *history, int64_t asked_ns, uint64_t sequence,
                   struct bytes subject, struct bytes payload, int64_t now_ns)
{
    struct history_message *message;
    char name[16];
    uint64_t id;

    history->shown++;
    if (history->lossy || !plausible(history, sequence))
        return;
    message = history_message(history, sequence);
    id = recognise(history, sequence, payload);
    if (id == 0)
        return;
    content_subject(&history->content, history_publish(history, id)->subject, name);
    if (!bytes_equal(subject, bytes_of_text(name)))
        VIOLATE(history, "sequence %llu: the subject of publish %llu has changed", ULL(sequence),
                ULL(id));
    check_outcome(history, sequence, id);
    if (message->removed_ns != 0 && asked_ns > message->removed_ns)
        VIOLATE(history, "sequence %llu is back after it was removed", ULL(sequence));
    bind(history, sequence, id, "shown", now_ns);
}

void history_missed(struct history *history, int64_t asked_ns, uint64_t sequence, int64_t now_ns)
{
    struct history_message *message = history_message(history, sequence);

    if (history->lossy)
        return;
    if (message->known_ns != 0 && message->known_ns < asked_ns && message->removal_asked_ns == 0)
        VIOLATE(history, "sequence %llu (publish %llu) is missing", ULL(sequence),
                ULL(message->id));
    (void)now_ns;
}

/* A message is certainly there at a time if it was known before and nobody asked to remove it. */
void history_newest(struct history *history, int64_t asked_ns, uint8_t subject, uint64_t sequence,
                    int64_t now_ns)
{
    (void)now_ns;
    if (history->lossy)
        return;
    for (uint64_t later = history->acked_last; later > sequence; later--) {
        const struct history_message *message = history_message(history, later);

        if (message->id == 0 || message->known_ns >= asked_ns || message->removal_asked_ns != 0 ||
            history_publish(history, message->id)->subject != subject)
            continue;
        VIOLATE(history, "subject %u: sequence %llu is said to be its newest, but %llu was known",
                subject, ULL(sequence), ULL(later));
        return;
    }
}

void history_last(struct history *history, int64_t asked_ns, uint64_t sequence, int64_t now_ns)
{
    (void)now_ns;
    if (history->lossy)
        return;
    for (uint64_t later = history->acked_last; later > sequence; later--) {
        const struct history_message *message = history_message(history, later);

        if (message->known_ns == 0 || message->known_ns >= asked_ns)
            continue;
        VIOLATE(history, "info says that sequence %llu is the last, but %llu was known",
                ULL(sequence), ULL(later));
        return;
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

static void check_present(struct history *history, uint64_t last)
{
    for (uint64_t sequence = 1; sequence <= last || sequence <= history->acked_last; sequence++) {
        const struct history_message *message = history_message(history, sequence);

        if (!message->present && message->acked && message->removal_asked_ns == 0)
            VIOLATE(history, "sequence %llu was acknowledged and is gone", ULL(sequence));
        else if (!message->present && message->removal_asked_ns == 0)
            VIOLATE(history, "sequence %llu is a gap that nobody asked for", ULL(sequence));
        if (message->present && message->removed_ns != 0)
            VIOLATE(history, "sequence %llu was removed and is there", ULL(sequence));
    }
}

/* What the subject's newest before `sequence` was; *sure: no removal has to do with it. */
static uint64_t newest_before(struct history *history, uint8_t subject, uint64_t sequence,
                              bool *sure)
{
    *sure = true;
    while (--sequence > 0) {
        const struct history_message *message = history_message(history, sequence);

        if (message->id == 0 || message->removal_asked_ns != 0)
            *sure = false;
        else if (history_publish(history, message->id)->subject == subject)
            return sequence;
    }
    return 0;
}

static void check_stored(struct history *history, uint64_t id)
{
    const struct history_publish *publish = history_publish(history, id);
    uint64_t sequence = publish->shown_as;
    bool sure;

    if (publish->expect_last != HISTORY_NONE && publish->expect_last + 1 != sequence)
        VIOLATE(history, "publish %llu expected %llu to be the last and is %llu", ULL(id),
                ULL(publish->expect_last), ULL(sequence));
    if (publish->expect_subject == HISTORY_NONE)
        return;
    if (newest_before(history, publish->subject, sequence, &sure) != publish->expect_subject &&
        sure)
        VIOLATE(history, "publish %llu is %llu and expected %llu to be its subject's last", ULL(id),
                ULL(sequence), ULL(publish->expect_subject));
}

/* The same for the last of a subject, where nothing is removed. */
static void check_refused_subject(struct history *history, uint64_t id)
{
    const struct history_publish *publish = history_publish(history, id);

    if (publish->sequence == publish->expect_subject)
        VIOLATE(history, "publish %llu was refused although it expected %llu of its subject",
                ULL(id), ULL(publish->sequence));
    for (uint64_t later = history->acked_last; later > publish->sequence; later--) {
        const struct history_message *message = history_message(history, later);

        if (message->id != 0 && message->known_ns < publish->sent_ns &&
            message->removal_asked_ns == 0 &&
            history_publish(history, message->id)->subject == publish->subject)
            VIOLATE(
                history,
                "publish %llu was refused because its subject's last was %llu, but %llu was known",
                ULL(id), ULL(publish->sequence), ULL(later));
    }
}

/* A refusal says which sequence was the last: that was true at some time between question and
 * answer. */
static void check_refused(struct history *history, uint64_t id)
{
    const struct history_publish *publish = history_publish(history, id);
    const struct history_message *message, *next;

    if (publish->why == HISTORY_WHY_SUBJECT)
        check_refused_subject(history, id);
    if (publish->why != HISTORY_WHY_LAST)
        return;
    if (publish->sequence == publish->expect_last)
        VIOLATE(history, "publish %llu was refused although it expected %llu and that was the last",
                ULL(id), ULL(publish->sequence));
    message = history_message(history, publish->sequence);
    next = history_message(history, publish->sequence + 1);
    if (publish->sequence > 0 && message->id != 0 &&
        history_publish(history, message->id)->sent_ns > publish->answered_ns)
        VIOLATE(history, "publish %llu was refused because of %llu, which was not sent yet",
                ULL(id), ULL(publish->sequence));
    if (next->id != 0 && next->known_ns < publish->sent_ns)
        VIOLATE(history, "publish %llu was refused because the last was %llu, but %llu was known",
                ULL(id), ULL(publish->sequence), ULL(publish->sequence + 1));
}

static void check_duplicate(struct history *history, uint64_t id)
{
    const struct history_publish *publish = history_publish(history, id);
    uint64_t original = history_message(history, publish->sequence)->id;

    if (original != 0 && history_publish(history, original)->msg_id != publish->msg_id)
        VIOLATE(history, "publish %llu is no duplicate of sequence %llu", ULL(id),
                ULL(publish->sequence));
}

/* One copy per message id. */
static void check_ids(struct history *history)
{
    uint32_t highest = 0;
    uint64_t *stored;

    for (uint64_t id = 1; id <= history->publish_count; id++)
        if (history->publishes[id].msg_id > highest)
            highest = history->publishes[id].msg_id;
    stored = calloc(highest + 1, sizeof *stored);
    assert(stored != NULL);
    for (uint64_t id = 1; id <= history->publish_count; id++) {
        const struct history_publish *publish = &history->publishes[id];

        if (publish->msg_id == 0 || publish->shown_as == 0)
            continue;
        if (stored[publish->msg_id] != 0)
            VIOLATE(history, "message id %u is stored twice: as %llu and %llu", publish->msg_id,
                    ULL(stored[publish->msg_id]), ULL(publish->shown_as));
        stored[publish->msg_id] = publish->shown_as;
    }
    free(stored);
}

void history_check(struct history *history, uint64_t last)
{
    if (history->lossy)
        return;
    check_present(history, last);
    check_ids(history);
    for (uint64_t id = 1; id <= history->publish_count && report_good(history->report); id++) {
        const struct history_publish *publish = history_publish(history, id);

        if (publish->shown_as != 0)
            check_stored(history, id);
        if (publish->outcome == HISTORY_REFUSED)
            check_refused(history, id);
        if (publish->outcome == HISTORY_DUPLICATE)
            check_duplicate(history, id);
    }
}
