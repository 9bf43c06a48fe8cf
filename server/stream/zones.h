/*
 * zones: the time zones that schedules name, from the system's files, each read once.
 */
#ifndef SERVER_STREAM_ZONES_H
#define SERVER_STREAM_ZONES_H

#include "base/table.h"
#include "server/stream/zone.h"

struct zones {
    struct table known;
};

void zones_init(struct zones *zones, uint64_t seed);
void zones_deinit(struct zones *zones);
/* NULL: there is none of that name. Good until zones_deinit. */
const struct zone *zones_find(struct zones *zones, struct bytes name);

#endif
