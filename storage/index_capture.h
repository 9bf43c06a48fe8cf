/*
 * index_capture: what an index holds at one moment, taken down in steps while the index goes on
 * changing: what is about to change is taken down before it does. And the way back.
 *
 * The messages of one aligned range of 1024 sequences are a piece; pieces rise and
 * stand by themselves (docs/formats.md, Messages in a state block), without places. Places are a
 * row of their own, in the order of the messages.
 */
#ifndef STORAGE_INDEX_CAPTURE_H
#define STORAGE_INDEX_CAPTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/spool.h"
#include "storage/index.h"

#define INDEX_PIECE_BITS 10u /* part of the format, whatever the index's own ranges are */

struct index_capture;

/* What is in the index now. Pieces are added to the end of the buffer, which is the caller's, takes
 * nothing else until the end and has no limit: they may be large. It may be emptied between steps.
 * One at a time; it ends before the index does. */
struct index_capture *index_capture_begin(struct index *index, struct buf *pieces);
/*
 * Before the first step. True: there are many subjects, and the row has, before the place of each
 * message that is the first of its subject in its piece, the number by which this index knows the
 * subject. What is taken down has one subject for a number: one that is given to another subject
 * meanwhile is that of later messages. Who restores need not look each of them up by its text.
 */
bool index_capture_name(struct index_capture *capture);
/* Takes down up to so many pieces; true: there are more. Of an index that fails there always are:
 * what was taken down is not all of it. */
bool index_capture_step(struct index_capture *capture, unsigned pieces);
/* Moves what the buffer has to `pieces`, and the places so far to `places`, so that memory need not
 * hold it all. Between steps. */
void index_capture_spool(struct index_capture *capture, struct spool *pieces, struct spool *places);
/* Complete: appends the places that are not in a spool. False: the buffer is at its limit. */
bool index_capture_places(const struct index_capture *capture, struct buf *places);
void index_capture_end(struct index_capture *capture);

/*
 * Puts the messages of the pieces into an empty index, each with the place that `place` makes of
 * the one in the row; without a row (empty) it knows by itself. `named`: the row has numbers of
 * subjects (index_capture_name), which are not trusted: what they say is held against a hash of the
 * text. ERR_CORRUPT: it returned false, or something makes no sense; the index is to be thrown
 * away.
 */
enum err index_restore(struct index *index, struct bytes pieces, struct bytes places, bool named,
                       bool (*place)(void *context, struct index_entry *entry), void *context);

/*
 * The same in steps of so many pieces, for who has others to serve meanwhile. The bytes stay put
 * until the end, and the index is nobody else's. ERR_AGAIN: there are more.
 */
struct index_restoring;
struct index_restoring *index_restoring_begin(
    struct index *index, struct bytes pieces, struct bytes places, bool named,
    bool (*place)(void *context, struct index_entry *entry), void *context);
enum err index_restoring_step(struct index_restoring *restoring, unsigned pieces);
void index_restoring_end(struct index_restoring *restoring);

#endif
