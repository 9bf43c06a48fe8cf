/*
 * load: what every mode of the load generator stands on.
 *
 * A load owns its clients (connections) and one epoll loop. A mode is a function that sets the
 * scene (streams, subscriptions, messages to read), then runs the measured phase between
 * phase_begin and phase_end. All waiting goes through load_turn, which ends the program with a
 * message when the deadline has passed, and so does every answer that makes the measurement
 * worthless (a refused API request, a closed connection). A wrong count or a message out of order
 * is counted as an error instead, so that the result says how many there were.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/conn.h"
#include "bench/hist.h"
#include "bench/names.h"
#include "bench/wire.h"

struct load;
struct client;

typedef void client_message_fn(struct client *, const struct frame *);

/* One connection. `context` belongs to the mode. */
struct client {
    struct conn conn;
    struct load *load;
    client_message_fn *message;
    void *context;
    uint64_t pongs;
    uint32_t index;
};

#define SERVERS_MAX 9u

struct options {
    const char *address;
    unsigned port;
    pid_t servers[SERVERS_MAX]; /* whose CPU and memory are watched, in all */
    uint32_t server_count;
    uint64_t replicas; /* of a stream */
    uint64_t messages; /* 0: the mode's own, which may mean "until the time is up" */
    double seconds;    /* of the measured phase, where a mode is bounded by time */
    double deadline;   /* of everything, in seconds */
    uint64_t window;   /* 0: the mode's own */
    uint64_t size;     /* of a payload */
    uint64_t batch;    /* of a pull request */
    uint64_t requests; /* pull requests outstanding */
    uint64_t connections;
    uint64_t subscriptions;
    uint64_t keys;
    char **command; /* of the server to start; start mode only */
};

/* What is printed. Clocks hold their start until phase_end turns them into durations. */
struct result {
    uint64_t messages;
    uint64_t errors;
    uint64_t items; /* connections or subscriptions that `item_bytes` is shared by */
    double item_bytes;
    uint64_t time_ns;
    uint64_t load_cpu_ns;
    uint64_t server_cpu_ns;
    uint64_t machine_cpu_ns;
    uint64_t rss_anon;
    uint64_t rss;
    struct hist latency;
};

struct load {
    struct options options;
    struct result result;
    struct client *clients;
    uint32_t client_count;
    uint32_t client_capacity;
    int epoll;
    uint64_t now; /* just after the last wait or read */
    uint64_t deadline;
    uint64_t phase_end; /* when a mode bounded by time stops sending */
    bool restless;      /* the mode has more to send: wait only for room to send it */
    bool api_answered;
    struct span api_answer; /* in api_memory */
    char api_memory[PAYLOAD_SIZE_MAX];
    char payload[PAYLOAD_SIZE_MAX]; /* options.size bytes that modes send */
};

struct mode {
    const char *name;
    void (*run)(struct load *, const struct mode *);
    uint64_t window; /* messages in flight, unless the options say otherwise */
    uint32_t fan;    /* subscribers, for the modes that have them */
};

/* Ends the program. */
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void die(const char *format, ...);
/* Counts an error; prints the first few. */
[[gnu::format(printf, 2, 3)]] void load_error(struct load *, const char *format, ...);

/* Sends what is pending, waits for the network, handles what came. Updates `now`. */
void load_turn(struct load *);

/* The anonymous memory of all watched servers. */
uint64_t load_rss_anon(const struct load *);

/* The phase lasts from the clocks' start to their stop; phase_end of the options' seconds away. */
void phase_begin(struct load *);
void phase_end(struct load *);

/* A new connection, greeted and answered. At most the number given to load_clients. */
void load_clients(struct load *, uint32_t capacity);
struct client *client_open(struct load *, client_message_fn *, void *context);

/* For clients that must get no message: each is an error. */
void client_no_message(struct client *, const struct frame *);

/* Writers. They end the program when the buffer is full; modes that write in bulk use
 * client_room first. */
void client_subscribe(struct client *, const char *subject, uint64_t sid);
void client_unsubscribe(struct client *, uint64_t sid);
void client_publish(struct client *, struct span subject, struct span reply, struct span payload);
bool client_room(struct client *, size_t size);

/* Waits until the server has handled everything sent on this connection before. */
void client_barrier(struct client *);

/* One JetStream API request; needs the subscription of client_inbox. The answer is good until the
 * next request. An error answer ends the program. */
void client_inbox(struct client *);
struct span client_request(struct client *, const char *subject, const char *body);

/* Creates the benchmark's stream with file storage. `extra` is more JSON of the config, or "". */
void stream_create(struct client *, const char *subjects, const char *extra);
uint64_t stream_messages(struct client *);

/* Fills the stream by windowed publishes: `count` messages, subject the prefix and, with `keyed`,
 * the message's number. Every ack is checked. Not part of the phase. */
void stream_fill(struct client *, const char *prefix, bool keyed, uint64_t count);

/* Modes. */
void run_pub(struct load *, const struct mode *);
void run_fan(struct load *, const struct mode *);
void run_reqrep(struct load *, const struct mode *);
void run_jspub(struct load *, const struct mode *);
void run_dget(struct load *, const struct mode *);
void run_replay(struct load *, const struct mode *);
void run_pull(struct load *, const struct mode *);
void run_idle(struct load *, const struct mode *);
void run_subs(struct load *, const struct mode *);
void run_start(struct load *, const struct mode *);

#endif
