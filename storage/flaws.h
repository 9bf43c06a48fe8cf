/*
 * flaws: seeded bugs, one line each where they apply, that the simulator must find
 * (store_options.flaws). A promise whose breach no seed can find is a promise that nothing tests.
 */
#ifndef STORAGE_FLAWS_H
#define STORAGE_FLAWS_H

#define FLAW_TABLE(X)                                                                              \
    X(ACK_BEFORE_DURABLE, "a batch counts as durable when its segment write is done")              \
    X(JOURNAL_ALONE, "a batch in the journal counts although its segment write failed")            \
    X(SKIP_RECOVERY_SYNC, "the recovered tail is not synced before it is answered from (F3)")      \
    X(SKIP_RECOVERY_WRITE,                                                                         \
      "the recovered tail is synced and not written anew, after a failed sync too")                \
    X(CUT_DAMAGE, "a damaged last batch is cut off as if torn (G4)")                               \
    X(OVERWRITE_TORN_TAIL, "the log goes on in place behind a torn tail (G2)")                     \
    X(REUSE_POSITION, "a batch after a failed one takes its place in the same file (G3)")          \
    X(CUT_IN_PLACE, "after a cut the log goes on in the file that holds what was cut")             \
    X(RESUME_UNPROVEN, "a batch proves that those written together with it were durable")          \
    X(REWRITE_LAST_ONLY, "of the last write only the last batch is written anew")                  \
    X(GO_ON_AFTER_FAILED_MAKE, "a file takes batches although its successor may be on the disk")   \
    X(IGNORE_CUT, "batches behind a file's cut are read")                                          \
    X(REUSE_JOURNAL_EARLY, "a journal file is reused before its segments are synced")              \
    X(DROP_ABOVE_OLDER, "files are removed that a start from the older block needs")               \
    X(WALK_WITHOUT_LIST, "a file's end is not taken from the block's list")                        \
    X(LEAVE_GOING_ON, "a file that goes on above the block is not read")                           \
    X(LIST_FILES_END,                                                                              \
      "a block names the end of the file for that of its batch: what follows is not read")         \
    X(FORGET_VOTES, "a journal file is reused although it has the newest vote of a log")           \
    X(TRUST_VOTES, "votes that are found are not written anew before they are answered from")      \
    X(OVERTAKE_VOTE, "a vote that is moved comes behind a newer one on its way")                   \
    X(SKIP_REDO, "the journal is not replayed")                                                    \
    X(SKIP_REDO_SYNC, "replayed segments are not synced before the journal is reused")             \
    X(REDO_UNALLOCATED,                                                                            \
      "the journal is replayed beyond a segment's end as if that were its place")                  \
    X(FORGET_DIRECTORY_SYNC, "a new segment's name is not synced")                                 \
    X(IGNORE_SYNC_ERROR, "a failed sync counts as one")                                            \
    X(RETRY_SYNC, "a failed background sync is tried again as if nothing was lost")                \
    X(AHEAD_SYNCED, "what was written while a sync ran is durable when that sync has ended")       \
    X(AHEAD_BELIEVED, "after a failed sync with something written ahead the next one is believed") \
    X(AHEAD_PROVES, "a batch that is written ahead says that what is in the air was durable")      \
    X(IGNORE_WRITE_ERROR, "a failed segment write counts as done")

#define FLAW_NUMBER(name, text) FLAW_NUMBER_##name,
enum flaw_number { FLAW_TABLE(FLAW_NUMBER) FLAW_COUNT };
#undef FLAW_NUMBER

#define FLAW_BIT(name, text) FLAW_##name = 1u << FLAW_NUMBER_##name,
enum flaw { FLAW_TABLE(FLAW_BIT) };
#undef FLAW_BIT

#endif
