/*
 * jetstream_lives: the beginnings and ends of streams, which are their lane's to carry out: opening
 * one reads its log, closing one stops its reads. Home gives the lane an errand, which runs in its
 * turn, and hears of its end by what the lane tells. In between an entry that is being opened says
 * that it is `preparing`; one that is being closed has no stream any more, and errands of a lane
 * run in their order. Home's own lane does both at once.
 */
#include "base/heap.h"
#include "base/owner.h"
#include "server/jetstream/jetstream_cluster_priv.h"

/* A stream that is opened. */
struct opening {
    struct lane_errand errand;
    struct jetstream *jetstream;
    struct account *account;
    uint64_t id;
    struct bytes name; /* owned */
    struct stream *stream;
    enum err err;
};

/* One that is closed, and its files, if they are to go. */
struct closing {
    struct lane_errand errand;
    struct jetstream *jetstream;
    struct stream_lane *lane;
    struct stream *stream; /* NULL: it is not open */
    uint64_t id;
    bool deleted, files;
    bool anew; /* to be opened again */
    enum err err;
};

static void send(struct jetstream *jetstream, struct stream_lane *lane, struct lane_errand *errand)
{
    jetstream_lane_is_still(jetstream, lane);
    stream_lane_send(lane, errand);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void files_gone(void *of, struct stream *stream, const struct told *told)
{
    struct closing *closing = of;
    struct jetstream *jetstream = closing->jetstream;

    (void)stream;
    (void)told;
    jetstream->removals--;
    if (closing->err == OK || closing->err == ERR_NOT_FOUND)
        jetstream_files_gone(jetstream, closing->id);
    else /* the committed removal is tried again at the next start */
        logger_warn(server_logger(jetstream->server),
                    "Files of removed stream %llu are still there: %s",
                    (unsigned long long)closing->id, err_text(closing->err));
    heap_give(closing);
}

static void removed(void *context, enum err err)
{
    struct closing *closing = context;

    closing->err = err;
    stream_lane_end_errand(closing->lane, closing->id, files_gone, closing);
}

static void close_stream(const struct closing *closing)
{
    if (closing->stream == NULL)
        return;
    stream_unlink_dirty(closing->stream);
    if (closing->anew && closing->deleted)
        stream_close_anew(closing->stream);
    else
        stream_close(closing->stream, closing->deleted);
}

static void close_there(struct lane_errand *errand, bool drop)
{
    struct closing *closing = owner_of(errand, struct closing, errand);

    closing->deleted = closing->deleted && !drop;
    close_stream(closing);
    if (closing->files && !drop) {
        store_remove(closing->lane->store, closing->id, removed, closing);
        return;
    }
    if (closing->files) /* the server ends: they go at the next start, and nobody counts on */
        closing->jetstream->removals--;
    heap_give(closing);
}

static void send_closing(struct jetstream *jetstream, struct catalogue_entry *entry, bool files,
                         bool anew)
{
    struct closing *closing = HEAP_NEW(struct closing);

    *closing = (struct closing){.errand.run = close_there,
                                .jetstream = jetstream,
                                .lane = jetstream_lane(jetstream, entry),
                                .stream = entry->stream,
                                .id = entry->assigned.id,
                                .deleted = true,
                                .files = files,
                                .anew = anew};
    if (entry->stream != NULL)
        stream_leave(entry->stream); /* whoever hears that it is gone reaches it no more */
    entry->stream = NULL;
    entry->leads = false;
    jetstream->removals += files;
    send(jetstream, closing->lane, &closing->errand);
}

void jetstream_stream_close(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    send_closing(jetstream, entry, false, false);
}

void jetstream_stream_remove(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    send_closing(jetstream, entry, true, false);
}

void jetstream_stream_close_anew(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    send_closing(jetstream, entry, false, true);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void close_unwanted(struct jetstream *jetstream, const struct opening *opening,
                           struct stream_lane *lane)
{
    struct closing *closing = HEAP_NEW(struct closing);

    *closing = (struct closing){.errand.run = close_there,
                                .jetstream = jetstream,
                                .lane = lane,
                                .stream = opening->stream,
                                .id = opening->id,
                                .deleted = true};
    send(jetstream, lane, &closing->errand);
}

static void opened(void *of, struct stream *stream, const struct told *told)
{
    struct opening *opening = of;
    struct jetstream *jetstream = opening->jetstream;
    struct catalogue_entry *entry = catalogue_find(&jetstream->catalogue, opening->id);

    (void)stream;
    (void)told;
    if (entry != NULL && entry->preparing && entry->stream == NULL) {
        entry->stream = opening->stream;
        jetstream_stream_opened(jetstream, entry, opening->err);
    } else if (opening->stream != NULL) { /* it is in the catalogue no more */
        close_unwanted(jetstream, opening, stream_lane_of(opening->stream));
    }
    heap_give((void *)opening->name.at);
    heap_give(opening);
}

static void open_there(struct lane_errand *errand, bool drop)
{
    struct opening *opening = owner_of(errand, struct opening, errand);
    struct stream_lane *lane = errand->lane;

    if (drop) {
        heap_give((void *)opening->name.at);
        heap_give(opening);
        return;
    }
    opening->stream =
        stream_open(lane, opening->account, opening->id, opening->name, &opening->err);
    if (opening->stream != NULL)
        opening->err = OK;
    stream_lane_end_errand(lane, opening->id, opened, opening);
}

void jetstream_stream_open(struct jetstream *jetstream, struct catalogue_entry *entry,
                           struct account *account)
{
    struct opening *opening = HEAP_NEW(struct opening);

    *opening = (struct opening){.errand.run = open_there,
                                .jetstream = jetstream,
                                .account = account,
                                .id = entry->assigned.id,
                                .name = heap_copy(entry->config.name)};
    send(jetstream, jetstream_lane(jetstream, entry), &opening->errand);
}
