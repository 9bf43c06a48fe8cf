#include "tests/sim/removals_model.h"

#include <string.h>

#define ULL(number) ((unsigned long long)(number))

void removals_init(struct removals_model *model, struct report *report,
                   const struct removals_limits *limits)
{
    memset(model, 0, sizeof *model);
    model->report = report;
    model->limits = *limits;
    for (unsigned i = 0; i <= REMOVALS_PUBLISHES; i++)
        model->stored[i].gone_ns = model->stored[i].missed_ns = REMOVALS_NEVER;
}

static void wrong(struct removals_model *model, uint64_t sequence, const char *what)
{
    report_violate(model->report, "%s: sequence %llu, publish %u", what, ULL(sequence),
                   sequence <= REMOVALS_PUBLISHES ? model->stored[sequence].id : 0);
}

/* ---- what may have happened ----------------------------------------------------------------- */

static bool of_subject(unsigned subject, unsigned wanted)
{
    return wanted == REMOVALS_ANY || subject == wanted;
}

/* How many messages of a subject, or of all, may have come behind that sequence. */
static unsigned possibly_behind(const struct removals_model *model, uint64_t sequence,
                                unsigned subject)
{
    unsigned count = 0;

    for (unsigned id = 1; id <= model->sent; id++) {
        const struct attempt *attempt = &model->publishes[id];

        if (!of_subject(attempt->subject, subject))
            continue;
        count +=
            attempt->sequence != 0 ? attempt->sequence > sequence : attempt->answer == ATTEMPT_OPEN;
    }
    return count;
}

static bool may_have_taken(const struct removals_model *model, const struct removal *removal,
                           uint64_t sequence)
{
    const struct attempt *attempt = &model->publishes[model->stored[sequence].id];

    if (removal->sequence != 0)
        return removal->sequence == sequence;
    if (!of_subject(attempt->subject, removal->subject) || attempt->sent_ns > removal->done_ns)
        return false;
    if (removal->keep != 0)
        return possibly_behind(model, sequence, removal->subject) >= removal->keep;
    return removal->below == 0 || sequence < removal->below;
}

static bool was_deleted(const struct removals_model *model, uint64_t sequence)
{
    for (unsigned i = 0; i < model->asked; i++) {
        if (model->removals[i].sequence == sequence)
            return true;
    }
    return false;
}

static bool may_have_aged(const struct removals_model *model, const struct attempt *attempt,
                          int64_t now_ns)
{
    return model->limits.age_ns != 0 &&
           now_ns > attempt->sent_ns + model->limits.age_ns - REMOVALS_SLACK_NS;
}

/* Anything that may have taken a message that was acknowledged. */
static bool has_reason(const struct removals_model *model, uint64_t sequence, int64_t now_ns)
{
    const struct attempt *attempt = &model->publishes[model->stored[sequence].id];
    const struct removals_limits *limits = &model->limits;

    for (unsigned i = 0; i < model->asked; i++) {
        if (may_have_taken(model, &model->removals[i], sequence))
            return true;
    }
    return may_have_aged(model, attempt, now_ns) ||
           (limits->per_subject != 0 && !limits->refuses_subject &&
            possibly_behind(model, sequence, attempt->subject) >= limits->per_subject) ||
           (limits->total != 0 && !limits->refuses &&
            possibly_behind(model, sequence, REMOVALS_ANY) >= limits->total);
}

/* ---- publishes ------------------------------------------------------------------------------ */

unsigned removals_sent(struct removals_model *model, unsigned subject, unsigned size,
                       int64_t now_ns)
{
    if (model->sent == REMOVALS_PUBLISHES)
        return 0;
    model->publishes[++model->sent] =
        (struct attempt){.subject = subject, .size = size, .sent_ns = now_ns};
    return model->sent;
}

/* That publish has that sequence. */
static void identify(struct removals_model *model, unsigned id, uint64_t sequence)
{
    struct attempt *attempt = &model->publishes[id];

    if (sequence == 0 || sequence > REMOVALS_PUBLISHES) {
        report_violate(model->report, "R6: publish %u has sequence %llu", id, ULL(sequence));
        return;
    }
    if (attempt->sequence != 0 && attempt->sequence != sequence)
        wrong(model, sequence, "R6: a publish has two sequences");
    if (model->stored[sequence].id != 0 && model->stored[sequence].id != id)
        wrong(model, sequence, "R6: a sequence has two messages");
    attempt->sequence = sequence;
    model->stored[sequence].id = id;
    if (sequence > model->last)
        model->last = sequence;
}

void removals_stored(struct removals_model *model, unsigned id, uint64_t sequence, int64_t now_ns)
{
    struct attempt *attempt = &model->publishes[id];

    if (id == 0 || id > model->sent || attempt->answer != ATTEMPT_OPEN)
        return;
    identify(model, id, sequence);
    attempt->answer = ATTEMPT_STORED;
    attempt->answered_ns = now_ns;
}

/* How many of a subject may have been there when it was sent. */
static unsigned possibly_there(const struct removals_model *model, unsigned subject, unsigned id)
{
    unsigned count = 0;

    for (unsigned i = 1; i <= model->sent; i++) {
        const struct attempt *attempt = &model->publishes[i];

        count += i != id && attempt->subject == subject && attempt->answer != ATTEMPT_REFUSED &&
                 (attempt->sequence == 0 ||
                  model->stored[attempt->sequence].gone_ns > model->publishes[id].sent_ns);
    }
    return model->limits.per_subject != 0 && count > model->limits.per_subject
               ? model->limits.per_subject
               : count;
}

void removals_refused(struct removals_model *model, unsigned id, bool subject_full, int64_t now_ns)
{
    struct attempt *attempt = &model->publishes[id];
    const struct removals_limits *limits = &model->limits;
    unsigned there = 0, bound = subject_full ? limits->per_subject : limits->total;

    if (id == 0 || id > model->sent || attempt->answer != ATTEMPT_OPEN)
        return;
    attempt->answer = ATTEMPT_REFUSED;
    attempt->answered_ns = now_ns;
    if (attempt->sequence != 0)
        wrong(model, attempt->sequence, "R5: refused, and there");
    for (unsigned i = 0; i < REMOVALS_SUBJECTS; i++)
        there += subject_full && i != attempt->subject ? 0 : possibly_there(model, i, id);
    if (!(subject_full ? limits->refuses_subject : limits->refuses) || there < bound)
        report_violate(model->report, "R5: publish %u is refused with room for it: %u of %u", id,
                       there, bound);
}

/* ---- removals ------------------------------------------------------------------------------- */

unsigned removals_asked(struct removals_model *model, const struct removal *removal)
{
    if (model->asked == REMOVALS_MAX)
        return REMOVALS_MAX;
    model->removals[model->asked] = *removal;
    model->removals[model->asked].done_ns = REMOVALS_NEVER;
    model->removals[model->asked].last = model->last;
    return model->asked++;
}

/* It must have taken that one: it was there when it was asked for, and nothing was to be kept. */
static bool must_have_taken(const struct removals_model *model, const struct removal *removal,
                            uint64_t sequence)
{
    const struct attempt *attempt = &model->publishes[model->stored[sequence].id];

    if (removal->sequence != 0)
        return removal->sequence == sequence;
    return removal->keep == 0 && of_subject(attempt->subject, removal->subject) &&
           (removal->below == 0
                ? attempt->answer == ATTEMPT_STORED && attempt->answered_ns <= removal->asked_ns
                : sequence < removal->below);
}

void removals_done(struct removals_model *model, unsigned number, int64_t now_ns)
{
    struct removal *removal = &model->removals[number];

    if (number >= model->asked || removal->done_ns != REMOVALS_NEVER)
        return;
    removal->done_ns = now_ns;
    for (uint64_t sequence = 1; sequence <= model->last; sequence++) {
        struct stored *stored = &model->stored[sequence];

        if (stored->id != 0 && stored->gone_ns == REMOVALS_NEVER &&
            must_have_taken(model, removal, sequence))
            stored->gone_ns = now_ns;
    }
}

/* ---- looking -------------------------------------------------------------------------------- */

void removals_found(struct removals_model *model, const struct removals_look *look)
{
    struct stored *stored = &model->stored[look->sequence];
    const struct attempt *attempt = &model->publishes[look->id];

    if (look->id == 0 || look->id > model->sent || attempt->subject != look->subject ||
        attempt->size != look->size) {
        wrong(model, look->sequence, "R6: nobody sent that");
        return;
    }
    identify(model, look->id, look->sequence);
    if (attempt->answer == ATTEMPT_REFUSED)
        wrong(model, look->sequence, "R5: refused, and there");
    if (stored->gone_ns < look->asked_ns || stored->missed_ns < look->asked_ns)
        wrong(model, look->sequence, "R2: gone, and there again");
    if (model->calm && model->limits.age_ns != 0 && attempt->answer == ATTEMPT_STORED &&
        look->asked_ns > attempt->answered_ns + model->limits.age_ns + REMOVALS_SLACK_NS)
        wrong(model, look->sequence, "R4: too old, and there");
    stored->read = stored->present = true;
}

void removals_missing(struct removals_model *model, const struct removals_look *look)
{
    struct stored *stored = &model->stored[look->sequence];
    const struct attempt *attempt = &model->publishes[stored->id];

    if (stored->missed_ns == REMOVALS_NEVER)
        stored->missed_ns = look->now_ns;
    if (stored->id != 0 && attempt->answer == ATTEMPT_STORED &&
        attempt->answered_ns <= look->asked_ns && !has_reason(model, look->sequence, look->now_ns))
        wrong(model, look->sequence, "R1: acknowledged, and not there");
    stored->read = true;
    stored->present = false;
}

/* ---- the end -------------------------------------------------------------------------------- */

void removals_begin(struct removals_model *model)
{
    model->calm = true;
    for (unsigned i = 0; i <= REMOVALS_PUBLISHES; i++)
        model->stored[i].read = model->stored[i].present = false;
}

/* R3: behind the oldest one that is there, all of its subject are. */
static void check_order(struct removals_model *model, unsigned subject, int64_t now_ns)
{
    uint64_t oldest = 0;

    for (uint64_t sequence = 1; sequence <= model->last; sequence++) {
        const struct stored *stored = &model->stored[sequence];
        const struct attempt *attempt = &model->publishes[stored->id];

        if (stored->id == 0 || attempt->subject != subject)
            continue;
        if (stored->present && oldest == 0)
            oldest = sequence;
        if (!stored->present && oldest != 0 && !was_deleted(model, sequence) &&
            !may_have_aged(model, attempt, now_ns))
            report_violate(model->report, "R3: sequence %llu is gone before %llu of its subject",
                           ULL(sequence), ULL(oldest));
    }
}

static unsigned present(const struct removals_model *model, unsigned subject, uint64_t last)
{
    unsigned count = 0;

    for (uint64_t sequence = 1; sequence <= last; sequence++) {
        const struct stored *stored = &model->stored[sequence];

        count += stored->present && of_subject(model->publishes[stored->id].subject, subject);
    }
    return count;
}

/* What was there when a purge was asked for that keeps some are at most those, now. */
static void check_kept(struct removals_model *model)
{
    for (unsigned i = 0; i < model->asked; i++) {
        const struct removal *removal = &model->removals[i];

        if (removal->keep != 0 && removal->done_ns != REMOVALS_NEVER &&
            present(model, removal->subject, removal->last) > removal->keep)
            report_violate(model->report, "R2: %u are there of %u that purge %u was to keep",
                           present(model, removal->subject, removal->last), removal->keep, i);
    }
}

static void check_limits(struct removals_model *model)
{
    const struct removals_limits *limits = &model->limits;

    for (unsigned subject = 0; subject < REMOVALS_SUBJECTS; subject++) {
        if (limits->per_subject != 0 && present(model, subject, model->last) > limits->per_subject)
            report_violate(model->report, "R4: subject %u has more than %u", subject,
                           limits->per_subject);
    }
    if (limits->total != 0 && present(model, REMOVALS_ANY, model->last) > limits->total)
        report_violate(model->report, "R4: it has more than %u", limits->total);
}

void removals_end(struct removals_model *model, uint64_t messages, uint64_t last, int64_t now_ns)
{
    if (last < model->last)
        report_violate(model->report, "R1: it ends at %llu, not %llu", ULL(last), ULL(model->last));
    if (model->limits.age_ns == 0 && messages != present(model, REMOVALS_ANY, model->last))
        report_violate(model->report, "R6: it says %llu messages and has %u", ULL(messages),
                       present(model, REMOVALS_ANY, model->last));
    for (unsigned subject = 0; subject < REMOVALS_SUBJECTS; subject++)
        check_order(model, subject, now_ns);
    check_kept(model);
    check_limits(model);
}
