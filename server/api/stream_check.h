/*
 * stream_check: the rules of StreamConfig (reference streams 2.2 to 2.4): defaults, validation in the
 * reference's order with its texts, and what an update may change. Pure: configs in, verdict out.
 */
#ifndef SERVER_API_STREAM_CHECK_H
#define SERVER_API_STREAM_CHECK_H

#include "server/stream/stream_config.h"

struct stream_verdict {
    uint16_t error; /* 0: fine */
    char text[256]; /* description, empty: the constant one */
};

/* Puts defaults in place and checks the result. New strings and the metadata map are in `arena`. */
void stream_check(struct stream_config *config, bool pedantic, struct arena *arena,
                  struct stream_verdict *verdict);

/* May `from` become `to`? Both are normalised. Sealing is carried out on `to`. */
void stream_check_update(const struct stream_config *from, struct stream_config *to,
                         struct stream_verdict *verdict);

#endif
