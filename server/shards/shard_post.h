/*
 * shard_post: what one shard sends to the others and gets from them. Within a turn it is gathered
 * into a batch for each; at the turn's end, before the output of clients leaves, the batches are
 * pushed and opened (base/mailbox.h), so nobody hears of anything that a shard has not got.
 *
 * What travels:
 *     a message      for the subscriptions of that shard, as the publisher's shard chose
 *     nobody         returned to a request's publisher: it was for that shard alone, where nobody
 *                    took it
 *     behind         returned to a message's publisher: a receiver has much waiting, so it is to
 *                    publish no more for a moment
 *     a call         a function and one pointer: rare work on a shard's own thread
 *
 * A publisher is named by its shard and its client's number: when it is gone, so is the return.
 */
#ifndef SERVER_SHARDS_SHARD_POST_H
#define SERVER_SHARDS_SHARD_POST_H

#include "base/mailbox.h"
#include "server/clients/client.h"
#include "server/router/elsewhere.h"
#include "server/router/router_priv.h"

#define SHARD_WAITING_MAX (3u << 20) /* bytes on their way to one shard: then publishers wait */
#define SHARD_SPARES_MAX  16u        /* batches' memory that one shard keeps */
#define SHARD_MAILS_MAX   64u        /* batches that are read in one turn */
#define SHARD_AHEAD_MAX   (2u << 20) /* bytes read before input, after which a turn ends soon */

typedef void shard_call_fn(void *of);

struct shard_post;

/* All of a server's, by shard. */
struct shard_posts {
    unsigned count;
    struct shard_post *posts[SHARDS_MAX];
};

struct shard_outgoing {
    struct buf batch; /* begins with room for a struct mail */
    uint64_t pushed;
};

/* Memory of batches comes back from who has read them, so that no page of it is given to the system
 * and asked for again with each. */
struct shard_spares {
    _Atomic(struct mail *) back; /* pushed by others; taken over whole */
    _Atomic unsigned count;      /* of both */
    struct mail *mine;           /* taken over */
};

struct shard_post {
    struct mailbox inbox;
    struct mail_sender sender;
    struct shard_posts *all;
    unsigned self;
    struct router_shards shards; /* the router's way to here */
    struct router *router;
    struct clients *clients;
    struct shard_outgoing to[SHARDS_MAX];
    struct shard_spares spares;
    bool reading;         /* a mail */
    uint64_t read_ahead;  /* bytes read before clients' input, in this turn */
    uint64_t pushed;      /* a bit for each shard that batches were pushed to in this turn */
    struct bytes *queues; /* scratch */
    uint32_t queues_capacity;
    /* From any thread: the shard turns soon. */
    void (*wake)(void *owner);
    /* The turn has taken much: what else clients have sent is for the next. NULL: it need not. */
    void (*enough)(void *owner);
    /* NULL: there is no such client any more. */
    struct client *(*find)(void *owner, uint64_t id);
    void *owner;
    uint64_t crossing_id; /* who published what is being delivered; 0: nobody who is told */
    unsigned crossing_shard;
    uint64_t behind_id; /* who was told last, in this turn */
    unsigned behind_shard;
};

/* `all->count` is set; wake, find and owner are the caller's to set. */
void shard_post_init(struct shard_post *post, struct shard_posts *all, unsigned self,
                     struct router *router, struct clients *clients);
/* Drops what was not read or not sent. Nobody sends any more. */
void shard_post_deinit(struct shard_post *post);

/* `run` on that shard's thread in one of its next turns, after all that was sent there before;
 * `drop` instead, on whatever thread, when the posts end first. */
struct shard_call {
    shard_call_fn *run;
    shard_call_fn *drop;
};
void shard_post_call(struct shard_post *post, unsigned shard, struct shard_call call, void *of);

/* Once per turn, at its beginning: does what came. False: there is more, turn again soon. */
bool shard_post_read(struct shard_post *post);
/* Does and sends on all that there is, while the others rest. False: there was nothing. */
bool shard_post_settle(struct shard_post *post);
/* Has it nothing of either? While its shard stands still, by whoever halted it. */
bool shard_post_quiet(struct shard_post *post);
/* Once per turn, before clients' output leaves. */
void shard_post_flush(struct shard_post *post);

#endif
