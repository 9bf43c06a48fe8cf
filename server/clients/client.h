/*
 * client: the core of one client connection: bytes in, bytes out, no socket and no clock. Its shell
 * (server/clients/connection.h) feeds it what arrives, sends what it writes and closes when it says
 * so.
 *
 * Input is parsed in place. Only the frame that a receive cuts off is copied to `in`, and only that
 * frame: `in` is empty whenever what came last ended with a whole frame.
 *
 * Output gathers in `out` while the shell sends what it took before; both together are bounded by
 * max_pending, and a client that lets them grow beyond is closed as a slow consumer. The memory of
 * buffers comes from and returns to the shard's spares, so idle clients hold none and busy ones
 * allocate nothing.
 *
 * States only go down this list:
 *
 *     OPEN     bytes are taken and messages delivered
 *     ENDING   what is in `out` is sent, then the connection closed; no more bytes are taken
 *     DOOMED   to be closed without sending
 *
 * A client can be doomed while the router walks subscriptions, so leaving OPEN is two steps: the
 * state changes at once, the subscriptions leave the router when the shell comes by (client_leave).
 */
#ifndef SERVER_CLIENTS_CLIENT_H
#define SERVER_CLIENTS_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/logger.h"
#include "base/prng.h"
#include "server/auth/auth.h"
#include "server/clients/client_subs.h"
#include "server/info.h"
#include "server/options.h"
#include "server/router/account.h"
#include "server/router/router.h"

/* What waits for one client before those that can wait do so. More is no faster: it outgrows the
 * caches and the buffers that are kept. */
#define CLIENTS_MUCH_MAX       (3u << 20)
#define CLIENTS_WIDEN_MIN      (64u << 10)
#define CLIENTS_SPARES_MAX     64u
#define CLIENTS_SPARE_SIZE_MAX (4u << 20) /* of one buffer that is kept */
#define CLIENTS_SPARE_SUM_MAX  (8u << 20) /* of all */

#define CLIENT_LEAVE_PART 1024u /* subscriptions that leave at once: about half a millisecond */
#define CLIENT_CHECK_PART 1024u /* that are looked at anew at once */

/* Who has published so often to what a server has itself (streams, acks, the API), and not much
 * more often to others, is one of those who are best on the shard of that; what goes to another
 * shard counts against it. Up to the third number: who uses streams of two shards alike goes to
 * and fro once in thousands of messages. */
#define CLIENT_STREAMS       16u
#define CLIENT_STREAMS_SHARE 16u /* one of so many that it publishes */
#define CLIENT_STREAMS_MOST  64u

enum client_state { CLIENT_OPEN, CLIENT_ENDING, CLIENT_DOOMED };

struct client;

struct client_proof;
struct grants;

/* How a client calls itself in CONNECT: the texts stand one behind the other. */
struct client_names {
    uint32_t name, lang, version; /* sizes */
    uint8_t text[];
};

struct clients_stats {
    uint64_t in_messages, in_bytes;
    uint64_t out_messages, out_bytes;
    uint64_t slow_consumers; /* closed for it */
    uint64_t stale;          /* closed for unanswered pings */
    uint64_t stalls;         /* times that a producer was held back */
};

struct client_row;
struct info_door;

/* What cookies say where a CONNECT says nothing; any may be empty. */
struct client_cookies {
    struct bytes user, password, token, jwt;
};

/* Whoever is told of clients that come and go. Not from inside a publish: it may publish. */
struct client_watch {
    void *owner;
    void (*named)(void *owner, const struct client_row *row); /* its CONNECT was taken */
    void (*ended)(void *owner, const struct client_row *row);
};

/* What the clients of a shard share. */
struct clients {
    const struct options *options;
    const struct info *info;
    struct logger *logger;
    struct router *router;
    struct account *account; /* of whoever is not told another */
    const struct auth *auth; /* NULL: everybody may do everything */
    struct arena arena;      /* of one CONNECT */
    int64_t now_ns;          /* of the turn */
    int64_t wall_ahead_ns;   /* of the clock that people read, of that which only counts */
    /* "$JS.DOMAIN.API.", another way to say "$JS.API."; empty: none */
    char domain_api[DOMAIN_SIZE_MAX + sizeof "$JS..API."];
    struct prng prng;
    struct clients_stats stats;
    const struct client_watch *watch; /* NULL: nobody */
    size_t pending_most;              /* max_pending */
    size_t pending_stall;             /* above it the producer waits */
    size_t pending_much;              /* above it the shard is congested */
    bool congested;
    bool links_behind;  /* the same, set by receivers that are no clients of this shard */
    bool behind;        /* set when a receiver of what was published elsewhere is far behind */
    uint64_t caught_up; /* rises when a client that was `awaited` has little waiting again */
    bool trace;
    /* What other shards have sent by now is delivered; NULL: there are none. See
     * clients_catch_up(). */
    void (*catch_up)(void *owner);
    void *catch_up_owner;
    uint64_t id_last;
    _Atomic uint64_t *ids; /* counted by several shards; NULL: id_last is */
    struct client *dirty;  /* have something for their shell to do */
    struct client_subs_pool sub_pool;
    struct client_sub **retiring; /* had their last delivery */
    uint32_t retiring_count;
    uint32_t retiring_capacity;
    struct buf spares[CLIENTS_SPARES_MAX];
    size_t spares_count;
    size_t spares_size;
};

struct client {
    struct clients *clients;
    struct account *account;
    const struct auth_user *user;          /* NULL: nobody in particular */
    const struct permissions *permissions; /* NULL: it may do everything */
    struct grants *grants;                 /* what it may answer; NULL: that is no matter */
    struct client_proof *proof;            /* of its password, under way; NULL: none */
    struct buf late;                       /* what arrived meanwhile */
    const struct bytes
        *certificate_names; /* of its certificate, when they say who it is; NULL: they do not */
    size_t certificate_names_count;
    struct bytes subject; /* of the same */
    uint64_t id;
    uint32_t type;                        /* CONNECTION_STANDARD or CONNECTION_WEBSOCKET */
    const struct info_door *door;         /* the port it came by; NULL: that for clients */
    const struct client_cookies *cookies; /* NULL: it has none */
    char *address;                        /* owned, without port */
    char *label;                          /* owned: how the log calls it */
    char nonce[AUTH_NONCE_TEXT_SIZE];     /* for it to sign; empty: none */
    struct traffic received;              /* from it */
    struct traffic sent;
    uint64_t stalls;
    uint64_t stream_uses; /* that it has published to sinks so often */
    int64_t expires_ns;   /* then it is nobody any more; 0: never */
    int64_t payload_max;
    int64_t subs_max; /* 0: no limit */
    uint16_t port;
    uint8_t state;
    bool
        deaf; /* no message is for it: it is not open, or what it subscribed to is on its way out */
    uint8_t pings_out;
    uint8_t stream_votes; /* for that shard, at most CLIENT_STREAMS_MOST */
    uint8_t stream_shard; /* which had most of what it published to sinks lately */
    bool verbose;
    bool pedantic;
    bool echo;
    bool headers;
    bool no_responders;
    bool unproven; /* must say who it is before anything else */
    bool counted;  /* among its account's connections */
    bool trace;
    bool connected;  /* has said CONNECT */
    bool said_all;   /* there is no more than what is kept of it */
    bool looked_up;  /* what its CONNECT needs was looked up */
    bool protocol_1; /* takes later INFO lines */
    bool informed;   /* has had the one that answers its CONNECT */
    bool dirty;
    bool stalled;       /* a receiver of what it publishes is behind */
    bool awaited;       /* somebody has something for it when it has caught up */
    uint32_t pauses;    /* reasons not to read from it */
    const char *reason; /* once not open */
    char *claimed;      /* owned: the user that it was refused as; NULL: none */
    struct client *dirty_next;
    struct buf in;  /* a frame that is not whole */
    size_t in_need; /* its size, 0 while unknown */
    size_t in_keep; /* of a line whose rest nobody reads: how much of it to keep, else 0 */
    struct buf out;
    size_t flight; /* bytes that the shell is sending */
    struct client_subs subs;
    bool leaving;                     /* client_leave_part has begun */
    struct client_subs_walk leave_at; /* of what it takes out next */
    uint32_t unchecked;               /* of `subs`, those not of this round */
    uint16_t round;                   /* of its rules */
    uint16_t rounds;                  /* since all were of one */
    struct client_subs_walk check_at; /* of what is looked at next */
    int64_t ping_due_ns;
    int64_t last_in_ns;
    int64_t rtt_taken_ns; /* when a ping was last answered; INT64_MIN: never */
    int64_t rtt_ns;       /* of the last ping; before one was answered the time to CONNECT */
    int64_t ping_sent_ns;
    int64_t start_ns;
    struct client_names *said; /* owned; NULL: it has said none */
};

/* ---- the shard's ---------------------------------------------------------------------------- */

/* router and account are set by the caller, who makes the router next. */
void clients_init(struct clients *clients, const struct options *options, const struct info *info,
                  struct logger *logger, uint64_t seed);
void clients_deinit(struct clients *clients);

/* What a subject that begins with `domain_api` is called here: "$JS.API.X", of buckets "$KV.X" and
 * "$OBJ.X". */
void clients_in_domain(const struct clients *clients, struct bytes subject, struct buf *to);

/* Ends subscriptions that had their last delivery. By the router, when it walks none. */
void clients_retire(struct clients *clients);

/* Buffers without a limit, recycled. */
struct buf clients_spare_take(struct clients *clients);
void clients_spare_give(struct clients *clients, struct buf *buf);
/* Before `size` more bytes go into `buf`: if that is much, they and what it holds may move to a
 * larger spare, since growing it would map new memory each time. */
void clients_spare_widen(struct clients *clients, struct buf *buf, size_t size);

/* The next client that has something to send or to end, NULL when none; it is no longer dirty. */
struct client *clients_dirty_next(struct clients *clients);

/* ---- one client ----------------------------------------------------------------------------- */

/* The address and the nonce are copied; NULL: no nonce. */
void client_init(struct client *client, struct clients *clients, const char *address, uint16_t port,
                 const char *nonce, int64_t now_ns);
/* It came by another port, over a WebSocket; before it is greeted. `address` is who it says it is,
 * NULL: it says nothing. What `door` and `cookies` point to stays. */
void client_over_websocket(struct client *client, const struct info_door *door,
                           const struct client_cookies *cookies, const char *address);
/* Says INFO. */
void client_greet(struct client *client);
/* Not while it has subscriptions: client_leave. */
void client_deinit(struct client *client);
/* It is about to leave: its account has room for another. */
void client_uncount(struct client *client);
/* Takes all its subscriptions out of the router. Not from inside a publish. */
void client_leave(struct client *client);
/* The same for *most of them at most, of one that is not open any more, or whose proof says that
 * they leave first; *most: less what was taken out. True: none is left. Of the others those that a
 * publish comes upon leave behind it, so that what is published meanwhile passes by each of them at
 * most a few times. */
bool client_leave_part(struct client *client, uint32_t *most);
/* They have, of one that is open: it goes on with its CONNECT. */
void client_left(struct client *client, int64_t now_ns);

/* It is of that shard from here on, with all that it has. While nothing else uses either of them,
 * and nothing is on its way between any two shards. */
void client_move(struct client *client, struct clients *to);

/* Before what arrived on a connection is taken: who knows of something that was published on
 * another shard, and publishes or asks here, is behind it. */
static inline void clients_catch_up(struct clients *clients)
{
    if (clients->catch_up != NULL)
        clients->catch_up(clients->catch_up_owner);
}

/* Takes what arrived. */
void client_feed(struct client *client, struct bytes b, int64_t now_ns);

/* Writes the message for this subscription; false: it does not take it. For the router only. */
bool client_deliver(struct client_sub *sub, const struct message *message);
/* It is not told, since it is far behind and the one who published is not to be held back. */
bool client_does_without(const struct client *client, const struct message *message);

/*
 * A password that takes long to prove: the shell lets `run` be called on a worker, then gives the
 * proof back. Or somebody else is to say who it is: the shell asks, and sets `user`, whom the proof
 * then owns. Until then what arrives is kept, and the client paused, at once or when that is
 * much; the same while the account that it shows claims of is looked up. The proof outlives its
 * client if that goes first. In the same way a CONNECT waits while
 * what the client subscribed to as somebody else leaves in parts.
 */
struct client_question {
    struct buf client;  /* who it is, as JSON */
    struct buf connect; /* and what it has said */
    struct bytes said;  /* what it calls itself; owned, as the next */
    struct bytes home;  /* the account whose claims say that it is asked; empty: as configured */
};
struct client_proof {
    struct client *client;            /* NULL: it is gone */
    struct client_question *question; /* for whoever is to let it in; NULL: it is a password */
    struct bytes hash, said;
    struct bytes wanted;  /* the account to be looked up, owned; empty: none */
    struct bytes connect; /* the arguments of its CONNECT */
    const struct auth_user *user;
    bool again;   /* who may connect has changed meanwhile: it is to be asked anew */
    bool leaving; /* its subscriptions leave first, and then client_left */
    bool begun;   /* the shell's; of those that leave it is told otherwise */
    bool pauses;  /* the client */
    bool proven;
};
void client_proof_run(struct client_proof *proof);
/* The client goes while something is proven of it: what nobody has begun ends with it. */
void client_proof_drop(struct client *client);
void client_proof_done(struct client_proof *proof, int64_t now_ns);

/*
 * Who may connect, and what they may do, has changed: clients->auth is the new, `before` what it
 * was. The client is ended if it would not be let in now; else it goes on as the user that it is
 * now, without the subscriptions that it may not have any more: nothing is delivered to those, and
 * the shell lets all be looked at in parts. Nothing of it points at the old after.
 */
void client_auth_changed(struct client *client, const struct auth *before);
/* Looks at *most of those that were not looked at, and ends what is denied; *most: less what was
 * done. True: none is left, or all are on their way out. */
bool client_check_part(struct client *client, uint32_t *most);
/* One that was not looked at yet: is it allowed? */
bool client_sub_check(struct client_sub *sub);
/* Has its account other options now than those that it was let in by? */
bool client_account_renewed(const struct client *client);

/* The account that its proof wants is known now, or nobody has it: before client_proof_done. */
void client_looked_up(struct client *client);

/* What INFO says of the server has changed: told, if the client takes such lines. */
void client_inform(struct client *client);

/* The time for a CONNECT is over. */
void client_auth_overdue(struct client *client);

/* What is due at ping_due_ns; sets the next. */
void client_ping(struct client *client, int64_t now_ns);

/* ENDING; `text` is told to the peer in an -ERR first, unless NULL. */
void client_end(struct client *client, const char *text, const char *reason);
/* DOOMED, from any state. */
void client_doom(struct client *client, const char *reason);

/* The peer says nothing more, but may still be reading: what it asked for is sent. */
void client_ended(struct client *client);

/* Back-pressure: nothing is read from the peer from the end of the turn until every pause is
 * resumed. What had arrived is still taken. */
void client_pause(struct client *client);
void client_resume(struct client *client);

/* So many bytes wait to be sent to one receiver, not a client, of what `producer` (NULL: nobody)
 * publishes: as for a client that has so much waiting, it is held back or the shard is congested.
 */
void clients_behind(struct clients *clients, struct client *producer, size_t waiting);

static inline size_t client_waiting(const struct client *client)
{
    return client->out.size + client->flight;
}

/* Has it so much to read already that who can wait with more does? */
static inline bool client_is_behind(const struct client *client)
{
    return client_waiting(client) > client->clients->pending_much;
}

/* It has caught up, or is not of this shard any more. */
static inline void client_not_awaited(struct client *client)
{
    client->clients->caught_up += client->awaited;
    client->awaited = false;
}

/* Some of what waited was sent. */
static inline void client_sent(struct client *client)
{
    if (client->awaited && !client_is_behind(client))
        client_not_awaited(client);
}

/* Puts it in the list of those that the shell comes by at the end of the turn. */
void client_mark(struct client *client);

/* As client_subs_next says. */
static inline struct client_sub *client_sub_next(const struct client *client,
                                                 struct client_subs_walk *walk)
{
    return client_subs_next(&client->subs, &client->clients->sub_pool, walk);
}

/* Is it allowed under the rules of now? */
static inline bool client_sub_stands(struct client_sub *sub)
{
    return sub->round == sub->client->round || client_sub_check(sub);
}

static inline bool client_streams(const struct client *client)
{
    return client->stream_votes >= CLIENT_STREAMS &&
           client->stream_uses >= client->received.messages / CLIENT_STREAMS_SHARE;
}

/* It has published to a sink of that shard. */
static inline void client_uses_stream(struct client *client, unsigned shard)
{
    client->stream_uses++;
    if (client->stream_shard == shard) {
        client->stream_votes += client->stream_votes < CLIENT_STREAMS_MOST;
    } else if (client->stream_votes == 0) {
        client->stream_shard = (uint8_t)shard;
        client->stream_votes = 1;
    } else {
        client->stream_votes--;
    }
}

/* The same of another than it is on. */
static inline void client_uses_stream_of(struct client *client, unsigned shard)
{
    client_uses_stream(client, shard);
    if (client_streams(client))
        client_mark(client);
}

static inline struct bytes client_name(const struct client *client)
{
    const struct client_names *names = client->said;

    return names == NULL ? bytes_of(NULL, 0) : bytes_of(names->text, names->name);
}

static inline struct bytes client_lang(const struct client *client)
{
    const struct client_names *names = client->said;

    return names == NULL ? bytes_of(NULL, 0) : bytes_of(names->text + names->name, names->lang);
}

static inline struct bytes client_version(const struct client *client)
{
    const struct client_names *names = client->said;

    return names == NULL ? bytes_of(NULL, 0)
                         : bytes_of(names->text + names->name + names->lang, names->version);
}

#endif
