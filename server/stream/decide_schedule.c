/*
 * Messages that are schedules, or end one (reference streams 9.5). When a schedule fires is part of
 * the log, as an effect of its own behind the message, so that apply reads no headers and knows no
 * zones.
 */
#include "base/codec.h"
#include "base/subject.h"
#include "server/stream/decide_priv.h"
#include "server/stream/header_block.h"

static bool captured(const struct deciding *d, struct bytes subject)
{
    for (size_t i = 0; i < d->config->subjects.count; i++) {
        if (subject_collide(d->config->subjects.at[i], subject))
            return true;
    }
    return false;
}

/* Of a stream without schedules every mistake is that it has none. */
static bool refuse_pattern(struct deciding *d, uint16_t error)
{
    return decide_refuse(d, d->config->allow_msg_schedules ? error : 10188, true);
}

static bool check_time(struct deciding *d)
{
    struct bytes name = d->headers.schedule_zone;
    const struct zone *zone = NULL;
    struct schedule_time time;

    if (name.at != NULL) {
        if (name.size == 0)
            return refuse_pattern(d, 10223);
        if (d->decider->zones.find != NULL)
            zone = d->decider->zones.find(d->decider->zones.owner, name);
        if (zone == NULL)
            return refuse_pattern(d, 10223);
    }
    if (d->headers.schedule.size == 0)
        return true;
    if (!schedule_next(d->headers.schedule, name.at != NULL, zone, d->now_ns, d->now_ns, &time))
        return refuse_pattern(d, 10189);
    d->schedule_ns = time.next_ns;
    if (d->schedule_ns <= 0)
        d->schedule_ns = 1; /* long ago */
    if (d->schedule_ns > EFFECT_TIME_MAX)
        d->schedule_ns = EFFECT_TIME_MAX;
    return true;
}

static bool check_ttl(struct deciding *d)
{
    struct bytes rollup = d->headers.schedule_rollup;
    int64_t seconds;

    if (d->headers.schedule_ttl.size > 0 && !publish_headers_ttl(d->headers.schedule_ttl, &seconds))
        return decide_refuse(d, 10191, false);
    if (rollup.size > 0 && !bytes_equal(rollup, BYTES("sub")))
        return decide_refuse(d, 10192, false);
    return d->headers.schedule_ttl.size == 0 || d->config->allow_msg_ttl ||
           decide_refuse(d, 10166, true);
}

static bool check_subjects(struct deciding *d)
{
    struct bytes target = d->headers.schedule_target, source = d->headers.schedule_source;

    if (target.size == 0 || !subject_literal(target) || bytes_equal(target, d->publish.subject))
        return decide_refuse(d, 10190, false);
    if (source.size > 0 && (bytes_equal(source, target) ||
                            bytes_equal(source, d->publish.subject) || !subject_literal(source)))
        return decide_refuse(d, 10203, false);
    if (!captured(d, target))
        return decide_refuse(d, 10190, true);
    return source.size == 0 || captured(d, source) || decide_refuse(d, 10203, true);
}

/* One schedule for a subject: it replaces what was there. */
static bool settle_rollup(struct deciding *d)
{
    struct buf *headers = &d->decider->schedule_headers;
    bool fits;

    if (d->headers.rollup.size > 0)
        return bytes_equal_nocase(d->headers.rollup, BYTES("sub")) ||
               decide_refuse(d, 10192, false);
    buf_clear(headers);
    fits = buf_add(headers, d->publish.headers);
    assert(fits); /* they came as one message */
    (void)fits;
    header_block_add(headers, BYTES("Nats-Rollup"), BYTES("sub"));
    decide_headers_changed(d, buf_bytes(headers));
    return true;
}

/* The subject's last message, if there is one, is a schedule. */
static bool check_ended(struct deciding *d, struct bytes scheduler)
{
    const struct stream_state *state = d->decider->state;
    struct index_subject counts;

    if (decide_flying(d) > 0)
        return decide_wait(d);
    index_subject(state->index, scheduler, &counts);
    if (counts.count == 0)
        return true;
    if (!expiries_has(&state->schedules, counts.last))
        return decide_refuse(d, 10212, true);
    d->schedule_ended = counts.last;
    return true;
}

static bool check_next(struct deciding *d)
{
    struct bytes scheduler = d->headers.scheduler;

    if (scheduler.size == 0 && d->headers.schedule_next.size == 0)
        return true;
    if (!bytes_equal(d->headers.schedule_next, BYTES("purge")) || scheduler.size == 0 ||
        !subject_literal(scheduler) || bytes_equal(scheduler, d->publish.subject))
        return decide_refuse(d, 10212, false);
    if (!d->config->allow_msg_schedules)
        return decide_refuse(d, 10188, true);
    return check_ended(d, scheduler);
}

static bool check_schedule(struct deciding *d)
{
    if (!check_time(d))
        return false;
    if (d->headers.schedule.size == 0)
        return true;
    if (!d->config->allow_msg_schedules)
        return decide_refuse(d, 10188, true);
    return check_ttl(d) && check_subjects(d) && settle_rollup(d);
}

bool decide_check_schedule(struct deciding *d)
{
    return check_schedule(d) && check_next(d);
}

/* Of one that should have fired by now it does so once, and goes on behind that. */
void decide_take_schedule(struct deciding *d)
{
    const struct decider *decider = d->decider;
    struct bytes name = d->headers.schedule_zone;
    const struct zone *zone = NULL;
    struct schedule_time time;

    if (d->headers.schedule.size == 0 || !d->config->allow_msg_schedules)
        return;
    if (name.size > 0 && decider->zones.find != NULL)
        zone = decider->zones.find(decider->zones.owner, name);
    if (!schedule_next(d->headers.schedule, name.at != NULL, zone, d->now_ns,
                       decider->state->log_time_ns, &time))
        return;
    d->schedule_ns = time.next_ns > 0 ? time.next_ns : 1;
    if (d->schedule_ns > EFFECT_TIME_MAX)
        d->schedule_ns = EFFECT_TIME_MAX;
}

bool decide_store_schedule(struct deciding *d, uint64_t sequence, struct buf *out)
{
    uint8_t entries[2 * SCHEDULE_ENTRY_SIZE], *at = entries;
    struct effect effect = {.type = EFFECT_SCHEDULE};

    if (d->schedule_ns != 0)
        at = effect_schedule_entry(at, sequence, d->schedule_ns);
    if (d->schedule_ended != 0)
        at = effect_schedule_entry(at, d->schedule_ended, SCHEDULE_PURGED);
    if (at == entries)
        return true;
    effect.schedule.entries = bytes_of(entries, (size_t)(at - entries));
    if (!effect_write(out, &effect))
        return false;
    if (d->schedule_ended != 0)
        d->decider->barrier = true; /* more than an addition */
    d->decision->records++;
    return true;
}
