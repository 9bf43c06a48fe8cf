/*
 * A consumer under thousands of random events, watched by a model that keeps its own truth: who was
 * handed what and how often, what was acked, naked, exhausted or removed, and when a message may go
 * again. Beside the leader runs a replica that sees only what is applied; when the leader crashes,
 * the replica takes over. A failure names its seed: `MODEL_SEED=n test_model` runs only that one,
 * and `MODEL_SEEDS=n` as many as wished.
 */
#include "base/prng.h"
#include "consumers/progress.h"
#include "tests/unit/consumers/fake.h"

#define STEPS        3000u
#define SEEDS        300u
#define SUBJECTS     5u
#define REQUESTS_MAX 4000u

struct owed {
    bool handed_out; /* in an applied hand-out */
    bool pending;
    bool exhausted;
    bool settled;      /* its ack or term is applied */
    bool free;         /* naked, or lost on its way: may go again at once */
    bool flying;       /* in a proposed hand-out */
    unsigned ending;   /* the same of its exhaustion: nothing said now changes that */
    bool ever_acked;   /* ack or term was said at some time */
    unsigned acked;    /* SAID, then PROPOSED, until a record settles it; 0: neither */
    uint64_t consumer; /* of the first delivery */
    uint64_t deliveries;
    int64_t again_ns; /* not before */
};

enum { SAID = 1, PROPOSED };

struct asker {
    uint64_t batch, got;
    bool closed;
};

struct model {
    struct fake *fake;
    struct consumer *twin;
    struct prng prng;
    uint64_t seed;
    struct owed owed[FAKE_MESSAGES_MAX];
    struct asker askers[REQUESTS_MAX];
    size_t asked;
    uint64_t acked_all; /* said: everything up to it */
    uint64_t delivered_consumer, delivered_stream;
    uint64_t floor_consumer, floor_stream;
    uint64_t snapshot;
    uint32_t revision;
    bool logged; /* hand-outs are records */
    bool bound;
    bool flight;
    uint64_t answers[FAKE_RECORDS_MAX]; /* sequences whose acks are confirmed when all is applied */
    size_t answers_asked;
};

static uint64_t below(struct model *m, uint64_t bound)
{
    return prng_below(&m->prng, bound);
}

/* Check writes down every assertion that holds; millions are too many for that. */
#define CHECK(m, condition)                                                                        \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("seed %llu: %s", (unsigned long long)(m)->seed, #condition);              \
    } while (0)

/* ---- what the model knows by itself ---------------------------------------------------------- */

static bool matches(struct model *m, uint64_t sequence)
{
    struct consumer_message message;
    struct consumer_filter filter = {m->fake->config.filter_subjects.at,
                                     m->fake->config.filter_subjects.count};

    return fake_message_at(m->fake, sequence, &message) && fake_takes(&filter, message.subject);
}

static uint64_t recount(struct model *m, uint64_t from)
{
    uint64_t count = 0;

    for (uint64_t sequence = from; sequence <= m->fake->last; sequence++)
        count += matches(m, sequence) &&
                 (sequence > m->snapshot || fake_is_last(m->fake, sequence, m->snapshot));
    return count;
}

static uint64_t lowest(struct model *m)
{
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
        if (m->owed[sequence].pending)
            return sequence;
    return 0;
}

static uint64_t pending_count(struct model *m)
{
    uint64_t count = 0;

    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
        count += m->owed[sequence].pending;
    return count;
}

static int64_t wait_of(struct model *m, uint64_t deliveries)
{
    const struct consumer_config *config = &m->fake->config;
    uint64_t steps = config->backoff_ns.count;

    if (steps == 0)
        return config->ack_wait_ns;
    return config->backoff_ns.at[deliveries - 1 < steps ? deliveries - 1 : steps - 1];
}

static void move_floor(struct model *m, uint64_t before)
{
    uint64_t first = lowest(m);
    uint64_t consumer = m->floor_consumer, stream = m->floor_stream;

    if (first == 0) {
        consumer = m->delivered_consumer;
        stream = m->delivered_stream;
    } else if (first != before) {
        consumer = m->owed[first].consumer - 1;
        stream = first - 1;
    }
    m->floor_consumer = consumer > m->floor_consumer ? consumer : m->floor_consumer;
    m->floor_stream = stream > m->floor_stream ? stream : m->floor_stream;
}

/* ---- records --------------------------------------------------------------------------------- */

/* C4, C7: nothing goes again before its time, and nothing twice at once. */
static void check_handout_proposed(struct model *m, struct bytes body)
{
    struct progress_handout handout;
    struct run run;

    CHECK(m, progress_read_handout(body, &handout) == OK);
    CHECK(m, !m->flight);
    m->flight = true;
    while (progress_runs_next(&handout.redeliveries, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++) {
            struct owed *owed = &m->owed[sequence];

            CHECK(m, owed->pending);
            CHECK(m, !owed->flying);
            CHECK(m, owed->free || m->fake->now_ns >= owed->again_ns);
            CHECK(m, m->fake->config.max_deliver <= 0 ||
                         owed->deliveries < (uint64_t)m->fake->config.max_deliver);
            CHECK(m, owed->acked == 0);
            owed->flying = true;
        }
    while (progress_runs_next(&handout.fresh, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++) {
            CHECK(m, !m->owed[sequence].handed_out);
            CHECK(m, sequence > m->delivered_stream);
            CHECK(m, matches(m, sequence));
        }
}

static bool spent(struct model *m, const struct owed *owed)
{
    return m->fake->config.max_deliver > 0 &&
           owed->deliveries >= (uint64_t)m->fake->config.max_deliver;
}

static void check_exhaust_proposed(struct model *m, struct bytes body)
{
    struct progress_set set;
    struct run run;

    CHECK(m, progress_read_set(body, &set) == OK);
    while (progress_runs_next(&set.runs, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++) {
            struct owed *owed = &m->owed[sequence];

            if (!owed->pending)
                continue;
            CHECK(m, spent(m, owed));
            CHECK(m, owed->ending || owed->free || m->fake->now_ns >= owed->again_ns);
            CHECK(m, !owed->flying);
            CHECK(m, owed->acked == 0 || owed->ending);
            owed->ending = PROPOSED;
        }
}

static void model_handout(struct model *m, struct bytes body)
{
    struct progress_handout handout;
    struct run run;

    CHECK(m, progress_read_handout(body, &handout) == OK);
    m->flight = false;
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
        m->owed[sequence].flying = false;
    if (handout.revision != m->revision)
        return;
    while (progress_runs_next(&handout.redeliveries, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++)
            if (m->owed[sequence].pending) {
                m->delivered_consumer++;
                m->owed[sequence].deliveries++;
                m->owed[sequence].free = true; /* unless a delivery follows */
            }
    while (progress_runs_next(&handout.fresh, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++) {
            /* C2: nothing that matches is passed over. */
            for (uint64_t passed = m->delivered_stream + 1; passed < sequence; passed++)
                CHECK(m,
                      !matches(m, passed) ||
                          (passed <= m->snapshot && !fake_is_last(m->fake, passed, m->snapshot)) ||
                          passed <= m->snapshot);
            m->delivered_stream = sequence;
            m->delivered_consumer++;
            m->owed[sequence].handed_out = true;
            m->owed[sequence].deliveries = 1;
            m->owed[sequence].consumer = m->delivered_consumer;
            m->owed[sequence].pending = m->fake->config.ack_policy != ACK_NONE;
            m->owed[sequence].free = true;
        }
    /* C5. */
    if (m->fake->config.max_ack_pending > 0 && handout.fresh_first != 0)
        CHECK(m, pending_count(m) <= (uint64_t)m->fake->config.max_ack_pending ||
                     m->fake->config.ack_policy == ACK_NONE);
}

static void model_end(struct model *m, uint64_t sequence)
{
    struct owed *owed = &m->owed[sequence];

    /* Nothing is settled that nobody settled. */
    CHECK(m, owed->ever_acked || !m->fake->messages[sequence].present);
    owed->pending = false;
    owed->exhausted = false;
    owed->settled = true;
    owed->acked = 0;
}

static void model_ack(struct model *m, struct bytes body, uint64_t before)
{
    struct progress_set set;
    struct run run;

    CHECK(m, progress_read_ack(body, &set) == OK);
    if (set.all) {
        CHECK(m, set.last <= m->acked_all);
        for (uint64_t sequence = 1; sequence <= set.last; sequence++)
            if (m->owed[sequence].pending || m->owed[sequence].exhausted)
                model_end(m, sequence);
        if (lowest(m) == 0)
            move_floor(m, before);
        else if (m->floor_stream < set.last)
            m->floor_stream = set.last;
        if (lowest(m) != 0 && m->owed[lowest(m)].consumer - 1 > m->floor_consumer)
            m->floor_consumer = m->owed[lowest(m)].consumer - 1;
        return;
    }
    while (progress_runs_next(&set.runs, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++)
            if (m->owed[sequence].pending)
                model_end(m, sequence);
    move_floor(m, before);
}

static void model_set(struct model *m, uint8_t type, struct bytes body, uint64_t before)
{
    struct progress_set set;
    struct run run;

    CHECK(m, progress_read_set(body, &set) == OK);
    while (progress_runs_next(&set.runs, &run))
        for (uint64_t sequence = run.first; sequence <= run.last; sequence++) {
            struct owed *owed = &m->owed[sequence];

            if (type == CONSUMER_RECORD_TERM) {
                if (owed->pending || owed->exhausted)
                    model_end(m, sequence);
            } else if (owed->pending) {
                CHECK(m, owed->ending);
                owed->pending = false;
                owed->exhausted = true;
            }
        }
    move_floor(m, before);
}

/* What the leader did when a record came true is in the fake's text; the model reads it. */
static void read_asked(struct model *m);

static void apply_one(struct model *m)
{
    struct fake_record record = m->fake->records[0];
    uint64_t before = lowest(m);
    size_t said, proposed;

    m->fake->proposed--;
    memmove(m->fake->records, m->fake->records + 1, m->fake->proposed * sizeof(record));
    CHECK(m, consumer_apply(m->fake->consumer, m->fake->now_ns, record.type, record.body) == OK);
    if (m->twin != NULL) {
        said = m->fake->asked.size;
        proposed = m->fake->proposed;
        CHECK(m, consumer_apply(m->twin, 0, record.type, record.body) == OK);
        CHECK(m, m->fake->asked.size == said);
        CHECK(m, m->fake->proposed == proposed);
    }
    switch (record.type) {
    case CONSUMER_RECORD_HANDOUT: model_handout(m, record.body); break;
    case CONSUMER_RECORD_ACK: model_ack(m, record.body, before); break;
    case CONSUMER_RECORD_TERM:
    case CONSUMER_RECORD_EXHAUST: model_set(m, record.type, record.body, before); break;
    default: break;
    }
    if (m->logged && m->fake->config.ack_policy == ACK_NONE) {
        m->floor_consumer = m->delivered_consumer;
        m->floor_stream = m->delivered_stream;
    }
    heap_give((void *)record.body.at);
    read_asked(m);
}

/* ---- what the leader asks for ---------------------------------------------------------------- */

static struct asker *asker_of(struct model *m, unsigned long long number)
{
    CHECK(m, number < m->asked);
    return &m->askers[number];
}

static void read_delivery(struct model *m, unsigned long long sequence, const char *to,
                          unsigned long long deliveries, unsigned long long consumer,
                          unsigned long long pending)
{
    struct owed *owed = &m->owed[sequence];
    unsigned long long number;

    CHECK(m, m->fake->messages[sequence].present);
    CHECK(m, matches(m, sequence) || m->revision > 1);
    if (!m->logged) { /* it is its own record */
        CHECK(m, !owed->handed_out);
        CHECK(m, sequence > m->delivered_stream);
        CHECK(m, consumer == m->delivered_consumer + 1);
        for (uint64_t passed = m->delivered_stream + 1; passed < sequence; passed++)
            CHECK(m, !matches(m, passed) || passed <= m->snapshot);
        m->delivered_consumer = consumer;
        m->delivered_stream = sequence;
        owed->handed_out = true;
        owed->deliveries = 1;
    }
    CHECK(m, owed->handed_out);
    CHECK(m, owed->pending || m->fake->config.ack_policy == ACK_NONE);
    CHECK(m, !owed->settled); /* C3 */
    CHECK(m, deliveries == owed->deliveries);
    CHECK(m, consumer <= m->delivered_consumer);
    if (deliveries == 1 && sequence > m->snapshot)
        CHECK(m, pending == recount(m, sequence + 1)); /* C6 */
    owed->free = false;
    owed->again_ns = m->fake->now_ns + wait_of(m, deliveries);
    if (sscanf(to, "in.%llu", &number) == 1) {
        struct asker *asker = asker_of(m, number);

        CHECK(m, !asker->closed);
        CHECK(m, ++asker->got <= asker->batch);
    } else {
        CHECK(m, m->bound);
    }
}

static void read_line(struct model *m, const char *line)
{
    unsigned long long sequence, deliveries, consumer, pending, number;
    unsigned code;
    char to[32];

    if (sscanf(line, "%llu>%31s d%llu c%llu p%llu", &sequence, to, &deliveries, &consumer,
               &pending) == 5)
        read_delivery(m, sequence, to, deliveries, consumer, pending);
    else if (sscanf(line, "answer r.%llu %31s", &sequence, to) == 2) {
        CHECK(m, m->answers_asked < FAKE_RECORDS_MAX);
        m->answers[m->answers_asked++] = sequence;
    } else if (sscanf(line, "in.%llu %u", &number, &code) == 2 && code != 100) {
        CHECK(m, !asker_of(m, number)->closed);
        asker_of(m, number)->closed = true;
    }
}

static void read_asked(struct model *m)
{
    char *text = (char *)fake_asked(m->fake);

    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        read_line(m, line);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void work(struct model *m)
{
    size_t proposed = m->fake->proposed;

    fake_work(m->fake);
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
        if (m->owed[sequence].acked == SAID)
            m->owed[sequence].acked = PROPOSED;
    read_asked(m);
    for (size_t i = proposed; i < m->fake->proposed; i++)
        if (m->fake->records[i].type == CONSUMER_RECORD_HANDOUT)
            check_handout_proposed(m, m->fake->records[i].body);
        else if (m->fake->records[i].type == CONSUMER_RECORD_EXHAUST)
            check_exhaust_proposed(m, m->fake->records[i].body);
}

static void store_tail(struct model *m)
{
    struct consumer_message message;

    while (fake_store_next(m->fake, &message))
        if (m->twin != NULL)
            consumer_stored(m->twin, &message);
}

static void apply_all(struct model *m)
{
    store_tail(m);
    while (m->fake->proposed > 0)
        apply_one(m);
    /* C3: what is confirmed now is settled for ever. */
    for (size_t i = 0; i < m->answers_asked; i++)
        CHECK(m, !m->owed[m->answers[i]].pending && !m->owed[m->answers[i]].exhausted);
    m->answers_asked = 0;
}

/* What was proposed never happened; acks among it are forgotten, and their messages wait again. */
static void refuse(struct model *m)
{
    fake_refuse(m->fake);
    m->flight = false;
    m->answers_asked = 0;
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++) {
        struct owed *owed = &m->owed[sequence];

        if (owed->acked == PROPOSED) {
            owed->acked = 0;
            owed->again_ns = m->fake->now_ns;
        }
        owed->flying = false;
        if (owed->ending == PROPOSED)
            owed->ending = 0;
    }
    read_asked(m);
}

static void new_twin(struct model *m)
{
    struct buf state;

    buf_init(&state, 16u << 20);
    ck_assert(consumer_state_encode(m->fake->consumer, &state));
    m->twin = consumer_create(7, &m->fake->config, m->fake->log_now_ns, &m->fake->stream,
                              &m->fake->out, m->fake, 1);
    ck_assert_int_eq(consumer_state_decode(m->twin, buf_bytes(&state)), OK);
    buf_deinit(&state);
}

/* It begins anew somewhere, while nothing is in flight. */
static void reset(struct model *m)
{
    uint64_t next = 1 + below(m, m->fake->last + 1);
    struct buf body;

    if (m->fake->proposed > 0 || m->flight || m->fake->tail > m->fake->last)
        return;
    buf_init(&body, 64);
    CHECK(m, consumer_reset_write(m->fake->consumer, next, &body));
    CHECK(m, consumer_apply(m->fake->consumer, m->fake->now_ns, CONSUMER_RECORD_RESET,
                            buf_bytes(&body)) == OK);
    if (m->twin != NULL)
        CHECK(m, consumer_apply(m->twin, 0, CONSUMER_RECORD_RESET, buf_bytes(&body)) == OK);
    buf_deinit(&body);
    memset(m->owed, 0, sizeof m->owed);
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
        m->fake->messages[sequence].ack[0] = 0; /* of another life */
    m->acked_all = 0;
    m->answers_asked = 0;
    m->delivered_consumer = m->floor_consumer = 0;
    m->delivered_stream = m->floor_stream = next - 1;
    m->revision++;
    read_asked(m);
}

/* The leader dies; whoever saw only what was applied takes over. */
static void crash(struct model *m)
{
    if (!m->logged)
        return;
    consumer_destroy(m->fake->consumer);
    fake_drop_records(m->fake);
    fake_drop_tail(m->fake);
    (void)fake_asked(m->fake);
    m->fake->consumer = m->twin;
    for (size_t i = 0; i < m->asked; i++)
        m->askers[i].closed = true;
    m->flight = false;
    m->answers_asked = 0;
    m->acked_all = 0;
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++) {
        struct owed *owed = &m->owed[sequence];

        owed->acked = 0;
        owed->flying = false;
        owed->ending = 0;
        owed->free = false;
        if (owed->pending) /* at least; a delay may be longer */
            owed->again_ns = m->fake->now_ns;
    }
    consumer_lead(m->fake->consumer, m->fake->now_ns, m->fake->log_now_ns);
    if (m->bound && consumer_is_push(m->fake->consumer))
        consumer_bound(m->fake->consumer, m->fake->now_ns, true);
    new_twin(m);
}

/* A publish is decided: it may be handed out in the batch that stores it. */
static void gather(struct model *m)
{
    char subject[16];

    if (m->fake->last + 1 >= FAKE_MESSAGES_MAX || m->fake->tail + 1 >= FAKE_MESSAGES_MAX)
        return;
    snprintf(subject, sizeof(subject), "k.%llu", (unsigned long long)below(m, SUBJECTS));
    fake_gather_sized(m->fake, subject, 13);
    if (m->fake->consumer != NULL)
        consumer_offered(m->fake->consumer);
}

static void store(struct model *m)
{
    gather(m);
    store_tail(m);
}

static void remove_one(struct model *m)
{
    uint64_t sequence = m->fake->last == 0 ? 0 : 1 + below(m, m->fake->last);
    uint64_t before = lowest(m);
    struct consumer_message message;

    if (!fake_message_at(m->fake, sequence, &message))
        return;
    fake_remove(m->fake, sequence);
    if (m->twin != NULL)
        consumer_removed(m->twin, &message);
    if (m->owed[sequence].pending) {
        m->owed[sequence].pending = false;
        move_floor(m, before);
    }
    m->owed[sequence].exhausted = false;
    read_asked(m);
}

/* What a request asks of the priority group. */
static const char *group_of(struct model *m, char *out, size_t size)
{
    unsigned long long some = below(m, 4);

    out[0] = 0;
    switch (m->fake->config.priority_policy) {
    case PRIORITY_OVERFLOW:
        snprintf(out, size, ",\"group\":\"g\",\"min_pending\":%llu,\"min_ack_pending\":%llu", some,
                 (unsigned long long)below(m, 3));
        break;
    case PRIORITY_PINNED:
        snprintf(out, size, ",\"group\":\"g\",\"id\":\"%s\"",
                 some == 0   ? "of nobody"
                 : some == 1 ? ""
                             : m->fake->pin);
        break;
    case PRIORITY_PRIORITIZED:
        snprintf(out, size, ",\"group\":\"g\",\"priority\":%llu", some);
        break;
    default: break;
    }
    return out;
}

static void unpin(struct model *m)
{
    if (m->fake->config.priority_policy == PRIORITY_PINNED)
        consumer_unpin(m->fake->consumer, m->fake->now_ns, m->fake->log_now_ns, BYTES("g"));
}

static void pull(struct model *m)
{
    char group[128];
    char reply[32], body[320];
    uint64_t batch = 1 + below(m, 6);

    if (m->asked == REQUESTS_MAX || consumer_is_push(m->fake->consumer))
        return;
    m->askers[m->asked] = (struct asker){.batch = batch};
    snprintf(reply, sizeof(reply), "in.%zu", m->asked++);
    snprintf(body, sizeof(body),
             "{\"batch\":%llu,\"no_wait\":%s,\"expires\":%llu,\"max_bytes\":%llu%s}",
             (unsigned long long)batch, prng_chance(&m->prng, 1, 4) ? "true" : "false",
             prng_chance(&m->prng, 1, 2) ? 0 : (unsigned long long)(below(m, 20) * FAKE_SECOND),
             prng_chance(&m->prng, 3, 4) ? 0 : (unsigned long long)below(m, 300),
             group_of(m, group, sizeof group));
    fake_pull(m->fake, reply, body);
    read_asked(m);
}

static void say_one(struct owed *owed)
{
    if (!owed->pending && !owed->exhausted)
        return;
    owed->ever_acked = true;
    if (owed->acked != PROPOSED)
        owed->acked = SAID;
}

static void say_ack(struct model *m, uint64_t sequence)
{
    if (m->fake->config.ack_policy != ACK_ALL) {
        say_one(&m->owed[sequence]);
        return;
    }
    m->acked_all = sequence > m->acked_all ? sequence : m->acked_all;
    for (uint64_t lower = 1; lower <= sequence; lower++)
        say_one(&m->owed[lower]);
}

static void ack(struct model *m)
{
    static const char *const forms[] = {"",     "+ACK", "+TERM",     "-NAK", "-NAK 3s",
                                        "+WPI", "junk", "+TERM why", "+OK",  "-NAK {\"delay\":1}"};
    uint64_t sequence, span = m->delivered_stream > 12 ? 12 : m->delivered_stream;
    const char *form = forms[below(m, UNIT_COUNT(forms))];
    struct owed *owed;
    char reply[32];

    if (m->delivered_stream == 0)
        return;
    sequence =
        m->delivered_stream - below(m, prng_chance(&m->prng, 1, 8) ? m->delivered_stream : span);
    if (sequence >= FAKE_MESSAGES_MAX || m->fake->messages[sequence].ack[0] == 0)
        return;
    owed = &m->owed[sequence];
    snprintf(reply, sizeof(reply), "r.%llu", (unsigned long long)sequence);
    fake_ack(m->fake, sequence, form, prng_chance(&m->prng, 1, 2) ? reply : "");
    if (form[0] == 0 || strcmp(form, "+ACK") == 0 || strcmp(form, "+OK") == 0 ||
        strncmp(form, "+TERM", 5) == 0)
        say_ack(m, sequence);
    else if (owed->ending || owed->acked != 0 || !owed->pending)
        ; /* nothing said now changes that */
    else if (strcmp(form, "-NAK") == 0) {
        owed->free = true;
    } else if (strcmp(form, "-NAK 3s") == 0 && !owed->flying) {
        owed->free = false;
        owed->again_ns = m->fake->now_ns + 3 * FAKE_SECOND;
    } else if (strncmp(form, "-NAK {", 6) == 0)
        owed->again_ns = m->fake->now_ns;
    else if (strcmp(form, "+WPI") == 0 && !owed->flying) {
        owed->again_ns = m->fake->now_ns + wait_of(m, owed->deliveries);
        owed->free = false;
    }
    read_asked(m);
}

static void pass(struct model *m)
{
    int64_t span = (int64_t)below(m, prng_chance(&m->prng, 1, 10) ? 40 : 4) * FAKE_SECOND / 2;

    m->fake->now_ns += span;
    m->fake->log_now_ns += span;
}

static void bind(struct model *m)
{
    if (!consumer_is_push(m->fake->consumer))
        return;
    m->bound = !prng_chance(&m->prng, 1, 3);
    consumer_bound(m->fake->consumer, m->fake->now_ns, m->bound);
}

static void change(struct model *m)
{
    static struct bytes filters[][2] = {{BYTES("k.1"), BYTES("k.2")}, {BYTES("k.3"), BYTES("k.4")}};
    struct consumer_config *config = &m->fake->config;

    if (!prng_chance(&m->prng, 1, 20))
        return;
    if (prng_chance(&m->prng, 1, 2) && m->snapshot == 0)
        config->filter_subjects = (struct schema_strings){filters[below(m, 2)], below(m, 3)};
    config->max_ack_pending = config->ack_policy == ACK_NONE ? 0 : 1 + (int64_t)below(m, 20);
    consumer_update(m->fake->consumer, m->fake->now_ns, m->fake->log_now_ns, config);
    if (m->twin != NULL)
        consumer_update(m->twin, 0, 0, config);
    m->revision++;
}

static void deafen(struct model *m)
{
    static const char *const deaf[] = {NULL, NULL, "in.1", "in.2", "in.3", "in"};

    m->fake->deaf = deaf[below(m, UNIT_COUNT(deaf))];
}

/* ---- what must be true after every event ----------------------------------------------------- */

static void check_twin(struct model *m)
{
    struct buf leader, twin;

    if (m->twin == NULL)
        return;
    buf_init(&leader, 16u << 20);
    buf_init(&twin, 16u << 20);
    ck_assert(consumer_state_encode(m->fake->consumer, &leader));
    ck_assert(consumer_state_encode(m->twin, &twin));
    CHECK(m, bytes_equal(buf_bytes(&leader), buf_bytes(&twin)));
    buf_deinit(&leader);
    buf_deinit(&twin);
}

static void check(struct model *m)
{
    struct consumer_info info = fake_info(m->fake);
    uint64_t exhausted = 0, redelivered = 0;

    read_asked(m);
    if (!m->logged) {
        m->floor_consumer = m->delivered_consumer;
        m->floor_stream = m->delivered_stream;
    }
    CHECK(m, info.delivered_consumer == m->delivered_consumer);
    CHECK(m, info.delivered_stream == m->delivered_stream);
    CHECK(m, info.floor_consumer == m->floor_consumer); /* C1: the model's never fall */
    CHECK(m, info.floor_stream == m->floor_stream);
    CHECK(m, info.floor_stream <= info.delivered_stream);
    CHECK(m, info.num_ack_pending == pending_count(m));
    for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++) {
        const struct owed *owed = &m->owed[sequence];

        exhausted += owed->exhausted;
        redelivered += owed->pending && owed->deliveries > 1;
        CHECK(m, !owed->pending || sequence > m->floor_stream); /* C2 */
    }
    if (m->fake->config.max_deliver != 1)
        CHECK(m, info.num_redelivered == redelivered + exhausted);
    if (!m->flight)
        CHECK(m, info.num_pending == recount(m, m->delivered_stream + 1)); /* C6 */
}

static void step(struct model *m)
{
    switch (below(m, 24)) {
    case 0:
    case 1: store(m); break;
    case 2:
    case 3: gather(m); break;
    case 4: remove_one(m); break;
    case 5:
    case 6: pull(m); break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: ack(m); break;
    case 12:
    case 13: pass(m); break;
    case 14: bind(m); break;
    case 15: deafen(m); break;
    case 16:
        if (prng_chance(&m->prng, 1, 4))
            crash(m);
        else if (prng_chance(&m->prng, 1, 20))
            reset(m);
        break;
    case 17:
        if (prng_chance(&m->prng, 1, 4))
            refuse(m);
        else
            unpin(m);
        break;
    case 18: change(m); break;
    case 19:
    case 20: apply_all(m); break;
    default: work(m); break;
    }
}

/* In the end, with everyone listening and asking, everything is delivered and acked. */
static void finish(struct model *m)
{
    m->fake->deaf = NULL;
    if (consumer_is_push(m->fake->consumer)) {
        m->bound = true;
        consumer_bound(m->fake->consumer, m->fake->now_ns, true);
    }
    for (size_t round = 0; round < 6000; round++) {
        if (m->asked < REQUESTS_MAX && round % 2 == 0)
            pull(m);
        work(m);
        apply_all(m);
        for (uint64_t sequence = 1; sequence <= m->fake->last; sequence++)
            if (m->owed[sequence].pending && m->owed[sequence].acked == 0 &&
                !m->owed[sequence].free && m->fake->messages[sequence].ack[0] != 0) {
                fake_ack(m->fake, sequence, "", "");
                say_ack(m, sequence);
            }
        m->fake->now_ns += FAKE_SECOND;
        m->fake->log_now_ns += FAKE_SECOND;
        if (pending_count(m) == 0 && !m->flight && recount(m, m->delivered_stream + 1) == 0)
            return;
    }
    CHECK(m, m->asked == REQUESTS_MAX); /* else it should have ended */
}

static void configure(struct model *m)
{
    static struct bytes filters[] = {BYTES("k.1"), BYTES("k.3"), BYTES("k.0")};
    static struct bytes group = BYTES("g");
    static int64_t backoff[] = {2 * FAKE_SECOND, 8 * FAKE_SECOND, FAKE_SECOND};
    static const int32_t policies[] = {ACK_EXPLICIT, ACK_EXPLICIT, ACK_EXPLICIT, ACK_ALL, ACK_NONE};
    static const int64_t delivers[] = {-1, -1, 1, 2, 3};
    struct consumer_config *config = &m->fake->config;

    config->ack_policy = policies[below(m, UNIT_COUNT(policies))];
    config->max_deliver = delivers[below(m, UNIT_COUNT(delivers))];
    config->max_ack_pending = prng_chance(&m->prng, 1, 3) ? -1 : 1 + (int64_t)below(m, 10);
    config->ack_wait_ns = 5 * FAKE_SECOND;
    config->filter_subjects = (struct schema_strings){filters, below(m, 4)};
    config->deliver_policy = (int32_t)below(m, 3) == 0 ? DELIVER_LAST_PER_SUBJECT : DELIVER_ALL;
    if (prng_chance(&m->prng, 1, 4) && config->max_deliver != 1 && config->max_deliver != 2) {
        config->backoff_ns = (struct schema_ints){backoff, 3};
        config->ack_wait_ns = backoff[0];
    }
    if (config->ack_policy == ACK_NONE) {
        config->max_ack_pending = 0;
        config->ack_wait_ns = 0;
        config->backoff_ns.count = 0;
        if (prng_chance(&m->prng, 1, 2))
            config->durable_name = bytes_of(NULL, 0);
        m->fake->stream.until_acked = prng_chance(&m->prng, 1, 3);
    }
    if (prng_chance(&m->prng, 1, 3)) {
        config->deliver_subject = BYTES("to.me");
        config->max_waiting = 0;
    } else {
        config->priority_policy = prng_chance(&m->prng, 1, 2) ? 0 : (int32_t)below(m, 4);
        config->priority_timeout_ns = 4 * FAKE_SECOND;
        if (config->priority_policy != PRIORITY_NONE)
            config->priority_groups = (struct schema_strings){&group, 1};
    }
    m->logged = config->ack_policy != ACK_NONE || m->fake->stream.until_acked;
}

static void run(uint64_t seed)
{
    struct model *m = HEAP_NEW(struct model);
    struct consumer_info info;

    m->seed = seed;
    m->fake = fake_create();
    m->revision = 1;
    prng_seed(&m->prng, seed);
    configure(m);
    for (uint64_t i = below(m, 30); i > 0; i--)
        store(m);
    if (m->fake->config.deliver_policy == DELIVER_LAST_PER_SUBJECT)
        m->snapshot = m->fake->last;
    fake_lead(m->fake);
    info = fake_info(m->fake);
    m->delivered_stream = m->floor_stream = info.delivered_stream;
    if (m->logged)
        new_twin(m);
    for (size_t i = 0; i < STEPS; i++) {
        step(m);
        check(m);
        if (i % 50 == 0)
            check_twin(m);
    }
    finish(m);
    check(m);
    check_twin(m);
    if (m->twin != NULL)
        consumer_destroy(m->twin);
    fake_destroy(m->fake);
    heap_give(m);
}

START_TEST(no_schedule_of_events_breaks_a_promise)
{
    const char *only = getenv("MODEL_SEED");
    const char *many = getenv("MODEL_SEEDS");
    uint64_t last = many != NULL ? strtoull(many, NULL, 10) : SEEDS;

    if (only != NULL) {
        run(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= last; seed++)
        run(seed);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {no_schedule_of_events_breaks_a_promise};

    return UNIT_RUN_PLAIN("model", tests);
}
