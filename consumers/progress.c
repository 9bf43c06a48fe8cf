#include "consumers/progress.h"

#define HANDOUT_HEAD 28u /* number, time, revision, two counts */
#define FLAG_ALL     1u
#define PADDING_MAX  7u /* records are padded to 8 */

/* ---- integers -------------------------------------------------------------------------------- */

static void put_u32(uint8_t at[static 4], uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

bool progress_add_u32(struct buf *out, uint32_t value)
{
    uint8_t *at = buf_reserve(out, 4);

    if (at == NULL)
        return false;
    put_u32(at, value);
    buf_commit(out, 4);
    return true;
}

bool progress_add_u64(struct buf *out, uint64_t value)
{
    uint8_t *at = buf_reserve(out, 8);

    if (at == NULL)
        return false;
    for (size_t i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    buf_commit(out, 8);
    return true;
}

bool progress_add_varint(struct buf *out, uint64_t value)
{
    uint8_t *at = buf_reserve(out, 10);
    size_t size = 0;

    if (at == NULL)
        return false;
    for (; value >= 0x80; value >>= 7)
        at[size++] = (uint8_t)(value | 0x80);
    at[size++] = (uint8_t)value;
    buf_commit(out, size);
    return true;
}

bool progress_take_u32(struct bytes *in, uint32_t *value)
{
    if (in->size < 4)
        return false;
    *value = 0;
    for (size_t i = 0; i < 4; i++)
        *value |= (uint32_t)in->at[i] << (8 * i);
    *in = bytes_skip(*in, 4);
    return true;
}

bool progress_take_u64(struct bytes *in, uint64_t *value)
{
    if (in->size < 8)
        return false;
    *value = 0;
    for (size_t i = 0; i < 8; i++)
        *value |= (uint64_t)in->at[i] << (8 * i);
    *in = bytes_skip(*in, 8);
    return true;
}

bool progress_take_varint(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < 10 && i < in->size; i++) {
        uint64_t bits = in->at[i] & 0x7f;
        if (i == 9 && bits > 1)
            return false;
        *value |= bits << (7 * i);
        if ((in->at[i] & 0x80) == 0) {
            *in = bytes_skip(*in, i + 1);
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(uint64_t step)
{
    return (step << 1) ^ (0 - (step >> 63));
}

static uint64_t unzigzag(uint64_t coded)
{
    return (coded >> 1) ^ (0 - (coded & 1));
}

/* ---- runs ------------------------------------------------------------------------------------ */

static bool add_run(struct buf *out, struct run run, uint64_t previous, bool list)
{
    uint64_t step = run.first - previous; /* modulo 2^64: signed in a list */

    assert(run.first > 0);
    assert(run.first <= run.last);
    return progress_add_varint(out, list ? zigzag(step) : step) &&
           progress_add_varint(out, run.last - run.first);
}

static bool take_run(struct progress_runs *runs, struct run *run)
{
    uint64_t step, more;

    if (!progress_take_varint(&runs->rest, &step) || !progress_take_varint(&runs->rest, &more))
        return false;
    if (runs->list)
        step = unzigzag(step);
    else if (step == 0 || step > UINT64_MAX - runs->previous)
        return false; /* sets and new sequences rise */
    run->first = runs->previous + step;
    if (run->first == 0 || more >= UINT64_MAX - run->first)
        return false; /* no sequence is that high: loops over runs end */
    run->last = run->first + more;
    runs->previous = run->last;
    runs->left--;
    return true;
}

bool progress_runs_next(struct progress_runs *runs, struct run *run)
{
    bool whole;

    if (runs->left == 0)
        return false;
    whole = take_run(runs, run);
    assert(whole); /* checked when the body was read */
    return true;
}

/* Walks `runs` to its end; adds up the sequences until they pass `limit`. Leaves what follows in
 * *rest. */
static bool check_runs(struct progress_runs runs, uint64_t limit, uint64_t *total, uint64_t *first,
                       uint64_t *last, struct bytes *rest)
{
    struct run run;

    *first = 0;
    *last = 0;
    while (runs.left > 0) {
        if (!take_run(&runs, &run))
            return false;
        if (run.last - run.first >= limit - *total)
            return false;
        *total += run.last - run.first + 1;
        if (*first == 0)
            *first = run.first;
        *last = run.last;
    }
    *rest = runs.rest;
    return true;
}

/* What follows a body is the padding of its record. */
static bool only_padding(struct bytes rest)
{
    if (rest.size > PADDING_MAX)
        return false;
    for (size_t i = 0; i < rest.size; i++)
        if (rest.at[i] != 0)
            return false;
    return true;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static bool write_set(struct buf *out, uint64_t number, uint32_t flags, const struct run *runs,
                      size_t count)
{
    uint64_t previous = 0;

    assert(count > 0);
    assert(count <= UINT32_MAX);
    buf_clear(out);
    if (!progress_add_u64(out, number) || !progress_add_u32(out, flags) ||
        !progress_add_u32(out, (uint32_t)count))
        return false;
    for (size_t i = 0; i < count; i++) {
        assert(runs[i].first > previous);
        if (!add_run(out, runs[i], previous, false))
            return false;
        previous = runs[i].last;
    }
    return true;
}

bool progress_write_ack(struct buf *out, uint64_t number, const struct run *runs, size_t count)
{
    return write_set(out, number, 0, runs, count);
}

bool progress_write_ack_all(struct buf *out, uint64_t number, uint64_t sequence)
{
    return write_set(out, number, FLAG_ALL, &(struct run){sequence, sequence}, 1);
}

bool progress_write_set(struct buf *out, uint64_t number, const struct run *runs, size_t count)
{
    return write_set(out, number, 0, runs, count);
}

static enum err read_set(struct bytes body, uint32_t flags_known, uint64_t limit,
                         struct progress_set *set)
{
    uint64_t number, first, total = 0;
    uint32_t flags, count;
    struct bytes rest;

    if (!progress_take_u64(&body, &number) || !progress_take_u32(&body, &flags) ||
        !progress_take_u32(&body, &count))
        return ERR_CORRUPT;
    if ((flags & ~flags_known) != 0 || count == 0)
        return ERR_CORRUPT;
    set->all = (flags & FLAG_ALL) != 0;
    set->runs = (struct progress_runs){.rest = body, .left = count};
    if (!check_runs(set->runs, limit, &total, &first, &set->last, &rest) || !only_padding(rest))
        return ERR_CORRUPT;
    if (set->all && total != 1)
        return ERR_CORRUPT;
    return OK;
}

enum err progress_read_ack(struct bytes body, struct progress_set *set)
{
    return read_set(body, FLAG_ALL, UINT64_MAX, set);
}

enum err progress_read_set(struct bytes body, struct progress_set *set)
{
    return read_set(body, 0, PROGRESS_SEQUENCES_MAX, set);
}

/* ---- hand-outs ------------------------------------------------------------------------------- */

static void flush_run(struct progress_handout_writer *writer)
{
    if (writer->open.first == 0)
        return;
    if (!add_run(writer->out, writer->open, writer->previous, !writer->fresh))
        writer->failed = true;
    writer->runs[writer->fresh]++;
    writer->previous = writer->open.last;
    writer->open.first = 0;
}

static void add_sequence(struct progress_handout_writer *writer, uint64_t sequence)
{
    assert(sequence > 0);
    if (writer->open.first != 0 && sequence == writer->open.last + 1) {
        writer->open.last = sequence;
        return;
    }
    flush_run(writer);
    writer->open = (struct run){sequence, sequence};
}

void progress_handout_begin(struct progress_handout_writer *writer, struct buf *out,
                            uint64_t number, int64_t time_ns, uint32_t revision)
{
    *writer = (struct progress_handout_writer){.out = out};
    buf_clear(out);
    writer->failed = !progress_add_u64(out, number) || !progress_add_u64(out, (uint64_t)time_ns) ||
                     !progress_add_u32(out, revision) || !progress_add_u64(out, 0);
}

void progress_handout_redelivery(struct progress_handout_writer *writer, uint64_t sequence)
{
    assert(!writer->fresh);
    add_sequence(writer, sequence);
}

void progress_handout_new(struct progress_handout_writer *writer, uint64_t sequence)
{
    if (!writer->fresh) {
        flush_run(writer);
        writer->fresh = true;
        writer->previous = 0;
    }
    add_sequence(writer, sequence);
}

bool progress_handout_end(struct progress_handout_writer *writer)
{
    uint8_t *counts;

    flush_run(writer);
    if (writer->failed)
        return false;
    counts = writer->out->at + HANDOUT_HEAD - 8;
    put_u32(counts, writer->runs[0]);
    put_u32(counts + 4, writer->runs[1]);
    return true;
}

enum err progress_read_handout(struct bytes body, struct progress_handout *handout)
{
    uint64_t number, time, first, last, total = 0;
    uint32_t redeliveries, fresh;
    struct bytes rest;

    if (!progress_take_u64(&body, &number) || !progress_take_u64(&body, &time) ||
        !progress_take_u32(&body, &handout->revision) || !progress_take_u32(&body, &redeliveries) ||
        !progress_take_u32(&body, &fresh))
        return ERR_CORRUPT;
    handout->time_ns = (int64_t)time;

    handout->redeliveries =
        (struct progress_runs){.rest = body, .left = redeliveries, .list = true};
    if (!check_runs(handout->redeliveries, PROGRESS_SEQUENCES_MAX, &total, &first, &last, &rest))
        return ERR_CORRUPT;
    handout->fresh = (struct progress_runs){.rest = rest, .left = fresh};
    if (!check_runs(handout->fresh, PROGRESS_SEQUENCES_MAX, &total, &handout->fresh_first, &last,
                    &rest) ||
        !only_padding(rest) || total == 0)
        return ERR_CORRUPT;
    handout->count = (uint32_t)total;
    return OK;
}

/* ---- the rest -------------------------------------------------------------------------------- */

bool progress_write_delay(struct buf *out, uint64_t number, uint64_t sequence,
                          int64_t not_before_ns)
{
    buf_clear(out);
    return progress_add_u64(out, number) && progress_add_u64(out, sequence) &&
           progress_add_u64(out, (uint64_t)not_before_ns);
}

enum err progress_read_delay(struct bytes body, struct progress_delay *delay)
{
    uint64_t number, time;

    if (!progress_take_u64(&body, &number) || !progress_take_u64(&body, &delay->sequence) ||
        !progress_take_u64(&body, &time) || !only_padding(body))
        return ERR_CORRUPT;
    delay->not_before_ns = (int64_t)time;
    return OK;
}

bool progress_write_position(struct buf *out, uint64_t number, uint64_t consumer, uint64_t stream)
{
    buf_clear(out);
    return progress_add_u64(out, number) && progress_add_u64(out, consumer) &&
           progress_add_u64(out, stream);
}

enum err progress_read_position(struct bytes body, struct progress_position *position)
{
    uint64_t number;

    if (!progress_take_u64(&body, &number) || !progress_take_u64(&body, &position->consumer) ||
        !progress_take_u64(&body, &position->stream) || !only_padding(body))
        return ERR_CORRUPT;
    if (position->stream == UINT64_MAX)
        return ERR_CORRUPT; /* nothing could follow */
    return OK;
}

/* ---- reset ----------------------------------------------------------------------------------- */

bool progress_write_reset(struct buf *out, uint64_t number, uint64_t next)
{
    buf_clear(out);
    return progress_add_u64(out, number) && progress_add_u64(out, next);
}

enum err progress_read_reset(struct bytes body, uint64_t *next)
{
    uint64_t number;

    if (!progress_take_u64(&body, &number) || !progress_take_u64(&body, next) ||
        !only_padding(body) || *next == 0)
        return ERR_CORRUPT;
    return OK;
}
