/*
 * flaws: seeded bugs of the stream machine, one line each where they apply, that tests and
 * simulator must find (decider.flaws and stream_state.flaws; 0 in real life). F numbers are rows of
 * the list of interleavings that break a naive design; docs/testing.md has it.
 */
#ifndef SERVER_STREAM_FLAWS_H
#define SERVER_STREAM_FLAWS_H

#include <stdint.h>

#define STREAM_FLAW_TABLE(X)                                                                       \
    X(INDEX_STEP_LOST, "the index does not note the next message of a subject in a cold range")    \
    X(INDEX_BEFORE_LOST, "a range of the index that is written anew forgets what has changed")     \
    X(SEQUENCE_FROM_APPLIED, "the next sequence is that of the applied state plus one (F1)")       \
    X(REFUSAL_NOT_LOOKED, "a refusal that looked at uncommitted state leaves at once (F2)")        \
    X(CHECK_APPLIED, "expected sequences are checked against the applied state (F4, F5)")          \
    X(IDS_APPLIED, "message ids are looked for in the applied state only (F2)")                    \
    X(IGNORE_BARRIER, "decisions go on while a removal is in flight (F5)")                         \
    X(EVICTION_UNSEEN, "a check does not wait for what a limit is about to remove (F5)")           \
    X(WILDCARD_APPLIED, "a wildcard check does not wait for what is in flight (F6)")               \
    X(LIMIT_APPLIED, "discard new counts the applied messages only")                               \
    X(LIMIT_OVERCOUNTED, "discard new refuses although a removal in flight makes room")            \
    X(LIMIT_IN_DECIDE, "old messages are discarded when the new one is decided (F5)")              \
    X(TIME_FALLS, "a message gets the clock's time, also when that is before the last one (F20)")  \
    X(KEEP_REFUSED, "what was proposed and never happened stays in the overlay")                   \
    X(TRACE_OF_REFUSED, "a refused publish leaves its id behind")                                  \
    X(FORGET_IDS, "applied messages do not leave their id behind")                                 \
    X(FORGET_REMOVED_IDS, "a purge forgets all message ids")                                       \
    X(PURGE_UNBOUNDED, "a purge takes messages that came after its decision, too")                 \
    X(EXPIRE_UNBOUNDED, "an expiry takes messages that came after its decision, too (F4)")         \
    X(EXPIRY_STUCK, "an expiry that came to nothing counts as under way for ever (F9)")            \
    X(ROLLUP_WHOLE, "a roll-up removes itself, too")                                               \
    X(SEQUENCE_REUSED, "an emptied stream starts again behind its last removed message")           \
    X(BATCH_HALF, "of an atomic batch that is refused, what came before the reason stays")         \
    X(SETTLING_UNSEEN, "a check does not wait for acknowledgements in flight (F5)")                \
    X(SETTLED_KEPT, "a work queue keeps what was acknowledged")                                    \
    X(NEED_OVERLOOKED, "the first acknowledgement takes a message that another consumer needs")    \
    X(RELEASE_FORGOTTEN, "what only a deleted consumer held stays")                                \
    X(REMOVAL_CUT_SHORT, "a large removal ends with what one turn has time for (F21)")             \
    X(SCHEDULE_KEPT, "a schedule that has fired for good is not removed")                          \
    X(SCHEDULE_LATE, "that a schedule has fired is logged behind what it produced")                \
    X(COUNTER_WHOLE, "a counter from a source is added whole, not what it has moved by")           \
    X(COUNTER_KEPT, "a counter that never came to be is added to")                                 \
    X(HAND_OVER_SKIPS, "who leads anew passes over the first message that it is handed (F8)")      \
    X(HANDED_OVER_EARLY, "what is handed over is confirmed before it is applied (F8)")             \
    X(FAST_GAP, "a fast batch goes on behind a gap that was to end it")                            \
    X(BLOCK_WITHOUT_ENDS, "when messages end is not in the state block")                           \
    X(BLOCK_WITHOUT_SCHEDULES, "when schedules fire is not in the state block")                    \
    X(POSITION_LOST, "what was taken from a source is not remembered")                             \
    X(CONFIG_LATE, "new limits do not count for what is already stored (F10)")                     \
    X(BLOCK_WITHOUT_IDS, "message ids are not in the state block")                                 \
    X(BLOCK_WITHOUT_CONSUMERS, "what consumers have pending is not in the state block")            \
    X(BLOCK_LATE, "messages are taken down for a state block after the rest of the state")         \
    X(MOVED_AT_ONCE, "a file whose messages were moved goes with the next block")                  \
    X(DROP_LIVING, "files below the floor are removed with messages that live")                    \
    X(APPLY_DIFFERS, "once a replica that does not lead forgets a message")                        \
    X(FILL_WITHOUT_RECORDS, "a state is taken from another replica without its messages")          \
    X(SERVES_OTHER, "a replica gives another payload than it has to who fetches it")               \
    X(REPAIR_TRUSTS, "what is fetched for a damaged message counts whatever it is")                \
    X(FILL_LEAVES, "what left the stream while a replica was away stays in its files")             \
    X(FILL_FORGETS, "damage that is found while a state is taken is forgotten with the old one")   \
    X(REPAIR_LEAVES, "what is deleted while it is fetched stays in the file of kept records")      \
    X(HOME_ASLEEP, "what a lane on another shard tells does not wake home")                        \
    X(LANE_UNCOUNTED, "a lane that comes while the server runs is used and not counted")

#define STREAM_FLAW_NUMBER(name, text) STREAM_FLAW_NUMBER_##name,
enum stream_flaw_number { STREAM_FLAW_TABLE(STREAM_FLAW_NUMBER) STREAM_FLAW_COUNT };
#undef STREAM_FLAW_NUMBER

#define STREAM_FLAW_BIT(name, text) STREAM_FLAW_##name = UINT64_C(1) << STREAM_FLAW_NUMBER_##name,
enum stream_flaw { STREAM_FLAW_TABLE(STREAM_FLAW_BIT) };
#undef STREAM_FLAW_BIT

/* Those of counters, batches, ends, schedules and hand-overs, which take streams that have them. */
#define STREAM_FLAWS_OF_FEATURES                                                                   \
    (STREAM_FLAW_COUNTER_WHOLE | STREAM_FLAW_COUNTER_KEPT | STREAM_FLAW_HAND_OVER_SKIPS |          \
     STREAM_FLAW_HANDED_OVER_EARLY | STREAM_FLAW_FAST_GAP | STREAM_FLAW_BLOCK_WITHOUT_ENDS |       \
     STREAM_FLAW_BLOCK_WITHOUT_SCHEDULES)

#endif
