/* origins: what can be seen of a stream's mirror or sources (reference streams 7.5). */
#ifndef SERVER_STREAM_ORIGINS_H
#define SERVER_STREAM_ORIGINS_H

#include <stddef.h>
#include <stdint.h>

struct stream;

struct stream_origin_info {
    uint64_t lag;
    int64_t active_ns;          /* since the last sign of life; -1: never */
    uint64_t error_code, error; /* of the last asking; error 0: none */
    const char *error_text;     /* good until the stream's next turn */
    uint64_t stands; /* the message that is damaged at the origin, before which it waits; 0: none */
};

/* Of the mirror (0) or the n-th source, as the leader here knows it. */
void stream_origin_info(const struct stream *stream, size_t number,
                        struct stream_origin_info *info);

#endif
