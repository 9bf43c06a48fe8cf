/*
 * Random histories of one stream: publishes with every kind of check, removals, config changes,
 * batches that wait, get lost or survive a crash. Every answer must be that of a stream without
 * pipeline, and every state, also one rebuilt from the log, that of a stream without overlay and
 * index.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/unit/server/stream_model_batch.h"
#include "tests/unit/server/stream_rig.h"
#include "tests/unit/unit.h"

#define MS INT64_C(1000000)

struct run {
    struct rig *rig;
    struct prng prng;
    struct model tail;                            /* as decided */
    struct model *at[RIG_BATCHES_MAX + 1];        /* as of each index from `applied` on */
    uint64_t waits, refusals, duplicates, stored; /* that the run tests something */
    uint64_t batches, batches_refused;
};

static bool chance(struct run *run, uint32_t n, uint32_t of)
{
    return prng_chance(&run->prng, n, of);
}

static uint64_t below(struct run *run, uint64_t bound)
{
    return prng_below(&run->prng, bound);
}

/* ---- comparing states ----------------------------------------------------------------------- */

#define SAME(what, a, b)                                                                           \
    do {                                                                                           \
        if ((a) != (b))                                                                            \
            rig_die("%s is %lld, not %lld", what, (long long)(a), (long long)(b));                 \
    } while (0)

static void compare_messages(const struct stream_state *state, const struct model *model)
{
    for (unsigned i = 0; i < model->count; i++) {
        const struct model_message *message = &model->at[i];
        struct index_entry entry;
        char subject[16];

        snprintf(subject, sizeof subject, "s.%u", message->subject);
        if (index_get(state->index, message->sequence, &entry) != message->live)
            rig_die("message %llu: live is %d", (unsigned long long)message->sequence,
                    !message->live);
        if (!message->live)
            continue;
        if (!bytes_equal(entry.subject, bytes_of_text(subject)))
            rig_die("message %llu has another subject", (unsigned long long)message->sequence);
        SAME("time", entry.time_ns, message->time_ns);
        SAME("stored size", entry.stored_size, message->size);
    }
}

static void compare(const struct stream_state *state, const struct model *model)
{
    SAME("first_seq", state->first_seq, model_first(model));
    SAME("last_seq", state->last_seq, model->last);
    SAME("messages", stream_state_messages(state), model_count(model, -1));
    SAME("bytes", stream_state_bytes(state), model_bytes(model));
    if (model->last_time_ns != 0)
        SAME("last time", state->last_time_ns, model->last_time_ns);
    compare_messages(state, model);
}

/* ---- the log moves -------------------------------------------------------------------------- */

static void remember(struct run *run, uint64_t index)
{
    run->at[index] = HEAP_NEW(struct model);
    *run->at[index] = run->tail;
}

static void propose(struct run *run)
{
    uint64_t index = rig_propose(run->rig);

    if (index != 0)
        remember(run, index);
}

static bool commit(struct run *run)
{
    if (!rig_commit(run->rig))
        return false;
    compare(&run->rig->state, run->at[run->rig->applied]);
    heap_give(run->at[run->rig->applied - 1]);
    run->at[run->rig->applied - 1] = NULL;
    return true;
}

static void settle(struct run *run)
{
    propose(run);
    while (commit(run))
        continue;
}

static void fall_back(struct run *run, uint64_t index, uint64_t proposed)
{
    run->tail = *run->at[index];
    for (; proposed > index; proposed--) {
        heap_give(run->at[proposed]);
        run->at[proposed] = NULL;
    }
}

static void lose(struct run *run)
{
    uint64_t proposed = run->rig->proposed;

    rig_refuse(run->rig);
    fall_back(run, run->rig->applied, proposed);
}

static void crash(struct run *run)
{
    uint64_t proposed = run->rig->proposed, applied = run->rig->applied;

    rig_crash(run->rig, below(run, 3));
    fall_back(run, run->rig->applied, proposed);
    for (; applied < run->rig->applied; applied++) {
        heap_give(run->at[applied]);
        run->at[applied] = NULL;
    }
    compare(&run->rig->state, &run->tail);
}

/* ---- publishes ------------------------------------------------------------------------------ */

[[gnu::format(printf, 2, 3)]] static void header(struct buf *out, const char *format, ...)
{
    char line[200];
    va_list arguments;
    int size;

    if (out->size == 0)
        (void)BUF_ADD(out, "NATS/1.0\r\n");
    va_start(arguments, format);
    size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    (void)buf_add(out, bytes_of(line, (size_t)size));
    (void)BUF_ADD(out, "\r\n");
}

static void write_headers(const struct model_publish *p, struct buf *out)
{
    if (p->id != 0)
        header(out, "Nats-Msg-Id: id%u", p->id);
    if (p->wrong_stream)
        header(out, "Nats-Expected-Stream: T");
    if (p->expect_last >= 0)
        header(out, "Nats-Expected-Last-Sequence: %lld", (long long)p->expect_last);
    if (p->expect_subject >= 0)
        header(out, "Nats-Expected-Last-Subject-Sequence:%lld", (long long)p->expect_subject);
    if (p->expect_subject >= 0 && p->expect_filter == MODEL_SUBJECTS)
        header(out, "Nats-Expected-Last-Subject-Sequence-Subject: s.*");
    else if (p->expect_subject >= 0 && p->expect_filter >= 0)
        header(out, "Nats-Expected-Last-Subject-Sequence-Subject: s.%d", p->expect_filter);
    if (p->expect_id >= 0)
        header(out, "Nats-Expected-Last-Msg-Id: id%d", p->expect_id);
    if (p->rollup)
        header(out, "Nats-Rollup: sub");
    if (p->rollup_all)
        header(out, "Nats-Rollup: all");
    if (out->size > 0)
        (void)BUF_ADD(out, "\r\n");
}

static int64_t near(struct run *run, uint64_t sequence)
{
    return chance(run, 1, 3) ? (int64_t)below(run, sequence + 2) : (int64_t)sequence;
}

static struct model_publish random_publish(struct run *run)
{
    struct model_publish p = {.subject = (unsigned)below(run, MODEL_SUBJECTS),
                              .expect_last = -1,
                              .expect_subject = -1,
                              .expect_filter = -1,
                              .expect_id = -1};

    if (chance(run, 1, 3))
        return p;
    if (chance(run, 1, 3))
        p.id = 1 + (unsigned)below(run, 12);
    if (chance(run, 1, 6))
        p.expect_last = near(run, run->tail.last);
    if (chance(run, 1, 3)) {
        if (chance(run, 1, 2))
            p.expect_filter = (int)below(run, MODEL_SUBJECTS + 1);
        p.expect_subject = near(run, model_filter_last(&run->tail, &p));
    }
    if (chance(run, 1, 15))
        p.expect_id = run->tail.count > 0 && chance(run, 1, 2)
                          ? run->tail.at[run->tail.count - 1].id
                          : (int)below(run, 12);
    p.rollup = chance(run, 1, 12);
    p.rollup_all = !p.rollup && chance(run, 1, 60);
    p.wrong_stream = chance(run, 1, 60);
    return p;
}

static void check_answer(struct run *run, const struct decision *decision,
                         const struct model_answer *answer)
{
    if (decision->outcome != answer->outcome)
        rig_die("outcome %d, not %d (%u %s, %u %s)", decision->outcome, answer->outcome,
                decision->error, decision->error_text, answer->error, answer->text);
    switch (decision->outcome) {
    case DECIDE_STORE: run->stored++; break;
    case DECIDE_DUPLICATE: run->duplicates++; break;
    default: run->refusals++; break;
    }
    if (decision->outcome != DECIDE_REFUSE) {
        SAME("sequence", decision->sequence, answer->sequence);
        return;
    }
    SAME("error", decision->error, answer->error);
    if (answer->looks && !decision->looked)
        rig_die("refusal %u has looked at the stream and does not say so", decision->error);
    if (strcmp(decision->error_text, answer->text) != 0)
        rig_die("'%s', not '%s'", decision->error_text, answer->text);
}

/* What has to wait is tried again each time something more is applied. */
static void decide(struct run *run, const struct publish *publish, struct decision *decision)
{
    for (;;) {
        size_t before = run->rig->gather.size;
        bool quiet = rig_quiet(run->rig);

        rig_publish(run->rig, publish, decision);
        if (decision->outcome == DECIDE_STORE)
            return;
        SAME("size of the batch", run->rig->gather.size, before);
        if (decision->outcome != DECIDE_WAIT && decision->outcome != DECIDE_FULL)
            return;
        if (quiet)
            rig_die("it waits for nothing");
        run->waits++;
        propose(run);
        if (decision->outcome == DECIDE_WAIT)
            commit(run);
    }
}

static void publish_one(struct run *run)
{
    static const char payload[120];
    struct model_publish p = random_publish(run);
    char subject[16];
    struct buf headers;
    struct publish publish;
    struct decision decision;
    struct model_answer answer;

    snprintf(subject, sizeof subject, "s.%u", p.subject);
    buf_init(&headers, 4096);
    write_headers(&p, &headers);
    publish = (struct publish){
        .subject = bytes_of_text(subject),
        .headers = buf_bytes(&headers),
        .payload = bytes_of(payload, below(run, chance(run, 1, 4) ? sizeof payload : 8))};
    p.message_size = (unsigned)(publish.headers.size + publish.payload.size);
    p.size = stream_stored_size(run->tail.config.memory, publish.subject.size, publish.headers.size,
                                publish.payload.size);

    decide(run, &publish, &decision);
    answer = model_publish(&run->tail, &p, run->rig->now_ns);
    check_answer(run, &decision, &answer);
    buf_deinit(&headers);
}

/* ---- atomic batches ------------------------------------------------------------------------- */

static void batch_headers(const struct model_publish *p, unsigned seq, bool last, struct buf *out)
{
    header(out, "Nats-Batch-Id: b");
    header(out, "Nats-Batch-Sequence: %u", seq);
    if (last)
        header(out, "Nats-Batch-Commit: 1");
    write_headers(p, out); /* ends the block */
}

static void send_member(struct run *run, struct model_publish *p, unsigned seq, bool last,
                        struct decision *decision)
{
    char subject[16];
    struct buf headers;
    struct publish publish;

    snprintf(subject, sizeof subject, "s.%u", p->subject);
    buf_init(&headers, 4096);
    batch_headers(p, seq, last, &headers);
    publish = (struct publish){.subject = bytes_of_text(subject), .headers = buf_bytes(&headers)};
    p->message_size = (unsigned)publish.headers.size;
    p->size =
        stream_stored_size(run->tail.config.memory, publish.subject.size, publish.headers.size, 0);
    decide(run, &publish, decision);
    buf_deinit(&headers);
}

static void check_batch(struct run *run, const struct decision *decision,
                        const struct model_answer *answer, unsigned count)
{
    if (decision->outcome != answer->outcome)
        rig_die("a batch's outcome %d, not %d (%u %s, %u %s)", decision->outcome, answer->outcome,
                decision->error, decision->error_text, answer->error, answer->text);
    if (decision->outcome == DECIDE_STORE) {
        run->batches++;
        SAME("sequence of a batch", decision->sequence, answer->sequence);
        SAME("count of a batch", decision->count, count);
        return;
    }
    run->batches_refused++;
    SAME("error of a batch", decision->error, answer->error);
    if (answer->looks && !decision->looked)
        rig_die("refusal %u has looked at the stream and does not say so", decision->error);
    if (strcmp(decision->error_text, answer->text) != 0)
        rig_die("'%s', not '%s'", decision->error_text, answer->text);
}

static void publish_batch(struct run *run)
{
    struct model_publish members[MODEL_BATCH_MAX];
    unsigned count = 1 + (unsigned)below(run, MODEL_BATCH_MAX);
    const struct model_config *config = &run->tail.config;
    struct decision decision;
    struct model_answer answer;

    if (config->sealed || config->discard_new || config->max_msg_size > 0)
        return;
    for (unsigned i = 0; i < count; i++) {
        members[i] = random_publish(run);
        if (i > 0 && chance(run, 2, 3)) /* most of a batch checks nothing, or none would pass */
            members[i] = (struct model_publish){.subject = members[i].subject,
                                                .expect_last = -1,
                                                .expect_subject = -1,
                                                .expect_filter = -1,
                                                .expect_id = -1};
        send_member(run, &members[i], i + 1, i + 1 == count, &decision);
        if (i + 1 < count && decision.outcome != DECIDE_STAGED)
            rig_die("a message of a batch is not staged: %u", decision.error);
        if (i + 1 < count && chance(run, 1, 6))
            publish_one(run);
    }
    answer = model_batch(&run->tail, members, count, run->rig->now_ns);
    check_batch(run, &decision, &answer, count);
}

/* ---- operations ----------------------------------------------------------------------------- */

static void random_limits(struct run *run, struct model_config *config)
{
    config->max_msgs = chance(run, 1, 2) ? (int64_t)(1 + below(run, 12)) : 0;
    config->max_bytes = chance(run, 1, 3) ? (int64_t)(50 + below(run, 900)) : 0;
    config->max_per_subject = chance(run, 1, 2) ? (int64_t)(1 + below(run, 3)) : 0;
    config->max_msg_size = chance(run, 1, 6) ? 100 : 0;
    config->window_ns = (int64_t)below(run, 4) * 50 * MS;
    config->discard_new = chance(run, 1, 2);
    config->discard_new_per_subject =
        config->discard_new && config->max_per_subject > 0 && chance(run, 1, 2);
    config->rollups = chance(run, 3, 4);
    config->sealed = chance(run, 1, 40);
}

static void operate(struct run *run, const struct effect *effect)
{
    rig_operation(run->rig, effect);
    propose(run);
    if (chance(run, 1, 2))
        commit(run);
}

static void configure(struct run *run)
{
    struct model_config config = run->tail.config;
    char json[600];
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};
    int size;

    random_limits(run, &config);
    if (!run->tail.configured) {
        config.memory = chance(run, 1, 4);
        config.first_seq = chance(run, 1, 4) ? below(run, 1000) : 0;
    }
    size = snprintf(json, sizeof json,
                    "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_msgs\":%lld,\"max_bytes\":%lld,"
                    "\"max_msgs_per_subject\":%lld,\"max_msg_size\":%d,\"duplicate_window\":%lld,"
                    "\"discard\":\"%s\",\"discard_new_per_subject\":%s,\"allow_rollup_hdrs\":%s,"
                    "\"allow_atomic\":true,\"sealed\":%s,\"storage\":\"%s\",\"first_seq\":%llu}",
                    (long long)config.max_msgs, (long long)config.max_bytes,
                    (long long)config.max_per_subject, config.max_msg_size,
                    (long long)config.window_ns, config.discard_new ? "new" : "old",
                    config.discard_new_per_subject ? "true" : "false",
                    config.rollups ? "true" : "false", config.sealed ? "true" : "false",
                    config.memory ? "memory" : "file", (unsigned long long)config.first_seq);
    effect.config.json = bytes_of(json, (size_t)size);
    model_configure(&run->tail, &config, run->rig->now_ns);
    operate(run, &effect);
}

static void purge(struct run *run)
{
    static const char *const filters[] = {"s.0", "s.1", "s.2", "s.3", "s.4", "s.5"};
    int subject = chance(run, 2, 3) ? (int)below(run, MODEL_SUBJECTS) : -1;
    bool whole = subject < 0 && chance(run, 1, 2);
    struct effect effect = {.type = EFFECT_PURGE, .purge = {.last = run->rig->state.last_seq}};

    model_time(&run->tail, run->rig->now_ns);
    if (subject >= 0)
        effect.purge.filter = bytes_of_text(filters[subject]);
    else if (whole)
        effect.purge.filter = BYTES("s.*");
    if (chance(run, 1, 3))
        effect.purge.keep = below(run, 5);
    else if (chance(run, 1, 3))
        effect.purge.below = below(run, run->tail.last + 4);
    if (whole && effect.purge.below > run->tail.last + 1)
        effect.purge.below = 1; /* a filter does not move the end: the model knows only none */
    if (whole && effect.purge.below == 0 && effect.purge.keep == 0)
        effect.purge.keep = 1;
    model_purge(&run->tail, subject, effect.purge.below, effect.purge.keep);
    operate(run, &effect);
}

static void remove_one(struct run *run)
{
    struct effect effect = {.type = EFFECT_DELETE,
                            .remove = {.sequence = below(run, run->tail.last + 2)}};

    model_time(&run->tail, run->rig->now_ns);
    model_delete(&run->tail, effect.remove.sequence);
    operate(run, &effect);
}

static void expire(struct run *run)
{
    struct effect effect = {
        .type = EFFECT_EXPIRE,
        .expire = {.last = run->rig->state.last_seq,
                   .time_ns = run->tail.log_time_ns - (int64_t)below(run, 40) * MS}};

    model_time(&run->tail, run->rig->now_ns);
    model_expire(&run->tail, effect.expire.time_ns);
    operate(run, &effect);
}

static void operation(struct run *run)
{
    settle(run);
    switch (below(run, 5)) {
    case 0: configure(run); break;
    case 1: expire(run); break;
    case 2: remove_one(run); break;
    default: purge(run); break;
    }
}

/* ---- one history ---------------------------------------------------------------------------- */

static void step(struct run *run)
{
    if (chance(run, 1, 3))
        run->rig->now_ns += (int64_t)below(run, 10) * MS;
    if (chance(run, 1, 200))
        run->rig->now_ns -= (int64_t)below(run, 1000) * MS; /* a clock that is put back */

    switch (below(run, 60)) {
    case 0: operation(run); break;
    case 1: lose(run); break;
    case 2: crash(run); break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: propose(run); break;
    case 9:
    case 10:
    case 11:
    case 12:
    case 13: commit(run); break;
    case 14:
    case 15:
    case 16: publish_batch(run); break;
    default: publish_one(run); break;
    }
}

static void history(uint64_t seed, uint64_t flaws, struct run *sums)
{
    struct run *run = HEAP_NEW(struct run);

    prng_seed(&run->prng, seed);
    run->rig = rig_create(seed, flaws);
    run->rig->gather.limit = 3000;
    remember(run, 0);
    configure(run);
    settle(run);
    for (int i = 0; i < 1500 && run->tail.count < MODEL_MESSAGES_MAX - 2 * MODEL_BATCH_MAX; i++)
        step(run);
    settle(run);
    rig_crash(run->rig, 0);
    compare(&run->rig->state, &run->tail);

    sums->waits += run->waits;
    sums->stored += run->stored;
    sums->refusals += run->refusals;
    sums->duplicates += run->duplicates;
    sums->batches += run->batches;
    sums->batches_refused += run->batches_refused;
    for (uint64_t i = 0; i <= RIG_BATCHES_MAX; i++)
        heap_give(run->at[i]);
    rig_destroy(run->rig);
    heap_give(run);
}

START_TEST(answers_and_states_are_those_of_a_stream_without_pipeline)
{
    static struct run sums;
    const char *seeds = getenv("STREAM_SEEDS");
    const char *first = getenv("STREAM_SEED");
    uint64_t from = first != NULL ? strtoull(first, NULL, 10) : 1;
    uint64_t count = seeds != NULL ? strtoull(seeds, NULL, 10) : 400;

    for (uint64_t seed = from; seed < from + count; seed++) {
        if (first != NULL)
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        history(seed, 0, &sums);
    }
    if (first != NULL)
        return;
    ck_assert_uint_gt(sums.stored, 1000);
    ck_assert_uint_gt(sums.refusals, 1000);
    ck_assert_uint_gt(sums.duplicates, 1000);
    ck_assert_uint_gt(sums.waits, 1000);
    ck_assert_uint_gt(sums.batches, 1000);
    ck_assert_uint_gt(sums.batches_refused, 1000);
}
END_TEST

/* ---- seeded bugs ---------------------------------------------------------------------------- */

static bool found(uint64_t flaw)
{
    static struct run sums;
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        for (uint64_t seed = 1; seed <= 60; seed++)
            history(seed, flaw, &sums);
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

START_TEST(every_seeded_bug_is_found)
{
    static const struct {
        uint64_t flaw;
        const char *name;
    } flaws[] = {
#define ROW(name, text) {STREAM_FLAW_##name, #name},
        STREAM_FLAW_TABLE(ROW)
#undef ROW
    };
    /* Bounds that only matter if a barrier were to let something through: test_stream_state.c has
     * them. */
    const uint64_t elsewhere =
        STREAM_FLAW_PURGE_UNBOUNDED | STREAM_FLAW_EXPIRE_UNBOUNDED | STREAM_FLAW_SCHEDULE_KEPT |
        STREAM_FLAW_SCHEDULE_LATE | STREAM_FLAW_BLOCK_WITHOUT_IDS |
        STREAM_FLAW_BLOCK_WITHOUT_CONSUMERS | STREAM_FLAW_BLOCK_LATE | STREAM_FLAW_MOVED_AT_ONCE |
        STREAM_FLAW_POSITION_LOST | STREAM_FLAW_DROP_LIVING | /* of blocks: sim_server */
        STREAM_FLAW_SETTLING_UNSEEN |                         /* test_retention.c */
        STREAM_FLAW_SETTLED_KEPT | STREAM_FLAW_NEED_OVERLOOKED |
        STREAM_FLAW_RELEASE_FORGOTTEN | /* test_retention_world.c */
        STREAM_FLAW_FILL_WITHOUT_RECORDS | STREAM_FLAW_FILL_LEAVES | STREAM_FLAW_APPLY_DIFFERS |
        STREAM_FLAW_FILL_FORGETS | STREAM_FLAW_SERVES_OTHER | STREAM_FLAW_REPAIR_TRUSTS |
        STREAM_FLAW_REPAIR_LEAVES |    /* sim_cluster */
        STREAM_FLAWS_OF_FEATURES |     /* sim_features */
        STREAM_FLAW_EXPIRY_STUCK |     /* sim_removals */
        STREAM_FLAW_HOME_ASLEEP |      /* of several shards: sim_server */
        STREAM_FLAW_LANE_UNCOUNTED |   /* the same */
        STREAM_FLAW_INDEX_STEP_LOST |  /* of scratch memory, which is not here: sim_server, */
        STREAM_FLAW_INDEX_BEFORE_LOST; /* test_index.c */

    ck_assert(!found(0));
    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        if ((flaws[i].flaw & elsewhere) == 0)
            ck_assert_msg(found(flaws[i].flaw), "%s is not found", flaws[i].name);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        answers_and_states_are_those_of_a_stream_without_pipeline,
        every_seeded_bug_is_found,
    };

    return UNIT_RUN_PLAIN("stream_model", tests);
}
