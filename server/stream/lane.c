#include "server/stream/lane.h"

#include "base/heap.h"
#include "base/scratch.h"
#include "server/jetstream/jetstream_core.h"
#include "server/router/router.h"
#include "server/server.h"
#include "server/stream/flaws.h"
#include "server/stream/stream.h"
#include "storage/record.h"

#define ARENA_MAX       (256u << 20)
#define READ_KEPT_MAX   (1u << 20) /* of the read buffer, from turn to turn */
#define COPIES_PER_TURN 8u
#define ROUNDS_MAX      16 /* of marked streams in one turn; what is left waits for the next */

static void awake_fired(struct timer *timer)
{
    (void)timer; /* its only purpose is that the loop turns */
}

void stream_lane_init(struct stream_lane *lane, const struct stream_lane_setup *setup)
{
    *lane = (struct stream_lane){
        .jetstream = setup->jetstream,
        .number = setup->number,
        .shard = setup->shard,
        .io = setup->io,
        .router = setup->router,
        .prng = setup->prng,
        .log_time = setup->log_time,
        .staging = setup->staging,
        .fast = setup->fast,
        .awake.fire = awake_fired,
    };
    zones_init(&lane->zones, prng_next(setup->prng));
    if (lane->number > 0) {
        prng_seed(&lane->own_prng, prng_next(setup->prng));
        lane->prng = &lane->own_prng;
    }
    log_clock_init(&lane->clock, io_now(lane->io), io_wall(lane->io), 0);
    arena_init(&lane->arena, ARENA_MAX);
    buf_init(&lane->read_buffer, RECORD_SIZE_MAX + 4096);
    read_cache_init(&lane->read_cache);
    told_init(&lane->told);
    bring_init(&lane->bring, lane);
}

void stream_lane_deinit(struct stream_lane *lane)
{
    if (lane->groups != NULL)
        groups_destroy(lane->groups);
    if (lane->relay != NULL)
        relay_deinit(lane->relay);
    heap_give(lane->relay);
    if (lane->store != NULL)
        store_forget(lane->store); /* an end is like a crash: what was answered is on disk */
    timers_cancel(io_timers(lane->io), &lane->awake);
    told_deinit(&lane->told);
    buf_deinit(&lane->read_buffer);
    read_cache_deinit(&lane->read_cache);
    zones_deinit(&lane->zones);
    scratch_destroy(lane->scratch);
    assert(lane->index_cache.held == 0 || lane->index_cache.interrupted);
    assert(lane->index_cache.lent == 0 || lane->index_cache.interrupted);
    arena_deinit(&lane->arena);
}

/* ---- the turn ------------------------------------------------------------------------------- */

void stream_lane_begin(struct stream_lane *lane)
{
    lane->turning = true;
    lane->copies.turn++;
    lane->copies.asked = lane->copies.asking;
    lane->copies.asking = 0;
    if (lane->relay != NULL)
        relay_deliver(lane->relay, lane->groups);
}

void stream_lane_turn(struct stream_lane *lane)
{
    stream_lane_errands(lane, false);
    for (int round = 0; round < ROUNDS_MAX && lane->dirty != NULL; round++) {
        struct stream *list = lane->dirty;

        lane->dirty = NULL;
        while (list != NULL) {
            struct stream *stream = list;

            list = stream_pop_dirty(stream);
            stream_turn(stream);
        }
    }
}

static bool fails(const struct stream_lane *lane)
{
    return lane->scratch != NULL && !lane->failure_told && *scratch_failed(lane->scratch);
}

bool stream_lane_failed(const struct stream_lane *lane)
{
    return lane->failing || fails(lane);
}

void stream_lane_heard(struct stream_lane *lane)
{
    lane->failing = false;
}

/* Home closes all that lie in it, and opens them again. */
static void tell_failure(struct stream_lane *lane)
{
    if (!fails(lane))
        return;
    lane->failure_told = lane->failing = true;
    stream_lane_tell(lane, &(struct told){.kind = TOLD_FAILED, .of = lane});
}

struct scratch *stream_lane_scratch(struct stream_lane *lane)
{
    struct scratch *scratch = io_scratch(lane->io);

    if (scratch == lane->scratch)
        return scratch;
    tell_failure(lane);
    scratch_destroy(lane->scratch);
    lane->scratch = scratch_hold(scratch);
    lane->failure_told = false;
    return scratch;
}

void stream_lane_end(struct stream_lane *lane)
{
    tell_failure(lane);
    if (lane->read_buffer.capacity > READ_KEPT_MAX)
        buf_release(&lane->read_buffer);
    arena_reset(&lane->arena);
    lane->turning = false;
    if (lane->dirty != NULL || lane->errands.first != NULL ||
        (lane->shard == 0 && told_any(&lane->told)))
        stream_lane_awake(lane);
}

static void wake_home(const struct stream_lane *lane)
{
    struct server *server = jetstream_server(lane->jetstream);

    if ((server_options(server)->sim.stream_flaws & STREAM_FLAW_HOME_ASLEEP) == 0)
        io_wake(server_io(server));
}

void stream_lane_flush(struct stream_lane *lane)
{
    groups_flush(lane->groups);
    if (lane->relay != NULL && relay_hand(lane->relay) && lane->shard > 0)
        wake_home(lane);
    store_flush(lane->store);
}

bool stream_lane_idle(const struct stream_lane *lane)
{
    return lane->dirty == NULL && lane->errands.first == NULL && !told_any(&lane->told) &&
           store_idle(lane->store);
}

void stream_lane_mark(struct stream_lane *lane, struct stream *stream)
{
    stream_link_dirty(stream, &lane->dirty);
    stream_lane_awake(lane);
}

void stream_lane_send(struct stream_lane *lane, struct lane_errand *errand)
{
    errand->lane = lane;
    errand->next = NULL;
    if (lane->number == 0) {
        errand->run(errand, false);
        return;
    }
    if (lane->errands.last != NULL)
        lane->errands.last->next = errand;
    else
        lane->errands.first = errand;
    lane->errands.last = errand;
    stream_lane_awake(lane);
}

void stream_lane_errands(struct stream_lane *lane, bool drop)
{
    while (lane->errands.first != NULL) {
        struct lane_errand *errand = lane->errands.first;

        lane->errands.first = errand->next;
        if (lane->errands.first == NULL)
            lane->errands.last = NULL;
        errand->run(errand, drop);
    }
}

void stream_lane_end_errand(struct stream_lane *lane, uint64_t stream, told_fn *call, void *of)
{
    struct told told = {.kind = TOLD_CALL, .stream = stream, .call = call, .of = of};

    if (lane->number == 0)
        call(of, NULL, &told);
    else
        stream_lane_tell(lane, &told);
}

void stream_lane_tell(struct stream_lane *lane, const struct told *told)
{
    told_add(&lane->told, told);
    if (lane->shard == 0) {
        stream_lane_awake(lane);
    } else if (!atomic_exchange(&lane->telling, true)) {
        wake_home(lane);
    }
}

void stream_lane_awake(struct stream_lane *lane)
{
    if (!timer_armed(&lane->awake) && !lane->turning)
        timers_arm(io_timers(lane->io), &lane->awake, io_now(lane->io));
}

void stream_lane_rest(struct stream_lane *lane)
{
    lane->turning = true;
}

/* ---- for the shells of its streams ---------------------------------------------------------- */

void stream_lane_answer(struct stream_lane *lane, struct account *account, struct bytes to,
                        struct bytes headers, struct bytes payload)
{
    struct message message = {.subject = to, .headers = headers, .payload = payload};

    if (to.size > 0)
        (void)router_publish(lane->router, account, &message);
}

bool stream_lane_listened(struct stream_lane *lane, struct account *account, struct bytes subject)
{
    return router_interest(lane->router, account, subject);
}

int64_t stream_lane_log_now(struct stream_lane *lane)
{
    return log_time_read(lane->log_time, &lane->clock, io_now(lane->io), io_wall(lane->io));
}

struct account *stream_lane_account(const struct stream_lane *lane, struct account *account)
{
    return router_account_here(lane->router, account);
}

const struct zone *stream_lane_zone(struct stream_lane *lane, struct bytes name)
{
    return zones_find(&lane->zones, name);
}

uint8_t *stream_lane_read_buffer(struct stream_lane *lane, size_t size)
{
    assert(!lane->read_lent);
    buf_clear(&lane->read_buffer);
    return buf_reserve(&lane->read_buffer, size);
}

struct read_cache *stream_lane_read_cache(struct stream_lane *lane)
{
    assert(!lane->read_lent);
    return &lane->read_cache;
}

void stream_lane_read_lent(struct stream_lane *lane)
{
    assert(!lane->read_lent);
    lane->read_lent = true;
}

void stream_lane_read_back(struct stream_lane *lane)
{
    assert(lane->read_lent);
    lane->read_lent = false;
}

int64_t *stream_lane_space_next(struct stream_lane *lane)
{
    return &lane->space_next_ns;
}

unsigned stream_lane_copies(struct stream_lane *lane, uint64_t *turn)
{
    unsigned rank;

    if (*turn == lane->copies.turn)
        return 0;
    *turn = lane->copies.turn;
    rank = lane->copies.asking++;
    if (lane->copies.asked > 1 && rank != *turn % lane->copies.asked)
        return 0;
    return COPIES_PER_TURN;
}

uint64_t stream_lane_turns(const struct stream_lane *lane)
{
    return lane->copies.turn;
}
