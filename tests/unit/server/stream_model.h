/*
 * stream_model: what a stream is, without overlay, log or index: an array of messages, and
 * operations that happen one after the other. Whatever the pipeline does, each answer must be the
 * one given here.
 */
#ifndef TESTS_UNIT_SERVER_STREAM_MODEL_H
#define TESTS_UNIT_SERVER_STREAM_MODEL_H

#include <stdarg.h>
#include <stdio.h>

#include "base/subject.h"
#include "server/stream/decide.h"

#define MODEL_MESSAGES_MAX 1200
#define MODEL_SUBJECTS     6

struct model_config {
    int64_t max_msgs, max_bytes, max_per_subject, max_age_ns, window_ns;
    int32_t max_msg_size;
    bool discard_new, discard_new_per_subject, rollups, sealed, memory;
    uint64_t first_seq;
};

struct model_message {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t size;
    uint16_t subject; /* number; "s.<number>" */
    uint16_t id;      /* 0: none */
    bool live;
    bool id_forgotten; /* the window was too narrow for it once */
};

struct model {
    struct model_config config;
    struct model_message
        at[MODEL_MESSAGES_MAX]; /* ids are looked for here, too: removed ones count */
    unsigned count;
    bool configured, begun;
    uint64_t last;
    int64_t log_time_ns, last_time_ns;
};

/* A publish as the test means it; -1: no such header. */
struct model_publish {
    unsigned subject, id;
    unsigned message_size; /* headers and payload; filled in by who has them, as is `size` */
    int64_t expect_last, expect_subject;
    int expect_filter; /* subject number; MODEL_SUBJECTS: "s.*"; more: another's literal */
    int expect_id;     /* 0: expects id 0 that nobody has */
    bool rollup, rollup_all, wrong_stream;
    uint32_t size; /* as the API counts it */
};

struct model_answer {
    enum decide_outcome outcome;
    uint64_t sequence;
    unsigned error;
    bool looks;
    char text[100];
};

static inline uint64_t model_count(const struct model *model, int subject)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < model->count; i++)
        count += model->at[i].live && (subject < 0 || model->at[i].subject == subject);
    return count;
}

static inline uint64_t model_bytes(const struct model *model)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < model->count; i++)
        bytes += model->at[i].live ? model->at[i].size : 0;
    return bytes;
}

static inline uint64_t model_first(const struct model *model)
{
    for (unsigned i = 0; i < model->count; i++) {
        if (model->at[i].live)
            return model->at[i].sequence;
    }
    return model->begun ? model->last + 1 : 0;
}

/* The oldest (newest) live message of the subject, of all if it is negative. */
static inline struct model_message *model_oldest(struct model *model, int subject)
{
    for (unsigned i = 0; i < model->count; i++) {
        if (model->at[i].live && (subject < 0 || model->at[i].subject == subject))
            return &model->at[i];
    }
    return NULL;
}

static inline struct model_message *model_newest(struct model *model, int subject)
{
    for (unsigned i = model->count; i-- > 0;) {
        if (model->at[i].live && (subject < 0 || model->at[i].subject == subject))
            return &model->at[i];
    }
    return NULL;
}

static inline int64_t model_time(struct model *model, int64_t now_ns)
{
    if (now_ns > model->log_time_ns)
        model->log_time_ns = now_ns;
    return model->log_time_ns;
}

/* ---- removal -------------------------------------------------------------------------------- */

static inline void model_limits(struct model *model)
{
    const struct model_config *config = &model->config;

    for (int subject = 0; config->max_per_subject > 0 && subject < MODEL_SUBJECTS; subject++) {
        while (model_count(model, subject) > (uint64_t)config->max_per_subject)
            model_oldest(model, subject)->live = false;
    }
    while (!config->discard_new &&
           ((config->max_msgs > 0 && model_count(model, -1) > (uint64_t)config->max_msgs) ||
            (config->max_bytes > 0 && model_bytes(model) > (uint64_t)config->max_bytes)))
        model_oldest(model, -1)->live = false;
}

static inline void model_configure(struct model *model, const struct model_config *config,
                                   int64_t now_ns)
{
    int64_t narrower_ns =
        config->window_ns < model->config.window_ns ? config->window_ns : model->config.window_ns;

    model_time(model, now_ns);
    for (unsigned i = 0; i < model->count; i++)
        model->at[i].id_forgotten |= model->log_time_ns - model->at[i].time_ns >= narrower_ns;
    model->config = *config;
    if (!model->configured && config->first_seq > 0) {
        model->last = config->first_seq - 1;
        model->begun = true;
    }
    model->configured = true;
    model_limits(model);
}

/* subject < 0: no filter. The newest `keep` of what matches stay. */
static inline uint64_t model_purge(struct model *model, int subject, uint64_t below, uint64_t keep)
{
    uint64_t left = model_count(model, subject), purged = 0;

    for (unsigned i = 0; i < model->count && left > keep; i++) {
        struct model_message *message = &model->at[i];

        if (!message->live || (subject >= 0 && message->subject != subject))
            continue;
        if (below > 0 && message->sequence >= below)
            continue;
        message->live = false;
        left--;
        purged++;
    }
    if (subject < 0 && keep == 0) {
        if (below == 0)
            model->begun = true;
        if (below > model->last + 1) {
            model->last = below - 1;
            model->begun = true;
        }
    }
    return purged;
}

static inline uint64_t model_expire(struct model *model, int64_t time_ns)
{
    uint64_t purged = 0;

    for (unsigned i = 0; i < model->count; i++) {
        purged += model->at[i].live && model->at[i].time_ns <= time_ns;
        if (model->at[i].time_ns <= time_ns)
            model->at[i].live = false;
    }
    return purged;
}

static inline bool model_delete(struct model *model, uint64_t sequence)
{
    for (unsigned i = 0; i < model->count; i++) {
        if (model->at[i].sequence == sequence && model->at[i].live) {
            model->at[i].live = false;
            return true;
        }
    }
    return false;
}

/* ---- publish -------------------------------------------------------------------------------- */

[[gnu::format(printf, 3, 4)]] static inline struct model_answer model_refuse(unsigned error,
                                                                             bool looks,
                                                                             const char *format,
                                                                             ...)
{
    struct model_answer answer = {.outcome = DECIDE_REFUSE, .error = error, .looks = looks};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(answer.text, sizeof answer.text, format, arguments);
    va_end(arguments);
    return answer;
}

static inline uint64_t model_original(const struct model *model, unsigned id, int64_t now_ns)
{
    for (unsigned i = model->count; i-- > 0;) {
        const struct model_message *message = &model->at[i];

        if (message->id == id)
            return now_ns - message->time_ns < model->config.window_ns && !message->id_forgotten
                       ? message->sequence
                       : 0;
    }
    return 0;
}

static inline bool model_limit_refuses(struct model *model, const struct model_publish *publish,
                                       char text[100])
{
    const struct model_config *config = &model->config;
    struct model_message *oldest = model_oldest(model, (int)publish->subject);
    bool full = config->max_per_subject > 0 &&
                model_count(model, (int)publish->subject) >= (uint64_t)config->max_per_subject;
    const char *why = NULL;

    if (!config->discard_new)
        return false;
    if (full && config->discard_new_per_subject && !publish->rollup && !publish->rollup_all)
        why = "maximum messages per subject exceeded";
    else if (!full && config->max_msgs > 0 && model_count(model, -1) >= (uint64_t)config->max_msgs)
        why = "maximum messages exceeded";
    else if (config->max_bytes > 0 &&
             model_bytes(model) + publish->size > (uint64_t)config->max_bytes &&
             (!full || oldest->size < publish->size))
        why = "maximum bytes exceeded";
    if (why != NULL)
        snprintf(text, 100, "%s", why);
    return why != NULL;
}

static inline uint64_t model_filter_last(struct model *model, const struct model_publish *publish)
{
    int subject = publish->expect_filter < 0 ? (int)publish->subject : publish->expect_filter;
    struct model_message *newest = model_newest(model, subject == MODEL_SUBJECTS ? -1 : subject);

    return newest == NULL ? 0 : newest->sequence;
}

static inline struct model_answer model_check(struct model *model,
                                              const struct model_publish *publish, int64_t now_ns)
{
    struct model_answer answer = {.outcome = DECIDE_STORE};
    unsigned last_id = model->count > 0 ? model->at[model->count - 1].id : 0;
    uint64_t original = publish->id != 0 ? model_original(model, publish->id, now_ns) : 0;

    if (model->config.sealed)
        return model_refuse(10109, true, "%s", "");
    if (publish->wrong_stream)
        return model_refuse(10060, false, "%s", "");
    if (publish->expect_subject >= 0 &&
        (uint64_t)publish->expect_subject != model_filter_last(model, publish))
        return model_refuse(10071, true, "wrong last sequence: %llu",
                            (unsigned long long)model_filter_last(model, publish));
    if (publish->expect_last >= 0 && (uint64_t)publish->expect_last != model->last)
        return model_refuse(10071, true, "wrong last sequence: %llu",
                            (unsigned long long)model->last);
    if (original != 0) {
        answer.outcome = DECIDE_DUPLICATE;
        answer.sequence = original;
        return answer;
    }
    if (publish->expect_id == 0 ||
        (publish->expect_id > 0 && (unsigned)publish->expect_id != last_id))
        return last_id == 0 ? model_refuse(10070, true, "%s", "wrong last msg ID: ")
                            : model_refuse(10070, true, "wrong last msg ID: id%u", last_id);
    if ((publish->rollup || publish->rollup_all) && !model->config.rollups)
        return model_refuse(10111, true, "%s", "rollup not permitted");
    if (model->config.max_msg_size > 0 &&
        publish->message_size > (unsigned)model->config.max_msg_size)
        return model_refuse(10054, true, "%s", "");
    if (model_limit_refuses(model, publish, answer.text)) {
        answer.outcome = DECIDE_REFUSE;
        answer.error = 10077;
        answer.looks = true;
    }
    return answer;
}

static inline struct model_answer model_publish(struct model *model,
                                                const struct model_publish *publish, int64_t now_ns)
{
    int64_t time_ns = now_ns > model->log_time_ns ? now_ns : model->log_time_ns;
    struct model_answer answer = model_check(model, publish, time_ns);

    if (answer.outcome != DECIDE_STORE)
        return answer;
    model->log_time_ns = time_ns;
    model->last_time_ns = time_ns;
    answer.sequence = ++model->last;
    model->begun = true;
    model->at[model->count++] = (struct model_message){.sequence = model->last,
                                                       .time_ns = time_ns,
                                                       .size = publish->size,
                                                       .subject = (uint16_t)publish->subject,
                                                       .id = (uint16_t)publish->id,
                                                       .live = true};
    for (unsigned i = 0; i + 1 < model->count; i++) {
        if (publish->rollup_all || (publish->rollup && model->at[i].subject == publish->subject))
            model->at[i].live = false;
    }
    model_limits(model);
    return answer;
}

#endif
