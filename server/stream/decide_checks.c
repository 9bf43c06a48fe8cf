#include <stdio.h>

#include "base/subject.h"
#include "server/stream/decide_priv.h"

#define RECORD_SIZE_FILE_MAX (32u << 20) /* reference 4.3: of the size that the API counts */

static size_t message_size(const struct deciding *d)
{
    return d->publish.headers.size + d->publish.payload.size;
}

static bool too_large_for_config(const struct deciding *d)
{
    return d->config->max_msg_size > 0 && message_size(d) > (size_t)d->config->max_msg_size;
}

bool decide_check_sealed(struct deciding *d)
{
    return !d->config->sealed || decide_refuse(d, 10109, true);
}

bool decide_check_size(struct deciding *d)
{
    size_t stored = message_size(d);

    if (!d->subject_too_long && d->publish.subject.size <= EFFECT_SUBJECT_MAX &&
        stored <= EFFECT_PAYLOAD_MAX) {
        d->stored_size = stream_stored_size(d->config->storage, d->publish.subject.size,
                                            d->publish.headers.size, d->publish.payload.size);
        if (d->config->storage == STORAGE_MEMORY || d->stored_size <= RECORD_SIZE_FILE_MAX)
            return true;
    }
    return decide_refuse_text(d, 10077, false, "message too large");
}

bool decide_check_size_message(struct deciding *d)
{
    return !too_large_for_config(d) || decide_refuse(d, 10054, true);
}

bool decide_check_size_headers(struct deciding *d)
{
    return d->publish.headers.size <= EFFECT_HEADERS_MAX || decide_refuse(d, 10097, false);
}

bool decide_check_size_configured(struct deciding *d)
{
    return decide_check_size_message(d) && decide_check_size_headers(d);
}

/* ---- features that are not built ------------------------------------------------------------- */

static bool check_schedule(struct deciding *d)
{
    struct bytes scheduler = d->headers.scheduler;

    if (d->headers.schedule.size > 0)
        return decide_refuse(d, 10188, true);
    if (scheduler.size == 0 && d->headers.schedule_next.size == 0)
        return true;
    if (!bytes_equal(d->headers.schedule_next, BYTES("purge")) || scheduler.size == 0 ||
        !subject_literal(scheduler) || bytes_equal(scheduler, d->publish.subject))
        return decide_refuse(d, 10212, false);
    return decide_refuse(d, 10188, true);
}

/* ---- what the publisher expects -------------------------------------------------------------- */

static bool check_stream(struct deciding *d)
{
    if (d->headers.expected_stream.size == 0 ||
        bytes_equal(d->headers.expected_stream, d->config->name))
        return true;
    return decide_refuse(d, 10060, false); /* a stream's name never changes */
}

static bool expect(struct deciding *d, struct bytes expected, uint64_t actual)
{
    uint64_t value;

    if (bytes_read_u64(expected, &value) && value == actual)
        return true;
    return decide_refuse_text(d, 10071, true, "wrong last sequence: %llu",
                              (unsigned long long)actual);
}

static bool check_last_sequence(struct deciding *d)
{
    uint64_t last =
        decide_flaw(d, STREAM_FLAW_CHECK_APPLIED) ? d->decider->state->last_seq : d->sequence_last;

    if (d->headers.expected_last_sequence.size == 0)
        return true;
    if (!expect(d, d->headers.expected_last_sequence, last))
        return false;
    return d->batch == NULL || d->sequence_last + 1 == d->batch->first ||
           decide_refuse(d, 10164, true);
}

bool decide_evicts(const struct deciding *d)
{
    const struct overlay *overlay = &d->decider->overlay;
    const struct stream_state *state = d->decider->state;
    const struct stream_config *config = d->config;

    if (decide_flying(d) == 0 || config->discard != DISCARD_OLD)
        return false;
    if (config->max_msgs > 0 &&
        index_count(state->index) + overlay->count > (uint64_t)config->max_msgs)
        return true;
    return config->max_bytes > 0 &&
           index_bytes(state->index) + overlay->bytes > (uint64_t)config->max_bytes;
}

uint64_t decide_subject_last(const struct deciding *d, struct bytes subject)
{
    struct overlay_subject tail = {0};
    struct index_subject applied;

    if (!decide_flaw(d, STREAM_FLAW_CHECK_APPLIED))
        overlay_subject(&d->decider->overlay, subject, &tail);
    if (tail.last != 0)
        return tail.last;
    index_subject(d->decider->state->index, subject, &applied);
    return applied.last;
}

static uint64_t filter_last(const struct deciding *d, struct bytes subject)
{
    struct index_filter filter = {.subjects = &subject, .count = 1};
    struct index_entry entry;

    return index_previous(d->decider->state->index, &filter, UINT64_MAX, &entry) ? entry.sequence
                                                                                 : 0;
}

/* Has the batch that this is part of written to that subject? */
static bool written_in_batch(const struct deciding *d, struct bytes subject)
{
    struct overlay_subject tail;

    if (d->batch == NULL)
        return false;
    overlay_subject(&d->decider->overlay, subject, &tail);
    return tail.last >= d->batch->first;
}

static bool check_last_subject_sequence(struct deciding *d)
{
    struct bytes expected = d->headers.expected_last_subject_sequence;
    struct bytes filter = d->headers.expected_last_subject_sequence_subject;
    bool wildcard = filter.size > 0 && subject_has_wildcard(filter);

    if (expected.size == 0)
        return filter.size == 0 || decide_refuse(d, 10193, false);
    if (written_in_batch(d, filter.size > 0 ? filter : d->publish.subject))
        return decide_refuse(d, 10164, true);
    if (decide_evicts(d) && !decide_flaw(d, STREAM_FLAW_EVICTION_UNSEEN))
        return decide_wait(d);
    if (!wildcard)
        return expect(d, expected,
                      decide_subject_last(d, filter.size > 0 ? filter : d->publish.subject));
    if (decide_flying(d) > 0 && !decide_flaw(d, STREAM_FLAW_WILDCARD_APPLIED))
        return decide_wait(d);
    return expect(d, expected, filter_last(d, filter));
}

bool decide_check_headers(struct deciding *d)
{
    return decide_check_counter(d) && check_stream(d) && decide_check_ttl_allowed(d) &&
           check_last_subject_sequence(d) && check_last_sequence(d) && check_schedule(d);
}

/* That it is not allowed is found before that it is invalid. */
static bool check_ttl_member(struct deciding *d)
{
    if (d->headers.ttl.size > 0 && !d->config->allow_msg_ttl)
        return decide_refuse(d, 10166, true);
    return decide_check_ttl(d);
}

bool decide_check_headers_member(struct deciding *d)
{
    return decide_check_counter(d) && check_stream(d) && check_ttl_member(d) &&
           decide_check_id(d) && check_last_sequence(d) && check_last_subject_sequence(d) &&
           check_schedule(d);
}

/* ---- message ids ----------------------------------------------------------------------------- */

static uint64_t original_of(const struct deciding *d)
{
    const struct dedup *dedup = &d->decider->state->dedup;
    const struct overlay_entry *entry = NULL;

    if (!decide_flaw(d, STREAM_FLAW_IDS_APPLIED))
        entry = overlay_id(&d->decider->overlay, d->headers.msg_id);
    if (entry != NULL && d->now_ns - entry->time_ns < dedup->window_ns)
        return entry->sequence;
    return dedup_find(dedup, d->headers.msg_id, d->now_ns);
}

bool decide_check_id(struct deciding *d)
{
    uint64_t sequence;

    if (d->headers.msg_id.size == 0 || d->decider->state->dedup.window_ns <= 0)
        return true;
    sequence = original_of(d);
    if (sequence == 0)
        return true;
    *d->decision =
        (struct decision){.outcome = DECIDE_DUPLICATE, .sequence = sequence, .error_text = ""};
    return false;
}

bool decide_check_id_last(struct deciding *d)
{
    const struct overlay_entry *last = overlay_last(&d->decider->overlay);
    struct bytes id = d->decider->state->msg_id_last;

    if (d->headers.expected_last_msg_id.size == 0)
        return true;
    if (last != NULL)
        id = overlay_entry_id(&d->decider->overlay, last);
    if (bytes_equal(d->headers.expected_last_msg_id, id))
        return true;
    return decide_refuse_text(d, 10070, true, "wrong last msg ID: %.*s", BYTES_ARG(id));
}

/* ---- roll-up --------------------------------------------------------------------------------- */

/* As Go's %q of the value in lower case: the text is on the wire. */
static void quote(struct bytes value, struct buf *out)
{
    static const char escapes[] = "abtnvfr"; /* of 7 to 13 */

    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte + ('a' - 'A'));
        if (byte == '"' || byte == '\\')
            (void)buf_print(out, "\\%c", byte); /* the limit is never met: four bytes for one */
        else if (byte >= 7 && byte <= 13)
            (void)buf_print(out, "\\%c", escapes[byte - 7]);
        else if (byte < 32 || byte == 127)
            (void)buf_print(out, "\\x%02x", byte);
        else
            (void)buf_add_byte(out, byte);
    }
}

static bool refuse_rollup(struct deciding *d)
{
    struct buf quoted;

    buf_init(&quoted, SIZE_MAX);
    quote(d->headers.rollup, &quoted);
    decide_refuse_text(d, 10111, false, "rollup value invalid: \"%.*s\"", BYTES_ARG(quoted));
    buf_deinit(&quoted);
    return false;
}

/* In a batch a roll-up comes before what it would have to remove. */
static bool check_rollup_member(struct deciding *d)
{
    if (d->flags == MESSAGE_ROLLUP_SUBJECT && written_in_batch(d, d->publish.subject))
        return decide_refuse_text(d, 10111, true, "batch rollup sub invalid");
    if (d->flags == MESSAGE_ROLLUP_ALL && d->batch != NULL &&
        d->sequence_last + 1 != d->batch->first)
        return decide_refuse_text(d, 10111, true, "batch rollup all invalid");
    return true;
}

bool decide_check_rollup(struct deciding *d)
{
    if (d->headers.rollup.size == 0)
        return true;
    if (!d->config->allow_rollup_hdrs || d->config->deny_purge)
        return decide_refuse_text(d, 10111, true, "rollup not permitted");
    if (bytes_equal_nocase(d->headers.rollup, BYTES("sub")))
        d->flags = MESSAGE_ROLLUP_SUBJECT;
    else if (bytes_equal_nocase(d->headers.rollup, BYTES("all")))
        d->flags = MESSAGE_ROLLUP_ALL;
    else
        return refuse_rollup(d);
    return check_rollup_member(d);
}

/* ---- tracing --------------------------------------------------------------------------------- */

bool decide_check_traced(struct deciding *d)
{
    if (!publish_headers_trace_only(&d->headers))
        return true;
    *d->decision = (struct decision){.outcome = DECIDE_TRACED, .error_text = ""};
    return false;
}
