/*
 * reader: a model client of one consumer: pulls or is pushed to, acknowledges, refuses, forgets;
 * and what must be true of its deliveries. A delivery count never falls; what was confirmed does
 * not come again; nobody is handed a message that another has and may still work on; an ordered
 * reader sees every message, in order, once; who wants new ones gets what was sent after its
 * creation was answered and nothing that was stored before it was asked for; without acks nothing
 * is repeated but the last second before a crash.
 */
#ifndef TESTS_SIM_READER_H
#define TESTS_SIM_READER_H

#include "base/prng.h"
#include "tests/sim/client.h"
#include "tests/sim/oracle.h"

#define READER_PENDING_MAX 512

#define READER_CRASHES_MAX 64

/* NEW is a pull reader that is made in the middle of things; NONE is pushed to, durable, without
 * acks. */
enum reader_kind { READER_PULL, READER_PUSH, READER_ORDERED, READER_NEW, READER_NONE };

struct reader_message {  /* by sequence */
    uint32_t deliveries; /* highest count seen */
    bool confirmed;
    bool skipped;     /* by an ordered reader */
    unsigned crashes; /* that there were when it was delivered last */
    int64_t delivered_ns;
    int64_t refused_ns; /* a nak was sent */
};

struct reader_pending { /* a delivery without an answer */
    uint64_t sequence;
    char reply[160];
};

struct reader {
    enum reader_kind kind;
    int filter; /* a subject, or -1 */
    struct oracle *oracle;
    struct sim_client *client;
    struct prng *prng;
    unsigned created; /* how many ordered consumers there were */
    char name[16];
    bool ready;
    int64_t asked_ns; /* when it was last asked to be made */
    struct reader_message *messages;
    uint64_t message_capacity;
    struct reader_pending pending[READER_PENDING_MAX];
    size_t pending_count;
    unsigned pulls; /* under way */
    int64_t pulled_ns, delivered_ns;
    uint64_t sequence_last, consumer_last; /* ordered, and without acks */
    uint64_t confirmed;
    uint64_t due;         /* new: made when so many messages are stored */
    uint64_t stored_last; /* new: when it was first asked for, */
    uint64_t id_last;     /* and publishes when that was first answered */
    bool asked, known;    /* new: there is such a first time */
    bool positions;       /* without acks: its disk soon has what it is given */
    unsigned crashes;
    int64_t crashed_ns[READER_CRASHES_MAX];
};

void reader_init(struct reader *reader, enum reader_kind kind, int filter, struct oracle *oracle,
                 struct sim_client *client, struct prng *prng);
void reader_deinit(struct reader *reader);
/* The connection is new: consumers that live with it have to be made again. */
void reader_reset(struct reader *reader);
/* The server has died. */
void reader_crashed(struct reader *reader, int64_t now_ns);
/* Is it time to make it? */
bool reader_due(const struct reader *reader);
void reader_set_up(struct reader *reader, int64_t now_ns);
void reader_created(struct reader *reader, bool good);

bool reader_pulls(const struct reader *reader);
void reader_pull(struct reader *reader, int64_t now_ns);
/* Answers what was delivered. `drain`: everything, and waits for the confirmation. */
void reader_settle(struct reader *reader, int64_t now_ns, bool drain);

/* A delivery; `counts` are of its reply subject. */
struct reader_counts {
    unsigned long long delivered, stream, consumer, pending;
};
void reader_delivered(struct reader *reader, int64_t now_ns, const struct reader_counts *counts,
                      const struct client_message *message, bool timely);
void reader_ended_pull(struct reader *reader);
void reader_confirmed(struct reader *reader, uint64_t sequence);

/* At the end: the message is there, and the reader has to have seen it. */
void reader_must_have_seen(struct reader *reader, uint64_t sequence, uint8_t subject);

#endif
