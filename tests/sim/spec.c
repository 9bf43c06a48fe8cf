#include "tests/sim/spec.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void spec_init(struct spec *spec, const struct spec_config *config)
{
    *spec = (struct spec){.config = *config};
}

void spec_deinit(struct spec *spec)
{
    free(spec->at);
    free(spec->ids);
}

static void *copy_of(const void *from, size_t used, size_t capacity)
{
    void *copy = calloc(capacity > 0 ? capacity : 1, 1);

    assert(copy != NULL);
    if (used > 0)
        memcpy(copy, from, used);
    return copy;
}

void spec_copy(const struct spec *from, struct spec *to)
{
    *to = *from;
    to->at = copy_of(from->at, from->count * sizeof *from->at, from->capacity * sizeof *from->at);
    to->ids = copy_of(from->ids, from->ids_capacity * sizeof *from->ids,
                      from->ids_capacity * sizeof *from->ids);
}

static bool config_equal(const struct spec_config *a, const struct spec_config *b)
{
    return a->max_msgs == b->max_msgs && a->max_bytes == b->max_bytes &&
           a->max_per_subject == b->max_per_subject && a->max_msg_size == b->max_msg_size;
}

bool spec_equal(const struct spec *a, const struct spec *b)
{
    return a->hash == b->hash && a->last == b->last && a->last_id == b->last_id &&
           a->count == b->count && a->bytes == b->bytes && a->begun == b->begun &&
           config_equal(&a->config, &b->config);
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u + b;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static bool matches(const struct spec_message *message, uint8_t filter)
{
    return filter >= SPEC_ALL || message->subject == filter;
}

static void add(struct spec *spec, const struct spec_message *message)
{
    if (spec->count == spec->capacity) {
        spec->capacity = spec->capacity == 0 ? 64 : spec->capacity * 2;
        spec->at = realloc(spec->at, spec->capacity * sizeof *spec->at);
        assert(spec->at != NULL);
    }
    spec->at[spec->count++] = *message;
    spec->bytes += message->stored_size;
    spec->hash += mix(message->sequence, message->id);
}

static void take(struct spec *spec, size_t place)
{
    const struct spec_message *message = &spec->at[place];

    spec->bytes -= message->stored_size;
    spec->hash -= mix(message->sequence, message->id);
    spec->count--;
    memmove(&spec->at[place], &spec->at[place + 1], (spec->count - place) * sizeof *spec->at);
}

static void remember_id(struct spec *spec, uint32_t msg_id, uint64_t sequence)
{
    size_t before = spec->ids_capacity;

    if (msg_id >= spec->ids_capacity) {
        while (msg_id >= spec->ids_capacity)
            spec->ids_capacity = spec->ids_capacity == 0 ? 64 : spec->ids_capacity * 2;
        spec->ids = realloc(spec->ids, spec->ids_capacity * sizeof *spec->ids);
        assert(spec->ids != NULL);
        memset(spec->ids + before, 0, (spec->ids_capacity - before) * sizeof *spec->ids);
    }
    spec->ids[msg_id] = sequence;
    spec->hash += mix(~(uint64_t)msg_id, sequence);
}

static uint64_t count_of(const struct spec *spec, uint8_t filter)
{
    uint64_t count = 0;

    for (size_t i = 0; i < spec->count; i++)
        count += matches(&spec->at[i], filter);
    return count;
}

static const struct spec_message *oldest_of(const struct spec *spec, uint8_t filter)
{
    for (size_t i = 0; i < spec->count; i++) {
        if (matches(&spec->at[i], filter))
            return &spec->at[i];
    }
    return NULL;
}

uint64_t spec_newest(const struct spec *spec, uint8_t filter)
{
    for (size_t i = spec->count; i-- > 0;) {
        if (matches(&spec->at[i], filter))
            return spec->at[i].sequence;
    }
    return 0;
}

uint64_t spec_first(const struct spec *spec)
{
    if (spec->count > 0)
        return spec->at[0].sequence;
    return spec->begun ? spec->last + 1 : 0;
}

const struct spec_message *spec_find(const struct spec *spec, uint64_t sequence)
{
    size_t low = 0, high = spec->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (spec->at[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spec->count && spec->at[low].sequence == sequence ? &spec->at[low] : NULL;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limit_subject(struct spec *spec, uint8_t subject)
{
    uint64_t limit = spec->config.max_per_subject;

    for (uint64_t count = count_of(spec, subject); limit > 0 && count > limit; count--)
        take(spec, (size_t)(oldest_of(spec, subject) - spec->at));
}

static bool over(const struct spec *spec)
{
    return (spec->config.max_msgs > 0 && spec->count > spec->config.max_msgs) ||
           (spec->config.max_bytes > 0 && spec->bytes > spec->config.max_bytes);
}

static void limit_stream(struct spec *spec)
{
    while (!spec->config.discard_new && over(spec))
        take(spec, 0);
}

/* Under discard new: why the publish is not taken, or NULL. */
static const char *full(const struct spec *spec, const struct spec_publish *publish)
{
    const struct spec_config *config = &spec->config;
    const struct spec_message *oldest = oldest_of(spec, publish->subject);
    bool subject_full =
        config->max_per_subject > 0 && count_of(spec, publish->subject) >= config->max_per_subject;

    if (!config->discard_new)
        return NULL;
    if (subject_full && config->discard_new_per_subject && publish->rollup == SPEC_KEEP)
        return "maximum messages per subject exceeded";
    if (!subject_full && config->max_msgs > 0 && spec->count >= config->max_msgs)
        return "maximum messages exceeded";
    if (config->max_bytes > 0 && spec->bytes + publish->stored_size > config->max_bytes &&
        (!subject_full || oldest->stored_size < publish->stored_size))
        return "maximum bytes exceeded";
    return NULL;
}

/* ---- publish --------------------------------------------------------------------------------- */

[[gnu::format(printf, 2, 3)]] static struct spec_answer refuse(unsigned error, const char *format,
                                                               ...)
{
    struct spec_answer answer = {.outcome = SPEC_REFUSED, .error = error};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(answer.text, sizeof answer.text, format, arguments);
    va_end(arguments);
    return answer;
}

static struct spec_answer wrong_sequence(uint64_t actual)
{
    return refuse(10071, "wrong last sequence: %llu", (unsigned long long)actual);
}

static struct spec_answer check(const struct spec *spec, const struct spec_publish *publish)
{
    uint8_t filter = publish->filter == SPEC_OWN ? publish->subject : publish->filter;
    uint64_t original = publish->msg_id < spec->ids_capacity ? spec->ids[publish->msg_id] : 0;

    if (publish->expect_subject != SPEC_NONE &&
        publish->expect_subject != spec_newest(spec, filter))
        return wrong_sequence(spec_newest(spec, filter));
    if (publish->expect_last != SPEC_NONE && publish->expect_last != spec->last)
        return wrong_sequence(spec->last);
    if (publish->msg_id != 0 && original != 0)
        return (struct spec_answer){.outcome = SPEC_DUPLICATE, .sequence = original};
    if (publish->expect_id != UINT32_MAX && publish->expect_id != spec->last_id)
        return spec->last_id == 0 ? refuse(10070, "wrong last msg ID: ")
                                  : refuse(10070, "wrong last msg ID: id-%u", spec->last_id);
    if (publish->rollup != SPEC_KEEP && !spec->config.rollups)
        return refuse(10111, "rollup not permitted");
    if (spec->config.max_msg_size > 0 && publish->size > spec->config.max_msg_size)
        return refuse(10054, "message size exceeds maximum allowed");
    if (full(spec, publish) != NULL)
        return refuse(10077, "%s", full(spec, publish));
    return (struct spec_answer){.outcome = SPEC_STORED, .sequence = spec->last + 1};
}

static void roll_up(struct spec *spec, const struct spec_publish *publish)
{
    for (size_t i = spec->count - 1; i-- > 0;) {
        if (publish->rollup == SPEC_ROLLUP_ALL || spec->at[i].subject == publish->subject)
            take(spec, i);
    }
}

struct spec_answer spec_publish(struct spec *spec, const struct spec_publish *publish)
{
    struct spec_answer answer = check(spec, publish);

    if (answer.outcome != SPEC_STORED)
        return answer;
    spec->last++;
    spec->begun = true;
    spec->last_id = publish->msg_id;
    if (publish->msg_id != 0)
        remember_id(spec, publish->msg_id, spec->last);
    add(spec, &(struct spec_message){.sequence = spec->last,
                                     .id = publish->id,
                                     .stored_size = publish->stored_size,
                                     .subject = publish->subject});
    if (publish->rollup != SPEC_KEEP)
        roll_up(spec, publish);
    limit_subject(spec, publish->subject);
    limit_stream(spec);
    return answer;
}

/* ---- operations ------------------------------------------------------------------------------ */

/* The newest `keep` of what matches stay. */
static uint64_t purge(struct spec *spec, const struct spec_op *op)
{
    uint64_t left = count_of(spec, op->filter), removed = 0;

    for (size_t i = 0; i < spec->count && left > op->keep;) {
        const struct spec_message *message = &spec->at[i];

        if (!matches(message, op->filter) || (op->below > 0 && message->sequence >= op->below)) {
            i++;
            continue;
        }
        take(spec, i);
        left--;
        removed++;
    }
    if (op->filter != SPEC_OWN || op->keep > 0)
        return removed;
    if (op->below == 0)
        spec->begun = true;
    if (op->below > spec->last + 1) { /* beyond the end: the next message is that one */
        spec->last = op->below - 1;
        spec->begun = true;
    }
    return removed;
}

static uint64_t configure(struct spec *spec, const struct spec_config *config)
{
    size_t before = spec->count;

    spec->config = *config;
    for (uint8_t subject = 0; subject < SPEC_SUBJECTS; subject++)
        limit_subject(spec, subject);
    limit_stream(spec);
    return before - spec->count;
}

uint64_t spec_operate(struct spec *spec, const struct spec_op *op)
{
    const struct spec_message *message;

    switch (op->kind) {
    case SPEC_PURGE: return purge(spec, op);
    case SPEC_CONFIGURE: return configure(spec, &op->config);
    case SPEC_DELETE:
        message = spec_find(spec, op->sequence);
        if (message != NULL)
            take(spec, (size_t)(message - spec->at));
        return message != NULL;
    }
    return 0;
}
