/*
 * jetstream_opening: a stream is opened at once if that is no more than a step's work, else over
 * several turns of the loop, a few milliseconds of work in each (docs/architecture.md, A start).
 * One of those at a time: the others of their size are opened behind it.
 */
#include "server/jetstream/jetstream_priv.h"
#include "storage/log.h"

/* In a turn, as so many bytes of log: a millisecond or two. */
#define WORK (4u << 20)

static void is_ready(void *context)
{
    jetstream_awake(context); /* the step is this turn's, or the next one's */
}

bool jetstream_opening_at_once(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    uint64_t work = server_options(jetstream->server)->sim.late_at_once;
    struct log_pace pace = {.work = work > 0 ? work : WORK};
    struct stream *stream = jetstream_entry_opening(jetstream, entry, &pace);
    enum err err;

    if (stream == NULL) {
        jetstream_entry_open(jetstream, entry); /* which says why it cannot be */
        return true;
    }
    err = stream_opening_step(stream);
    if (err == ERR_AGAIN)
        stream_close(stream, false);
    else
        jetstream_entry_opened(jetstream, entry, err == OK ? stream : NULL, err);
    return err != ERR_AGAIN;
}

bool jetstream_opening_begin(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct jetstream_opening *opening = &jetstream->opening;
    uint64_t work = server_options(jetstream->server)->sim.late_work;
    struct log_pace pace = {
        .work = work > 0 ? work : WORK, .ready = is_ready, .context = jetstream};

    assert(opening->entry == NULL);
    opening->stream = jetstream_entry_opening(jetstream, entry, &pace);
    if (opening->stream != NULL)
        opening->entry = entry;
    return opening->entry != NULL;
}

bool jetstream_opening_waits(const struct jetstream *jetstream)
{
    const struct jetstream_opening *opening = &jetstream->opening;

    return opening->entry != NULL && stream_opening_waits(opening->stream);
}

bool jetstream_opening_step(struct jetstream *jetstream)
{
    struct jetstream_opening opening = jetstream->opening;
    enum err err;

    if (jetstream_opening_waits(jetstream))
        return false;
    err = stream_opening_step(opening.stream);
    if (err == ERR_AGAIN)
        return false;
    jetstream->opening = (struct jetstream_opening){0};
    jetstream_entry_opened(jetstream, opening.entry, err == OK ? opening.stream : NULL, err);
    return true;
}

void jetstream_opening_drop(struct jetstream *jetstream)
{
    if (jetstream->opening.entry != NULL)
        stream_close(jetstream->opening.stream, false);
    jetstream->opening = (struct jetstream_opening){0};
}
