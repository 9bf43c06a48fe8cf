/*
 * shell: what tests of replicas have in common: the events of a replica that nothing happens to,
 * a group's beginning, and the frames that a transport is handed.
 */
#ifndef TESTS_UNIT_RAFT_SHELL_H
#define TESTS_UNIT_RAFT_SHELL_H

#include "base/heap.h"
#include "raft/members.h"
#include "raft/replica.h"
#include "raft/wire.h"
#include "tests/unit/unit.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)

static const uint8_t shell_incarnation[16] = "incarnation-0001";

static inline void shell_lost(void *owner, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)owner;
    (void)first;
    (void)last;
    (void)bytes;
    ck_abort_msg("nothing was damaged");
}

static inline void shell_refused(void *owner, enum err err)
{
    (void)owner;
    ck_abort_msg("refused: %s", err_text(err));
}

/* The first entry of a group's log; it names so many voters: 1, 2, 3, each of the incarnation that
 * is its number. */
static inline void shell_bootstrap(struct buf *out, uint32_t voters)
{
    struct raft_config members = {.at = {{1, 1, false}, {2, 2, false}, {3, 3, false}},
                                  .count = voters};

    ck_assert_uint_le(voters, 3);
    buf_init(out, 4096);
    members_bootstrap(out, shell_incarnation, 1, &members);
}

static inline void shell_prepare(struct store *store, uint64_t group, uint32_t voters)
{
    struct buf bootstrap;

    shell_bootstrap(&bootstrap, voters);
    ck_assert_int_eq(log_prepare(store, group, shell_incarnation, buf_bytes(&bootstrap)), OK);
    buf_deinit(&bootstrap);
}

/* Of a transport: everybody always has room. */
static inline size_t shell_room(void *owner, uint64_t node)
{
    (void)owner;
    (void)node;
    return WIRE_FRAME_MAX;
}

/* What was sent, in one piece; heap_give it. */
static inline struct bytes shell_frame(const struct bytes *pieces, size_t count)
{
    struct bytes frame;
    struct buf whole;

    buf_init(&whole, WIRE_FRAME_MAX);
    for (size_t i = 0; i < count; i++)
        ck_assert(buf_add(&whole, pieces[i]));
    frame = heap_copy(buf_bytes(&whole));
    buf_deinit(&whole);
    return frame;
}

#endif
