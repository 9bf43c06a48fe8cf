/*
 * core_wire: the two kinds of frames by which nodes share core subscriptions and messages. Pure.
 *
 * CLUSTER_INTEREST says what the clients of the sender subscribe to, in one account, little endian:
 *
 *      u16 size, account
 *      for each, to the end:
 *      u32 count           plain: 1 or 0, which ends it; of a group: how many members, 0: none any
 * more u32 subject size, u32 queue size, subject, queue (empty: plain)
 *
 * The counts are absolute. A link begins with nothing; the sender then tells all, and later
 * changes. The queue CORE_SINKS_QUEUE, which no client can name, stands for the sender's sinks of
 * that subject (1 or 0); they are told to who has sent a frame of kind CLUSTER_SINKS, without a
 * body.
 *
 * CLUSTER_MESSAGE is a message and whom it is for at the receiver:
 *
 *      0  u8   flags       1: every plain subscription
 *      1  u8   queues      how many groups follow: one member of each
 *      2  u16  account size
 *      4  u32  subject size
 *      8  u32  reply size
 *     12  u32  route size  0: the subject is matched
 *     16  u32  headers size
 *     20       for each group: u32 size, name; account, subject, reply, route, headers; payload to
 *              the end
 */
#ifndef SERVER_CLUSTER_CORE_WIRE_H
#define SERVER_CLUSTER_CORE_WIRE_H

#include "base/buf.h"
#include "base/codec.h"

#define CORE_QUEUES_MAX 255u /* in one frame */
#define CORE_WEIGHT_MAX (1u << 24)

#define CORE_SINKS_QUEUE BYTES(" sinks")

/* ---- interest ------------------------------------------------------------------------------- */

struct interest {
    uint32_t count;
    struct bytes subject, queue;
};

/* The buffer has no limit that this could meet. */
void interest_begin(struct buf *out, struct bytes account);
void interest_add(struct buf *out, const struct interest *interest);

/* False: malformed. */
bool interest_read_account(struct decoder *in, struct bytes *account);
/* False: the end, or malformed (in->failed). Subjects and queues are those that a client may have.
 */
bool interest_read(struct decoder *in, struct interest *interest);

/* ---- messages ------------------------------------------------------------------------------- */

struct routed {
    bool plain;
    struct bytes queues[CORE_QUEUES_MAX];
    size_t queues_count;
    struct bytes account, subject, reply, route, headers, payload;
};

/* Appends all but headers and payload, which the frame has behind it. */
void routed_encode(struct buf *out, const struct routed *routed);
/* False: malformed. */
bool routed_decode(struct bytes body, struct routed *routed);
/* False: with bytes in its subjects that would end a protocol line. No node sends such a message;
 * one that does, does not lose its link for what a client may have made it say. */
bool routed_sound(const struct routed *routed);

#endif
