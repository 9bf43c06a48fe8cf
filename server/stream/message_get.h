/*
 * message_get: which message is wanted: the body that STREAM.MSG.GET and DIRECT.GET share
 * (reference streams 6.1, 6.4), and where the index has it. Pure.
 */
#ifndef SERVER_STREAM_MESSAGE_GET_H
#define SERVER_STREAM_MESSAGE_GET_H

#include "base/schema.h"
#include "storage/index.h"
#include "storage/index_here.h"

struct message_get {
    uint64_t seq;
    struct bytes last_by_subj, next_by_subj;
    int64_t batch, max_bytes;
    int64_t start_time_ns; /* TIME_UNSET: not asked for */
    struct schema_strings multi_last;
    uint64_t up_to_seq;
    int64_t up_to_time_ns; /* as start_time_ns */
    bool no_hdr;
};
extern const struct schema message_get_schema;

/* Does it say nowhere what it wants? */
bool message_get_is_empty(const struct message_get *get);
/* Does it ask for one message in two ways? */
bool message_get_contradicts(const struct message_get *get);
/* Where a walk upwards over next_by_subj (empty: all) begins; false: no message is that young. */
bool message_get_from(const struct message_get *get, const struct index *index, uint64_t *from);
/* The one message that is wanted; batch and multi_last are not looked at. */
bool message_get_find(const struct message_get *get, const struct index *index,
                      struct index_entry *entry);

/* Is what that reads in memory? Not asked of times and of subjects with wildcards. */
void message_get_here(const struct message_get *get, const struct index *index,
                      struct index_here *here);

/*
 * The sequences of the last message at or below `up_to` of every subject that matches one of
 * multi_last, as far as they are not below `seq`, rising. `sequences` takes `max`; returns how many
 * there are in all, also below `seq`: more than `max` leaves `sequences` of no use. Costs as
 * index_subjects, and for each subject that has a newer message one index_previous.
 */
size_t message_get_lasts(const struct message_get *get, const struct index *index, uint64_t up_to,
                         size_t max, uint64_t *sequences, size_t *count);

#endif
