/*
 * placement: may a stream be on a node? (reference streams 11.3) Pure: what the stream asks for and
 * what the node is in, verdict out.
 *
 * Every tag must be on the node; a tag behind '!' must not be. Nodes tagged "!jetstream" hold no
 * streams.
 */
#ifndef SERVER_JETSTREAM_PLACEMENT_H
#define SERVER_JETSTREAM_PLACEMENT_H

#include "server/stream/stream_config.h"

#define PLACEMENT_TAGS_MAX 64u /* of one stream: stream_check refuses more */

/* Why nodes were passed over, gathered over all that were looked at. */
struct placement_reasons {
    uint64_t missed;   /* bits: tags that some node does not have */
    uint64_t excluded; /* bits: tags behind '!' that some node has */
};

/* `placement` NULL: anything goes. The tags of the node are lower case; adds to *reasons. */
bool placement_allows(const struct stream_placement *placement, const struct schema_strings *tags,
                      struct placement_reasons *reasons);
bool placement_equal(const struct stream_placement *a, const struct stream_placement *b);
/* NULL: it does not ask for a cluster, or for this one. */
bool placement_in_cluster(const struct stream_placement *placement, struct bytes cluster);
/* The description of error 10005, as the reference has it. `offline`: nodes are missing. */
void placement_refusal(const struct stream_placement *placement,
                       const struct placement_reasons *reasons, bool offline, char *text,
                       size_t size);

#endif
