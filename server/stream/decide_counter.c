/*
 * Nats-Incr: a publish that is added to what its subject's last message says (reference streams
 * 9.3). The message that is stored is the sum. Decide knows the last message's sequence, but it is
 * not told what stands in it: who calls reads that and asks again.
 */
#include "server/stream/counter_sources.h"
#include "server/stream/decide_priv.h"
#include "server/stream/decimal.h"
#include "server/stream/header_block.h"

#define SOURCES BYTES("Nats-Counter-Sources")

/* What is to hold of the last message, or to be done to others, says nothing of a sum. */
static bool expects(const struct publish_headers *headers)
{
    return headers->expected_stream.size > 0 || headers->expected_last_sequence.size > 0 ||
           headers->expected_last_subject_sequence.size > 0 ||
           headers->expected_last_subject_sequence_subject.size > 0 ||
           headers->expected_last_msg_id.size > 0 || headers->rollup.size > 0;
}

bool decide_check_counter(struct deciding *d)
{
    if (d->headers.incr.size == 0)
        return true;
    if (!decimal_valid(d->headers.incr))
        return decide_refuse(d, 10171, false);
    if (!d->config->allow_msg_counter)
        return decide_refuse(d, 10168, true);
    if (d->publish.payload.size > 0)
        return decide_refuse(d, 10170, false);
    return !expects(&d->headers) || decide_refuse(d, 10171, false);
}

/* False: it has to be read, or is broken. */
static bool find_last(struct deciding *d, struct counter_known *last)
{
    uint64_t sequence = decide_subject_last(d, d->publish.subject);

    *last = (struct counter_known){.value = BYTES("0")};
    if (sequence == 0)
        return true;
    if (!counters_find(&d->decider->counters, sequence, last)) {
        d->decider->counter_wanted = sequence;
        return decide_wait(d);
    }
    return last->value.size > 0 || decide_refuse(d, 10172, true);
}

/* What came from other streams stays with the counter. */
static void carry_sources(struct deciding *d, struct bytes sources)
{
    struct buf *headers = &d->decider->counter_headers;

    if (sources.size > 0) {
        buf_clear(headers);
        header_block_set(d->publish.headers, SOURCES, sources, headers);
        d->publish.headers = buf_bytes(headers);
        publish_headers_read(d->publish.headers, &d->headers);
    }
    d->counter.sources = header_block_value(d->publish.headers, SOURCES);
}

/* All that a batch adds to and comes to is kept until it is decided. */
static bool check_batch(struct deciding *d, struct counter_known last)
{
    if (d->batch == NULL)
        return true;
    d->batch->counters += counters_size(last) + counters_size(d->counter);
    return d->batch->counters <= COUNTERS_BATCH_MAX ||
           decide_refuse_text(d, 10199, true,
                              "atomic publish batch is too large: %zu bytes of counters",
                              COUNTERS_BATCH_MAX);
}

/* What the counter comes to, and as what it is stored. */
static void add_up(struct deciding *d, struct bytes value, struct bytes increment)
{
    struct buf *payload = &d->decider->counter_payload;
    size_t head;

    buf_clear(payload);
    (void)BUF_ADD(payload, "{\"val\":\""); /* it has no limit */
    head = payload->size;
    decimal_add(value, increment, payload);
    d->counter.value.size = payload->size - head;
    (void)BUF_ADD(payload, "\"}");
    d->counter.value.at = payload->at + head;
    d->publish.payload = buf_bytes(payload);
}

bool decide_check_counter_value(struct deciding *d)
{
    struct counter_known last;

    if (!d->config->allow_msg_counter)
        return true;
    if (d->headers.incr.size == 0)
        return decide_refuse(d, 10169, true);
    if (decide_evicts(d))
        return decide_wait(d);
    if (!find_last(d, &last))
        return false;
    add_up(d, last.value, d->headers.incr);
    carry_sources(d, last.sources);
    return decide_check_size(d) && check_batch(d, last);
}

/* ---- from other streams ----------------------------------------------------------------------
 *
 * A message that was stored elsewhere says what its counter comes to there. What is added here is
 * how far that is from what the same counter said before, so one that did not come is made up for
 * by the next.
 */

/* Says in its headers what is added, and what it is made of. */
static void tell(struct deciding *d, struct bytes increment, struct bytes sources)
{
    struct buf *first = &d->decider->batch_headers, *second = &d->decider->counter_headers;

    buf_clear(first);
    buf_clear(second);
    header_block_set(d->publish.headers, BYTES("Nats-Incr"), increment, first);
    header_block_set(buf_bytes(first), SOURCES, sources, second);
    d->publish.headers = buf_bytes(second);
    publish_headers_read(d->publish.headers, &d->headers);
    d->counter.sources = header_block_value(d->publish.headers, SOURCES);
}

/* By what the counter has moved at its origin, and its sources with what it says now. */
static void difference(struct deciding *d, struct bytes sources, struct bytes value)
{
    struct counter_sourced *scratch = &d->decider->counter_sourced;
    struct bytes said = header_block_value(d->publish.headers, BYTES("Nats-Stream-Source"));

    counter_sources_put(sources, counter_origin_read(said), value, &scratch->sources,
                        &scratch->before);
    if (!decimal_valid(buf_bytes(&scratch->before))) {
        buf_clear(&scratch->before);
        (void)BUF_ADD(&scratch->before, "0");
    }
    buf_clear(&scratch->increment);
    if (decide_flaw(d, STREAM_FLAW_COUNTER_WHOLE))
        (void)buf_add(&scratch->increment, value);
    else
        decimal_subtract(value, buf_bytes(&scratch->before), &scratch->increment);
}

bool decide_check_counter_sourced(struct deciding *d)
{
    struct counter_sourced *scratch = &d->decider->counter_sourced;
    struct counter_known last;

    if (!d->config->allow_msg_counter)
        return true;
    if (d->headers.incr.size == 0)
        return decide_refuse(d, 10169, true);
    if (!decimal_valid(d->headers.incr))
        return decide_refuse(d, 10171, true);
    if (!counters_value(d->publish.payload, &scratch->value))
        return decide_refuse(d, 10172, true);
    if (decide_evicts(d))
        return decide_wait(d);
    if (!find_last(d, &last))
        return false;
    difference(d, last.sources, buf_bytes(&scratch->value));
    add_up(d, last.value, buf_bytes(&scratch->increment));
    tell(d, buf_bytes(&scratch->increment), buf_bytes(&scratch->sources));
    return decide_check_size(d);
}
