/* stream_check_transforms: what a stream may make of subjects: of those it takes, and of those it
 * republishes (reference streams 2.3). */
#ifndef SERVER_API_STREAM_CHECK_TRANSFORMS_H
#define SERVER_API_STREAM_CHECK_TRANSFORMS_H

#include "server/api/stream_check.h"

/* Puts defaults in place. False: *verdict says why not. */
bool stream_check_transforms(struct stream_config *config, bool pedantic, struct verdict *verdict);

/* One transform that something of a stream uses; `source_error` and `error` are the codes, `what`
 * begins the text. */
struct stream_transform_use {
    const char *what;
    uint16_t source_error, error;
};
bool stream_check_transform(const struct stream_transform *transform,
                            const struct stream_transform_use *use, struct verdict *verdict);

#endif
