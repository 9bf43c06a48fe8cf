/* replica_send: a group's messages to other nodes; entries come from the cache or from the log. */
#include "base/owner.h"
#include "raft/replica_priv.h"

#define NOT_READ SIZE_MAX

/* The entries of one frame. */
struct load {
    uint8_t heads[RAFT_ENTRIES_MAX][WIRE_ENTRY_HEAD];
    struct bytes contents[RAFT_ENTRIES_MAX];
    size_t offsets[RAFT_ENTRIES_MAX]; /* in the scratch buffer, which moves while it grows */
    uint32_t count;
    size_t size;
};

/* Reading it once brings it into memory; then the core is told to go on. One at a time: for the
 * others the next heartbeat asks again. */
static void warm(struct replica *replica, uint64_t index, struct raft_member to)
{
    if (replica->warming)
        return;
    replica->warming = true;
    replica->warm_for = to;
    replica->warm_index = index;
    replica_hold(replica);
    log_batch_warm(replica->log, &replica->warm, index);
}

void replica_warmed(struct io_op *op, int64_t result)
{
    struct replica *replica = owner_of(op, struct replica, warm);

    replica->warming = false;
    if (!replica->closed && result < 0 && raft_core_role(replica->core) == RAFT_LEADER)
        replica_unread(replica, replica->warm_index);
    else if (!replica->closed) {
        raft_core_resend(replica->core, io_now(replica->io), replica->warm_for);
        replica_drain(replica);
    }
    replica_let_go(replica);
}

/* Adds the content of an entry. ERR_FULL: the frame is; ERR_AGAIN: it is not in memory; else it
 * cannot be read. */
static enum err add(struct replica *replica, struct load *load, uint64_t index)
{
    const struct cached *cached = cache_find(&replica->cache, index);
    size_t begin = replica->scratch.size, size;
    struct bytes content;
    enum err err = OK;

    if (cached == NULL && index == replica->unread.index)
        return ERR_NOT_FOUND; /* as it was the last time */
    if (cached == NULL)
        err = log_batch_read_now(replica->log, index, &replica->scratch);
    if (err != OK)
        return err;
    content = cached != NULL ? log_content_bytes(cached->content)
                             : bytes_of(NULL, replica->scratch.size - begin);
    size = content.size;
    if (load->count > 0 && load->size + size > REPLICA_APPEND_BYTES)
        return ERR_FULL;
    load->contents[load->count] = content;
    load->offsets[load->count] = cached != NULL ? NOT_READ : begin;
    wire_write_entry(load->heads[load->count], size);
    load->size += WIRE_ENTRY_HEAD + size;
    load->count++;
    return OK;
}

static size_t pieces_of(const struct replica *replica, struct load *load, struct bytes *pieces)
{
    size_t count = 0;

    for (uint32_t i = 0; i < load->count; i++) {
        if (load->offsets[i] != NOT_READ)
            load->contents[i].at = replica->scratch.at + load->offsets[i];
        pieces[count++] = bytes_of(load->heads[i], WIRE_ENTRY_HEAD);
        pieces[count++] = load->contents[i];
    }
    return count;
}

static bool send_load(struct replica *replica, struct load *load,
                      const struct raft_message *message)
{
    const struct transport *transport = replica->groups->options.transport;
    struct bytes pieces[1 + 2 * RAFT_ENTRIES_MAX];
    uint8_t head[WIRE_HEAD];

    wire_write(head, replica->id, message, load->count, load->size);
    pieces[0] = bytes_of(head, WIRE_HEAD);
    return transport->send(transport->owner, message->to.node, TRANSPORT_DATA, pieces,
                           1 + pieces_of(replica, load, pieces + 1));
}

static void send_entries(struct replica *replica, const struct raft_message *message)
{
    struct raft_member to = message->to; /* the message is the core's, until it is called */
    uint64_t first = message->entries[0].index;
    uint32_t wanted = message->entry_count;
    struct load load = {0};
    enum err err = OK;
    bool missing;

    buf_clear(&replica->scratch);
    while (err == OK && load.count < wanted)
        err = add(replica, &load, first + load.count);
    missing = load.count == 0;
    if (!missing && !send_load(replica, &load, message))
        load.count = 0;
    if (load.count < wanted)
        raft_core_unsent(replica->core, to, first + load.count);
    if (missing && err == ERR_AGAIN)
        warm(replica, first, to);
    else if (missing)
        replica_unread(replica, first); /* it is asked for again with each heartbeat */
}

void replica_send(struct replica *replica, const struct raft_message *message)
{
    if (replica->groups->options.transport == NULL)
        return;
    if (message->entry_count == 0)
        groups_post(replica->groups, replica->id, message);
    else
        send_entries(replica, message);
}
