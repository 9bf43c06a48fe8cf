/*
 * jetstream_late: streams that a start has not opened yet (docs/architecture.md, A start). A server
 * that stands alone listens for them, and opens them in the turns that follow: first those that
 * somebody asks for, then the others, some in each turn. What comes for one meanwhile waits at its
 * door (server/stream/door.h). Whoever wants to know something of all streams waits for all, or has
 * them opened.
 *
 * Opening one is what it was when the start did it: its log is recovered and synced before anything
 * is answered from it. One that takes more than a step's work is opened over several turns
 * (jetstream_opening.c), and whoever wants to know something of it waits.
 */
#include "base/heap.h"
#include "raft/replica.h"
#include "server/api/account_limits.h"
#include "server/jetstream/jetstream_priv.h"
#include "server/stream/door.h"
#include "storage/log.h"

/* In a turn: until so many are open, or have so much. Each costs reads and some syncs, which are
 * under way together; what it holds costs 0.1 us a message, and what stands above its state block
 * 0.3 ms a mebibyte: of one that is not opened in steps there is no more than some of these. */
#define SLICE_STREAMS  8u
#define SLICE_HURRIED  64u
#define SLICE_MESSAGES 20000u

/* One whose state block takes more is opened in steps. It comes last, and not before those who come
 * right after the start have been answered. */
#define HEAVY_BYTES   (512u << 10)
#define HEAVY_WAIT_NS INT64_C(250000000)

/* Nor does it take much longer. */
#define SLICE_NS INT64_C(4000000)

/* What wants for descriptors, memory or space is opened again and again for so long. */
#define AGAIN_NS  INT64_C(100000000)
#define GIVEUP_NS INT64_C(10000000000)

#define NOT_COUNTED UINT64_MAX

struct late {
    struct jetstream *jetstream;
    struct catalogue_entry *entry;
    struct door *door;
    bool asked, opening;
    bool weighed, heavy;
    bool steps;       /* it is being opened over several turns (jetstream_opening.c) */
    uint64_t files;   /* that it will have open */
    enum err lack;    /* why it could not be opened now; OK: it could */
    int64_t lacks_ns; /* since then; 0: it has not been opened */
    int64_t again_ns; /* while it is among those that want for something */
    struct late *before, *next;
};

/* ---- the list ------------------------------------------------------------------------------- */

static void add_last(struct late_list *list, struct late *late)
{
    late->before = list->last;
    late->next = NULL;
    if (list->last != NULL)
        list->last->next = late;
    else
        list->first = late;
    list->last = late;
}

static void take_out(struct late_list *list, struct late *late)
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
static void add_asked(struct late_list *list, struct late *late)
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
    if (late->asked || late->again_ns != 0)
        return;
    take_out(&late->jetstream->late.closed, late);
    late->asked = true;
    add_asked(&late->jetstream->late.closed, late);
}

/* ---- at the start --------------------------------------------------------------------------- */

/* Members of a cluster vote and lead by what they have; and other shards are not to stand still
 * while home reads a log. */
bool jetstream_late_may(const struct jetstream *jetstream)
{
    return jetstream->cluster == NULL && !jetstream->away;
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
    late->files = NOT_COUNTED;
    late->door =
        door_open(jetstream, account, &entry->config, &jetstream->late.room, knocked, late);
    entry->late = late;
    add_last(&jetstream->late.closed, late);
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

/* One of another account counts only for the server's limit. */
static bool lacks_counted(const struct jetstream *jetstream, const struct stream *stream)
{
    const struct late *late = jetstream->late.lacking.first;

    if (server_options(jetstream->server)->jetstream_options.store_max >= 0)
        return late != NULL;
    while (late != NULL &&
           !bytes_equal(late->entry->assigned.account, account_name(stream_account(stream))))
        late = late->next;
    return late != NULL;
}

bool jetstream_admits_now(struct jetstream *jetstream, const struct stream *stream)
{
    const struct jetstream_late *late = &jetstream->late;

    if ((late->closed.first == NULL && late->lacking.first == NULL) ||
        !is_counted(jetstream, stream) ||
        (late->closed.first == NULL && !lacks_counted(jetstream, stream)))
        return true;
    jetstream->late.held = true;
    (void)jetstream_is_complete(jetstream); /* who waits for all has them opened */
    return false;
}

/* What is held may have been told how much there is. */
static void look_held(struct jetstream *jetstream)
{
    if (jetstream->late.closed.first != NULL)
        return;
    if (jetstream->late.lacking.first == NULL)
        jetstream_awake(jetstream); /* requests may wait for all */
    if (!jetstream->late.held)
        return;
    jetstream->late.held = false;
    for (struct catalogue_entry *entry = jetstream->catalogue.first; entry != NULL;
         entry = entry->next) {
        if (entry->stream != NULL)
            stream_go_on(entry->stream);
    }
}

/* ---- opening -------------------------------------------------------------------------------- */

/* ERR_BUSY: the disk is not done with an opening of it that was given up. */
static bool passes(enum err err)
{
    return err == ERR_FULL || err == ERR_NO_MEMORY || err == ERR_NO_SPACE || err == ERR_BUSY;
}

bool jetstream_late_lacks(struct jetstream *jetstream, const struct catalogue_entry *entry,
                          enum err err)
{
    struct late *late = entry->late;
    int64_t now_ns = io_now(server_io(jetstream->server));

    if (late == NULL || !passes(err))
        return false;
    if (late->lacks_ns == 0) {
        late->lacks_ns = now_ns;
        logger_warn(server_logger(jetstream->server),
                    "Stream '%.*s' can not be opened yet: %s: it is tried again",
                    BYTES_ARG(entry->config.name), jetstream_offline_text(err));
    }
    if (now_ns - late->lacks_ns >= GIVEUP_NS)
        return false;
    late->lack = err;
    return true;
}

/* The stream listens before the door is shut: another shard, which does not wait for this one,
 * would find nobody in between. */
static void shut(struct jetstream *jetstream, struct late *late)
{
    if (late->lack == OK)
        door_shut(late->door);
    log_time_raise(&jetstream->log_time, jetstream->time_floor_ns);
}

/* What it still has to sync may be put off. False: it takes more than a step's work, and is opened
 * in steps, as those whose state is large. */
static bool open_at_once(struct jetstream *jetstream, struct late *late)
{
    late->opening = true;
    late->lack = OK;
    late->heavy = !jetstream_opening_at_once(jetstream, late->entry);
    if (late->heavy) {
        late->opening = false;
        return false;
    }
    take_out(&jetstream->late.closed, late);
    shut(jetstream, late);
    return true;
}

/* The same whatever it takes. */
static void open_whole(struct jetstream *jetstream, struct late *late)
{
    take_out(&jetstream->late.closed, late);
    late->opening = true;
    late->lack = OK;
    jetstream_entry_open(jetstream, late->entry);
    shut(jetstream, late);
}

/* One whose log has no config yet takes nothing: perhaps it is to be filled from a backup, and
 * taken back when nothing comes. */
static bool takes(const struct stream *stream)
{
    return stream != NULL && stream_applied(stream)->configured;
}

static void put_back(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;

    late->opening = false;
    late->again_ns = io_now(server_io(jetstream->server)) + AGAIN_NS;
    late->entry->offline = true; /* as long as it is so */
    late->entry->offline_for = late->lack;
    door_listen(late->door);
    add_last(&jetstream->late.lacking, late);
}

/* It is on the disk now, or it is closed again. */
static void opened(struct late *late)
{
    if (late->lack != OK) {
        put_back(late);
        return;
    }
    late->entry->late = NULL;
    if (late->lacks_ns != 0 && late->entry->stream != NULL) {
        late->entry->offline = false;
        logger_info(server_logger(late->jetstream->server), "Stream '%.*s' is open now",
                    BYTES_ARG(late->entry->config.name));
    }
    if (takes(late->entry->stream))
        door_hand_over(late->door, late->entry->stream);
    else
        door_refuse(late->door);
    door_destroy(late->door);
    jetstream_awake(late->jetstream); /* requests may wait for it */
    heap_give(late);
}

/* The stream is removed, and was not opened. */
static void drop(struct late *late)
{
    take_out(&late->jetstream->late.lacking, late);
    late->entry->late = NULL;
    door_refuse(late->door);
    door_destroy(late->door);
    heap_give(late);
}

/* ---- over several turns --------------------------------------------------------------------- */

/* Who cannot wait for the steps has it opened in one go. */
static void give_up_steps(struct jetstream *jetstream)
{
    if (jetstream->opening.entry == NULL)
        return;
    jetstream->opening.entry->late->steps = false;
    jetstream_opening_drop(jetstream);
}

/* Those of its kind come one after the other. */
static bool begin_steps(struct late *late)
{
    late->steps = late->heavy && jetstream_opening_begin(late->jetstream, late->entry);
    return late->steps;
}

static void step(struct jetstream *jetstream)
{
    struct late *late = jetstream->opening.entry != NULL ? jetstream->opening.entry->late : NULL;

    if (late == NULL)
        return;
    late->lack = OK;
    late->opening = true;
    late->steps = !jetstream_opening_step(jetstream);
    late->opening = false;
    if (late->steps)
        return;
    take_out(&jetstream->late.closed, late);
    shut(jetstream, late);
    opened(late);
    look_held(jetstream);
}

/* ---- in one go ------------------------------------------------------------------------------ */

/* Nobody is left who does so of one that is large, but for the catalogue, if an operation about the
 * stream was under way before it was asked for. */
void jetstream_late_open(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    struct late *late = entry->late;

    if (late == NULL || late->opening || late->again_ns != 0)
        return;
    if (late->steps)
        give_up_steps(jetstream);
    jetstream_lanes_settle_later(jetstream);
    open_whole(jetstream, late);
    jetstream_lanes_settle(jetstream);
    opened(late);
    look_held(jetstream);
}

void jetstream_late_forget(struct jetstream *jetstream, struct catalogue_entry *entry)
{
    jetstream_late_open(jetstream, entry);
    if (entry->late == NULL)
        return;
    drop(entry->late);
    look_held(jetstream);
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

/* Behind all others, unless somebody waits for it. */
static void comes_last(struct late *late)
{
    if (is_wanted(late))
        return;
    take_out(&late->jetstream->late.closed, late);
    add_last(&late->jetstream->late.closed, late);
}

static void weigh(struct late *late)
{
    struct jetstream *jetstream = late->jetstream;
    uint64_t most = server_options(jetstream->server)->sim.late_heavy;

    if (late->weighed)
        return;
    late->weighed = true;
    late->heavy = log_block_bytes(jetstream_lane(jetstream, late->entry)->store,
                                  late->entry->assigned.id) > (most > 0 ? most : HEAVY_BYTES);
    if (late->heavy)
        comes_last(late);
}

/* It is being opened, or waits for another that is. */
static bool has_begun(const struct late *late)
{
    return late->steps || (late->heavy && late->jetstream->opening.entry != NULL);
}

/* NULL: none is to be opened now. */
static struct late *next_due(struct jetstream *jetstream)
{
    struct late *late = jetstream->late.closed.first, *next;

    for (; late != NULL && is_due(late); late = next) {
        next = late->next;
        weigh(late);
        if (!has_begun(late) && is_due(late))
            return late;
    }
    return NULL;
}

/* Where it cannot be opened in steps, there is a reason why it cannot be opened. */
static bool begin(struct jetstream *jetstream, struct late *late)
{
    if (late->heavy && begin_steps(late))
        return false;
    if (open_at_once(jetstream, late))
        return true;
    comes_last(late);
    return false;
}

static bool has_time(struct jetstream *jetstream, int64_t begun_ns)
{
    struct io *io = server_io(jetstream->server);

    io_clock_refresh(io);
    return io_now(io) - begun_ns < SLICE_NS;
}

static void open_some(struct jetstream *jetstream, unsigned most)
{
    int64_t begun_ns = io_now(server_io(jetstream->server));
    struct late *open[SLICE_HURRIED], *late;
    unsigned count = 0, looked = 0;
    uint64_t cost = 0;

    jetstream_lanes_settle_later(jetstream);
    while (looked < most && cost < SLICE_MESSAGES &&
           (looked == 0 || has_time(jetstream, begun_ns)) && (late = next_due(jetstream)) != NULL) {
        looked++;
        if (!begin(jetstream, late))
            continue;
        open[count++] = late;
        cost += cost_of(late->entry);
    }
    jetstream_lanes_settle(jetstream);
    for (unsigned i = 0; i < count; i++)
        opened(open[i]);
    look_held(jetstream);
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

static void answer_refused(struct jetstream_late *late)
{
    for (struct late *l = late->closed.first; l != NULL && l->asked; l = l->next)
        door_answer(l->door);
    for (struct late *l = late->lacking.first; l != NULL; l = l->next)
        door_answer(l->door);
}

/* Those whose time it is are opened with the others. */
static void try_again(struct jetstream *jetstream, int64_t now_ns)
{
    struct jetstream_late *list = &jetstream->late;
    struct late *late;

    while ((late = list->lacking.first) != NULL && late->again_ns <= now_ns) {
        take_out(&list->lacking, late);
        late->again_ns = 0;
        late->asked = true;
        add_asked(&list->closed, late);
    }
}

/* INT64_MAX: the disk says when, or there are none. */
static int64_t next_of_closed(struct jetstream *jetstream)
{
    const struct late *late = jetstream->late.closed.first;
    int64_t now_ns = io_now(server_io(jetstream->server));

    if (jetstream->opening.entry != NULL && !jetstream_opening_waits(jetstream))
        return now_ns;
    while (late != NULL && has_begun(late))
        late = late->next;
    if (late == NULL)
        return INT64_MAX;
    return is_due(late) ? now_ns : due_ns(late);
}

static void arm(struct jetstream *jetstream)
{
    const struct jetstream_late *list = &jetstream->late;
    struct io *io = server_io(jetstream->server);
    int64_t next_ns = next_of_closed(jetstream);

    if (list->lacking.first != NULL && list->lacking.first->again_ns < next_ns)
        next_ns = list->lacking.first->again_ns;
    if (next_ns < INT64_MAX)
        timers_arm(io_timers(io), &jetstream->late.timer, next_ns);
}

void jetstream_late_turn(struct jetstream *jetstream)
{
    struct jetstream_late *list = &jetstream->late;

    list->needed = 0;
    if (list->closed.first == NULL && list->lacking.first == NULL)
        return;
    answer_refused(list);
    try_again(jetstream, io_now(server_io(jetstream->server)));
    step(jetstream);
    if (next_due(jetstream) != NULL)
        open_some(jetstream, list->hurry ? SLICE_HURRIED : SLICE_STREAMS);
    arm(jetstream);
}

bool jetstream_known(struct jetstream *jetstream)
{
    struct jetstream_late *late = &jetstream->late;

    if (late->closed.first == NULL)
        return true;
    if (!late->hurry || !jetstream_opening_waits(jetstream))
        jetstream_awake(jetstream);
    late->hurry = true;
    return false;
}

bool jetstream_is_complete(struct jetstream *jetstream)
{
    return jetstream_known(jetstream) && jetstream->late.lacking.first == NULL;
}

bool jetstream_need(struct jetstream *jetstream, struct account *account, struct bytes name)
{
    struct catalogue_entry *entry = jetstream_entry(jetstream, account, name);
    struct late *late = entry != NULL ? entry->late : NULL;
    bool open;

    if (late == NULL || late->again_ns != 0)
        return true;
    knocked(late);
    weigh(late);
    if (late->heavy || jetstream->late.needed == SLICE_STREAMS)
        return false; /* it is among those that are opened next */
    jetstream->late.needed++;
    jetstream_lanes_settle_later(jetstream);
    open = open_at_once(jetstream, late);
    jetstream_lanes_settle(jetstream);
    if (!open)
        return false;
    opened(late);
    look_held(jetstream);
    return true;
}

bool jetstream_late_waits(const struct jetstream *jetstream)
{
    for (const struct late *late = jetstream->late.closed.first; late != NULL && late->asked;
         late = late->next) {
        if (door_waits(late->door))
            return true;
    }
    return false;
}

static void drop_all(struct late_list *list)
{
    struct late *late;

    while ((late = list->first) != NULL) {
        take_out(list, late);
        late->entry->late = NULL;
        door_destroy(late->door);
        heap_give(late);
    }
}

void jetstream_late_drop(struct jetstream *jetstream)
{
    timers_cancel(io_timers(server_io(jetstream->server)), &jetstream->late.timer);
    jetstream_opening_drop(jetstream);
    drop_all(&jetstream->late.closed);
    drop_all(&jetstream->late.lacking);
}

/* ---- how many, and what they will need ------------------------------------------------------ */

static size_t count_of(const struct late_list *list)
{
    size_t count = 0;

    for (const struct late *late = list->first; late != NULL; late = late->next)
        count++;
    return count;
}

size_t jetstream_late_count(const struct jetstream *jetstream)
{
    return count_of(&jetstream->late.closed);
}

static uint64_t files_of(struct jetstream *jetstream, struct late_list *list)
{
    uint64_t files = 0;

    for (struct late *late = list->first; late != NULL; late = late->next) {
        if (late->files == NOT_COUNTED)
            late->files = log_files_count(jetstream_lane(jetstream, late->entry)->store,
                                          late->entry->assigned.id);
        files += late->files;
    }
    return files;
}

uint64_t jetstream_late_files(struct jetstream *jetstream)
{
    return files_of(jetstream, &jetstream->late.closed) +
           files_of(jetstream, &jetstream->late.lacking);
}
