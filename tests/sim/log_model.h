/*
 * log_model: what must be true of logs whatever happens to them, kept without asking the code under
 * test. Batches are known by a hash of their records, taken before they were sealed, so each is one
 * of a kind.
 *
 *   - a batch reported durable, or handed out by a recovery (somebody may have been answered from
 *     it), is handed out by every later recovery at the same index, or reported lost, and lost only
 *     if the simulation damaged it; unless it was cut: then it may come back until another batch
 *     is durable in its place;
 *   - nothing is handed out that was not sealed, nor behind another predecessor than it was sealed
 *     behind, nor after a recovery has ended without it;
 *   - indexes are contiguous but for lost ranges;
 *   - the newest state block that was reported durable is handed out, or a later one, or the one
 *     before it if it was damaged; above it no batch is missing because its file was removed;
 *   - the vote that is found is the newest one that was reported durable, or one that was begun
 *     later.
 */
#ifndef TESTS_SIM_LOG_MODEL_H
#define TESTS_SIM_LOG_MODEL_H

#include "base/bytes.h"
#include "storage/log.h"

/* Ends the run: what was promised and broken. Never returns. */
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void model_broken(const char *format, ...);

struct model_batch {
    uint64_t index;
    uint64_t hash;
    struct log_hash content; /* the hash of it all, which the next one names */
    size_t previous;         /* in batches; MODEL_NONE: the first, or after a lost one */
    uint64_t durable;        /* these two as known when it was sealed: its envelope says no less */
    uint64_t committed;
    bool dead;    /* a recovery ended without it, or another took its index */
    bool damaged; /* by a flip */
    bool dropped; /* its file was removed */
    bool may_look_torn;
};

struct model_block {
    uint64_t index;
    uint64_t hash; /* of the body */
    bool durable;
    bool damaged;
};

#define MODEL_NONE       SIZE_MAX
#define MODEL_BLOCKS_MAX 64u

struct model_log {
    uint64_t id;
    struct model_batch *batches; /* all that were ever sealed */
    size_t count;
    size_t capacity;

    size_t *kept; /* by index - 1: the batch that is durable there, MODEL_NONE if lost */
    size_t kept_count;
    size_t kept_capacity;

    size_t *sealed; /* appended behind them and not durable yet */
    size_t sealed_count;
    size_t sealed_capacity;
    uint64_t committed;      /* the highest that was ever told */
    uint64_t committed_here; /* the highest that this life knows */
    bool header_damaged;
    bool journal_damaged; /* what only the journal held may be missing */
    /* Writes were cut within sectors, which no disk does: a last batch that was never durable may
     * look damaged and be reported lost. */
    bool cut_in_sectors;

    /* Votes are known by their terms, which rise. */
    uint64_t vote_begun;
    uint64_t vote_durable; /* 0: none */

    uint64_t skip_begun; /* the highest index that was skipped to */
    uint64_t skipped;    /* the last one for good, and what stands there */
    struct log_hash skipped_hash;

    struct model_block blocks[MODEL_BLOCKS_MAX]; /* the newest that were begun */
    unsigned block_count;
    uint64_t block_found; /* by the recovery */
    uint64_t unread_last; /* what it did not read goes up to here; 0: it has read all */

    /* A recovery under way. */
    size_t *found;
    size_t found_count;
    size_t found_capacity;
    bool lost_at_end; /* the last of what was kept is lost */
};

void model_init(struct model_log *model, uint64_t id);
void model_deinit(struct model_log *model);

/* The content, sealed here or elsewhere, was appended as `index`. */
void model_sealed(struct model_log *model, uint64_t index, struct bytes content);
void model_durable(struct model_log *model, const struct log_batch *batch);
/* Index 1 was sealed, and the log was made with it. */
void model_made(struct model_log *model);
void model_failed(struct model_log *model);
void model_cut(struct model_log *model, uint64_t index);
/* What a vote of that term says. */
struct store_vote model_vote(uint64_t term);
/* The store says that this is the newest vote; NULL: there is none. */
void model_vote_found(struct model_log *model, const struct store_vote *vote);
void model_block_begun(struct model_log *model, uint64_t index, struct bytes body);
void model_block_durable(struct model_log *model, uint64_t index);
/* Rot strikes the newest one; false: it must not, the other is damaged. */
bool model_block_damaged(struct model_log *model, uint64_t index);
/* The log is to go on behind an index that is not in it; it does. */
void model_skip_begun(struct model_log *model, uint64_t index);
void model_skipped(struct model_log *model, uint64_t index, struct log_hash hash);
void model_dropped(struct model_log *model, uint64_t first, uint64_t last);
void model_committed(struct model_log *model, uint64_t index);
uint64_t model_last(const struct model_log *model); /* appended */
/* The hash that the next content names; false: nobody knows, the last one is lost. */
bool model_last_hash(const struct model_log *model, struct log_hash *hash);

void model_recovery_begin(struct model_log *model);
void model_recovered(struct model_log *model, const struct log_batch *batch);
void model_lost(struct model_log *model, uint64_t first, uint64_t last);
void model_gone(struct model_log *model, uint64_t first, uint64_t last);
/* They stand in files that the block speaks for. */
void model_unread(struct model_log *model, uint64_t first, uint64_t last);
void model_block_recovered(struct model_log *model, const struct log_block *block);
/* The log is open: what was handed out counts as answered. `durable`, `committed`: what it says. */
void model_recovery_end(struct model_log *model, uint64_t durable, uint64_t committed);

/* The live batch with these records, or NULL. */
struct model_batch *model_find(struct model_log *model, struct bytes records);

#endif
