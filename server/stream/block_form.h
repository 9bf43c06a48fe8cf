/* block_form: what a stream's state block consists of (docs/formats.md, Stream in a state block),
 * for stream_block.c, which writes it, and stream_block_read.c. */
#ifndef SERVER_STREAM_BLOCK_FORM_H
#define SERVER_STREAM_BLOCK_FORM_H

#include "raft/replica.h"

/* Of the body. */
#define SECTION_STATE    (BLOCK_SECTION_FREE + 0)
#define SECTION_SHELL    (BLOCK_SECTION_FREE + 1)
#define SECTION_MESSAGES (BLOCK_SECTION_FREE + 2)
#define SECTION_CONSUMER (BLOCK_SECTION_FREE + 3)
#define CONSUMER_HEAD    32u

/* Of the local part. */
#define FILE_SIZE    12u        /* of one: ordinal, id */
#define ERASING_FLAG (1u << 31) /* of their count: behind them stands what is to be erased */
#define LOST_FLAG    (1u << 30) /* and behind that what is lost */
#define NAMED_FLAG   (1u << 29) /* the places say numbers of subjects, too */
#define LOST_HEAD    12u        /* bytes that are of no message that is known, count */

#endif
