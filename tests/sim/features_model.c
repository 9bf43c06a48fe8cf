#include "tests/sim/features_model.h"
#include "tests/sim/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[ST_COUNT] = {"A", "B", "T", "M", "L", "H", "Q", "D"};

unsigned features_add(struct features_model *model, const struct thing *thing)
{
    if (model->count == THINGS_MAX)
        return THINGS_MAX;
    model->things[model->count] = *thing;
    return model->count++;
}

/* {"type":"ack","seq":7}: all up to there; gaps and errors say nothing of what is stored. */
static bool heard_note(struct thing *thing, struct bytes payload)
{
    uint64_t number = number_of(payload, "\"seq\":");

    if (!says(payload, "\"type\":"))
        return false;
    if (says(payload, "\"type\":\"ack\"") && number > thing->handled)
        thing->handled = (unsigned)number;
    return true;
}

void features_heard(struct features_model *model, unsigned id, struct bytes payload)
{
    struct thing *thing = &model->things[id];

    if (id >= model->count || (thing->kind == THING_FAST && heard_note(thing, payload)))
        return;
    if (says(payload, "\"error\"")) {
        if (says(payload, "\"err_code\":10077"))
            return; /* a disk refused it; perhaps not all did */
        if (thing->answer == THING_OPEN && thing->kind != THING_FAST)
            thing->answer = THING_REFUSED;
        return;
    }
    if (!says(payload, "\"seq\":"))
        return; /* nobody was there, or of a batch that goes on */
    if (thing->poisoned)
        report_violate(model->report, "S1: batch %u is stored", id);
    if (thing->kind == THING_FAST && number_of(payload, "\"count\":") > thing->handled)
        thing->handled = (unsigned)number_of(payload, "\"count\":");
    thing->answer = THING_STORED;
    thing->sequence = number_of(payload, "\"seq\":");
}

/* ---- reading -------------------------------------------------------------------------------- */

void features_begin(struct features_model *model)
{
    memset(model->value, 0, sizeof model->value);
    memset(model->messages, 0, sizeof model->messages);
    model->sum_a = model->sum_m = 0;
    for (unsigned i = 0; i < model->count; i++) {
        struct thing *thing = &model->things[i];

        thing->seen = thing->markers = 0;
        thing->last = 0;
    }
}

static void wrong(struct features_model *model, const struct features_found *found,
                  const char *what)
{
    report_violate(model->report, "%s %llu (%.*s, %.*s): %s", names[found->stream],
                   (unsigned long long)found->sequence, BYTES_ARG(found->subject),
                   BYTES_ARG(found->payload), what);
}

/* What its message says is the sum, and the increment is the one that was sent, or what a source
 * has moved by. */
static void found_counter(struct features_model *model, const struct features_found *found)
{
    static const char key[] = "Nats-Incr: ";
    const uint8_t *at = memmem(found->headers.at, found->headers.size, key, sizeof key - 1);
    long long value = 0;
    long long increment = at == NULL ? 0 : strtoll((const char *)at + sizeof key - 1, NULL, 10);
    char payload[64] = {0};

    memcpy(payload, found->payload.at, found->payload.size < 63 ? found->payload.size : 63);
    if (sscanf(payload, "{\"val\":\"%lld\"}", &value) != 1) {
        wrong(model, found, "no counter");
        return;
    }
    model->value[found->stream] += increment;
    if (value != model->value[found->stream])
        wrong(model, found, "not the sum of the increments");
}

/* A thing of A or B by its header, which goes with it wherever it is taken. */
static void found_add(struct features_model *model, const struct features_found *found)
{
    uint64_t id = number_of(found->headers, "X-Id: ");
    struct thing *thing = &model->things[id];

    found_counter(model, found);
    if (found->stream == ST_T)
        return;
    if (id >= model->count || thing->kind != THING_ADD || thing->stream != found->stream) {
        wrong(model, found, "nobody sent it");
        return;
    }
    if (thing->seen++ > 0)
        wrong(model, found, "stored twice");
    if (thing->sequence != 0 && thing->sequence != found->sequence)
        wrong(model, found, "acknowledged as another");
    if (thing->answer == THING_REFUSED)
        wrong(model, found, "refused");
    model->sum_a += found->stream == ST_A ? found->sequence * (uint64_t)(1000 + thing->amount) : 0;
}

static void found_mirrored(struct features_model *model, const struct features_found *found)
{
    uint64_t id = number_of(found->headers, "X-Id: ");

    found_counter(model, found);
    if (id < model->count)
        model->sum_m += found->sequence * (uint64_t)(1000 + model->things[id].amount);
}

/* Members of an atomic batch stand side by side; those of a fast one are in order. */
static void found_member(struct features_model *model, const struct features_found *found,
                         struct thing *thing, unsigned member)
{
    if (member != thing->seen + 1)
        wrong(model, found, "S9: out of its order in the batch");
    if (thing->kind == THING_BATCH && thing->seen > 0 && found->sequence != thing->last + 1)
        wrong(model, found, "S9: apart from the rest of its batch");
    if (thing->gap != 0 && member >= thing->gap)
        wrong(model, found, "stored behind a gap");
    thing->seen++;
    thing->last = found->sequence;
}

static void found_other(struct features_model *model, const struct features_found *found)
{
    char text[80] = {0}, subject[40] = {0};
    unsigned id, member;
    struct thing *thing;

    memcpy(text, found->payload.at, found->payload.size < 79 ? found->payload.size : 79);
    memcpy(subject, found->subject.at, found->subject.size < 39 ? found->subject.size : 39);
    if (sscanf(subject, "l.e%u", &id) == 1 && id < model->count &&
        says(found->headers, "Nats-Marker-Reason: MaxAge")) {
        model->things[id].markers++;
        return;
    }
    if (sscanf(text, "m%u.%u", &id, &member) != 2 || id >= model->count) {
        wrong(model, found, "nobody sent it");
        return;
    }
    thing = &model->things[id];
    if (thing->kind == THING_BATCH || thing->kind == THING_FAST)
        found_member(model, found, thing, member);
    else if (thing->kind == THING_SCHEDULE && subject[2] == 's')
        wrong(model, found, "a schedule that is due is still there");
    else if (thing->seen++ > 0)
        wrong(model, found, "there twice");
    if (thing->kind != THING_FAST && thing->answer == THING_REFUSED)
        wrong(model, found, "refused");
}

void features_found(struct features_model *model, const struct features_found *found)
{
    model->messages[found->stream]++;
    switch (found->stream) {
    case ST_A:
    case ST_B:
    case ST_T: found_add(model, found); break;
    case ST_M: found_mirrored(model, found); break;
    default: found_other(model, found); break;
    }
}

/* ---- at the end ----------------------------------------------------------------------------- */

static const char *judge(const struct features_model *model, const struct thing *thing)
{
    bool stored = thing->answer == THING_STORED;

    switch (thing->kind) {
    case THING_ADD:
    case THING_QUEUED: return stored && thing->seen == 0 ? "S1: acknowledged, and not there" : NULL;
    case THING_BATCH:
        if (thing->seen != 0 && thing->seen != thing->count)
            return "S9: half of a batch";
        return stored && thing->seen == 0 ? "S1: acknowledged, and not there" : NULL;
    case THING_FAST:
        if (thing->seen < thing->handled)
            return "S1: acknowledged, and not there";
        return stored && thing->gap == 0 && !model->sick && thing->seen != thing->count
                   ? "not all of it"
                   : NULL;
    case THING_ENDING:
        if (thing->lasting)
            return stored && thing->seen == 0 ? "S5: gone early" : NULL;
        if (thing->seen > 0)
            return "S5: not gone";
        return thing->markers > 0 ? "S5: its marker is not gone" : NULL;
    case THING_SCHEDULE: return stored && thing->seen == 0 ? "S11: it has not fired" : NULL;
    }
    return NULL;
}

void features_end(struct features_model *model)
{
    for (unsigned i = 0; i < model->count; i++) {
        const struct thing *thing = &model->things[i];
        const char *what = judge(model, thing);

        if (what != NULL)
            report_violate(model->report, "%s: number %u, kind %u: %u of %u seen, %u handled", what,
                           i, thing->kind, thing->seen, thing->count, thing->handled);
    }
    if (model->value[ST_T] != model->value[ST_A] + model->value[ST_B])
        report_violate(model->report, "T has %lld, not %lld + %lld", model->value[ST_T],
                       model->value[ST_A], model->value[ST_B]);
    if (model->messages[ST_T] != model->messages[ST_A] + model->messages[ST_B])
        report_violate(model->report, "T has %u messages, not %u + %u", model->messages[ST_T],
                       model->messages[ST_A], model->messages[ST_B]);
    if (model->sum_m != model->sum_a || model->messages[ST_M] != model->messages[ST_A])
        report_violate(model->report, "M is not as A");
    if (model->messages[ST_Q] != 0)
        report_violate(model->report, "Q still has %u messages", model->messages[ST_Q]);
}
