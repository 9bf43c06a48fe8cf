/*
 * wire: a group's messages as bytes between nodes (docs/formats.md, Messages between replicas),
 * without I/O. A frame is a sequence of messages; entries follow their message as whole contents.
 */
#ifndef RAFT_WIRE_H
#define RAFT_WIRE_H

#include "base/buf.h"
#include "base/err.h"
#include "raft/core.h"

#define WIRE_HEAD       96u /* of a message */
#define WIRE_ENTRY_HEAD 8u  /* of a content in it */
#define WIRE_FRAME_MAX  (84u << 20)

/* Writes WIRE_HEAD bytes. Behind it stand that many of the message's entries, which take that many
 * bytes, their heads included. */
void wire_write(uint8_t at[WIRE_HEAD], uint64_t group, const struct raft_message *message,
                uint32_t entry_count, size_t entries_size);
void wire_write_entry(uint8_t at[WIRE_ENTRY_HEAD], size_t content_size);

/* Messages between shells (docs/raft.md, Catch-up by block); the core does not see them. */
enum wire_catch {
    WIRE_CATCH_FIRST = 32,
    WIRE_OFFER = WIRE_CATCH_FIRST, /* previous, previous_term: the block */
    WIRE_HAVE,                     /* last: as far as its log goes for sure */
    WIRE_ASK_BODY,                 /* previous: the block; last: from where on */
    WIRE_BODY,                     /* previous, previous_term; last: where the piece begins */
    WIRE_ASK,                      /* previous: the block; what the machine asks */
    WIRE_TOLD,                     /* previous: the block; last: applied; what the machine says */
    WIRE_AUDIT,                    /* previous: index; last: hash of the sender's state there */
    WIRE_CATCH_LAST = WIRE_AUDIT,
};
/* Probe of an ASK of no block (previous 0), which goes to any member: replica_fetch.c. */
#define WIRE_FETCH     1u
#define WIRE_BODY_HEAD 56u /* in front of a piece of a body: docs/formats.md */

struct wire_message {
    enum wire_catch catch; /* 0: it is the core's */
    struct bytes payload;  /* of catch: its checksum was right */
    uint64_t group;
    struct raft_message message; /* nodes of from and to are the link's affair: left 0. Entries'
                                    configs point into `configs` */
    struct bytes contents[RAFT_ENTRIES_MAX];
    struct raft_config configs[RAFT_ENTRIES_MAX];
};

/* Writes WIRE_HEAD bytes of such a message, behind which its payload stands. */
void wire_write_catch(uint8_t at[WIRE_HEAD], uint64_t group, enum wire_catch type,
                      const struct raft_message *message, struct bytes payload);

/* How long the next message of a frame is, and of which group. False: the frame is not well formed,
 * which wire_take says of it. */
bool wire_peek(struct bytes frame, uint64_t *group, size_t *size);
/* Takes the next message off a frame. Views point into it. ERR_CORRUPT: the frame is not well
 * formed from here on. */
enum err wire_take(struct bytes *frame, struct wire_message *out);

#endif
