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

struct wire_message {
    uint64_t group;
    struct raft_message message; /* nodes of from and to are the link's affair: left 0. Entries'
                                    configs point into `configs` */
    struct bytes contents[RAFT_ENTRIES_MAX];
    struct raft_config configs[RAFT_ENTRIES_MAX];
};

/* Takes the next message off a frame. Views point into it. ERR_CORRUPT: the frame is not well
 * formed from here on. */
enum err wire_take(struct bytes *frame, struct wire_message *out);

#endif
