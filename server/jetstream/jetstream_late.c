/*
 * jetstream_late: streams that a start has not opened yet (docs/architecture.md, A start). A server
 * that stands alone listens for them, and each lane opens its own in the turns that follow, on its
 * shard's thread (jetstream_late_lane.c). What comes for one meanwhile waits at its door
 * (server/stream/door.h). Whoever wants to know something of all streams waits for all, or has them
 * opened.
 *
 * Home knows which are closed as it has heard it. That changes only while lanes stand still, so
 * they read it plainly.
 */
#include "base/heap.h"
#include "raft/replica.h"
#include "server/api/account_limits.h"
#include "server/jetstream/jetstream_late_priv.h"
#include "server/shards/server_shards.h"
#include "storage/log.h"

#define NOT_COUNTED UINT64_MAX

/* ---- those that home knows ------------------------------------------------------------------ */

static void know(struct jetstream_late *all, struct late *late)
{
    late->known_next = all->first;
    if (all->first != NULL)
        all->first->known_before = late;
    all->first = late;
    all->closed++;
}

static void know_no_more(struct jetstream_late *all, struct late *late)
{
    if (late->known_before != NULL)
        late->known_before->known_next = late->known_next;
    else
        all->first = late->known_next;
    if (late->known_next != NULL)
        late->known_next->known_before = late->known_before;
    *(late->lacking ? &all->lacking : &all->closed) -= 1;
    late->entry = NULL;
}

void late_give(struct late *late)
{
    if (late->entry == NULL && late->told == 0)
        heap_give(late);
}

/* ---- at the start --------------------------------------------------------------------------- */

/* Members of a cluster vote and lead by what they have. */
bool jetstream_late_may(const struct jetstream *jetstream)
{
    return jetstream->cluster == NULL;
}

void jetstream_late_add(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct account *account =
        router_account(server_router(jetstream->server), entry->assigned.account);
    struct late *late;

    if (!entry->readable || account == NULL || !jetstream_serves(jetstream, account)) {
        jetstream_entry_open(jetstream, entry); /* which says why it cannot be */
        return;
    }
    jetstream_lane_is_still(jetstream, jetstream_lane(jetstream, entry));
    late = HEAP_NEW(struct late);
    late->jetstream = jetstream;
    late->of = &jetstream->late.lanes[jetstream_lane(jetstream, entry)->number];
    late->entry = entry;
    late->account = account;
    late->files = NOT_COUNTED;
    entry->late = late;
    know(&jetstream->late, late);
    late_lane_add(late);
}

static bool is_admitted(const struct jetstream *jetstream, const struct catalogue_entry *entry)
{
    const struct account *account;

    if (!entry->offline || entry->offline_for != ERR_ACCESS || entry->removed ||
        entry->stream != NULL || entry->late != NULL)
        return false;
    account = router_account(server_router(jetstream->server), entry->assigned.account);
    return account != NULL && jetstream_serves(jetstream, account);
}

void jetstream_late_admit(struct jetstream *jetstream)
{
    if (!jetstream_late_may(jetstream))
        return;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (!is_admitted(jetstream, entry))
            continue;
        entry->offline = false;
        jetstream_late_add(jetstream, entry);
        jetstream_awake(jetstream);
    }
}

/* ---- limits over all streams ---------------------------------------------------------------- */

/* Is there a limit of what streams store together? Late are only those in files, and others there
 * are none before all are open: what is made anew waits for that. */
static bool is_counted(const struct jetstream *jetstream, const struct stream *stream)
{
    return server_options(jetstream->server)->jetstream_options.store_max >= 0 ||
           account_stores_counted(stream_account(stream));
}

/* When none is closed but those that want for something. One of another account counts only for the
 * server's limit. */
static bool lacks_counted(const struct jetstream *jetstream, const struct stream *stream)
{
    const struct late *late = jetstream->late.first;

    if (server_options(jetstream->server)->jetstream_options.store_max >= 0)
        return late != NULL;
    while (late != NULL &&
           !bytes_equal(late->entry->assigned.account, account_name(stream_account(stream))))
        late = late->known_next;
    return late != NULL;
}

/* Who waits for all has them opened. */
static void hurry(struct jetstream *jetstream)
{
    if (atomic_exchange(&jetstream->late.hurry, true))
        return;
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        io_wake(jetstream->lanes[i]->io);
}

bool jetstream_admits_now(struct jetstream *jetstream, const struct stream *stream)
{
    struct jetstream_late *late = &jetstream->late;

    if (late->first == NULL || !is_counted(jetstream, stream) ||
        (late->closed == 0 && !lacks_counted(jetstream, stream)))
        return true;
    atomic_store(&late->held, true);
    hurry(jetstream);
    return false;
}

/* What is held may have been told how much there is. */
static void look_held(struct jetstream *jetstream)
{
    struct jetstream_late *late = &jetstream->late;

    if (late->closed > 0)
        return;
    if (late->lacking == 0)
        jetstream_awake(jetstream); /* requests may wait for all */
    if (!atomic_load(&late->held))
        return;
    atomic_store(&late->held, false);
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL)
            stream_go_on(entry->stream);
    }
}

/* ---- what lanes tell of them ---------------------------------------------------------------- */

static void hear_lack(struct late *late)
{
    struct jetstream_late *all = &late->jetstream->late;

    late->entry->offline = true; /* as long as it is so */
    late->entry->offline_for = late->lack;
    if (late->lacking)
        return;
    late->lacking = true;
    all->closed--;
    all->lacking++;
}

/* Who listened when it was opened may have gone before home knew of it. */
static void look_again(struct late *late, struct stream *stream)
{
    if (late->of->lane->number > 0 || late->jetstream->away)
        stream_interest_changed(stream);
}

static void hear_end(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;
    struct catalogue_entry *entry = late->entry;

    jetstream_entry_opened(jetstream, entry, late->stream, late->err);
    entry->late = NULL;
    know_no_more(&jetstream->late, late);
    if (entry->stream != NULL)
        look_again(late, entry->stream);
    if (late->lacks_ns != 0 && entry->stream != NULL) {
        entry->offline = false;
        logger_info(server_logger(jetstream->server), "Stream '%.*s' is open now",
                    BYTES_ARG(entry->config.name));
    }
    jetstream_awake(jetstream); /* requests may wait for it */
}

void late_hear(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;

    jetstream_lane_is_still(jetstream, late->of->lane);
    if (late->entry == NULL)
        return;
    jetstream->late.heard = true;
    if (late->over)
        hear_end(late);
    else if (late->again_ns != 0)
        hear_lack(late);
    look_held(jetstream);
}

/* What is known of it now, for somebody who does not wait to be told. */
static void hear_now(struct late *late)
{
    late->told++;
    late_hear(late);
    late->told--;
    late_give(late);
}

/* ---- who asks ------------------------------------------------------------------------------- */

void jetstream_late_open(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct late *late = entry->late;

    if (late == NULL)
        return;
    jetstream_lane_is_still(jetstream, late->of->lane);
    late->told++; /* it is looked at behind this */
    late_open_whole(late);
    late->told--;
    hear_now(late);
}

void jetstream_late_forget(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct late *late;

    jetstream_late_open(jetstream, entry);
    late = entry->late;
    if (late == NULL)
        return;
    late_drop(late);
    entry->late = NULL;
    know_no_more(&jetstream->late, late);
    late_give(late);
    look_held(jetstream);
}

/* Its lane opens it in the next turn: home's thread reads no log while the others stand still. */
static bool need_there(struct jetstream *jetstream, struct late *late)
{
    if (late->needed)
        return false;
    late->needed = true;
    jetstream_hold_still(jetstream);
    late_ask(late);
    return false;
}

bool jetstream_need(struct jetstream *jetstream, struct account *account, struct bytes name)
{
    struct catalogue_entry *entry = jetstream_entry(jetstream, account, name);
    struct late *late = entry != NULL ? entry->late : NULL;

    if (late == NULL || late->lacking)
        return true;
    if (jetstream->away)
        return need_there(jetstream, late);
    if (late->over)
        return false; /* this turn hears it */
    late_ask(late);
    late_weigh(late);
    if (late->heavy || jetstream->late.needed == LATE_SLICE)
        return false; /* it is among those that are opened next */
    jetstream->late.needed++;
    late->told++;
    (void)late_open_now(late);
    late->told--;
    hear_now(late);
    return entry->late == NULL || entry->late->lacking;
}

/* Home's lanes go on by themselves, but for what the disk has. */
static bool home_may_go_on(const struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        const struct late_lane *of = &jetstream->late.lanes[i];

        if (of->lane->shard == 0 && of->closed.first != NULL && !late_lane_at_disk(of))
            return true;
    }
    return false;
}

bool jetstream_known(struct jetstream *jetstream)
{
    if (jetstream->late.closed == 0)
        return true;
    hurry(jetstream);
    if (home_may_go_on(jetstream))
        jetstream_awake(jetstream);
    return false;
}

bool jetstream_is_complete(struct jetstream *jetstream)
{
    return jetstream_known(jetstream) && jetstream->late.lacking == 0;
}

/* ---- the turn, and the end ------------------------------------------------------------------ */

void jetstream_late_init(struct jetstream *jetstream)
{
    struct server *server = jetstream->server;

    jetstream->late.room.most = server_options(server)->sim.late_room;
    if (jetstream->late.room.most == 0)
        jetstream->late.room.most = DOORS_BYTES_MAX;
    jetstream->late.begin_ns =
        io_now(server_io(server)) + server_options(server)->sim.late_pause_ns;
}

void jetstream_late_turn(struct jetstream *jetstream, unsigned shard)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (jetstream->lanes[i]->shard == shard)
            late_lane_turn(&jetstream->late.lanes[i]);
    }
    if (shard == 0)
        jetstream->late.needed = 0;
}

bool jetstream_late_waits(const struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++) {
        if (late_lane_waits(&jetstream->late.lanes[i]))
            return true;
    }
    return false;
}

void late_forgotten(struct late *late)
{
    late->entry->late = NULL;
    know_no_more(&late->jetstream->late, late);
    late_give(late);
}

void jetstream_late_drop(struct jetstream *jetstream)
{
    for (unsigned i = 0; i < jetstream->lane_count; i++)
        late_lane_drop(&jetstream->late.lanes[i]);
}

/* ---- how many, and what they will need ------------------------------------------------------ */

size_t jetstream_late_count(const struct jetstream *jetstream)
{
    return jetstream->late.closed;
}

static void count_files(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;

    jetstream_halt(jetstream);
    late->files = log_files_count(late->of->lane->store, late->entry->assigned.id);
    jetstream_go_on(jetstream);
}

uint64_t jetstream_late_files(struct jetstream *jetstream)
{
    uint64_t files = 0;

    for (struct late *late = jetstream->late.first; late != NULL; late = late->known_next) {
        if (late->files == NOT_COUNTED)
            count_files(late);
        files += late->files;
    }
    return files;
}
