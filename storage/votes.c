#include "storage/votes.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/owner.h"
#include "storage/flaws.h"
#include "storage/le.h"

#define NONE (-1)

/* A vote in the journal. */
enum { AT_TERM = 0, AT_NODE = 8, AT_INCARNATION = 16, AT_DAMAGED = 24 };
static_assert(JOURNAL_VOTE_SIZE == AT_DAMAGED + 8, "that is all of it");

struct vote_slot {
    uint64_t log_id;
    struct store_vote vote;    /* durable */
    struct redo_record record; /* start-up: where it was found */
    int place;        /* of the journal file that has it, NONE: none has, or one not in use */
    bool known;       /* there is a vote */
    bool gone;        /* the log is: freed when nothing is under way */
    bool moving;      /* is being written again */
    unsigned pending; /* newer ones on their way */
    struct journal_wait move;
    struct votes *votes;
};

/* ---- slots ---------------------------------------------------------------------------------- */

static struct bytes slot_key(const void *item)
{
    const struct vote_slot *slot = item;

    return bytes_of(&slot->log_id, sizeof slot->log_id);
}

static struct vote_slot *find(const struct votes *votes, uint64_t log_id)
{
    return table_find(&votes->slots, bytes_of(&log_id, sizeof log_id));
}

static struct vote_slot *find_or_add(struct votes *votes, uint64_t log_id)
{
    struct vote_slot *slot = find(votes, log_id);

    if (slot != NULL)
        return slot;
    slot = HEAP_NEW(struct vote_slot);
    slot->log_id = log_id;
    slot->place = NONE;
    slot->votes = votes;
    table_add(&votes->slots, slot);
    return slot;
}

/* The newest vote stands in another file now. */
static void set_place(struct vote_slot *slot, int place)
{
    struct journal *journal = slot->votes->journal;

    if (slot->votes->forget)
        return;
    if (slot->place != NONE)
        journal_release(journal, slot->place);
    slot->place = place;
    if (place != NONE)
        journal_hold(journal, place);
}

static void free_if_gone(struct vote_slot *slot)
{
    struct votes *votes = slot->votes;

    if (!slot->gone || slot->moving || slot->pending > 0)
        return;
    set_place(slot, NONE);
    table_remove(&votes->slots, bytes_of(&slot->log_id, sizeof slot->log_id));
    heap_give(slot);
}

void votes_init(struct votes *votes, uint64_t flaws)
{
    *votes = (struct votes){.forget = (flaws & FLAW_FORGET_VOTES) != 0,
                            .overtake = (flaws & FLAW_OVERTAKE_VOTE) != 0};
    table_init(&votes->slots, slot_key, 0);
}

void votes_deinit(struct votes *votes)
{
    struct vote_slot *slot;

    for (size_t at = 0; (slot = table_next(&votes->slots, &at)) != NULL;)
        heap_give(slot);
    table_deinit(&votes->slots);
}

bool votes_get(const struct votes *votes, uint64_t log_id, struct store_vote *vote)
{
    const struct vote_slot *slot = find(votes, log_id);

    if (slot == NULL || !slot->known || slot->gone)
        return false;
    *vote = slot->vote;
    return true;
}

void votes_forget(struct votes *votes, uint64_t log_id)
{
    struct vote_slot *slot = find(votes, log_id);

    if (slot == NULL)
        return;
    slot->gone = true;
    free_if_gone(slot);
}

/* ---- start-up ------------------------------------------------------------------------------- */

void votes_found(struct votes *votes, uint64_t log_id, const struct store_vote *vote,
                 const struct redo_record *record)
{
    struct vote_slot *slot = find_or_add(votes, log_id);

    if (slot->known && record->number < slot->record.number)
        return;
    slot->known = true;
    slot->vote = *vote;
    slot->record = *record;
}

static int compare_records(const void *left, const void *right)
{
    const struct redo_record *a = left, *b = right;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

struct redo_record *votes_records(const struct votes *votes, size_t *count)
{
    struct redo_record *at = heap_take(votes->slots.count * sizeof at[0]);
    const struct vote_slot *slot;
    size_t found = 0, kept = 0;

    for (size_t i = 0; (slot = table_next(&votes->slots, &i)) != NULL;)
        if (slot->known)
            at[found++] = slot->record;
    qsort(at, found, sizeof at[0], compare_records);
    for (size_t i = 0; i < found; i++)
        if (kept == 0 || compare_records(&at[kept - 1], &at[i]) != 0)
            at[kept++] = at[i];
    *count = kept;
    return at;
}

bool votes_in(const struct votes *votes, unsigned file)
{
    const struct vote_slot *slot;

    for (size_t at = 0; (slot = table_next(&votes->slots, &at)) != NULL;)
        if (slot->known && slot->record.file == file)
            return true;
    return false;
}

void votes_place(struct votes *votes, unsigned file, int place)
{
    struct vote_slot *slot;

    for (size_t at = 0; (slot = table_next(&votes->slots, &at)) != NULL;)
        if (slot->known && slot->record.file == file)
            set_place(slot, place);
}

void votes_select(struct votes *votes,
                  bool (*keep)(void *context, uint64_t log_id, const struct store_vote *vote),
                  void *context)
{
    struct vote_slot **gone = heap_take(votes->slots.count * sizeof gone[0]);
    struct vote_slot *slot;
    size_t count = 0;

    for (size_t at = 0; (slot = table_next(&votes->slots, &at)) != NULL;)
        if (!keep(context, slot->log_id, &slot->vote))
            gone[count++] = slot;
    for (size_t i = 0; i < count; i++) {
        gone[i]->gone = true;
        free_if_gone(gone[i]);
    }
    heap_give(gone);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool write_vote(struct votes *votes, uint64_t log_id, const struct store_vote *vote,
                       struct journal_wait *wait)
{
    uint8_t at[JOURNAL_VOTE_SIZE];
    struct journal_entry entry = {
        .log_id = log_id, .kind = JOURNAL_VOTE, .bytes = bytes_of(at, sizeof at)};

    le_put_u64(at + AT_TERM, vote->term);
    le_put_u64(at + AT_NODE, vote->node);
    le_put_u64(at + AT_INCARNATION, vote->incarnation);
    le_put_u64(at + AT_DAMAGED, vote->damaged);
    if (!journal_add(votes->journal, &entry, wait))
        return false;
    votes->under_way++;
    return true;
}

void vote_read(const uint8_t at[JOURNAL_VOTE_SIZE], struct store_vote *vote)
{
    vote->term = le_u64(at + AT_TERM);
    vote->node = le_u64(at + AT_NODE);
    vote->incarnation = le_u64(at + AT_INCARNATION);
    vote->damaged = le_u64(at + AT_DAMAGED);
}

static void op_done(struct journal_wait *wait, bool durable)
{
    struct store_vote_op *op = owner_of(wait, struct store_vote_op, wait);
    struct votes *votes = op->votes;
    struct vote_slot *slot = find(votes, op->log_id);

    votes->under_way--;
    slot->pending--;
    if (durable) {
        slot->vote = op->vote;
        slot->known = true;
        set_place(slot, wait->place);
    }
    free_if_gone(slot);
    op->done(op, durable ? OK : ERR_IO);
}

static void move_done(struct journal_wait *wait, bool durable)
{
    struct vote_slot *slot = owner_of(wait, struct vote_slot, move);

    slot->votes->under_way--;
    slot->moving = false;
    if (durable)
        set_place(slot, wait->place);
    free_if_gone(slot);
}

void votes_add(struct votes *votes, struct store_vote_op *op)
{
    struct vote_slot *slot = find_or_add(votes, op->log_id);

    if (slot->gone) { /* the log is there again before the old one's last vote was written */
        slot->gone = false;
        slot->known = false;
        set_place(slot, NONE);
    }
    slot->pending++;
    op->votes = votes;
    op->next = NULL;
    op->wait = (struct journal_wait){.done = op_done};
    if (votes->last != NULL)
        votes->last->next = op;
    else
        votes->first = op;
    votes->last = op;
}

/* ---- turns ---------------------------------------------------------------------------------- */

static struct store_vote_op *take(struct votes *votes)
{
    struct store_vote_op *op = votes->first;

    votes->first = op->next;
    if (votes->first == NULL)
        votes->last = NULL;
    op->next = NULL;
    return op;
}

/* Writes those of a file again, as many as there is room for. */
static void move_from(struct votes *votes, int place)
{
    struct vote_slot *slot;

    for (size_t at = 0; (slot = table_next(&votes->slots, &at)) != NULL;) {
        if (slot->place != place || slot->moving || slot->gone)
            continue;
        if (slot->pending > 0 && !votes->overtake)
            continue;
        slot->move = (struct journal_wait){.done = move_done};
        if (!write_vote(votes, slot->log_id, &slot->vote, &slot->move))
            return;
        slot->moving = true;
    }
}

void votes_flush(struct votes *votes)
{
    int place;

    while (votes->first != NULL &&
           write_vote(votes, votes->first->log_id, &votes->first->vote, &votes->first->wait))
        (void)take(votes);
    place = journal_blocked(votes->journal);
    if (place != NONE)
        move_from(votes, place);
}

void votes_refuse(struct votes *votes)
{
    struct store_vote_op *op, *rest;

    if (votes->first == NULL || votes->under_way > 0 || !journal_hopeless(votes->journal))
        return;
    rest = votes->first;
    votes->first = NULL;
    votes->last = NULL;
    while ((op = rest) != NULL) {
        rest = op->next;
        votes->under_way++;
        op_done(&op->wait, false);
    }
}

bool votes_idle(const struct votes *votes)
{
    return votes->first == NULL && votes->under_way == 0;
}
