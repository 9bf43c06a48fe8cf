#include "tests/sim/life.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT       4222
#define MILLI      INT64_C(1000000)
#define PATIENCE   (20000 * MILLI)
#define FIRST_PART 40u

void life_fail(const struct life *life, const char *what, uint64_t number)
{
    printf("seed %" PRIu64 ", operation %" PRIu64 ": %s (%" PRIu64 "): %s\n", life->seed,
           life->operation, what, number, life->answer);
    exit(1);
}

/* ---- questions and answers ------------------------------------------------------------------ */

static void heard(void *context, const struct client_message *message)
{
    struct life *life = context;
    char subject[64] = {0}, wanted[64];
    size_t size = message->payload.size < sizeof life->answer - 1 ? message->payload.size
                                                                  : sizeof life->answer - 1;

    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    snprintf(wanted, sizeof wanted, "_R.%u", life->serial);
    if (strncmp(subject, "_R.", 3) == 0 && strcmp(subject, wanted) != 0)
        return;
    memcpy(life->answer, message->payload.at, size);
    life->answer[size] = 0;
    if (memmem(message->headers.at, message->headers.size, " 404 ", 5) != NULL)
        snprintf(life->answer, sizeof life->answer, "404");
    snprintf(life->headers, sizeof life->headers, "%.*s", (int)message->headers.size,
             (const char *)message->headers.at);
    snprintf(life->reply, sizeof life->reply, "%.*s", (int)message->reply.size,
             (const char *)message->reply.at);
    life->answered = true;
}

/* False: the power went. */
static bool wait_answer(struct life *life)
{
    int64_t end = sim_now(life->sim) + PATIENCE;

    while (!life->answered) {
        if (sim_crashed(life->sim, life->node))
            return false;
        if (sim_now(life->sim) > end)
            life_fail(life, "an answer never comes", life->serial);
        sim_run(life->sim, MILLI / 4);
    }
    return true;
}

bool life_send(struct life *life, const char *subject, struct bytes body)
{
    char reply[64];

    if (sim_crashed(life->sim, life->node))
        return false;
    snprintf(reply, sizeof reply, "_R.%u", ++life->serial);
    life->answered = false;
    life->answer[0] = 0;
    life->headers[0] = 0;
    sim_client_publish(&life->client, subject, reply, "", body);
    return wait_answer(life);
}

bool life_ask(struct life *life, const char *subject, const char *body)
{
    return life_send(life, subject, bytes_of_text(body));
}

bool life_says(const struct life *life, const char *text)
{
    return strstr(life->answer, text) != NULL;
}

uint64_t life_number(const struct life *life, const char *key)
{
    const char *at = strstr(life->answer, key);

    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* What is refused now was not a moment ago: a stream is found again when it is open. */
static bool ask_until(struct life *life, const char *subject, const char *body, const char *good)
{
    for (int i = 0; i < 400; i++) {
        if (!life_ask(life, subject, body))
            return false;
        if (life_says(life, good))
            return true;
        sim_run(life->sim, 25 * MILLI);
    }
    life_fail(life, subject, 0);
}

/* ---- what is done; false: the power went ---------------------------------------------------- */

/* The same in every life, and found nowhere by chance. */
void life_text(unsigned sequence, char text[LIFE_SIZE + 1])
{
    for (size_t size = 0; size < LIFE_SIZE;)
        size += (size_t)snprintf(text + size, LIFE_SIZE + 1 - size, "message %06u of the stream. ",
                                 sequence);
    text[LIFE_SIZE] = 0;
}

static bool publish(struct life *life, unsigned up_to)
{
    char text[LIFE_SIZE + 1], subject[32];
    struct truth *truth = &life->truth;

    for (;;) {
        unsigned sequence;

        if (!ask_until(life, "$JS.API.STREAM.INFO.S", "", "\"last_seq\":"))
            return false;
        for (sequence = (unsigned)life_number(life, "\"last_seq\":") + 1; sequence <= up_to;
             sequence++) {
            snprintf(subject, sizeof subject, "s.%u", sequence % 7);
            life_text(sequence, text);
            truth->stored[sequence] = truth->stored[sequence] == SURE ? SURE : ASKED;
            if (!life_ask(life, subject, text))
                return false;
            if (life_number(life, "\"seq\":") != sequence)
                life_fail(life, "a publish is not answered by the next sequence", sequence);
            truth->stored[sequence] = SURE;
        }
        return true;
    }
}

static bool make(struct life *life)
{
    life->truth.made = life->truth.made == SURE ? SURE : ASKED;
    if (!ask_until(life, "$JS.API.STREAM.CREATE.S",
                   "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true,"
                   "\"compression\":\"s2\"}",
                   "\"config\""))
        return false;
    life->truth.made = SURE;
    return true;
}

static bool delete (struct life *life, unsigned sequence)
{
    enum fate *fate = &life->truth.deleted[sequence];
    char body[64];

    if (*fate == SURE || life->truth.purged != NEVER)
        return true;
    *fate = ASKED;
    snprintf(body, sizeof body, "{\"seq\":%u}", sequence);
    if (!life_ask(life, "$JS.API.STREAM.MSG.DELETE.S", body))
        return false;
    if (!life_says(life, "\"success\":true") &&
        !life_says(life, "10043")) /* 10043: it is gone already */
        life_fail(life, "a message is not deleted", sequence);
    *fate = SURE;
    return true;
}

static bool purge(struct life *life)
{
    life->truth.purged = life->truth.purged == SURE ? SURE : ASKED;
    if (!ask_until(life, "$JS.API.STREAM.PURGE.S", "{\"seq\":10}", "\"success\":true"))
        return false;
    life->truth.purged = SURE;
    return true;
}

/* From the eleventh on: the purge has taken those before. */
static bool consume(struct life *life, unsigned count)
{
    struct truth *truth = &life->truth;

    if (!ask_until(life, "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
                   "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\","
                   "\"ack_policy\":\"all\",\"ack_wait\":1000000000}}",
                   "\"config\""))
        return false;
    while (count-- > 0) {
        unsigned long long sequence = 0;

        if (!life_ask(life, "$JS.API.CONSUMER.MSG.NEXT.S.C", ""))
            return false;
        if (sscanf(life->reply, "$JS.ACK.S.C.%*u.%llu.", &sequence) != 1)
            continue; /* a status: what was handed out before the crash waits */
        if (sequence <= truth->acked)
            life_fail(life, "what was confirmed comes again", sequence);
        truth->acked_asked =
            sequence > truth->acked_asked ? (unsigned)sequence : truth->acked_asked;
        if (!life_ask(life, life->reply, "+ACK"))
            return false;
        truth->acked = (unsigned)sequence;
    }
    return true;
}

static bool come_and_go(struct life *life)
{
    struct truth *truth = &life->truth;

    if (truth->other_gone != NEVER)
        return true;
    truth->other = truth->other == SURE ? SURE : ASKED;
    if (!ask_until(life, "$JS.API.STREAM.CREATE.X", "{\"name\":\"X\",\"subjects\":[\"x\"]}",
                   "\"config\""))
        return false;
    truth->other = SURE;
    if (!ask_until(life, "x", "one", "\"seq\":"))
        return false;
    truth->other_gone = ASKED;
    if (!life_ask(life, "$JS.API.STREAM.DELETE.X", ""))
        return false;
    truth->other_gone = SURE;
    return true;
}

static bool rest(struct life *life, int64_t ms)
{
    sim_run(life->sim, ms * MILLI);
    return !sim_crashed(life->sim, life->node);
}

bool life_live(struct life *life)
{
    if (!make(life) || !publish(life, FIRST_PART) || !rest(life, 300))
        return false;
    if (!delete (life, 5) || !delete (life, 17) || !purge(life) || !come_and_go(life))
        return false;
    if (life->restores && !life_restore(life))
        return false;
    if (!publish(life, 60) || !consume(life, 4))
        return false;
    for (unsigned sequence = 22; sequence < FIRST_PART; sequence += 2)
        if (!delete (life, sequence))
            return false;
    return publish(life, LIFE_MESSAGES) && rest(life, 500);
}

/* ---- looking -------------------------------------------------------------------------------- */

static void look_at(struct life *life, unsigned sequence)
{
    const struct truth *truth = &life->truth;
    bool below = sequence < 10;
    bool gone = truth->deleted[sequence] == SURE || (below && truth->purged == SURE);
    bool may_be_gone = gone || truth->deleted[sequence] == ASKED ||
                       (below && truth->purged == ASKED) || truth->stored[sequence] != SURE;
    char body[64], text[LIFE_SIZE + 1];

    snprintf(body, sizeof body, "{\"seq\":%u}", sequence);
    if (!life_ask(life, "$JS.API.DIRECT.GET.S", body))
        life_fail(life, "the power went by itself", 0);
    life_text(sequence, text);
    if (life_says(life, "404")) {
        if (!may_be_gone)
            life_fail(life, "an acknowledged message is not there", sequence);
    } else if (strcmp(life->answer, text) != 0) {
        life_fail(life, "a message has other bytes", sequence);
    } else if (gone || truth->stored[sequence] == NEVER) {
        life_fail(life, "a message is there that is gone, or never was", sequence);
    }
}

static void look_at_stream(struct life *life)
{
    unsigned last;

    if (!ask_until(life, "$JS.API.STREAM.INFO.S", "", "\"last_seq\":"))
        life_fail(life, "the power went by itself", 0);
    last = (unsigned)life_number(life, "\"last_seq\":");
    if (last >= LIFE_MESSAGES + 10)
        life_fail(life, "the stream has too many messages", last);
    for (unsigned sequence = 1; sequence < LIFE_MESSAGES + 10; sequence++)
        look_at(life, sequence);
    if (life->truth.acked == 0)
        return;
    if (!ask_until(life, "$JS.API.CONSUMER.INFO.S.C", "", "\"ack_floor\""))
        life_fail(life, "the power went by itself", 0);
    last = (unsigned)strtoull(strstr(strstr(life->answer, "\"ack_floor\""), "\"stream_seq\":") + 13,
                              NULL, 10);
    if (last < life->truth.acked || last > life->truth.acked_asked)
        life_fail(life, "the consumer stands elsewhere", last);
}

void life_look(struct life *life)
{
    const struct truth *truth = &life->truth;

    if (truth->made == SURE)
        look_at_stream(life);
    if (!ask_until(life, "$JS.API.STREAM.NAMES", "", "\"total\""))
        life_fail(life, "the power went by itself", 0);
    if (life_says(life, "\"X\"") && truth->other_gone == SURE)
        life_fail(life, "a stream that was deleted is there", 0);
    if (!life_says(life, "\"X\"") && truth->other == SURE && truth->other_gone == NEVER)
        life_fail(life, "a stream is gone", 0);
    life_look_at_restored(life);
}

/* ---- the server's life ---------------------------------------------------------------------- */

static void log_line(void *context, struct bytes line)
{
    struct life *life = context;

    if (memmem(line.at, line.size, "[ERR]", 5) != NULL ||
        memmem(line.at, line.size, "[WRN]", 5) != NULL ||
        memmem(line.at, line.size, "[FTL]", 5) != NULL)
        life->complaints++;
    if (life->story)
        printf("%.*s", BYTES_ARG(line));
}

static int64_t log_now(void *context)
{
    return sim_now(((struct life *)context)->sim);
}

void life_bury(struct life *life)
{
    if (life->server != NULL)
        server_destroy(life->server);
    life->server = NULL;
}

/* False: the power went. */
bool life_start(struct life *life)
{
    enum err err = sim_shards_start(&life->shards, sim_node_io(life->sim, life->node),
                                    &life->options, &life->logger, &life->server);

    if (err != OK)
        life->server = NULL; /* it has freed itself */
    if (sim_crashed(life->sim, life->node))
        return false;
    if (err != OK && life->may_refuse)
        return false;
    if (err != OK)
        life_fail(life, "the server does not start", 0);
    for (int i = 0; i < 1000 && life->client.sock != NULL; i++)
        sim_run(life->sim, MILLI);
    sim_client_connect(&life->client, life->node, PORT, "_R.>");
    for (int i = 0; i < 1000 && !sim_client_connected(&life->client); i++)
        sim_run(life->sim, MILLI);
    return !sim_crashed(life->sim, life->node);
}

void life_power(struct life *life)
{
    sim_crash_after(life->sim, life->node, SIM_CRASH_POWER, 0);
    if (!sim_crashed(life->sim, life->node))
        sim_crash(life->sim, life->node, SIM_CRASH_POWER);
    life_bury(life);
    sim_client_drop(&life->client);
    sim_restart(life->sim, life->node);
}

void life_begin(struct life *life, uint64_t seed, uint64_t operation, uint64_t flaws)
{
    *life = (struct life){.seed = seed, .operation = operation, .flaws = flaws};
    life->sim = sim_create(seed);
    life->node = sim_node_add(life->sim);
    life->clients = sim_node_add(life->sim);
    life->shards.count = 1;
    options_default(&life->options);
    snprintf(life->options.host, sizeof life->options.host, "127.0.0.1");
    life->options.port = PORT;
    life->options.jetstream = true;
    life->options.sim.segment_size = 32 << 10;
    life->options.sim.block_bytes = 8 << 10;
    life->options.sim.space_look_ns = 100 * MILLI;
    life->options.sim.store_flaws = flaws;
    if (seed % 3 != 0) { /* what has a state block is opened over several turns */
        life->options.sim.late_heavy = 1;
        life->options.sim.late_work = seed % 3 == 1 ? 1 : 16 << 10;
    }
    if (seed % 4 >= 2) /* so is what stands above it */
        life->options.sim.late_at_once = seed % 4 == 2 ? 1 : 4 << 10;
    if (seed % 2 == 0) /* far away, but publishes wait after a start until it is known how far */
        life->options.jetstream_options.store_max = INT64_C(1) << 40;
    logger_init(&life->logger);
    life->logger.line = log_line;
    life->logger.now = log_now;
    life->logger.context = life;
    life->logger.pid = 1;
    sim_client_init(&life->client, life->sim, sim_node_io(life->sim, life->clients), heard, life);
}

void life_shard(struct life *life, unsigned shards)
{
    sim_shards_init(&life->shards, life->sim, life->node, shards, false);
}

void life_end(struct life *life)
{
    life_bury(life);
    sim_destroy(life->sim);
    sim_client_deinit(&life->client);
}
