/* detail: one stream as monitoring shows it (reference monitoring.md 2.9), with the encoders of the
 * API. */
#ifndef SERVER_API_DETAIL_H
#define SERVER_API_DETAIL_H

#include "base/json.h"
#include "server/jetstream/jetstream_core.h"

struct api_detail {
    bool config;
    bool consumers;
    bool direct; /* the consumers of mirrors and sources, too */
    bool raft;   /* what its group is called */
};

/* One JSON object. */
void api_stream_detail(struct json_writer *writer, struct jetstream *jetstream,
                       struct stream *stream, const struct api_detail *detail);

#endif
