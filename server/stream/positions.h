/*
 * positions: how far a stream has taken the messages of each of its sources. Part of the applied
 * state: it moves with the messages (EFFECT_SOURCED), so that after a crash or a change of leaders
 * the next message is the one behind the last that is here, whatever has become of that meanwhile.
 *
 * A position belongs to a source by what the source takes: name, prefix, filter, transforms.
 * One that the configuration does not list any more is kept: listed again, it goes on.
 */
#ifndef SERVER_STREAM_POSITIONS_H
#define SERVER_STREAM_POSITIONS_H

#include "base/buf.h"
#include "server/stream/stream_config.h"

struct source_position {
    struct bytes key;  /* owned */
    uint64_t origin;   /* the id of the stream it counts in; 0: none yet, or not known */
    uint64_t sequence; /* of the last message that was taken, 0: none */
};

struct positions {
    struct source_position *at; /* in the order in which they were first configured */
    size_t count, capacity;
    size_t *of_source; /* by place in config.sources */
    size_t source_count;
};

void positions_init(struct positions *positions);
void positions_deinit(struct positions *positions);
void positions_configure(struct positions *positions, const struct stream_config *config);
/* Of the n-th source of the config in force; NULL: there are fewer. */
struct source_position *positions_of_source(struct positions *positions, size_t source);

/* As they stand in a state block, and back: the config's are looked up anew. ERR_CORRUPT: what was
 * read so far stays. */
void positions_encode(const struct positions *positions, struct buf *out);
enum err positions_decode(struct positions *positions, const struct stream_config *config,
                          struct bytes bytes);

/* What a source takes, as bytes to compare. */
void positions_key(const struct stream_source *source, struct buf *out);

#endif
