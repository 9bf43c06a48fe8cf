/*
 * schedule: when a message that is a schedule fires (reference streams 9.5): "@at <time>", "@every
 * <duration>", six cron fields (second minute hour day month weekday), or a name for such. Pure:
 * the time is an argument, and so is the zone.
 */
#ifndef SERVER_STREAM_SCHEDULE_H
#define SERVER_STREAM_SCHEDULE_H

#include "server/stream/zone.h"

struct schedule_time {
    int64_t next_ns;
    bool repeats;
};

/*
 * The first time after `from_ns`; a pattern that would have fired several times until `now_ns` goes
 * on behind that. `zone`: NULL is UTC; `zoned`: the schedule names one. False: no such pattern, one
 * that takes no zone, or one that does not fire within five years.
 */
bool schedule_next(struct bytes pattern, bool zoned, const struct zone *zone, int64_t from_ns,
                   int64_t now_ns, struct schedule_time *time);

#endif
