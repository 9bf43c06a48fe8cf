/*
 * votes: the newest vote of each log, kept in the journal (docs/formats.md, Journal). A journal
 * file that has the newest vote of some log is not written over; when files are wanted, such votes
 * are moved, that is, written again into the current one. A vote on its way is never overtaken by
 * an older one that is moved.
 */
#ifndef STORAGE_VOTES_H
#define STORAGE_VOTES_H

#include "base/table.h"
#include "storage/journal.h"
#include "storage/log.h"
#include "storage/redo.h"

struct votes {
    struct journal *journal;
    struct table slots;          /* struct vote_slot by log id */
    struct store_vote_op *first; /* not in a journal record yet */
    struct store_vote_op *last;
    unsigned under_way; /* in a record that is not written */
    bool forget;        /* FLAW_FORGET_VOTES */
    bool overtake;      /* FLAW_OVERTAKE_VOTE */
};

void votes_init(struct votes *votes, uint64_t flaws);
void votes_deinit(struct votes *votes);

void vote_read(const uint8_t at[JOURNAL_VOTE_SIZE], struct store_vote *vote);
/* Start-up. A vote that stands in that record of the journal. */
void votes_found(struct votes *votes, uint64_t log_id, const struct store_vote *vote,
                 const struct redo_record *record);
/* Start-up: the records with the newest votes, each once, by file and offset; heap_give. */
struct redo_record *votes_records(const struct votes *votes, size_t *count);
/* Start-up: whether `file` has the newest vote of a log; and it is the journal's at `place`. */
bool votes_in(const struct votes *votes, unsigned file);
void votes_place(struct votes *votes, unsigned file, int place);
/* Start-up: keeps those of logs for which `keep` says so. */
void votes_select(struct votes *votes,
                  bool (*keep)(void *context, uint64_t log_id, const struct store_vote *vote),
                  void *context);

void votes_add(struct votes *votes, struct store_vote_op *op);
bool votes_get(const struct votes *votes, uint64_t log_id, struct store_vote *vote);
/* The log is gone. */
void votes_forget(struct votes *votes, uint64_t log_id);
/* Before journal_flush: what waits goes into its record, and what stands in the way is moved. */
void votes_flush(struct votes *votes);
/* After it: tells those that still wait when there is nothing to wait for. */
void votes_refuse(struct votes *votes);
bool votes_idle(const struct votes *votes);

#endif
