/*
 * stream_rig: a stream's decider and state with a log in memory between them, driven by hand: what
 * is gathered, proposed, committed, lost in a change of leader or a crash is the test's choice. The
 * log holds encoded batches and nothing else survives a crash, so whatever the state needs must be
 * in it.
 */
#ifndef TESTS_UNIT_SERVER_STREAM_RIG_H
#define TESTS_UNIT_SERVER_STREAM_RIG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/heap.h"
#include "consumers/consumer.h"
#include "server/stream/decide.h"
#include "server/stream/flaws.h"

#define RIG_BATCHES_MAX 8192

struct rig_batch {
    struct bytes records; /* owned */
    uint32_t count;
    int64_t time_ns;
};

struct rig {
    struct stream_state state;
    struct decider decider;
    struct buf gather;
    uint32_t gathered;
    struct rig_batch log[RIG_BATCHES_MAX + 1]; /* index 1 is the first */
    uint64_t proposed, applied;
    int64_t now_ns;
    uint64_t flaws, seed;
    struct apply_result result; /* of the last effect applied */
    /* Of consumers (rig_consumers.h), or NULL. */
    const struct stream_events *events;
    void (*record)(void *owner, const struct record *record);
};

[[gnu::noreturn]] [[gnu::format(printf, 1, 2)]] static inline void rig_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static inline void rig_wake(struct rig *rig)
{
    stream_state_init(&rig->state, rig->seed);
    decider_init(&rig->decider, &rig->state, rig->seed + 1);
    buf_init(&rig->gather, 1 << 20);
    rig->state.flaws = rig->flaws;
    rig->state.events = rig->events;
    rig->decider.flaws = rig->flaws;
    rig->gathered = 0;
    rig->applied = 0;
}

static inline struct rig *rig_create(uint64_t seed, uint64_t flaws)
{
    struct rig *rig = HEAP_NEW(struct rig);

    rig->seed = seed;
    rig->flaws = flaws;
    rig->now_ns = INT64_C(1700000000000000000);
    rig_wake(rig);
    return rig;
}

static inline void rig_sleep(struct rig *rig)
{
    decider_deinit(&rig->decider);
    stream_state_deinit(&rig->state);
    buf_deinit(&rig->gather);
}

static inline void rig_cut(struct rig *rig, uint64_t last)
{
    for (; rig->proposed > last; rig->proposed--)
        heap_give((void *)rig->log[rig->proposed].records.at);
}

static inline void rig_destroy(struct rig *rig)
{
    rig_sleep(rig);
    rig_cut(rig, 0);
    heap_give(rig);
}

/* The index that what is decided now will have, or that it looked at. */
static inline uint64_t rig_tail(const struct rig *rig)
{
    return rig->proposed + (rig->gathered > 0);
}

static inline void rig_publish(struct rig *rig, const struct publish *publish,
                               struct decision *decision)
{
    decide_publish(&rig->decider, publish, rig->now_ns, &rig->gather, decision);
    rig->gathered += decision->records;
}

/* Whatever is not a publish: on a quiet stream, as a barrier. */
static inline bool rig_quiet(const struct rig *rig)
{
    return rig->gathered == 0 && rig->applied == rig->proposed;
}

static inline void rig_operation(struct rig *rig, const struct effect *effect)
{
    if (!rig_quiet(rig) || !effect_write(&rig->gather, effect))
        rig_die("an operation on a stream that is not quiet");
    rig->gathered++;
    rig->decider.barrier = true;
}

static inline uint64_t rig_propose(struct rig *rig)
{
    const struct overlay_entry *last = overlay_last(&rig->decider.overlay);

    if (rig->gathered == 0)
        return 0;
    if (rig->proposed == RIG_BATCHES_MAX)
        rig_die("the rig's log is full");
    rig->proposed++;
    rig->log[rig->proposed] = (struct rig_batch){
        .records = heap_copy(buf_bytes(&rig->gather)),
        .count = rig->gathered,
        .time_ns = last != NULL ? last->time_ns : rig->now_ns,
    };
    buf_clear(&rig->gather);
    rig->gathered = 0;
    decider_proposed(&rig->decider, rig->proposed);
    return rig->proposed;
}

static inline void rig_apply_batch(struct rig *rig, struct stream_state *state, uint64_t index)
{
    const struct rig_batch *batch = &rig->log[index];
    struct bytes rest = batch->records;

    if (batch->time_ns > state->log_time_ns)
        state->log_time_ns = batch->time_ns;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct record record;
        struct effect effect;

        if (record_read(rest, &record) != OK)
            rig_die("unreadable record in batch %llu", (unsigned long long)index);
        rest = bytes_skip(rest, record.size);
        if (record.type >= CONSUMER_RECORD_FIRST) {
            rig->record(rig->events->owner, &record);
            continue;
        }
        if (effect_read(&record, &effect) != OK ||
            stream_state_apply(state, &effect, index, record.size, &rig->result) != OK)
            rig_die("batch %llu does not apply", (unsigned long long)index);
    }
    if (rest.size != 0)
        rig_die("bytes behind the last record");
}

/* The oldest proposal is committed: false if there is none. */
static inline bool rig_commit(struct rig *rig)
{
    if (rig->applied == rig->proposed)
        return false;
    rig->applied++;
    rig_apply_batch(rig, &rig->state, rig->applied);
    decider_applied(&rig->decider, rig->applied);
    return true;
}

static inline void rig_settle(struct rig *rig)
{
    rig_propose(rig);
    while (rig_commit(rig))
        continue;
}

/* What is not committed never happens; the leader goes on. */
static inline void rig_refuse(struct rig *rig)
{
    rig_cut(rig, rig->applied);
    buf_clear(&rig->gather);
    rig->gathered = 0;
    decider_refused(&rig->decider);
}

/* Memory is gone. Of the proposals that were not applied, the first `kept` had reached the disk. */
static inline void rig_crash(struct rig *rig, uint64_t kept)
{
    uint64_t last = rig->applied + kept;

    rig_sleep(rig);
    rig_cut(rig, last < rig->proposed ? last : rig->proposed);
    rig_wake(rig);
    while (rig_commit(rig))
        continue;
}

#endif
