/*
 * jetstream_late: streams that a start has not opened yet (docs/architecture.md, A start). A server
 * that stands alone listens for them, and opens them in the turns that follow: first those that
 * somebody asks for, then the others, some in each turn. What comes for one meanwhile waits at its
 * door (server/stream/door.h). Whoever wants to know something of all streams waits for all, or has
 * them opened.
 *
 * Opening one is what it was when the start did it: its log is recovered and synced before anything
 * is answered from it.
 */
#include "base/heap.h"
#include "raft/replica.h"
#include "server/api/account_limits.h"
#include "server/jetstream_priv.h"
#include "server/stream/door.h"
#include "storage/log.h"

/* In a turn: until so many are open, or have so much. Each costs reads and some syncs, which are
 * under way together; what it holds costs 0.1 us a message, and what stands above its state block
 * 0.3 ms a mebibyte. */
#define SLICE_STREAMS  8u
#define SLICE_HURRIED  64u
#define SLICE_MESSAGES 20000u

/* One whose state block takes more holds up the loop. It comes last, and not before those who come
 * right after the start have been answered. */
#define HEAVY_BYTES   (512u << 10)
#define HEAVY_WAIT_NS INT64_C(250000000)

struct late {
    struct jetstream *jetstream;
    struct catalogue_entry *entry;
    struct door *door;
    bool asked;
    bool weighed, heavy;
    struct late *before, *next;
};

/* ---- the list ---------------------------------------------------------------------------------
 */

static void add_last(struct jetstream_late *list, struct late *late)
{
    late->before = list->last;
    late->next = NULL;
    if (list->last != NULL)
        list->last->next = late;
    else
        list->first = late;
    list->last = late;
}

static void take_out(struct jetstream_late *list, struct late *late)
{
    if (late->before != NULL)
        late->before->next = late->next;
    else
        list->first = late->next;
    if (late->next != NULL)
        late->next->before = late->before;
    else
        list->last = late->before;
}

/* Behind those that were asked for before it. */
static void add_asked(struct jetstream_late *list, struct late *late)
{
    struct late *behind = list->first;

    while (behind != NULL && behind->asked)
        behind = behind->next;
    if (behind == NULL) {
        add_last(list, late);
        return;
    }
    late->next = behind;
    late->before = behind->before;
    if (behind->before != NULL)
        behind->before->next = late;
    else
        list->first = late;
    behind->before = late;
}

static void knocked(void *owner)
{
    struct late *late = owner;

    jetstream_awake(late->jetstream);
    if (late->asked)
        return;
    take_out(&late->jetstream->late, late);
    late->asked = true;
    add_asked(&late->jetstream->late, late);
}

/* ---- at the start -----------------------------------------------------------------------------
 */

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
    late = HEAP_NEW(struct late);
    late->jetstream = jetstream;
    late->entry = entry;
    late->door =
        door_open(jetstream, account, &entry->config, &jetstream->late.room, knocked, late);
    entry->late = late;
    add_last(&jetstream->late, late);
}

/* ---- limits over all streams -------------------------------------------------------------------
 */

/* Is there a limit of what streams store together? Late are only those in files, and others there
 * are none before all are open: what is made anew waits for that. */
static bool is_counted(const struct jetstream *jetstream, const struct stream *stream)
{
    return server_options(jetstream->server)->jetstream_options.store_max >= 0 ||
           account_stores_counted(stream_account(stream));
}

bool jetstream_admits_now(struct jetstream *jetstream, const struct stream *stream)
{
    if (jetstream->late.first == NULL || !is_counted(jetstream, stream))
        return true;
    jetstream->late.held = true;
    (void)jetstream_is_complete(jetstream); /* who waits for all has them opened */
    return false;
}

/* All are open. */
static void go_on(struct jetstream *jetstream)
{
    if (!jetstream->late.held)
        return;
    jetstream->late.held = false;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL)
            stream_go_on(entry->stream);
    }
}

/* ---- opening ----------------------------------------------------------------------------------
 */

/* What it still has to sync may be put off. The stream listens before the door is shut: another
 * shard, which does not wait for this one, would find nobody in between. */
static void open_one(struct jetstream *jetstream, struct late *late)
{
    struct catalogue_entry *entry = late->entry;

    take_out(&jetstream->late, late);
    entry->late = NULL;
    jetstream_entry_open(jetstream, entry);
    door_shut(late->door);
    log_time_raise(&jetstream->log_time, jetstream->time_floor_ns);
}

/* One whose log has no config yet takes nothing: perhaps it is to be filled from a backup, and
 * taken back when nothing comes. */
static bool takes(const struct stream *stream)
{
    return stream != NULL && stream_applied(stream)->configured;
}

/* It is on the disk now, or it is closed again. */
static void opened(struct late *late)
{
    if (takes(late->entry->stream))
        door_hand_over(late->door, late->entry->stream);
    else
        door_refuse(late->door);
    door_destroy(late->door);
    heap_give(late);
}

void jetstream_late_open(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct late *late = entry->late;

    if (late == NULL)
        return;
    jetstream_lanes_settle_later(jetstream);
    open_one(jetstream, late);
    jetstream_lanes_settle(jetstream);
    opened(late);
    if (jetstream->late.first == NULL)
        go_on(jetstream);
}

static uint64_t cost_of(const struct catalogue_entry *entry)
{
    return entry->stream != NULL ? stream_state_messages(stream_applied(entry->stream)) : 0;
}

/* Whoever asked for one does not wait for others that nobody has asked for. */
static bool is_wanted(const struct late *late)
{
    return late->asked || late->jetstream->late.hurry;
}

static int64_t due_ns(const struct late *late)
{
    int64_t begin_ns = late->jetstream->late.begin_ns;

    return late->heavy ? begin_ns + HEAVY_WAIT_NS : begin_ns;
}

static bool is_due(const struct late *late)
{
    return is_wanted(late) || io_now(server_io(late->jetstream->server)) >= due_ns(late);
}

static void weigh(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;
    uint64_t most = server_options(jetstream->server)->sim.late_heavy;

    late->weighed = true;
    late->heavy = log_block_bytes(jetstream_lane(jetstream, late->entry)->store,
                                  late->entry->assigned.id) > (most > 0 ? most : HEAVY_BYTES);
    if (!late->heavy)
        return;
    take_out(&jetstream->late, late);
    add_last(&jetstream->late, late);
}

/* NULL: none is to be opened now. */
static struct late *next_due(struct jetstream *jetstream)
{
    struct late *late;

    while ((late = jetstream->late.first) != NULL && is_due(late)) {
        if (late->weighed || is_wanted(late))
            return late;
        weigh(late);
    }
    return NULL;
}

static void open_some(struct jetstream *jetstream, unsigned most)
{
    struct late *open[SLICE_HURRIED], *late;
    unsigned count = 0;
    uint64_t cost = 0;

    jetstream_lanes_settle_later(jetstream);
    while (count < most && cost < SLICE_MESSAGES && (late = next_due(jetstream)) != NULL) {
        if (late->heavy && count > 0)
            break; /* who waits for the others need not wait for it */
        open[count++] = late;
        open_one(jetstream, late);
        cost += cost_of(late->entry);
    }
    jetstream_lanes_settle(jetstream);
    for (unsigned i = 0; i < count; i++)
        opened(open[i]);
    if (jetstream->late.first == NULL)
        go_on(jetstream);
}

static void fired(struct timer *timer)
{
    (void)timer;
}

void jetstream_late_init(struct jetstream *jetstream)
{
    struct server *server = jetstream->server;

    jetstream->late.timer.fire = fired;
    jetstream->late.room.most = server_options(server)->sim.late_room;
    if (jetstream->late.room.most == 0)
        jetstream->late.room.most = DOORS_BYTES_MAX;
    jetstream->late.begin_ns =
        io_now(server_io(server)) + server_options(server)->sim.late_pause_ns;
}

static void answer_refused(struct jetstream_late *list)
{
    for (struct late *late = list->first; late != NULL && late->asked; late = late->next)
        door_answer(late->door);
}

void jetstream_late_turn(struct jetstream *jetstream)
{
    struct jetstream_late *list = &jetstream->late;
    struct io *io = server_io(jetstream->server);

    if (list->first == NULL)
        return;
    answer_refused(list);
    if (next_due(jetstream) != NULL)
        open_some(jetstream, list->hurry ? SLICE_HURRIED : SLICE_STREAMS);
    if (list->first != NULL)
        timers_arm(io_timers(io), &list->timer,
                   is_due(list->first) ? io_now(io) : due_ns(list->first));
}

void jetstream_complete(struct jetstream *jetstream)
{
    while (!jetstream_is_complete(jetstream))
        open_some(jetstream, SLICE_HURRIED);
}

bool jetstream_is_complete(struct jetstream *jetstream)
{
    if (jetstream->late.first == NULL)
        return true;
    jetstream->late.hurry = true;
    jetstream_awake(jetstream);
    return false;
}

void jetstream_need(struct jetstream *jetstream, struct account *account, struct bytes name)
{
    struct catalogue_entry *entry = jetstream_entry(jetstream, account, name);

    if (entry != NULL)
        jetstream_late_open(jetstream, entry);
}

bool jetstream_late_waits(const struct jetstream *jetstream)
{
    for (const struct late *late = jetstream->late.first; late != NULL && late->asked;
         late = late->next) {
        if (door_waits(late->door))
            return true;
    }
    return false;
}

void jetstream_late_drop(struct jetstream *jetstream)
{
    struct late *late;

    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->late.timer);
    while ((late = jetstream->late.first) != NULL) {
        take_out(&jetstream->late, late);
        late->entry->late = NULL;
        door_destroy(late->door);
        heap_give(late);
    }
}
