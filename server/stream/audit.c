#include "server/stream/audit.h"

#include "base/subject.h"
#include "server/stream/stream_priv.h"

/* How many consumers a message is for, and how many of them still need it. */
struct demand {
    unsigned takers, owed;
};

static bool takes(const struct consumer *consumer, struct bytes subject)
{
    struct consumer_filter filter = consumer_filter(consumer);

    for (size_t i = 0; i < filter.count; i++) {
        if (subject_matches(filter.subjects[i], subject))
            return true;
    }
    return filter.count == 0;
}

static struct demand demand_for(const struct stream *stream, const struct consumer_message *message)
{
    struct demand demand = {0};
    const struct consumer *consumer;

    for (size_t at = 0; (consumer = stream_consumer_next(stream, &at)) != NULL;) {
        if (consumer_volatile(consumer))
            continue;
        demand.takers += takes(consumer, message->subject);
        demand.owed += consumer_needs(consumer, message);
    }
    return demand;
}

/* A work queue keeps what no consumer is there for; interest does not. */
static bool left_over(const struct stream *stream, struct demand demand)
{
    if (demand.owed > 0)
        return false;
    return stream_config(stream)->retention == RETENTION_INTEREST || demand.takers > 0;
}

void stream_audit(const struct stream *stream, struct stream_audit *audit)
{
    struct index_entry entry;

    *audit = (struct stream_audit){0};
    if (stream_config(stream)->retention == RETENTION_LIMITS)
        return;
    for (uint64_t from = 0; index_next(stream->state.index, NULL, from, &entry);
         from = entry.sequence + 1) {
        struct consumer_message message = consumer_view_message(&stream->view, &entry);
        struct demand demand = demand_for(stream, &message);

        audit->messages++;
        audit->shared += demand.owed > 1 && stream_config(stream)->retention == RETENTION_WORKQUEUE;
        if (!left_over(stream, demand))
            continue;
        if (audit->leftovers++ == 0)
            audit->leftover_first = entry.sequence;
    }
}
