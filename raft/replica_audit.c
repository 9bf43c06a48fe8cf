/*
 * replica_audit: the states of a group's replicas are compared. At each seal all of them take down
 * their states, which are of the same index; each tells the others a hash of it. Their logs are
 * equal, so one that differs from what a majority has is at fault, by apply, by its memory or by a
 * block. It sees that itself and heals (replica_heal.c); the leader names it to the operator.
 *
 * Compared is only what was said of the same entry, by the chained hash of its content, under the
 * same definition of what is hashed.
 */
#include <stdio.h>

#include "base/codec.h"
#include "raft/core_members.h"
#include "raft/replica_priv.h"
#include "storage/hash.h"

/* To be raised with whatever changes a byte of what is hashed: a section's encoding, as well. */
#define DEFINITION 2u

/* ---- what was said --------------------------------------------------------------------------- */

static struct audited *find(struct replica *replica, struct raft_member member, uint64_t index)
{
    for (uint32_t i = 0; i < AUDITS_MAX; i++) {
        struct audited *at = &replica->audits[i];

        if (at->member.node != 0 && at->index == index && members_equal(at->member, member))
            return at;
    }
    return NULL;
}

/* Who heals says something else than before. */
static void note(struct replica *replica, const struct audited *said)
{
    struct audited *at = find(replica, said->member, said->index);

    if (at == NULL) {
        at = &replica->audits[replica->audit_next];
        replica->audit_next = (replica->audit_next + 1) % AUDITS_MAX;
    }
    *at = *said;
}

void replica_audit_drop(struct replica *replica)
{
    struct raft_member self = groups_self(replica->groups);

    for (uint32_t i = 0; i < AUDITS_MAX; i++) {
        if (members_equal(replica->audits[i].member, self))
            replica->audits[i] = (struct audited){0};
    }
}

/* How many voters have that state of that entry. */
static uint32_t count(struct replica *replica, const struct audited *as, uint32_t *voters)
{
    const struct raft_config *config = raft_core_config(replica->core);
    uint32_t same = 0;

    *voters = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct audited *at = find(replica, config->at[i], as->index);

        *voters += !config->at[i].learner;
        same +=
            !config->at[i].learner && at != NULL && at->chain == as->chain && at->hash == as->hash;
    }
    return same;
}

/* What a majority said of that index, or NULL. */
static const struct audited *majority(struct replica *replica, uint64_t index)
{
    const struct raft_config *config = raft_core_config(replica->core);
    uint32_t voters;

    for (uint32_t i = 0; i < config->count; i++) {
        const struct audited *at = find(replica, config->at[i], index);

        if (at != NULL && count(replica, at, &voters) > voters / 2)
            return at;
    }
    return NULL;
}

bool replica_audit_majority(struct replica *replica, uint64_t index, uint64_t *hash)
{
    const struct audited *good = majority(replica, index);

    if (good != NULL)
        *hash = good->hash;
    return good != NULL;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void name(struct replica *replica, const struct audited *audited)
{
    const struct groups_options *options = &replica->groups->options;
    char text[200];

    replica->audit_told = audited->index;
    snprintf(text, sizeof text,
             "group %016llx: the state of node %016llx at index %llu differs from that of the "
             "majority",
             (unsigned long long)replica->id, (unsigned long long)audited->member.node,
             (unsigned long long)audited->index);
    if (options->report != NULL)
        options->report(options->report_context, text);
}

static bool differ(const struct audited *a, const struct audited *b)
{
    return a->chain == b->chain && a->hash != b->hash;
}

/* Once there is a majority of one hash, whoever has another one is wrong. */
static void compare(struct replica *replica, uint64_t index)
{
    const struct raft_config *config = raft_core_config(replica->core);
    const struct audited *own = find(replica, groups_self(replica->groups), index);
    const struct audited *good = majority(replica, index);

    if (good == NULL)
        return;
    if (own != NULL && differ(own, good))
        replica_heal_differs(replica, index);
    if (raft_core_role(replica->core) != RAFT_LEADER || replica->audit_told >= index)
        return;
    for (uint32_t i = 0; i < config->count; i++) {
        const struct audited *at = find(replica, config->at[i], index);

        if (at != NULL && differ(at, good))
            name(replica, at);
    }
}

/* ---- saying ---------------------------------------------------------------------------------- */

uint64_t replica_audit_body(struct bytes body)
{
    uint64_t hash = DEFINITION;
    struct bytes section;
    uint32_t type;

    while (body.size > 0) {
        struct bytes rest = body;

        if (!replica_section_take(&rest, &type, &section))
            return 0; /* it is not a body: of no state */
        if (replica_section_compared(body) && type != REPLICA_SECTION_GROUP)
            hash = hash * 31 + hash_64(bytes_take(body, body.size - rest.size));
        body = rest;
    }
    return hash;
}

static uint64_t chain_of(const struct log_hash *hash)
{
    struct decoder in;

    decoder_init(&in, bytes_of(hash->at, sizeof hash->at));
    return decode_u64(&in);
}

void replica_audit_say(struct replica *replica, uint64_t hash)
{
    const struct log_block_op *op = &replica->block.op;
    const struct raft_config *config = raft_core_config(replica->core);
    struct audited said = {
        .member = groups_self(replica->groups),
        .index = op->index,
        .hash = hash,
        .chain = chain_of(&op->hash),
    };

    if (replica->groups->options.transport == NULL || replica->alone)
        return;
    note(replica, &said);
    for (uint32_t i = 0; i < config->count; i++) {
        struct raft_message message = {.previous = said.index,
                                       .previous_term = DEFINITION,
                                       .last = said.hash,
                                       .probe = said.chain};

        if (!members_equal(config->at[i], said.member))
            (void)replica_catch_send(replica, WIRE_AUDIT, config->at[i], &message,
                                     (struct bytes){0});
    }
    compare(replica, said.index);
}

void replica_audit_step(struct replica *replica, const struct raft_message *message)
{
    const struct audited said = {.member = message->from,
                                 .index = message->previous,
                                 .hash = message->last,
                                 .chain = message->probe};

    if (message->previous_term != DEFINITION ||
        config_find(raft_core_config(replica->core), message->from) == NULL)
        return;
    note(replica, &said);
    compare(replica, said.index);
}
