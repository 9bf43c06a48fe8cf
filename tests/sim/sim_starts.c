/*
 * sim_starts: the life of a whole server with one stream, from its making over publishes, state
 * blocks, compression, an erasure, a purge, records that move, a consumer's acks and a stream that
 * comes and goes. The power goes at each of its disk operations in turn; what the disk kept of what
 * was not synced is drawn per seed. On each such image a server starts: all that was acknowledged
 * is there, byte by byte, what was confirmed to be gone stays so, and it goes on; and once more
 * after the power has gone in the middle of its start.
 *
 *     sim_starts [--seconds N | --images N] [--from S | --seed S [--operation N]] [--flaws]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/server.h"
#include "storage/flaws.h"
#include "tests/sim/client.h"

#define PORT       4222
#define MILLI      INT64_C(1000000)
#define PATIENCE   (20000 * MILLI)
#define FIRST_PART 40u
#define MESSAGES   90u /* of a life without a crash */
#define SIZE       700u
#define IMAGES_CI  100u /* at least, whatever the time */
#define START_OPS  60u  /* the power goes again within so many of a start */

/* Of what a client was told; `asked`: it may have happened. */
enum fate { NEVER, ASKED, SURE };

struct truth {
    enum fate stored[MESSAGES + 10], deleted[MESSAGES + 10];
    enum fate made, purged, other, other_gone;
    unsigned acked; /* sequences up to it are confirmed */
    unsigned acked_asked;
};

struct run {
    uint64_t seed, operation, flaws;
    struct sim *sim;
    size_t node, clients;
    struct server *server;
    struct options options;
    struct logger logger;
    struct sim_client client;
    struct truth truth;
    unsigned serial; /* of the question that is open */
    bool answered;
    char answer[2048];
    char reply[128]; /* of a delivered message */
};

[[gnu::noreturn]] static void fail(const struct run *run, const char *what, uint64_t number)
{
    printf("seed %" PRIu64 ", operation %" PRIu64 ": %s (%" PRIu64 "): %s\n", run->seed,
           run->operation, what, number, run->answer);
    exit(1);
}

/* ---- questions and answers --------------------------------------------------------------------
 */

static void heard(void *context, const struct client_message *message)
{
    struct run *run = context;
    char subject[64] = {0}, wanted[64];
    size_t size = message->payload.size < sizeof run->answer - 1 ? message->payload.size
                                                                 : sizeof run->answer - 1;

    memcpy(subject, message->subject.at, message->subject.size < 63 ? message->subject.size : 63);
    snprintf(wanted, sizeof wanted, "_R.%u", run->serial);
    if (strncmp(subject, "_R.", 3) == 0 && strcmp(subject, wanted) != 0)
        return;
    memcpy(run->answer, message->payload.at, size);
    run->answer[size] = 0;
    if (memmem(message->headers.at, message->headers.size, " 404 ", 5) != NULL)
        snprintf(run->answer, sizeof run->answer, "404");
    snprintf(run->reply, sizeof run->reply, "%.*s", (int)message->reply.size,
             (const char *)message->reply.at);
    run->answered = true;
}

/* False: the power went. */
static bool wait_answer(struct run *run)
{
    int64_t end = sim_now(run->sim) + PATIENCE;

    while (!run->answered) {
        if (sim_crashed(run->sim, run->node))
            return false;
        if (sim_now(run->sim) > end)
            fail(run, "an answer never comes", run->serial);
        sim_run(run->sim, MILLI / 4);
    }
    return true;
}

static bool ask(struct run *run, const char *subject, const char *body)
{
    char reply[64];

    if (sim_crashed(run->sim, run->node))
        return false;
    snprintf(reply, sizeof reply, "_R.%u", ++run->serial);
    run->answered = false;
    run->answer[0] = 0;
    sim_client_publish(&run->client, subject, reply, "", bytes_of_text(body));
    return wait_answer(run);
}

static bool says(const struct run *run, const char *text)
{
    return strstr(run->answer, text) != NULL;
}

static uint64_t number_of(const struct run *run, const char *key)
{
    const char *at = strstr(run->answer, key);

    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* What is refused now was not a moment ago: a stream is found again when it is open. */
static bool ask_until(struct run *run, const char *subject, const char *body, const char *good)
{
    for (int i = 0; i < 400; i++) {
        if (!ask(run, subject, body))
            return false;
        if (says(run, good))
            return true;
        sim_run(run->sim, 25 * MILLI);
    }
    fail(run, subject, 0);
}

/* ---- what is done; false: the power went ------------------------------------------------------
 */

/* The same in every life, and found nowhere by chance. */
static void text_of(unsigned sequence, char text[SIZE + 1])
{
    for (size_t size = 0; size < SIZE;)
        size += (size_t)snprintf(text + size, SIZE + 1 - size, "message %06u of the stream. ",
                                 sequence);
    text[SIZE] = 0;
}

static bool publish(struct run *run, unsigned up_to)
{
    char text[SIZE + 1], subject[32];
    struct truth *truth = &run->truth;

    for (;;) {
        unsigned sequence;

        if (!ask_until(run, "$JS.API.STREAM.INFO.S", "", "\"last_seq\":"))
            return false;
        for (sequence = (unsigned)number_of(run, "\"last_seq\":") + 1; sequence <= up_to;
             sequence++) {
            snprintf(subject, sizeof subject, "s.%u", sequence % 7);
            text_of(sequence, text);
            truth->stored[sequence] = truth->stored[sequence] == SURE ? SURE : ASKED;
            if (!ask(run, subject, text))
                return false;
            if (number_of(run, "\"seq\":") != sequence)
                fail(run, "a publish is not answered by the next sequence", sequence);
            truth->stored[sequence] = SURE;
        }
        return true;
    }
}

static bool make(struct run *run)
{
    run->truth.made = run->truth.made == SURE ? SURE : ASKED;
    if (!ask_until(run, "$JS.API.STREAM.CREATE.S",
                   "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true,"
                   "\"compression\":\"s2\"}",
                   "\"config\""))
        return false;
    run->truth.made = SURE;
    return true;
}

static bool delete (struct run *run, unsigned sequence)
{
    enum fate *fate = &run->truth.deleted[sequence];
    char body[64];

    if (*fate == SURE || run->truth.purged != NEVER)
        return true;
    *fate = ASKED;
    snprintf(body, sizeof body, "{\"seq\":%u}", sequence);
    if (!ask(run, "$JS.API.STREAM.MSG.DELETE.S", body))
        return false;
    if (!says(run, "\"success\":true") && !says(run, "10043")) /* 10043: it is gone already */
        fail(run, "a message is not deleted", sequence);
    *fate = SURE;
    return true;
}

static bool purge(struct run *run)
{
    run->truth.purged = run->truth.purged == SURE ? SURE : ASKED;
    if (!ask_until(run, "$JS.API.STREAM.PURGE.S", "{\"seq\":10}", "\"success\":true"))
        return false;
    run->truth.purged = SURE;
    return true;
}

/* From the eleventh on: the purge has taken those before. */
static bool consume(struct run *run, unsigned count)
{
    struct truth *truth = &run->truth;

    if (!ask_until(run, "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
                   "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"C\","
                   "\"ack_policy\":\"all\",\"ack_wait\":1000000000}}",
                   "\"config\""))
        return false;
    while (count-- > 0) {
        unsigned long long sequence = 0;

        if (!ask(run, "$JS.API.CONSUMER.MSG.NEXT.S.C", ""))
            return false;
        if (sscanf(run->reply, "$JS.ACK.S.C.%*u.%llu.", &sequence) != 1)
            continue; /* a status: what was handed out before the crash waits */
        if (sequence <= truth->acked)
            fail(run, "what was confirmed comes again", sequence);
        truth->acked_asked =
            sequence > truth->acked_asked ? (unsigned)sequence : truth->acked_asked;
        if (!ask(run, run->reply, "+ACK"))
            return false;
        truth->acked = (unsigned)sequence;
    }
    return true;
}

static bool come_and_go(struct run *run)
{
    struct truth *truth = &run->truth;

    if (truth->other_gone != NEVER)
        return true;
    truth->other = truth->other == SURE ? SURE : ASKED;
    if (!ask_until(run, "$JS.API.STREAM.CREATE.X", "{\"name\":\"X\",\"subjects\":[\"x\"]}",
                   "\"config\""))
        return false;
    truth->other = SURE;
    if (!ask_until(run, "x", "one", "\"seq\":"))
        return false;
    truth->other_gone = ASKED;
    if (!ask(run, "$JS.API.STREAM.DELETE.X", ""))
        return false;
    truth->other_gone = SURE;
    return true;
}

static bool rest(struct run *run, int64_t ms)
{
    sim_run(run->sim, ms * MILLI);
    return !sim_crashed(run->sim, run->node);
}

static bool live(struct run *run)
{
    if (!make(run) || !publish(run, FIRST_PART) || !rest(run, 300))
        return false;
    if (!delete (run, 5) || !delete (run, 17) || !purge(run) || !come_and_go(run))
        return false;
    if (!publish(run, 60) || !consume(run, 4))
        return false;
    for (unsigned sequence = 22; sequence < FIRST_PART; sequence += 2)
        if (!delete (run, sequence))
            return false;
    return publish(run, MESSAGES) && rest(run, 500);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

static void look_at(struct run *run, unsigned sequence)
{
    const struct truth *truth = &run->truth;
    bool below = sequence < 10;
    bool gone = truth->deleted[sequence] == SURE || (below && truth->purged == SURE);
    bool may_be_gone = gone || truth->deleted[sequence] == ASKED ||
                       (below && truth->purged == ASKED) || truth->stored[sequence] != SURE;
    char body[64], text[SIZE + 1];

    snprintf(body, sizeof body, "{\"seq\":%u}", sequence);
    if (!ask(run, "$JS.API.DIRECT.GET.S", body))
        fail(run, "the power went by itself", 0);
    text_of(sequence, text);
    if (says(run, "404")) {
        if (!may_be_gone)
            fail(run, "an acknowledged message is not there", sequence);
    } else if (strcmp(run->answer, text) != 0) {
        fail(run, "a message has other bytes", sequence);
    } else if (gone || truth->stored[sequence] == NEVER) {
        fail(run, "a message is there that is gone, or never was", sequence);
    }
}

static void look_at_stream(struct run *run)
{
    unsigned last;

    if (!ask_until(run, "$JS.API.STREAM.INFO.S", "", "\"last_seq\":"))
        fail(run, "the power went by itself", 0);
    last = (unsigned)number_of(run, "\"last_seq\":");
    if (last >= MESSAGES + 10)
        fail(run, "the stream has too many messages", last);
    for (unsigned sequence = 1; sequence < MESSAGES + 10; sequence++)
        look_at(run, sequence);
    if (run->truth.acked == 0)
        return;
    if (!ask_until(run, "$JS.API.CONSUMER.INFO.S.C", "", "\"ack_floor\""))
        fail(run, "the power went by itself", 0);
    last = (unsigned)strtoull(strstr(strstr(run->answer, "\"ack_floor\""), "\"stream_seq\":") + 13,
                              NULL, 10);
    if (last < run->truth.acked || last > run->truth.acked_asked)
        fail(run, "the consumer stands elsewhere", last);
}

static void look(struct run *run)
{
    const struct truth *truth = &run->truth;

    if (truth->made == SURE)
        look_at_stream(run);
    if (!ask_until(run, "$JS.API.STREAM.NAMES", "", "\"total\""))
        fail(run, "the power went by itself", 0);
    if (says(run, "\"X\"") && truth->other_gone == SURE)
        fail(run, "a stream that was deleted is there", 0);
    if (!says(run, "\"X\"") && truth->other == SURE && truth->other_gone == NEVER)
        fail(run, "a stream is gone", 0);
}

/* ---- the server's life ------------------------------------------------------------------------
 */

static void log_line(void *context, struct bytes line)
{
    (void)context, (void)line;
}

static int64_t log_now(void *context)
{
    return sim_now(((struct run *)context)->sim);
}

static void bury(struct run *run)
{
    if (run->server != NULL)
        server_destroy(run->server);
    run->server = NULL;
}

/* False: the power went. */
static bool start(struct run *run)
{
    enum err err =
        server_start(sim_node_io(run->sim, run->node), &run->options, &run->logger, &run->server);

    if (err != OK)
        run->server = NULL; /* it has freed itself */
    if (sim_crashed(run->sim, run->node))
        return false;
    if (err != OK)
        fail(run, "the server does not start", 0);
    for (int i = 0; i < 1000 && run->client.sock != NULL; i++)
        sim_run(run->sim, MILLI);
    sim_client_connect(&run->client, run->node, PORT, "_R.>");
    for (int i = 0; i < 1000 && !sim_client_connected(&run->client); i++)
        sim_run(run->sim, MILLI);
    return !sim_crashed(run->sim, run->node);
}

static void power(struct run *run)
{
    sim_crash_after(run->sim, run->node, SIM_CRASH_POWER, 0);
    if (!sim_crashed(run->sim, run->node))
        sim_crash(run->sim, run->node, SIM_CRASH_POWER);
    bury(run);
    sim_client_drop(&run->client);
    sim_restart(run->sim, run->node);
}

static void begin(struct run *run, uint64_t seed, uint64_t operation, uint64_t flaws)
{
    *run = (struct run){.seed = seed, .operation = operation, .flaws = flaws};
    run->sim = sim_create(seed);
    run->node = sim_node_add(run->sim);
    run->clients = sim_node_add(run->sim);
    options_default(&run->options);
    snprintf(run->options.host, sizeof run->options.host, "127.0.0.1");
    run->options.port = PORT;
    run->options.jetstream = true;
    run->options.sim.segment_size = 32 << 10;
    run->options.sim.block_bytes = 8 << 10;
    run->options.sim.space_look_ns = 100 * MILLI;
    run->options.sim.store_flaws = flaws;
    logger_init(&run->logger);
    run->logger.line = log_line;
    run->logger.now = log_now;
    run->logger.context = run;
    run->logger.pid = 1;
    sim_client_init(&run->client, run->sim, sim_node_io(run->sim, run->clients), heard, run);
}

static void end(struct run *run)
{
    bury(run);
    sim_destroy(run->sim);
    sim_client_deinit(&run->client);
}

static uint64_t count_operations(uint64_t seed)
{
    static struct run run;
    uint64_t count;

    begin(&run, seed, 0, 0);
    if (!start(&run) || !live(&run))
        fail(&run, "the power went by itself", 0);
    look(&run);
    count = sim_disk_ops(run.sim, run.node);
    end(&run);
    return count;
}

static void try_image(uint64_t seed, uint64_t operation, uint64_t flaws)
{
    static struct run run;

    begin(&run, seed, operation, flaws);
    sim_crash_after(run.sim, run.node, SIM_CRASH_POWER, operation);
    if (start(&run))
        (void)live(&run);
    power(&run);
    sim_crash_after(run.sim, run.node, SIM_CRASH_POWER, 1 + operation * 7 % START_OPS);
    (void)start(&run);
    power(&run);
    if (!start(&run))
        fail(&run, "the power went by itself", 0);
    look(&run);
    if (!live(&run))
        fail(&run, "it does not go on", 0);
    look(&run);
    power(&run);
    if (!start(&run))
        fail(&run, "the power went by itself", 0);
    look(&run);
    end(&run);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t try_many(uint64_t seed, uint64_t seeds, uint64_t images, double seconds,
                         uint64_t flaws)
{
    double begun = seconds_now();
    uint64_t tried = 0;

    for (uint64_t s = seed; s - seed < seeds; s++) {
        uint64_t count = count_operations(s);

        for (uint64_t operation = 1; operation <= count; operation++) {
            if (tried == images || (tried >= IMAGES_CI && seconds_now() - begun > seconds))
                return tried;
            try_image(s, operation, flaws);
            tried++;
        }
    }
    return tried;
}

/* Those that some image must show; sim_log has them all. */
static int try_flaws(double seconds)
{
    static const struct {
        const char *name;
        uint64_t flaw;
    } flaws[] = {{"SKIP_REDO", FLAW_SKIP_REDO},
                 {"FORGET_DIRECTORY_SYNC", FLAW_FORGET_DIRECTORY_SYNC}};
    int missed = 0;

    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        int status = 0;
        pid_t pid;

        printf("%-24s ", flaws[i].name);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            (void)try_many(1, UINT64_MAX - 1, UINT64_MAX, seconds, flaws[i].flaw);
            exit(0);
        }
        if (waitpid(pid, &status, 0) == pid && status == 0) {
            printf("not found\n");
            missed++;
        }
    }
    return missed > 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = UINT64_MAX - 1, images = UINT64_MAX, operation = 0;
    double seconds = 1e9;
    bool flaws = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";

        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(value);
        else if (strcmp(argv[i], "--images") == 0)
            images = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10), seeds = 1;
        else if (strcmp(argv[i], "--operation") == 0)
            operation = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--flaws") == 0)
            flaws = true;
    }
    if (flaws)
        return try_flaws(seconds);
    if (operation != 0)
        try_image(seed, operation, 0);
    else
        printf("sim_starts: %" PRIu64 " images passed, 0 failed\n",
               try_many(seed, seeds, images, seconds, 0));
    return 0;
}
