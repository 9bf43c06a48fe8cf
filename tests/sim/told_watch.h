/*
 * told_watch: home takes what lanes tell it in one of its next turns, for which they wake it. If
 * nobody did it would still turn soon, for something else, and no answer would be missed: so this
 * looks at the lanes themselves, now and then.
 */
#ifndef TESTS_SIM_TOLD_WATCH_H
#define TESTS_SIM_TOLD_WATCH_H

#include "server/jetstream/jetstream_priv.h"
#include "server/server_priv.h"

#define TOLD_WATCH_NS INT64_C(4000000) /* a turn comes within a fraction of that */

struct told_watch {
    int64_t since_ns; /* it was seen to have been told something; 0: it was not */
    uint64_t turns;   /* home's, then */
};

/* False: something waits for home to wake up. `server` NULL: it does not run. */
static inline bool told_watch_look(struct told_watch *watch, const struct server *server,
                                   int64_t now_ns)
{
    const struct jetstream *jetstream = server != NULL ? server->jetstream : NULL;

    if (jetstream == NULL || !jetstream_told_any(jetstream)) {
        watch->since_ns = 0;
        return true;
    }
    if (watch->since_ns == 0 || watch->turns != stream_lane_turns(jetstream->home))
        *watch = (struct told_watch){now_ns, stream_lane_turns(jetstream->home)};
    return now_ns - watch->since_ns < TOLD_WATCH_NS;
}

#endif
