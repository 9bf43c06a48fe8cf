/*
 * frame: what travels between two nodes of a cluster, byte by byte. Pure.
 *
 * A connection begins with FRAME_MAGIC in each direction; frames follow, little endian:
 *
 *      0  u32  checksum   low half of the XXH3-64 of everything behind it
 *      4  u32  size       of the body
 *      8  u8   kind       enum cluster_kind (cluster.h)
 *      9  u8   class      of the connection it is on
 *     10  u16  version    FRAME_VERSION
 *     12       body
 *
 * The checksum is there because what is in a body goes into logs on disk, and TCP's own sum misses
 * one damaged segment in some ten millions.
 */
#ifndef SERVER_CLUSTER_FRAME_H
#define SERVER_CLUSTER_FRAME_H

#include "base/buf.h"
#include "base/limits.h"

/* The first byte is none that a client, a nats-server, a browser or TLS begins with. */
#define FRAME_MAGIC      "\x8eMRlink\n"
#define FRAME_MAGIC_SIZE 8u
#define FRAME_VERSION    1u
#define FRAME_HEAD       12u
/* A body. A message of the largest payload, its subject, reply, headers and queue names fit. */
#define FRAME_BODY_MAX (MAX_PAYLOAD_MAX + 1 * MIB)

struct frame {
    uint8_t kind;
    uint8_t class;
    struct bytes body;
};

enum frame_verdict {
    FRAME_WHOLE, /* *frame is filled in, *used is its size with its head */
    FRAME_MORE,  /* *used is what it takes to go on: a head, or a whole frame */
    FRAME_BAD,   /* sum, size or version: the connection is to be given up */
};

/* `body_max`: larger ones are bad. The body is a view of `in`. */
enum frame_verdict frame_read(struct bytes in, size_t body_max, struct frame *frame, size_t *used);

/* Appends one frame whose body is the pieces one after the other; false at the limit of `out`, and
 * then nothing was added. */
bool frame_add(struct buf *out, uint8_t kind, uint8_t class, const struct bytes *pieces,
               size_t count);

#endif
