/*
 * stream_model_batch: what an atomic batch makes of a stream_model: all of it or nothing. For
 * streams that discard old messages and have no size limit of one.
 */
#ifndef TESTS_UNIT_SERVER_STREAM_MODEL_BATCH_H
#define TESTS_UNIT_SERVER_STREAM_MODEL_BATCH_H

#include "base/heap.h"
#include "tests/unit/server/stream_model.h"

#define MODEL_BATCH_MAX 6

struct model_batch {
    struct model *before, *model; /* the stream before it, and with what passed */
    const struct model_publish *publishes;
    unsigned count; /* that have passed */
};

static inline bool model_batch_wrote(const struct model_batch *batch, unsigned subject)
{
    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->publishes[i].subject == subject)
            return true;
    }
    return false;
}

static inline struct model_answer model_batch_subject(const struct model_batch *batch,
                                                      const struct model_publish *p)
{
    unsigned subject = p->expect_filter < 0 ? p->subject : (unsigned)p->expect_filter;
    uint64_t last = model_filter_last(batch->before, p);

    if (subject < MODEL_SUBJECTS && model_batch_wrote(batch, subject))
        return model_refuse(10164, true, "%s", "");
    if ((uint64_t)p->expect_subject != last)
        return model_refuse(10071, true, "wrong last sequence: %llu", (unsigned long long)last);
    return (struct model_answer){.outcome = DECIDE_STORE};
}

static inline struct model_answer model_batch_rollup(const struct model_batch *batch,
                                                     const struct model_publish *p)
{
    if ((p->rollup || p->rollup_all) && !batch->model->config.rollups)
        return model_refuse(10111, true, "%s", "rollup not permitted");
    if (p->rollup && model_batch_wrote(batch, p->subject))
        return model_refuse(10111, true, "%s", "batch rollup sub invalid");
    if (p->rollup_all && batch->count > 0)
        return model_refuse(10111, true, "%s", "batch rollup all invalid");
    return (struct model_answer){.outcome = DECIDE_STORE};
}

static inline struct model_answer model_batch_check(const struct model_batch *batch,
                                                    const struct model_publish *p, int64_t now_ns)
{
    struct model_answer answer;

    if (p->expect_id >= 0)
        return model_refuse(10177, false, "%s",
                            "atomic publish unsupported header used: Nats-Expected-Last-Msg-Id");
    if (p->wrong_stream)
        return model_refuse(10060, false, "%s", "");
    if (p->id != 0 && model_original(batch->model, p->id, now_ns) != 0)
        return model_refuse(10201, true, "%s", "");
    if (p->expect_last >= 0 && (uint64_t)p->expect_last != batch->model->last)
        return model_refuse(10071, true, "wrong last sequence: %llu",
                            (unsigned long long)batch->model->last);
    if (p->expect_last >= 0 && batch->count > 0)
        return model_refuse(10164, true, "%s", "");
    if (p->expect_subject >= 0) {
        answer = model_batch_subject(batch, p);
        if (answer.outcome != DECIDE_STORE)
            return answer;
    }
    return model_batch_rollup(batch, p);
}

/* What is refused leaves the model as it was. */
static inline struct model_answer model_batch(struct model *model,
                                              const struct model_publish *publishes, unsigned count,
                                              int64_t now_ns)
{
    struct model_batch batch = {
        .before = HEAP_NEW(struct model), .model = model, .publishes = publishes};
    int64_t time_ns = now_ns > model->log_time_ns ? now_ns : model->log_time_ns;
    struct model_answer answer = {0};

    *batch.before = *model;
    for (; batch.count < count; batch.count++) {
        struct model_publish bare = publishes[batch.count];

        answer = model_batch_check(&batch, &bare, time_ns);
        if (answer.outcome != DECIDE_STORE)
            break;
        bare.id = 0; /* its check is done; what follows only stores */
        bare.expect_last = bare.expect_subject = bare.expect_id = -1;
        answer = model_publish(model, &bare, now_ns);
        model->at[model->count - 1].id = (uint16_t)publishes[batch.count].id;
    }
    if (answer.outcome != DECIDE_STORE)
        *model = *batch.before;
    heap_give(batch.before);
    return answer;
}

#endif
