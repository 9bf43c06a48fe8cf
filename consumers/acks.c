#include "consumers/machine.h"

#define RUNS_GATHERED_MAX 4096u   /* then they are proposed before the turn ends */
#define WAIT_MIN_NS       1000000 /* between two deliveries of a message */
#define UNREAD_AGAIN_NS   1000000000

enum ack_kind { KIND_ACK, KIND_NAK, KIND_PROGRESS, KIND_TERM, KIND_NEXT, KIND_UNKNOWN };

/* Splits what was published to an ack subject (reference 6.1). */
static enum ack_kind read_kind(struct bytes body, struct bytes *argument)
{
    *argument = bytes_of(NULL, 0);
    if (body.size == 0 || bytes_equal(body, BYTES("+ACK")) || bytes_equal(body, BYTES("+OK")))
        return KIND_ACK;
    if (bytes_equal(body, BYTES("+WPI")))
        return KIND_PROGRESS;
    if (bytes_starts(body, BYTES("-NAK"))) {
        *argument = bytes_trim(bytes_skip(body, 4));
        return KIND_NAK;
    }
    if (bytes_starts(body, BYTES("+NXT"))) {
        *argument = bytes_trim(bytes_skip(body, 4));
        return KIND_NEXT;
    }
    if (bytes_starts(body, BYTES("+TERM"))) {
        *argument = bytes_trim(bytes_skip(body, 5));
        return KIND_TERM;
    }
    return KIND_UNKNOWN;
}

/* ---- proposing ------------------------------------------------------------------------------- */

/* Sorted runs between which nothing is pending are one: fewer runs, the same effect. */
static void join_over_holes(const struct consumer *c, struct gather *gather)
{
    const struct pending *pending = &c->busy->pending;
    size_t to = 0;

    for (size_t i = 1; i < gather->count; i++) {
        struct run *run = &gather->runs[to];
        uint32_t place = pending_at_or_after(pending, run->last + 1);

        if (place != 0 && pending_entry(pending, place)->sequence >= gather->runs[i].first)
            run->last = gather->runs[i].last;
        else
            gather->runs[++to] = gather->runs[i];
    }
    gather->count = gather->count == 0 ? 0 : to + 1;
}

static void propose(struct consumer *c, uint8_t type, bool fitted)
{
    assert(fitted); /* records are bounded well below the limit of `scratch` */
    c->busy->work.unread_flying += type == CONSUMER_RECORD_UNREAD;
    c->out->propose(c->owner, type, buf_bytes(&c->busy->scratch));
}

static void propose_acks(struct consumer *c)
{
    struct gather *acks = &c->busy->work.acks;

    if (acks->count > 0) {
        if (acks->disordered) {
            gather_sort(acks);
            join_over_holes(c, acks);
        }
        propose(c, CONSUMER_RECORD_ACK,
                progress_write_ack(&c->busy->scratch, c->number, acks->runs, acks->count));
        gather_clear(acks);
    }
    if (c->busy->work.ack_all > 0) {
        propose(c, CONSUMER_RECORD_ACK,
                progress_write_ack_all(&c->busy->scratch, c->number, c->busy->work.ack_all));
        c->busy->work.ack_all = 0;
    }
}

/* Runs that name every sequence are split so that no record names too many. */
static void propose_set(struct consumer *c, uint8_t type, struct gather *gather)
{
    uint64_t named = 0;
    size_t from = 0;

    gather_sort(gather);
    for (size_t i = 0; i < gather->count; i++) {
        uint64_t more = gather->runs[i].last - gather->runs[i].first + 1;

        assert(more <= PROGRESS_SEQUENCES_MAX);
        if (named + more > PROGRESS_SEQUENCES_MAX) {
            propose(
                c, type,
                progress_write_set(&c->busy->scratch, c->number, gather->runs + from, i - from));
            from = i;
            named = 0;
        }
        named += more;
    }
    if (from < gather->count)
        propose(c, type,
                progress_write_set(&c->busy->scratch, c->number, gather->runs + from,
                                   gather->count - from));
    gather_clear(gather);
}

static void ask_answers(struct consumer *c)
{
    struct bytes answers = buf_bytes(&c->busy->work.answers);
    uint32_t size;

    while (progress_take_u32(&answers, &size)) {
        c->out->answer(c->owner, bytes_take(answers, size), true);
        answers = bytes_skip(answers, size);
    }
    buf_clear(&c->busy->work.answers);
}

void acks_flush(struct consumer *c)
{
    propose_acks(c);
    propose_set(c, CONSUMER_RECORD_TERM, &c->busy->work.terms);
    propose_set(c, CONSUMER_RECORD_UNREAD, &c->busy->work.unread); /* before what it may end */
    propose_set(c, CONSUMER_RECORD_EXHAUST, &c->busy->work.exhausts);
    ask_answers(c);
}

/* ---- gathering ------------------------------------------------------------------------------- */

/* An answer that waits for what was gathered. */
static void answer_later(struct consumer *c, struct bytes reply)
{
    struct buf *answers = &c->busy->work.answers;

    if (reply.size == 0)
        return;
    if (reply.size + 4 > answers->limit - answers->size)
        acks_flush(c);
    if (progress_add_u32(answers, (uint32_t)reply.size) && buf_add(answers, reply))
        return;
    assert(false); /* the flush made room, and a reply is shorter than a protocol line */
}

static void answer_now(struct consumer *c, struct bytes reply)
{
    if (reply.size > 0)
        c->out->answer(c->owner, reply, false);
}

static void gather_ack(struct consumer *c, uint32_t place)
{
    struct pending *pending = &c->busy->pending;
    struct gather *acks = &c->busy->work.acks;
    uint64_t sequence = pending_entry(pending, place)->sequence;

    /* Its neighbour in pending was acked just before: nothing pending is between them. */
    if (place > 1 && acks->count > 0 && pending->start + 1 < place &&
        pending->entries[place - 2].sequence == gather_last(acks))
        gather_extend(acks, sequence);
    else
        gather_add(acks, sequence);
    pending_settle(pending, place, true);
    if (acks->count >= RUNS_GATHERED_MAX)
        acks_flush(c);
}

static void gather_end(struct consumer *c, struct gather *gather, uint32_t place)
{
    gather_add(gather, pending_entry(&c->busy->pending, place)->sequence);
    pending_settle(&c->busy->pending, place, true);
    work_dirty(c);
}

void acks_advise_lost(struct consumer *c, const struct pending_entry *entry)
{
    struct consumer_advice advice = {
        .kind = ADVISORY_TERMINATED,
        .stream_seq = entry->sequence,
        .consumer_seq = entry->consumer_sequence,
        .deliveries = entry->deliveries,
        .reason = BYTES("Unacknowledged message was deleted"),
    };

    c->out->advise(c->owner, &advice);
}

void acks_unseen(struct consumer *c, uint32_t place)
{
    gather_end(c, &c->busy->work.terms, place);
}

void acks_lost(struct consumer *c, uint32_t place)
{
    acks_advise_lost(c, pending_entry(&c->busy->pending, place));
    gather_end(c, &c->busy->work.terms, place);
}

void acks_exhaust(struct consumer *c, uint32_t place)
{
    gather_end(c, &c->busy->work.exhausts, place);
    pending_entry(&c->busy->pending, place)->exhausting = true;
}

/* An ack that comes when the message is exhausted, or about to be: late, and honoured. */
static bool gather_late(struct consumer *c, uint64_t sequence, uint32_t place)
{
    if (place == 0 && !exhausted_has(&c->busy->exhausted, sequence))
        return false;
    if (place != 0 && !pending_entry(&c->busy->pending, place)->exhausting)
        return false;
    gather_add(&c->busy->work.terms, sequence);
    return true;
}

static void gather_ack_all(struct consumer *c, uint64_t sequence)
{
    struct pending *pending = &c->busy->pending;
    uint32_t place = pending_at_or_after(pending, c->busy->work.settled_to + 1);

    if (exhausted_lowest(&c->busy->exhausted, sequence) != 0)
        c->busy->work.ack_all = sequence > c->busy->work.ack_all ? sequence : c->busy->work.ack_all;
    while (place != 0 && pending_entry(pending, place)->sequence <= sequence) {
        c->busy->work.settled_to = pending_entry(pending, place)->sequence;
        c->busy->work.ack_all = c->busy->work.settled_to > c->busy->work.ack_all
                                    ? c->busy->work.settled_to
                                    : c->busy->work.ack_all;
        if (!pending_entry(pending, place)->settling)
            pending_settle(pending, place, true);
        place = pending_after(pending, place);
    }
}

void acks_confirmed(struct consumer *c, uint64_t sequence)
{
    if (sequence == 0 || sequence > c->durable.delivered.stream)
        return;
    work_active(c, c->now_ns);
    c->floor_active_ns = c->log_now_ns;
    gather_ack_all(c, sequence);
    work_dirty(c);
}

/* ---- proposals that did not happen ----------------------------------------------------------- */

static void settle_again(struct consumer *c, const struct gather *gather, bool exhausting)
{
    struct pending *pending = &c->busy->pending;

    for (size_t i = 0; i < gather->count; i++) {
        uint32_t place = pending_at_or_after(pending, gather->runs[i].first);

        while (place != 0 && pending_entry(pending, place)->sequence <= gather->runs[i].last) {
            pending_settle(pending, place, true);
            pending_entry(pending, place)->exhausting = exhausting;
            place = pending_after(pending, place);
        }
    }
}

void acks_refused(struct consumer *c)
{
    struct pending *pending = &c->busy->pending;

    for (uint32_t place = pending_first(pending); place != 0;
         place = pending_after(pending, place)) {
        if (!pending_entry(pending, place)->settling)
            continue;
        pending_settle(pending, place, false);
        acks_arm(c, place, c->now_ns);
    }
    /* What is gathered and not proposed yet still stands; but an answer may confirm what was
     * proposed before, so all of them go: who asked will ask again. */
    buf_clear(&c->busy->work.answers);
    c->busy->work.unread_flying = 0;
    settle_again(c, &c->busy->work.exhausts, true);
    settle_again(c, &c->busy->work.acks, false);
    settle_again(c, &c->busy->work.terms, false);
    c->busy->work.settled_to = 0;
    if (c->busy->work.ack_all > 0)
        gather_ack_all(c, c->busy->work.ack_all);
}

/* ---- time ------------------------------------------------------------------------------------ */

bool acks_spent(const struct consumer *c, const struct pending_entry *entry)
{
    return c->config.max_deliver > 0 && entry->deliveries >= (uint64_t)c->config.max_deliver;
}

int64_t acks_wait(const struct consumer_config *config, uint32_t deliveries, bool *usual)
{
    size_t steps = config->backoff_ns.count;
    size_t step = deliveries > 0 ? deliveries - 1 : 0;

    *usual = steps == 0 || step == 0;
    if (steps == 0)
        return config->ack_wait_ns;
    return config->backoff_ns.at[step < steps ? step : steps - 1];
}

static int64_t later(int64_t now_ns, int64_t wait_ns)
{
    int64_t at;

    return __builtin_add_overflow(now_ns, wait_ns, &at) ? PENDING_NEVER - 1 : at;
}

int64_t acks_unsent_since(const struct consumer *c)
{
    if (c->out->waits_since == NULL || consumer_flawed(c, CONSUMER_FLAW_UNSENT_WAITED))
        return INT64_MAX;
    return c->out->waits_since(c->owner);
}

bool acks_unsent(const struct pending_entry *entry, int64_t since_ns)
{
    return since_ns != INT64_MAX && !entry->delayed && entry->time_ns >= since_ns;
}

void acks_arm(struct consumer *c, uint32_t place, int64_t now_ns)
{
    const struct pending_entry *entry = pending_entry(&c->busy->pending, place);
    bool usual;
    int64_t wait;

    if (c->config.ack_policy == ACK_FLOW_CONTROL) { /* it has no ack wait */
        pending_idle(&c->busy->pending, place);
        return;
    }
    wait = acks_wait(&c->config, entry->deliveries, &usual);
    if (wait < WAIT_MIN_NS) /* else a consumer that waits for nothing keeps the server busy */
        wait = WAIT_MIN_NS;
    pending_wait(&c->busy->pending, place, later(now_ns, wait), usual);
}

void acks_look_again(struct consumer *c, uint32_t place)
{
    pending_wait(&c->busy->pending, place, later(c->now_ns, UNREAD_AGAIN_NS), false);
}

void consumer_unread(struct consumer *c, int64_t now_ns, uint64_t sequence)
{
    uint32_t place;

    if (!c->leading || busy_resting(c) || c->class != CLASS_REPLICATED)
        return;
    if (c->config.ack_policy != ACK_EXPLICIT && c->config.ack_policy != ACK_ALL)
        return;
    place = pending_find(&c->busy->pending, sequence);
    if (place == 0 || pending_entry(&c->busy->pending, place)->settling)
        return;
    c->now_ns = now_ns;
    gather_add(&c->busy->work.unread, sequence);
    if (!pending_entry(&c->busy->pending, place)->planned)
        acks_look_again(c, place);
    work_dirty(c);
}

/* ---- what clients say ------------------------------------------------------------------------ */

static void measure(struct consumer *c, const struct pending_entry *entry,
                    const struct ack_subject *ack)
{
    struct consumer_advice advice = {
        .kind = ADVISORY_ACK_METRIC,
        .stream_seq = entry->sequence,
        .consumer_seq = ack->consumer_sequence,
        .deliveries = entry->deliveries,
        .ack_time_ns = c->log_now_ns - entry->time_ns,
    };

    if (c->config.ack_policy == ACK_EXPLICIT && c->sample > 0 &&
        prng_chance(&c->busy->prng, c->sample, 100))
        c->out->advise(c->owner, &advice);
}

static void on_ack(struct consumer *c, const struct ack_subject *ack)
{
    uint32_t place = pending_find(&c->busy->pending, ack->sequence);

    if (place != 0 && !pending_entry(&c->busy->pending, place)->settling)
        measure(c, pending_entry(&c->busy->pending, place), ack);
    if (c->config.ack_policy == ACK_ALL)
        gather_ack_all(c, ack->sequence);
    else if (gather_late(c, ack->sequence, place))
        return;
    else if (place != 0 && !pending_entry(&c->busy->pending, place)->settling)
        gather_ack(c, place);
}

static void on_term(struct consumer *c, const struct ack_subject *ack, struct bytes reason)
{
    uint32_t place = pending_find(&c->busy->pending, ack->sequence);
    struct consumer_advice advice = {
        .kind = ADVISORY_TERMINATED,
        .stream_seq = ack->sequence,
        .consumer_seq = ack->consumer_sequence,
        .reason = reason,
    };

    if (place != 0 && !pending_entry(&c->busy->pending, place)->settling)
        advice.deliveries = pending_entry(&c->busy->pending, place)->deliveries;
    else if (place == 0)
        advice.deliveries = exhausted_deliveries(&c->busy->exhausted, ack->sequence);
    if (advice.deliveries > 0)
        c->out->advise(c->owner, &advice);
    if (c->config.ack_policy == ACK_ALL)
        gather_ack_all(c, ack->sequence);
    else if (gather_late(c, ack->sequence, place))
        return;
    else if (place != 0 && !pending_entry(&c->busy->pending, place)->settling)
        gather_end(c, &c->busy->work.terms, place);
}

/* The delay of a NAK's argument: JSON {"delay": ns} or a Go duration. False: none, or none that
 * makes sense. */
static bool read_delay(struct bytes argument, int64_t *delay)
{
    struct json_error error;
    const struct json *json;
    struct arena arena;
    bool good;

    if (argument.size == 0)
        return false;
    if (argument.at[0] != '{')
        return text_read_duration(argument, delay);
    arena_init(&arena, CONFIG_ARENA_MAX);
    json = json_parse(&arena, argument, &error);
    good = json_i64(json_get_nocase(json, BYTES("delay")), delay);
    arena_deinit(&arena);
    return good;
}

/* Not before the delay has passed; with backoff, as much later as its step is longer than the
 * first. */
static void delay_entry(struct consumer *c, uint32_t place, int64_t delay_ns)
{
    const struct pending_entry *entry = pending_entry(&c->busy->pending, place);
    bool usual;
    int64_t wait = acks_wait(&c->config, entry->deliveries, &usual) - c->config.ack_wait_ns;

    delay_ns = later(wait > 0 ? wait : 0, delay_ns);
    propose(c, CONSUMER_RECORD_DELAY,
            progress_write_delay(&c->busy->scratch, c->number, entry->sequence,
                                 later(c->log_now_ns, delay_ns)));
    pending_wait(&c->busy->pending, place, later(c->now_ns, delay_ns), false);
}

/* Is it of a delivery behind which another was asked for that may not even have left? */
static bool overtaken(const struct consumer *c, const struct ack_subject *ack,
                      const struct pending_entry *entry)
{
    return ack->deliveries < entry->deliveries && acks_unsent(entry, acks_unsent_since(c));
}

static void on_nak(struct consumer *c, const struct ack_subject *ack, struct bytes argument)
{
    uint32_t place = pending_find(&c->busy->pending, ack->sequence);
    struct consumer_advice advice = {
        .kind = ADVISORY_NAKED,
        .stream_seq = ack->sequence,
        .consumer_seq = ack->consumer_sequence,
    };
    const struct pending_entry *entry;
    int64_t delay;
    bool delayed;

    if (place == 0 || ack->consumer_sequence <= c->durable.floor.consumer ||
        ack->consumer_sequence > c->durable.delivered.consumer)
        return;
    entry = pending_entry(&c->busy->pending, place);
    if (entry->settling)
        return;
    advice.deliveries = entry->deliveries;
    c->out->advise(c->owner, &advice);
    if (entry->planned || overtaken(c, ack, entry))
        return; /* on its way already */
    delayed = read_delay(argument, &delay);
    if (delayed && delay > 0)
        delay_entry(c, place, delay);
    else if (delayed && acks_spent(c, entry))
        acks_exhaust(c, place); /* its wait is over, and there is no further delivery */
    else
        pending_queue(&c->busy->pending, place); /* if it is spent, whoever takes it sees that */
}

static void on_progress(struct consumer *c, const struct ack_subject *ack)
{
    uint32_t place = pending_find(&c->busy->pending, ack->sequence);
    const struct pending_entry *entry;

    if (place == 0)
        return;
    entry = pending_entry(&c->busy->pending, place);
    if (!entry->settling && !entry->planned)
        acks_arm(c, place, c->now_ns);
}

void consumer_ack(struct consumer *c, int64_t now_ns, int64_t log_now_ns, struct bytes subject,
                  struct bytes reply, struct bytes body)
{
    struct bytes argument;
    enum ack_kind kind = read_kind(body, &argument);
    struct ack_subject ack;
    bool handed_out;

    if (!c->leading || c->config.ack_policy == ACK_NONE || c->config.ack_policy == ACK_FLOW_CONTROL)
        return;
    c->now_ns = now_ns;
    c->log_now_ns = log_now_ns;
    busy_wake(c);
    if (!ack_subject_read_own(subject, bytes_of(c->busy->prefix, c->busy->prefix_size), &ack))
        return;
    handed_out = ack.sequence <= c->durable.delivered.stream;
    if (handed_out && (kind == KIND_ACK || kind == KIND_TERM || kind == KIND_NEXT))
        c->floor_active_ns = log_now_ns;
    if (kind == KIND_NEXT) { /* the reply is where the next messages go */
        if (handed_out)
            on_ack(c, &ack);
        consumer_request(c, now_ns, reply, bytes_of(NULL, 0), argument);
        work_dirty(c);
        return;
    }
    if (!handed_out)
        return; /* an ack from the future: not even answered */
    work_active(c, now_ns);
    switch (kind) {
    case KIND_ACK:
        on_ack(c, &ack);
        answer_later(c, reply);
        break;
    case KIND_TERM:
        on_term(c, &ack, argument);
        answer_later(c, reply);
        break;
    case KIND_NAK:
        on_nak(c, &ack, argument);
        answer_now(c, reply);
        break;
    case KIND_PROGRESS:
        on_progress(c, &ack);
        answer_now(c, reply);
        break;
    default: answer_now(c, reply); break;
    }
    work_dirty(c);
}
