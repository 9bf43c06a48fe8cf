/*
 * jetstream_directory: somebody has removed the store's directory while the server runs, or parts
 * of it. What is open is served on, and is gone with the next start: that is said, in the log and
 * as health. The names are made anew (storage/remake.c), and every group here writes a state block,
 * so that what is acknowledged from then on is there after a start.
 *
 * In a cluster it stays gone: this node's next start finds an empty disk and is a new incarnation,
 * which counts for nothing that this one has said.
 */
#include "base/owner.h"
#include "raft/replica.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/server.h"
#include "server/stream/stream.h"
#include "server/stream/stream_state.h"

#define LOOK_NS      INT64_C(2000000000)
#define FAILURES_MAX 8u

static void arm(struct jetstream_directory *directory)
{
    struct io *io = server_io(directory->jetstream->server);

    timers_arm(io_timers(io), &directory->timer, io_now(io) + LOOK_NS);
}

static bool on_disk(const struct catalogue_entry *entry)
{
    return entry->stream != NULL && entry->readable && entry->config.storage == STORAGE_FILE;
}

/* What was there cannot be had again: whoever asks for this server's health is to know. */
static bool has_lost(const struct jetstream *jetstream)
{
    for (const struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (on_disk(entry) && stream_state_messages(stream_applied(entry->stream)) > 0)
            return true;
    }
    return false;
}

static void write_blocks(struct jetstream *jetstream)
{
    if (jetstream->meta != NULL)
        replica_block_soon(jetstream->meta);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (on_disk(entry) && stream_replica(entry->stream) != NULL)
            replica_block_soon(stream_replica(entry->stream));
    }
}

static void report_gone(struct jetstream *jetstream, enum err err)
{
    struct jetstream_directory *directory = &jetstream->directory;
    const struct store_look *look = &directory->look;
    struct logger *logger = server_logger(jetstream->server);
    const char *dir = server_options(jetstream->server)->store_dir;

    if (err == OK && has_lost(jetstream)) {
        logger_error(
            logger,
            "JetStream's directory \"%s/millrace\" was removed while the server runs and is "
            "made anew: messages stored before are served until the server ends, and are "
            "LOST then",
            dir);
        jetstream->unhealthy = "the store directory was removed: messages are lost with a restart";
    } else if (err == OK) {
        logger_error(
            logger,
            "JetStream's directory \"%s/millrace\" was removed while the server runs and is "
            "made anew",
            dir);
    } else if (!directory->failed && look->only) {
        logger_error(
            logger,
            "JetStream's directory \"%s/millrace\" was removed while the server runs: what "
            "it stores is on no disk; restart it, and it gets everything from the others",
            dir);
        jetstream->unhealthy = "the store directory was removed: this server is to be restarted";
    } else if (!directory->failed) {
        logger_error(logger,
                     "JetStream's directory \"%s/millrace\" was removed while the server runs and "
                     "cannot be made anew (%s): nothing that is stored survives the server",
                     dir, err_text(err));
        jetstream->unhealthy = "the store directory is gone";
    }
}

/* Streams that could not be made wait for this. */
static void try_again(struct jetstream *jetstream)
{
    struct io *io = server_io(jetstream->server);

    if (!timer_armed(&jetstream->again))
        return;
    timers_cancel(io_timers(io), &jetstream->again);
    timers_arm(io_timers(io), &jetstream->again, io_now(io));
}

static void looked_at_all(struct jetstream_directory *directory)
{
    struct jetstream *jetstream = directory->jetstream;
    bool gone = directory->gone;

    directory->looking = false;
    jetstream_halt(jetstream); /* what streams have is looked at */
    if (gone)
        report_gone(jetstream, directory->err);
    directory->failed = gone && directory->err != OK;
    directory->failures = directory->failed ? directory->failures + 1 : 0;
    if (gone && directory->err == OK)
        write_blocks(jetstream);
    jetstream_go_on(jetstream);
    try_again(jetstream);
    arm(directory);
}

static void look_at(struct jetstream_directory *directory);

static void looked(void *of, struct stream *stream, const struct told *told)
{
    struct jetstream_directory *directory = of;
    struct jetstream *jetstream = directory->jetstream;
    const struct store_look *look = &directory->look;

    (void)stream;
    (void)told;

    if (look->gone || look->err == ERR_BUSY) {
        directory->gone = true;
        directory->err = directory->err == OK ? look->err : directory->err;
    }
    directory->lane++;
    if (directory->err == OK && directory->lane < jetstream->lane_count)
        look_at(directory);
    else
        looked_at_all(directory);
}

static void look_done(struct store_look *look)
{
    struct jetstream_directory *directory = owner_of(look, struct jetstream_directory, look);

    stream_lane_end_errand(directory->errand.lane, 0, looked, directory);
}

static void look(struct lane_errand *errand, bool drop)
{
    struct jetstream_directory *directory = owner_of(errand, struct jetstream_directory, errand);

    if (!drop)
        store_look(errand->lane->store, &directory->look);
}

static void look_at(struct jetstream_directory *directory)
{
    struct jetstream *jetstream = directory->jetstream;

    directory->errand.run = look;
    jetstream_halt(jetstream);
    stream_lane_send(jetstream->lanes[directory->lane], &directory->errand);
    jetstream_go_on(jetstream);
}

static void begin(struct jetstream_directory *directory)
{
    struct jetstream *jetstream = directory->jetstream;

    timers_cancel(io_timers(server_io(jetstream->server)), &directory->timer);
    directory->looking = true;
    directory->lane = 0;
    directory->gone = false;
    directory->err = OK;
    directory->look.done = look_done;
    directory->look.only = jetstream->cluster != NULL;
    look_at(directory);
}

static void fired(struct timer *timer)
{
    begin(owner_of(timer, struct jetstream_directory, timer));
}

/* Who removes it may not have been through when it was made anew. */
static bool removed_meanwhile(const struct jetstream_directory *directory)
{
    return directory->err == ERR_NOT_FOUND && directory->failures < FAILURES_MAX;
}

bool jetstream_directory_missing(struct jetstream *jetstream)
{
    struct jetstream_directory *directory = &jetstream->directory;

    if (directory->jetstream == NULL)
        return false;
    if (directory->looking)
        return true;
    if (directory->failed && !removed_meanwhile(directory))
        return false;
    begin(directory);
    return true;
}

void jetstream_directory_begin(struct jetstream *jetstream)
{
    struct jetstream_directory *directory = &jetstream->directory;

    if (!io_root_removable(server_io(jetstream->server)))
        return;
    directory->jetstream = jetstream;
    directory->timer.fire = fired;
    arm(directory);
}

void jetstream_directory_end(struct jetstream *jetstream)
{
    struct jetstream_directory *directory = &jetstream->directory;

    if (directory->jetstream == NULL)
        return;
    timers_cancel(io_timers(server_io(jetstream->server)), &directory->timer);
    store_look_forget(&directory->look);
}
