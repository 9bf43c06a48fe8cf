/*
 * content: what the messages of a model client's stream look like. A publish has an id, and its
 * payload follows from it: what comes back is checked byte for byte without being stored. Shared by
 * the histories of one server (oracle.h) and of a cluster (cluster_history.h).
 */
#ifndef TESTS_SIM_CONTENT_H
#define TESTS_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define CONTENT_MAX (400u << 10)

struct content {
    unsigned stream;
    unsigned large; /* one payload in so many is larger than what a journal takes */
};

void content_subject(const struct content *content, uint8_t subject, char out[static 16]);
size_t content_payload(const struct content *content, uint64_t id, uint8_t out[static CONTENT_MAX]);

enum content_found { CONTENT_KNOWN, CONTENT_CHANGED, CONTENT_STRANGE };
/* Which publish, up to `id_last`, a payload is of. CHANGED: it says *id and is not that publish's.
 * STRANGE: nobody sent it. */
enum content_found content_recognise(const struct content *content, struct bytes payload,
                                     uint64_t id_last, uint64_t *id);

#endif
