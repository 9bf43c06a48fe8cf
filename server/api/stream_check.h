/*
 * stream_check: the rules of StreamConfig (reference streams 2.3, 2.4): defaults, validation in the
 * reference's order with its texts, and what an update may change. Pure: configs in, verdict out.
 */
#ifndef SERVER_API_STREAM_CHECK_H
#define SERVER_API_STREAM_CHECK_H

#include "server/api/verdict.h"
#include "server/stream/stream_config.h"

/* Every subject is a subscription of the stream and is compared with every other stream's. */
#define STREAM_SUBJECTS_MAX 4096u

/* Puts defaults in place and checks the result; strings and the metadata map may be replaced by
 * ones in `arena`. What is not built passes: stream_check_built refuses it, when everything that
 * the reference would refuse has been. */
void stream_check(struct stream_config *config, bool pedantic, struct arena *arena,
                  struct verdict *verdict);

/* May `from` become `to`? Both are normalised; a stream that is sealed gets what belongs to it in
 * `to`. */
void stream_check_update(const struct stream_config *from, struct stream_config *to,
                         struct verdict *verdict);

/* More than one replica and features that are not built. */
void stream_check_built(const struct stream_config *config, bool clustered,
                        struct verdict *verdict);
/* Can one message be captured by both? */
bool stream_check_overlap(const struct stream_config *a, const struct stream_config *b);

#endif
