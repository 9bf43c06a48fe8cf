/* index_priv: the index's own struct, for storage/index*.c. */
#ifndef STORAGE_INDEX_PRIV_H
#define STORAGE_INDEX_PRIV_H

#include "storage/index.h"
#include "storage/index_blocks.h"
#include "storage/index_count.h"
#include "storage/index_subjects.h"

struct index {
    guard_failed *failed; /* of the scratch memory; NULL: there is none */
    struct index_blocks blocks;
    struct index_subjects subjects;
    uint64_t count, bytes;
    uint64_t sequence_added;       /* highest ever */
    struct index_capture *capture; /* under way, or NULL */
    /* Ids that the next messages' subjects probably have, or INDEX_SUBJECT_NONE; each is used for
     * one message, if it is right. */
    uint32_t guesses[INDEX_EXPECT_MAX];
    uint32_t guess, guess_count;
};

/* ---- behind the door (index_door.c) ------------------------------------------------------------
 * What index_* of the same name do when scratch memory can be read. All in storage/index*.c calls
 * these: there is one frame (base/guard.h), and it may be left from any read. What calls out of the
 * index pauses it.
 */
void index_bare_add(struct index *index, const struct index_entry *entry);
void index_bare_expect(struct index *index, const struct bytes *subjects, size_t count);
void index_bare_move(struct index *index, uint64_t sequence, log_place place);
bool index_bare_remove(struct index *index, uint64_t sequence, struct index_entry *removed);
uint64_t index_bare_purge(struct index *index, const struct index_filter *filter, uint64_t below,
                          void (*removed)(void *context, const struct index_entry *entry),
                          void *context);
uint64_t index_bare_first(const struct index *index);
uint64_t index_bare_last(const struct index *index);
bool index_bare_get(const struct index *index, uint64_t sequence, struct index_entry *entry);
bool index_bare_place(const struct index *index, uint64_t sequence, log_place *place,
                      uint32_t *record_size);
bool index_bare_next(const struct index *index, const struct index_filter *filter, uint64_t from,
                     struct index_entry *entry);
bool index_bare_previous(const struct index *index, const struct index_filter *filter,
                         uint64_t up_to, struct index_entry *entry);
bool index_bare_first_at(const struct index *index, int64_t time_ns, struct index_entry *entry);
void index_bare_subject(const struct index *index, struct bytes subject, struct index_subject *out);
uint64_t index_bare_pending(const struct index *index, const struct index_filter *filter,
                            uint64_t from);
uint64_t index_bare_pending_last(const struct index *index, const struct index_filter *filter,
                                 uint64_t from, uint64_t up_to);
bool index_bare_is_last(const struct index *index, uint64_t sequence, uint64_t up_to);
void index_bare_subjects(const struct index *index, const struct index_filter *filter,
                         void (*found)(void *context, struct bytes subject,
                                       const struct index_subject *counts),
                         void *context);
void index_bare_count_begin(struct index_count *count, const struct index *index,
                            const struct index_filter *filter, uint64_t from, uint64_t snapshot);
bool index_bare_count_part(struct index_count *count, uint64_t most);
bool index_bare_count_walk(const struct index *index, const struct index_filter *filter,
                           uint64_t snapshot, uint64_t most, uint64_t *next, uint64_t *count);
struct index_capture;
bool index_bare_capture_step(struct index_capture *capture, unsigned pieces);
const struct index *index_captured(const struct index_capture *capture);
struct index_restoring;
enum err index_bare_restoring_step(struct index_restoring *reading, unsigned pieces);
const struct index *index_restored(const struct index_restoring *reading);
struct index_here;
void index_bare_here_get(const struct index *index, uint64_t sequence, struct index_here *here);
void index_bare_here_subject(const struct index *index, struct bytes subject, uint64_t from,
                             struct index_here *here);
uint64_t index_bare_here_next(const struct index *index, const struct index_filter *filter,
                              uint64_t from, struct index_here *here);
void index_bare_here_count(const struct index *index, const struct index_filter *filter,
                           uint64_t from, uint64_t names, uint64_t messages,
                           struct index_here *here);
void index_bare_here_add(const struct index *index, struct bytes subject, uint64_t limit,
                         struct index_here *here);
bool index_bare_here_adds(const struct index *index, bool limited, size_t most,
                          struct index_here *here);
void index_bare_here_remove(const struct index *index, uint64_t sequence, struct index_here *here);
struct index_front;
void index_bare_here_front(const struct index *index, struct index_front *front,
                           struct index_here *here);

/* index_capture.c: the message is about to go, and with it what is around it may change. */
void index_capture_touch(struct index_capture *capture, uint64_t sequence);
/* All are: what was the index's, `gone`, is the capture's from now on. */
void index_capture_keep(struct index_capture *capture, struct index *gone);

/* index.c: adds a message of a subject that is known; it is the entry's. */
void index_add_named(struct index *index, const struct index_entry *entry, uint32_t subject);

/* The entry of a live slot. */
void index_fill(const struct index *index, uint64_t sequence, const struct index_slot *slot,
                struct index_entry *entry);

/* ---- filters (index_match.c) ---------------------------------------------------------------- */

/* Does the filter take everything? */
bool index_filter_all(const struct index_filter *filter);
bool index_filter_literal(const struct index_filter *filter);
bool index_filter_matches(const struct index_filter *filter, struct bytes subject);

/* Walks the names that match, each once, by look-up (literal) or by trying all. What is found is
 * good until the next step. */
void index_names_begin(struct index_name_walk *walk, const struct index *index,
                       const struct index_filter *filter);
const struct index_name *index_names_next(struct index_name_walk *walk); /* NULL: no more */
/* Each name that is tried takes one of *steps. NULL: no more, or (0 are left) perhaps more. */
const struct index_name *index_names_some(struct index_name_walk *walk, uint64_t *steps);

/* Remembers what it answered for the ids met lately: a scan meets few subjects many times. */
#define INDEX_MEMO_SIZE 16u
struct index_memo {
    const struct index *index;
    const struct index_filter *filter;
    bool all;
    uint32_t id_plus_1[INDEX_MEMO_SIZE];
    bool matches[INDEX_MEMO_SIZE];
};
void index_memo_init(struct index_memo *memo, const struct index *index,
                     const struct index_filter *filter);
bool index_memo_matches(struct index_memo *memo, uint32_t id);

/* ---- chains: the messages of one name (index_chain.c) --------------------------------------- */

/* The lowest at or above `from` / the highest at or below `up_to`; 0: none. */
uint64_t index_chain_up(const struct index *index, const struct index_name *name, uint64_t from);
uint64_t index_chain_down(const struct index *index, const struct index_name *name, uint64_t up_to);
/* How many are at or above `from`, in parts: takes from *steps, and is false when they do not
 * suffice: then it is called again. */
void index_chain_begin(struct index_chain *chain, const struct index_name *name, uint64_t from);
bool index_chain_count(const struct index *index, struct index_chain *chain, uint64_t *steps,
                       uint64_t *count);

/* Is it cheaper to try every subject than to look at `messages` messages? (index_count.c) */
bool index_names_cheaper(const struct index *index, uint64_t messages);

#endif
