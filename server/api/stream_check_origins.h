/* stream_check_origins: what a mirror or a source may be (reference streams 2.3): by itself, and as
 * seen beside the other streams of the account. */
#ifndef SERVER_API_STREAM_CHECK_ORIGINS_H
#define SERVER_API_STREAM_CHECK_ORIGINS_H

#include "server/api/stream_check.h"

/* False: *verdict says why. */
bool stream_check_mirror(const struct stream_config *config, struct verdict *verdict);
bool stream_check_sources(const struct stream_config *config, struct verdict *verdict);

/* Of a new stream, when nothing else stands against it: filters that no consumer could have. */
bool stream_check_origin_filters(const struct stream_config *config, struct verdict *verdict);

/* The config of the account's stream of that name; NULL: there is none. */
struct stream_look_up {
    void *owner;
    const struct stream_config *(*find)(void *owner, struct bytes name);
};

/* What depends on the origins, as far as they are there; a mirror's direct gets become what its
 * origin's are. */
bool stream_check_visible(struct stream_config *config, bool pedantic,
                          const struct stream_look_up *streams, struct verdict *verdict);

#endif
