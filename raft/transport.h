/*
 * transport: how frames reach other nodes, as raft's shell sees it. The server's cluster links
 * stand behind it (server/cluster); a test or a simulation may put anything else there.
 *
 * Frames to one node and of one class arrive in order, at most once, or not at all; a CONTROL frame
 * may overtake DATA and is never queued behind it. Nothing is delivered from inside a send.
 */
#ifndef RAFT_TRANSPORT_H
#define RAFT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum transport_class { TRANSPORT_CONTROL, TRANSPORT_DATA };

struct transport {
    void *owner;
    /* Copies the pieces and queues them as one frame. False: no connection to that node, or its
     * queue of that class is at its bound; nothing was queued. */
    bool (*send)(void *owner, uint64_t node, enum transport_class class, const struct bytes *pieces,
                 size_t count);
    /* How many bytes of DATA that node's queue would take now; 0: no connection. */
    size_t (*room)(void *owner, uint64_t node);
    /* How many bytes of CONTROL wait here for that node; NULL: none ever do. */
    size_t (*waiting)(void *owner, uint64_t node);
};

#endif
