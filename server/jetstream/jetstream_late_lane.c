/*
 * jetstream_late_lane: a lane opens its streams that a start has not opened yet, on its shard's
 * thread: first those that somebody asks for, then the others, some in each turn. One is opened at
 * once if that is no more than a step's work, else over several turns, a few milliseconds of work
 * in each, and one of those at a time. What waits at its door is the stream's when it is there.
 *
 * Opening one is what it was when the start did it: its log is recovered and synced before anything
 * is answered from it. Of what came of it home hears by what the lane tells; while it runs nothing
 * of home's is written.
 */
#include "server/jetstream/jetstream_late_priv.h"
#include "storage/log.h"

/* In a turn: until so many are open, or have so much. Each costs reads and some syncs, which are
 * under way together; what it holds costs 0.1 us a message, and what stands above its state block
 * 0.3 ms a mebibyte: of one that is not opened in steps there is no more than some of these. */
#define SLICE_STREAMS  LATE_SLICE
#define SLICE_HURRIED  64u
#define SLICE_MESSAGES 20000u

/* One whose state block takes more is opened in steps. It comes last, and not before those who come
 * right after the start have been answered. */
#define HEAVY_BYTES   (512u << 10)
#define HEAVY_WAIT_NS INT64_C(250000000)

/* Nor does it take much longer. */
#define SLICE_NS INT64_C(4000000)

/* In a step, as so many bytes of log: a millisecond or two. */
#define WORK (4u << 20)

/* What wants for descriptors, memory or space is opened again and again for so long. */
#define AGAIN_NS  INT64_C(100000000)
#define GIVEUP_NS INT64_C(10000000000)

/* Those that are opened in one turn, before what they have to sync is. */
struct slice {
    struct late *at[SLICE_HURRIED];
    unsigned count;
};

static const struct options *options_of(const struct late_lane *of)
{
    return server_options(of->lane->jetstream->server);
}

static struct logger *logger_of(const struct late *late)
{
    return server_logger(late->jetstream->server);
}

static int64_t now_of(const struct late_lane *of)
{
    return io_now(of->lane->io);
}

/* ---- the list ------------------------------------------------------------------------------- */

static void add_last(struct late_list *list, struct late *late)
{
    late->listed = true;
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
    assert(late->listed);
    late->listed = false;
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
    late->listed = true;
    late->next = behind;
    late->before = behind->before;
    if (behind->before != NULL)
        behind->before->next = late;
    else
        list->first = late;
    behind->before = late;
}

/* Whoever asks may not have heard yet what has become of it. */
void late_ask(struct late *late)
{
    stream_lane_awake(late->of->lane);
    if (late->asked || late->again_ns != 0 || !late->listed)
        return;
    take_out(&late->of->closed, late);
    late->asked = true;
    add_asked(&late->of->closed, late);
}

static void knocked(void *owner)
{
    late_ask(owner);
}

void late_lane_add(struct late *late)
{
    struct stream_lane *lane = late->of->lane;

    late->door = door_open(lane, late->account, &late->entry->config, &late->jetstream->late.room,
                           knocked, late);
    add_last(&late->of->closed, late);
    stream_lane_awake(lane);
}

/* ---- what came of it ------------------------------------------------------------------------ */

static void heard(void *of, struct stream *stream, const struct told *told)
{
    struct late *late = of;

    (void)stream;
    (void)told;
    late->told--;
    late_hear(late);
    late_give(late);
}

/* Where nothing runs beside home it hears at once. */
static void tell(struct late *late)
{
    struct stream_lane *lane = late->of->lane;
    struct told told = {
        .kind = TOLD_CALL, .stream = late->entry->assigned.id, .call = heard, .of = late};

    late->told++;
    if (lane->number == 0 && !lane->jetstream->away)
        heard(late, NULL, &told);
    else
        stream_lane_tell(lane, &told);
}

/* ERR_BUSY: the disk is not done with an opening of it that was given up. */
static bool passes(enum err err)
{
    return err == ERR_FULL || err == ERR_NO_MEMORY || err == ERR_NO_SPACE || err == ERR_BUSY;
}

/* Does it want for what may be there soon? Then it is opened again. */
static bool lacks(struct late *late, enum err err)
{
    int64_t now_ns = now_of(late->of);

    if (!passes(err))
        return false;
    if (late->lacks_ns == 0) {
        late->lacks_ns = now_ns;
        logger_warn(logger_of(late), "Stream '%.*s' can not be opened yet: %s: it is tried again",
                    BYTES_ARG(late->entry->config.name), jetstream_offline_text(err));
    }
    return now_ns - late->lacks_ns < GIVEUP_NS;
}

static void note_failure(struct late *late, enum err err)
{
    late->stream = NULL;
    late->err = err;
    late->lack = lacks(late, err) ? err : OK;
}

/* Its creation was interrupted before its log was made. */
static struct stream *make(struct late *late, enum err *err)
{
    *err = jetstream_entry_make_log(late->jetstream, late->entry);
    if (*err != OK)
        return NULL;
    return stream_open(late->of->lane, late->account, late->entry->assigned.id,
                       late->entry->config.name, err);
}

/* The stream listens before the door is shut: another shard, which does not wait for this one,
 * would find nobody in between. What it still has to sync may have been put off. */
static void take(struct late *late, struct stream *stream, enum err err)
{
    take_out(&late->of->closed, late);
    if (err == ERR_NOT_FOUND)
        stream = make(late, &err);
    if (err != OK) {
        note_failure(late, err);
        return;
    }
    late->stream = stream;
    late->err = late->lack = OK;
    door_shut(late->door);
    log_time_raise(late->of->lane->log_time, stream_applied(stream)->log_time_ns);
}

/* One whose log has no config yet takes nothing: perhaps it is to be filled from a backup, and
 * taken back when nothing comes. */
static bool takes(const struct stream *stream)
{
    return stream != NULL && stream_applied(stream)->configured;
}

static void refuse(struct door *door)
{
    door_shut(door);
    door_refuse(door);
}

static void put_back(struct late *late)
{
    bool news = late->lack != late->lack_told;

    late->again_ns = now_of(late->of) + AGAIN_NS;
    late->lack_told = late->lack;
    door_listen(late->door);
    add_last(&late->of->lacking, late);
    if (news)
        tell(late);
}

/* It is on the disk now, or it is closed again. */
static void opened(struct late *late)
{
    struct door *door = late->door;
    struct stream *stream = late->stream;

    if (late->lack != OK) {
        put_back(late);
        return;
    }
    late->over = true;
    late->door = NULL;
    tell(late);
    if (takes(stream))
        door_hand_over(door, stream);
    else
        refuse(door);
    door_destroy(door);
}

/* ---- over several turns --------------------------------------------------------------------- */

static void is_ready(void *context)
{
    stream_lane_awake(context); /* the step is this turn's, or the next one's */
}

static struct stream *begin_opening(struct late *late, const struct log_pace *pace)
{
    return stream_opening(late->of->lane, late->account, late->entry->assigned.id,
                          late->entry->config.name, pace);
}

/* It is closed again, as it was. */
static void drop_steps(struct late_lane *of)
{
    if (of->steps.late == NULL)
        return;
    of->steps.late->steps = false;
    stream_close(of->steps.stream, false);
    of->steps.late = NULL;
}

/* Those of its kind come one after the other. */
static void begin_steps(struct late *late)
{
    struct late_lane *of = late->of;
    uint64_t work = options_of(of)->sim.late_work;
    struct log_pace pace = {.work = work > 0 ? work : WORK, .ready = is_ready, .context = of->lane};

    assert(of->steps.late == NULL);
    of->steps.late = late;
    of->steps.stream = begin_opening(late, &pace);
    late->steps = true;
}

bool late_lane_at_disk(const struct late_lane *of)
{
    return of->steps.late != NULL && stream_opening_waits(of->steps.stream);
}

static void step(struct late_lane *of)
{
    struct late *late = of->steps.late;
    struct stream *stream = of->steps.stream;
    enum err err;

    if (late == NULL || late_lane_at_disk(of))
        return;
    err = stream_opening_step(stream);
    if (err == ERR_AGAIN)
        return;
    of->steps.late = NULL;
    late->steps = false;
    take(late, stream, err);
    opened(late);
}

/* ---- at once -------------------------------------------------------------------------------- */

static bool has_files(struct late *late)
{
    if (jetstream_files_suffice(late->jetstream, late->entry))
        return true;
    take(late, NULL, ERR_FULL);
    return false;
}

/* What it still has to sync may be put off. False: it takes more than a step's work, and is opened
 * in steps, as those whose state is large. */
static bool open_at_once(struct late *late)
{
    uint64_t work = options_of(late->of)->sim.late_at_once;
    struct log_pace pace = {.work = work > 0 ? work : WORK};
    struct stream *stream;
    enum err err;

    if (!has_files(late))
        return true;
    stream = begin_opening(late, &pace);
    err = stream_opening_step(stream);
    if (err == ERR_AGAIN) {
        stream_close(stream, false);
        late->heavy = true;
        return false;
    }
    take(late, stream, err);
    return true;
}

/* The same whatever it takes. */
static void open_whole(struct late *late)
{
    struct stream *stream = NULL;
    enum err err;

    if (!has_files(late))
        return;
    stream = stream_open(late->of->lane, late->account, late->entry->assigned.id,
                         late->entry->config.name, &err);
    take(late, stream, err);
}

static struct late *find_in(const struct slice *slice, uint64_t id)
{
    for (unsigned i = 0; i < slice->count; i++)
        if (slice->at[i]->entry->assigned.id == id)
            return slice->at[i];
    return NULL;
}

/* Its log is closed, too: the server goes on. */
static void unsettled(void *context, uint64_t id, enum err err)
{
    struct late *late = find_in(context, id);

    if (late == NULL || late->stream == NULL)
        return;
    stream_unlink_dirty(late->stream);
    stream_close(late->stream, true);
    note_failure(late, err);
}

/* What they have to sync is under way together. */
static void settle(struct late_lane *of, struct slice *slice)
{
    store_settle(of->lane->store, unsettled, slice);
    for (unsigned i = 0; i < slice->count; i++)
        opened(slice->at[i]);
}

bool late_open_now(struct late *late)
{
    struct slice slice = {.count = 0};

    if (late->heavy)
        return false;
    store_settle_later(late->of->lane->store);
    if (open_at_once(late))
        slice.at[slice.count++] = late;
    settle(late->of, &slice);
    return slice.count > 0;
}

/* Nobody is left who does so of one that is large, but for the catalogue, if an operation about the
 * stream was under way before it was asked for. */
void late_open_whole(struct late *late)
{
    struct slice slice = {.at = {late}, .count = 1};

    if (late->again_ns != 0 || late->over)
        return;
    if (late->steps)
        drop_steps(late->of);
    stream_lane_errands(late->of->lane, false); /* it may be closed first */
    store_settle_later(late->of->lane->store);
    open_whole(late);
    settle(late->of, &slice);
}

void late_drop(struct late *late)
{
    assert(late->again_ns != 0 && !late->over);
    take_out(&late->of->lacking, late);
    refuse(late->door);
    door_destroy(late->door);
    late->door = NULL;
}

/* ---- whose turn it is ----------------------------------------------------------------------- */

static uint64_t cost_of(const struct late *late)
{
    return late->stream != NULL ? stream_state_messages(stream_applied(late->stream)) : 0;
}

/* Whoever asked for one does not wait for others that nobody has asked for. */
static bool is_wanted(const struct late *late)
{
    return late->asked || atomic_load(&late->jetstream->late.hurry);
}

static int64_t due_ns(const struct late *late)
{
    int64_t begin_ns = late->jetstream->late.begin_ns;

    return late->heavy ? begin_ns + HEAVY_WAIT_NS : begin_ns;
}

static bool is_due(const struct late *late)
{
    return is_wanted(late) || now_of(late->of) >= due_ns(late);
}

/* Behind all others, unless somebody waits for it. */
static void comes_last(struct late *late)
{
    if (is_wanted(late))
        return;
    take_out(&late->of->closed, late);
    add_last(&late->of->closed, late);
}

void late_weigh(struct late *late)
{
    uint64_t most = options_of(late->of)->sim.late_heavy;

    if (late->weighed)
        return;
    late->weighed = true;
    late->heavy = log_block_bytes(late->of->lane->store, late->entry->assigned.id) >
                  (most > 0 ? most : HEAVY_BYTES);
    if (late->heavy)
        comes_last(late);
}

/* It is being opened, or waits for another that is. */
static bool has_begun(const struct late *late)
{
    return late->steps || (late->heavy && late->of->steps.late != NULL);
}

/* NULL: none is to be opened now. */
static struct late *next_due(struct late_lane *of)
{
    struct late *late = of->closed.first, *next;

    for (; late != NULL && is_due(late); late = next) {
        next = late->next;
        late_weigh(late);
        if (!has_begun(late) && is_due(late))
            return late;
    }
    return NULL;
}

/* True: what came of it is known. */
static bool begin(struct late *late)
{
    if (late->heavy) {
        if (!has_files(late))
            return true;
        begin_steps(late);
        return false;
    }
    if (open_at_once(late))
        return true;
    comes_last(late);
    return false;
}

static bool has_time(struct late_lane *of, int64_t begun_ns)
{
    io_clock_refresh(of->lane->io);
    return now_of(of) - begun_ns < SLICE_NS;
}

static void open_some(struct late_lane *of, unsigned most)
{
    struct slice slice = {.count = 0};
    int64_t begun_ns = now_of(of);
    unsigned looked = 0;
    uint64_t cost = 0;
    struct late *late;

    store_settle_later(of->lane->store);
    while (looked < most && cost < SLICE_MESSAGES && (looked == 0 || has_time(of, begun_ns)) &&
           (late = next_due(of)) != NULL) {
        looked++;
        if (!begin(late))
            continue;
        slice.at[slice.count++] = late;
        cost += cost_of(late);
    }
    settle(of, &slice);
}

/* ---- the turn ------------------------------------------------------------------------------- */

static void fired(struct timer *timer)
{
    (void)timer;
}

void late_lane_init(struct late_lane *of, struct stream_lane *lane)
{
    *of = (struct late_lane){.lane = lane, .timer.fire = fired};
}

static void answer_refused(const struct late_lane *of)
{
    for (struct late *late = of->closed.first; late != NULL && late->asked; late = late->next)
        door_answer(late->door);
    for (struct late *late = of->lacking.first; late != NULL; late = late->next)
        door_answer(late->door);
}

/* Those whose time it is are opened with the others. */
static void try_again(struct late_lane *of)
{
    int64_t now_ns = now_of(of);
    struct late *late;

    while ((late = of->lacking.first) != NULL && late->again_ns <= now_ns) {
        take_out(&of->lacking, late);
        late->again_ns = 0;
        late->asked = true;
        add_asked(&of->closed, late);
    }
}

/* INT64_MAX: the disk says when, or there are none. */
static int64_t next_of_closed(const struct late_lane *of)
{
    const struct late *late = of->closed.first;
    int64_t now_ns = now_of(of);

    if (of->steps.late != NULL && !late_lane_at_disk(of))
        return now_ns;
    while (late != NULL && has_begun(late))
        late = late->next;
    if (late == NULL)
        return INT64_MAX;
    return is_due(late) ? now_ns : due_ns(late);
}

static void arm(struct late_lane *of)
{
    int64_t next_ns = next_of_closed(of);

    if (of->lacking.first != NULL && of->lacking.first->again_ns < next_ns)
        next_ns = of->lacking.first->again_ns;
    if (next_ns < INT64_MAX)
        timers_arm(io_timers(of->lane->io), &of->timer, next_ns);
}

void late_lane_turn(struct late_lane *of)
{
    if (of->closed.first == NULL && of->lacking.first == NULL)
        return;
    stream_lane_errands(of->lane, false); /* one may be closed first */
    answer_refused(of);
    try_again(of);
    step(of);
    if (next_due(of) != NULL)
        open_some(of,
                  atomic_load(&of->lane->jetstream->late.hurry) ? SLICE_HURRIED : SLICE_STREAMS);
    arm(of);
}

bool late_lane_waits(const struct late_lane *of)
{
    for (const struct late *late = of->closed.first; late != NULL && late->asked;
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
        door_destroy(late->door);
        late->door = NULL;
        late_forgotten(late);
    }
}

void late_lane_drop(struct late_lane *of)
{
    timers_cancel(io_timers(of->lane->io), &of->timer);
    drop_steps(of);
    drop_all(&of->closed);
    drop_all(&of->lacking);
}
