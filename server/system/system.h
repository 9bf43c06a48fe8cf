/*
 * system: what a server says and answers in the system account (reference core.md 5): requests
 * about servers and accounts, events about clients that come and go, statistics now and then.
 * Whoever is in another account may ask about itself and its account.
 *
 * Sinks collect requests, the turn answers them. In a cluster a request that is for all servers
 * goes from the one that its client is connected to to each other once, as a frame, and each
 * answers for itself; one that names another server goes there alone.
 *
 * A frame of kind CLUSTER_SYSTEM, little endian:
 *
 *     0  u16  account_size
 *     2  u16  subject_size
 *     4  u16  reply_size
 *     6  u16  zero
 *     8       account, subject, reply, then the body
 */
#ifndef SERVER_SYSTEM_SYSTEM_H
#define SERVER_SYSTEM_SYSTEM_H

#include "base/table.h"
#include "base/timers.h"
#include "server/clients/client.h"
#include "server/router/message_trace.h"

#define SYSTEM_REQUESTS_MAX     1024u       /* that wait to be answered; more are dropped */
#define SYSTEM_REQUEST_BODY_MAX (64u << 10) /* larger ones are dropped */
#define SYSTEM_CLAIMS_BODY_MAX  (1u << 20)  /* the same, where a token is brought */
#define SYSTEM_WAITING_MAX      (64u << 20) /* bytes of all that wait */

struct server;
struct server_shard;
struct system_request;

struct system {
    struct server *server;
    struct table doors; /* struct system_door, by the name of the account that is served */
    struct system_request *first, *last;
    struct system_request *held; /* they wait for what is not known yet, in their order */
    struct timer held_timer;     /* its only purpose is that the loop turns when that is too long */
    size_t waiting, waiting_bytes;
    struct client_watch watch;
    struct timer stats; /* the next STATSZ */
    int64_t stats_pause_ns;
    struct timer accounts;     /* connections of accounts are told again */
    _Atomic uint64_t sequence; /* of what was said */
    struct tracer tracer;
};

/* After the accounts were made; nothing when there is no system account. */
void system_init(struct system *system, struct server *server);
void system_deinit(struct system *system);
/* From here on clients' messages are traced. After system_init. */
void system_trace(struct system *system);
/* Serves accounts that are not served yet. */
void system_accounts_changed(struct system *system);
/* In a cluster, before it is started. */
void system_join(struct system *system);
/* Answers what was asked. Once per turn, before the clients' output is sent. */
void system_turn(struct system *system);

/* The same for a further shard's clients, whose thread does it. */
void system_trace_shard(struct system *system, struct server_shard *shard);

/* What a service of another account is told of a client that asks, as JSON: all, or only from which
 * account it comes. On the client's shard. False: no room. */
bool system_describe_account(const struct client *client, struct buf *out);
bool system_describe_client(const struct server *server, const struct client *client,
                            struct buf *out);
/* $SYS.SERVER.<id>.SHUTDOWN, .LAMEDUCK */
void system_say_state(struct system *system, const char *state);

#endif
