/*
 * jetstream_told: home takes what lanes have told it (server/stream/told.h), in their order, and
 * does what follows from it: for the catalogue, for the API. What is of a stream that was closed
 * meanwhile, or opened anew, is nobody's any more; who waits for an answer has it all the same.
 */
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/restore.h"

/* NULL: it is closed, or another. */
static struct stream *find(const struct catalogue_entry *entry, const struct told *told)
{
    struct stream *stream = entry != NULL ? entry->stream : NULL;

    return stream != NULL && stream_life(stream) == told->life ? stream : NULL;
}

/* What a stream says of itself. */
static void hear(struct jetstream *jetstream, struct catalogue_entry *entry,
                 const struct told *told)
{
    switch (told->kind) {
    case TOLD_LEADS: jetstream_stream_leads(jetstream, entry, told->term); break;
    case TOLD_FOLLOWS: jetstream_stream_follows(jetstream, entry); break;
    case TOLD_LEADER: jetstream_stream_leader(jetstream, entry, told->node, told->term); break;
    case TOLD_REMOVED: jetstream_stream_removed(jetstream, entry); break;
    case TOLD_RESTORED: jetstream_stream_restored(jetstream, entry, told->text); break;
    case TOLD_WAITS: stream_operations_check(entry->stream); break;
    default: break;
    }
}

static void do_one(struct jetstream *jetstream, const struct told *told)
{
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, told->stream);
    struct stream *stream = find(entry, told);
    struct stream_glance *glance = told->of;

    switch (told->kind) {
    case TOLD_OPERATION: stream_op_over(told->of, stream); break;
    case TOLD_GLANCE: glance->done(glance, stream); break;
    case TOLD_ANSWERED: stream_answered(told->of); break;
    case TOLD_FAILED:
        jetstream_streams_reopen(jetstream);
        stream_lane_heard(told->of);
        break;
    case TOLD_CALL: told->call(told->of, stream, told); break;
    default:
        if (stream != NULL)
            hear(jetstream, entry, told);
        break;
    }
}

static bool take_of(struct jetstream *jetstream, struct stream_lane *lane)
{
    struct told told;
    bool any = false;

    jetstream_lane_is_still(jetstream, lane);
    atomic_store(&lane->telling, false);
    while (told_take(&lane->told, &told)) {
        do_one(jetstream, &told);
        told_drop(&told);
        any = true;
    }
    return any;
}

bool jetstream_told_any(const struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        const struct stream_lane *lane = jetstream->lanes[i];

        if (lane->shard == 0 ? told_any(&lane->told) : atomic_load(&lane->telling))
            return true;
    }
    return false;
}

bool jetstream_told_take(struct jetstream *jetstream)
{
    bool any = false;

    for (unsigned i = 0; i < jetstream->lane_count; i++)
        any = take_of(jetstream, jetstream->lanes[i]) || any;
    return any;
}
