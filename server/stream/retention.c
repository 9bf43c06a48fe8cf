/*
 * retention: what leaves interest and work-queue streams because consumers are done with it. It
 * runs in apply, on every replica: what a consumer needs follows from the log alone
 * (consumer_needs), so nothing of this is decided, and no replica keeps what another one gave up.
 *
 *     interest     a message stays while some consumer needs it; with none it leaves as it comes
 *     work queue   it stays until the one consumer that it is for is done with it
 *
 * It leaves with the record that ends the last need: an acknowledgement, a hand-out to a consumer
 * without acks, or the end, change or reset of a consumer; then all messages are looked at. A
 * message that was handed out as often as is allowed is still needed: it stays.
 */
#include "base/heap.h"
#include "base/subject.h"
#include "server/stream/flaws.h"
#include "server/stream/stream_priv.h"

static bool of_interest(const struct stream *stream)
{
    return stream->state.config.retention == RETENTION_INTEREST;
}

bool stream_wanted(void *owner, const struct index_entry *entry)
{
    struct stream *stream = owner;
    struct consumer_message message = consumer_view_message(&stream->view, entry);
    const struct consumer_shell *shell;
    struct consumer_walk walk;

    if (!consumer_index_walk(stream, entry->subject, &walk))
        return false;
    while ((shell = consumer_index_next(&walk)) != NULL) {
        if (!consumer_volatile(shell->consumer) && consumer_needs(shell->consumer, &message))
            return true;
    }
    return false;
}

static bool takes(const struct consumer *consumer, struct bytes subject)
{
    struct consumer_filter filter = consumer_filter(consumer);

    for (size_t i = 0; i < filter.count; i++) {
        if (subject_matches(filter.subjects[i], subject))
            return true;
    }
    return filter.count == 0;
}

bool stream_interested(void *owner, struct bytes subject)
{
    struct stream *stream = owner;
    const struct consumer_shell *shell;
    struct consumer_walk walk;

    if (!consumer_index_walk(stream, subject, &walk))
        return false;
    while ((shell = consumer_index_next(&walk)) != NULL) {
        if (takes(shell->consumer, subject))
            return true;
    }
    return false;
}

void stream_settled(struct stream *stream, uint64_t sequence)
{
    uint64_t flaws = stream->state.flaws;
    struct index_entry entry;

    if (stream->state.config.retention == RETENTION_LIMITS ||
        !index_get(stream->state.index, sequence, &entry))
        return;
    if (!of_interest(stream)
            ? (flaws & STREAM_FLAW_SETTLED_KEPT) != 0
            : stream_wanted(stream, &entry) && (flaws & STREAM_FLAW_NEED_OVERLOOKED) == 0)
        return;
    stream_state_settle(&stream->state, sequence);
}

static void look(struct stream *stream, const struct index_filter *filter)
{
    struct index_entry entry;

    if (!of_interest(stream) || (stream->state.flaws & STREAM_FLAW_RELEASE_FORGOTTEN) != 0)
        return;
    for (uint64_t from = 0; index_next(stream->state.index, filter, from, &entry);
         from = entry.sequence + 1) {
        if (!stream_wanted(stream, &entry))
            stream_state_settle(&stream->state, entry.sequence);
    }
}

void stream_retention_look(struct stream *stream)
{
    look(stream, NULL);
}

/* Only what it took can be wanted by nobody now. One whose filters have changed took more. */
void stream_retention_drop(struct stream *stream, struct consumer_shell *shell)
{
    struct consumer_filter took = consumer_filter(shell->consumer);
    size_t count = shell->wide ? 0 : took.count;
    struct bytes *subjects = heap_take((count + 1) * sizeof *subjects);
    struct index_filter filter = {.subjects = subjects, .count = count};

    for (size_t i = 0; i < count; i++)
        subjects[i] = heap_copy(took.subjects[i]);
    stream_consumer_drop(stream, shell, true);
    look(stream, count > 0 ? &filter : NULL);
    for (size_t i = 0; i < count; i++)
        heap_give((void *)subjects[i].at);
    heap_give(subjects);
}

/* They live with the leader only, so nothing may depend on them: whoever has one makes another. */
static void drop_volatile(struct stream *stream)
{
    struct consumer_shell *shell;

    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        if (consumer_volatile(shell->consumer)) {
            stream_consumer_drop(stream, shell, true);
            at = 0; /* the table has moved */
        }
    }
}

void stream_retention_configured(struct stream *stream)
{
    bool until_acked = stream->state.config.retention != RETENTION_LIMITS;
    struct consumer_shell *shell;

    if (until_acked == stream->until_acked)
        return;
    stream->until_acked = until_acked;
    if (until_acked)
        drop_volatile(stream);
    for (size_t at = 0; (shell = table_next(&stream->consumers, &at)) != NULL;) {
        consumer_retained(shell->consumer, stream_leader_now(stream), stream_log_now(stream),
                          until_acked);
        stream_consumer_mark(shell);
    }
    stream_retention_look(stream);
}
