/*
 * origin_headers: the header block of a message that was stored elsewhere, as a mirror or a source
 * stores it (reference streams 7.1, 7.2).
 */
#ifndef SERVER_STREAM_ORIGIN_HEADERS_H
#define SERVER_STREAM_ORIGIN_HEADERS_H

#include "base/buf.h"
#include "server/stream/stream_config.h"

/*
 * The block without what the publisher expected and without batches, with `source` as its
 * Nats-Stream-Source (empty: none is added or taken out). The block itself if that changes
 * nothing, else in `scratch`; empty if nothing is left. With a block that leaves no room for it the
 * message goes without: where it came from is known without it (positions.h).
 */
struct bytes origin_headers(struct bytes block, struct bytes source, struct buf *scratch);

/* What Nats-Stream-Source says: "<name>[:<prefix hash>] <sequence> <filters> <transforms>
 * <subject>". Clears `out`. */
void origin_header_source(const struct stream_source *source, uint64_t sequence,
                          struct bytes subject, struct buf *out);

/* The value of the first line of that name ("Nats-Last-Consumer"), trimmed; empty: none. */
struct bytes origin_header_value(struct bytes block, struct bytes name);

/* Eight letters that stand for a text in names and headers. */
#define ORIGIN_HASH_SIZE 8u
void origin_hash(struct bytes text, char out[static ORIGIN_HASH_SIZE]);

#endif
