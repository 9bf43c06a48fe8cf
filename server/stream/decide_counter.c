/*
 * Nats-Incr: a publish that is added to what its subject's last message says (reference streams
 * 9.3). The message that is stored is the sum. Decide knows the last message's sequence, but it is
 * not told what stands in it: who calls reads that and asks again.
 */
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

static bool is_sources(struct bytes name)
{
    return bytes_equal(name, SOURCES);
}

/* What came from other streams stays with the counter. */
static void carry_sources(struct deciding *d, struct bytes sources)
{
    struct buf *headers = &d->decider->counter_headers;

    if (sources.size > 0) {
        buf_clear(headers);
        header_block_copy(d->publish.headers, is_sources, headers);
        header_block_add(headers, SOURCES, sources);
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

bool decide_check_counter_value(struct deciding *d)
{
    struct buf *payload = &d->decider->counter_payload;
    struct counter_known last;
    size_t head;

    if (!d->config->allow_msg_counter)
        return true;
    if (d->headers.incr.size == 0)
        return decide_refuse(d, 10169, true);
    if (decide_evicts(d))
        return decide_wait(d);
    if (!find_last(d, &last))
        return false;

    buf_clear(payload);
    (void)BUF_ADD(payload, "{\"val\":\""); /* it has no limit */
    head = payload->size;
    decimal_add(last.value, d->headers.incr, payload);
    d->counter.value.size = payload->size - head;
    (void)BUF_ADD(payload, "\"}");
    d->counter.value.at = payload->at + head;
    carry_sources(d, last.sources);
    d->publish.payload = buf_bytes(payload);
    return decide_check_size(d) && check_batch(d, last);
}
