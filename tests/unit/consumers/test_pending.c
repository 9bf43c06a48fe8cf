#include "base/prng.h"
#include "consumers/pending.h"
#include "tests/unit/unit.h"

#define TICK PENDING_TICK_NS
#define SPAN 20000u

/* The same as a plain array by sequence. */
struct model_entry {
    bool alive;
    bool settling;
    enum { IDLE, WAITING, QUEUED } order;
    int64_t deadline_ns;
    uint64_t queued_as;
    uint32_t deliveries;
};

struct world {
    struct pending pending;
    struct prng prng;
    struct model_entry model[SPAN];
    uint64_t last; /* highest ever added */
    uint64_t queue_next;
    int64_t now_ns;
};

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

static uint64_t any(struct world *world)
{
    uint64_t from = world->last > 200 && !prng_chance(&world->prng, 1, 10) ? world->last - 200 : 0;

    return from + prng_below(&world->prng, world->last - from + 2);
}

static uint32_t find(struct world *world, uint64_t sequence)
{
    uint32_t place = pending_find(&world->pending, sequence);

    MUST((place != 0) == (sequence < SPAN && world->model[sequence].alive));
    return place;
}

static void wait(struct world *world, uint64_t sequence, int64_t wait_ns, bool usual)
{
    uint32_t place = find(world, sequence);
    struct model_entry *model = &world->model[sequence];

    if (place == 0 || model->settling)
        return;
    pending_wait(&world->pending, place, world->now_ns + wait_ns, usual);
    model->order = WAITING;
    model->deadline_ns = (world->now_ns + wait_ns + TICK - 1) / TICK * TICK;
}

static void queue(struct world *world, uint64_t sequence, bool first)
{
    uint32_t place = find(world, sequence);
    struct model_entry *model = &world->model[sequence];

    if (place == 0 || model->settling)
        return;
    if (first) {
        pending_queue_first(&world->pending, place);
        model->queued_as = UINT64_MAX / 2 - ++world->queue_next;
    } else {
        pending_queue(&world->pending, place);
        if (model->order != QUEUED)
            model->queued_as = UINT64_MAX / 2 + ++world->queue_next;
    }
    model->order = QUEUED;
}

static void drop(struct world *world, uint64_t sequence)
{
    uint32_t place = find(world, sequence);

    if (place == 0)
        return;
    pending_remove(&world->pending, place);
    world->model[sequence] = (struct model_entry){0};
}

static void due(struct world *world)
{
    uint32_t place = pending_due(&world->pending, world->now_ns);
    uint64_t earliest = 0;

    for (uint64_t sequence = 1; sequence <= world->last; sequence++)
        if (world->model[sequence].alive && world->model[sequence].order == WAITING &&
            (earliest == 0 ||
             world->model[sequence].deadline_ns < world->model[earliest].deadline_ns))
            earliest = sequence;
    if (earliest == 0 || world->model[earliest].deadline_ns > world->now_ns) {
        MUST(place == 0);
        return;
    }
    MUST(place != 0);
    /* Of several with one deadline any may come. */
    MUST(world->model[pending_entry(&world->pending, place)->sequence].deadline_ns ==
         world->model[earliest].deadline_ns);
    world->model[pending_entry(&world->pending, place)->sequence].order = IDLE;
}

static void settle(struct world *world, uint64_t sequence)
{
    uint32_t place = find(world, sequence);
    struct model_entry *model = &world->model[sequence];

    if (place == 0)
        return;
    model->settling = !model->settling;
    pending_settle(&world->pending, place, model->settling);
    if (model->settling)
        model->order = IDLE;
}

static void check(struct world *world)
{
    const struct pending *pending = &world->pending;
    uint64_t count = 0, redelivered = 0, settling = 0, queued = 0, head = 0;
    int64_t deadline = PENDING_NEVER;
    uint32_t place = pending_first(pending);

    for (uint64_t sequence = 1; sequence <= world->last; sequence++) {
        const struct model_entry *model = &world->model[sequence];

        if (!model->alive)
            continue;
        MUST(place != 0);
        MUST(pending_entry(pending, place)->sequence == sequence);
        place = pending_after(pending, place);
        count++;
        redelivered += model->deliveries > 1;
        settling += model->settling;
        if (model->order == WAITING && model->deadline_ns < deadline)
            deadline = model->deadline_ns;
        if (model->order == QUEUED) {
            queued++;
            if (head == 0 || model->queued_as < world->model[head].queued_as)
                head = sequence;
        }
    }
    MUST(place == 0);
    MUST(pending->count == count);
    MUST(pending->redelivered == redelivered);
    MUST(pending->settling == settling);
    MUST(pending->queued == queued);
    MUST(pending_deadline(pending) == deadline);
    MUST((pending->queue.first == 0) == (head == 0));
    MUST(head == 0 || pending_entry(pending, pending->queue.first)->sequence == head);
    /* What it costs is bounded by what it holds. */
    MUST(pending->end - pending->start <= 4 * pending->count + 64);
}

static void step(struct world *world)
{
    uint64_t sequence = any(world);
    uint32_t place;

    switch (prng_below(&world->prng, 12)) {
    case 0:
    case 1:
    case 2:
        if (world->last + 6 >= SPAN)
            return;
        world->last += 1 + (prng_chance(&world->prng, 1, 3) ? prng_below(&world->prng, 5) : 0);
        place = pending_add(&world->pending, world->last, world->last, 1, 0);
        MUST(pending_find(&world->pending, world->last) == place);
        world->model[world->last] = (struct model_entry){.alive = true, .deliveries = 1};
        if (prng_chance(&world->prng, 4, 5))
            wait(world, world->last, 100 * TICK, true);
        return;
    case 3: wait(world, sequence, 100 * TICK, true); return;
    case 4: wait(world, sequence, (int64_t)prng_below(&world->prng, 300 * TICK), false); return;
    case 5: queue(world, sequence, prng_chance(&world->prng, 1, 4)); return;
    case 6: settle(world, sequence); return;
    case 7:
        if ((place = find(world, sequence)) == 0)
            return;
        pending_delivered(&world->pending, place, 5);
        world->model[sequence].deliveries++;
        return;
    case 8: due(world); return;
    case 9: world->now_ns += (int64_t)prng_below(&world->prng, 20 * TICK); return;
    default:
        drop(world, prng_chance(&world->prng, 1, 2) || pending_first(&world->pending) == 0
                        ? sequence
                        : pending_entry(&world->pending, pending_first(&world->pending))->sequence);
    }
}

START_TEST(it_agrees_with_a_plain_array_whatever_happens)
{
    struct world *world = calloc(1, sizeof(*world));

    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(world, 0, sizeof(*world));
        prng_seed(&world->prng, seed);
        pending_init(&world->pending);
        for (size_t i = 0; i < 3000; i++) {
            step(world);
            check(world);
        }
        pending_deinit(&world->pending);
    }
    free(world);
}
END_TEST

START_TEST(at_or_after_finds_the_next_living)
{
    struct pending pending;

    pending_init(&pending);
    ck_assert_uint_eq(pending_at_or_after(&pending, 1), 0);
    for (uint64_t sequence = 10; sequence <= 100; sequence += 10)
        pending_add(&pending, sequence, sequence, 1, 0);
    for (uint64_t sequence = 30; sequence <= 80; sequence += 10)
        pending_remove(&pending, pending_find(&pending, sequence));
    for (uint64_t from = 0; from <= 110; from++) {
        uint32_t place = pending_at_or_after(&pending, from);
        uint64_t expected = from <= 10    ? 10
                            : from <= 20  ? 20
                            : from <= 90  ? 90
                            : from <= 100 ? 100
                                          : 0;

        ck_assert_uint_eq(place == 0 ? 0 : pending_entry(&pending, place)->sequence, expected);
    }
    pending_deinit(&pending);
}
END_TEST

START_TEST(acks_in_order_never_grow_it)
{
    struct pending pending;
    size_t capacity = 0;

    pending_init(&pending);
    for (uint64_t sequence = 1; sequence <= 100000; sequence++) {
        uint32_t place = pending_add(&pending, sequence, sequence, 1, 0);

        pending_wait(&pending, place, ((int64_t)sequence + 1000) * TICK, true);
        if (sequence > 1000)
            pending_remove(&pending, pending_find(&pending, sequence - 1000));
        if (sequence == 4000)
            capacity = pending.capacity;
    }
    ck_assert_uint_eq(pending.capacity, capacity);
    ck_assert_uint_eq(pending.heap_capacity, 0);
    ck_assert_uint_eq(pending.count, 1000);
    pending_deinit(&pending);
}
END_TEST

START_TEST(one_that_is_stuck_at_the_front_does_not_let_it_grow)
{
    struct pending pending;

    pending_init(&pending);
    pending_add(&pending, 1, 1, 1, 0);
    for (uint64_t sequence = 2; sequence <= 100000; sequence++) {
        pending_add(&pending, sequence, sequence, 1, 0);
        if (sequence > 100)
            pending_remove(&pending, pending_find(&pending, sequence - 90));
    }
    ck_assert_uint_le(pending.capacity, 1024);
    pending_deinit(&pending);
}
END_TEST

START_TEST(a_burst_gives_its_memory_back)
{
    struct pending pending;

    pending_init(&pending);
    for (uint64_t sequence = 1; sequence <= 100000; sequence++)
        pending_add(&pending, sequence, sequence, 1, 0);
    for (uint64_t sequence = 2; sequence <= 100000; sequence++)
        pending_remove(&pending, pending_find(&pending, sequence));
    ck_assert_uint_le(pending.capacity, 8192);
    pending_remove(&pending, pending_find(&pending, 1));
    ck_assert_uint_eq(pending.count, 0);
    pending_deinit(&pending);
}
END_TEST

START_TEST(a_deadline_is_never_early_and_at_most_a_millisecond_late)
{
    struct pending pending;
    uint32_t place;

    pending_init(&pending);
    place = pending_add(&pending, 1, PENDING_CONSUMER_MAX, UINT32_MAX, INT64_MIN);
    ck_assert(pending_entry_deadline(pending_entry(&pending, place)) == PENDING_NEVER);
    pending_wait(&pending, place, TICK + 1, true);
    ck_assert_int_eq(pending_deadline(&pending), 2 * TICK);
    ck_assert_uint_eq(pending_due(&pending, 2 * TICK - 1), 0);
    ck_assert_uint_eq(pending_due(&pending, 2 * TICK), place);
    pending_wait(&pending, place, INT64_MAX, false);
    ck_assert_int_eq(pending_deadline(&pending), PENDING_DEADLINE_MAX * TICK);
    pending_wait(&pending, place, -5, false);
    ck_assert_int_eq(pending_deadline(&pending), 0);
    ck_assert(pending_entry(&pending, place)->time_ns == INT64_MIN);
    ck_assert(pending_entry(&pending, place)->deliveries == UINT32_MAX);
    ck_assert(pending_entry(&pending, place)->consumer_sequence == PENDING_CONSUMER_MAX);
    pending_deinit(&pending);
}
END_TEST

START_TEST(sequences_must_rise)
{
    struct pending pending;

    pending_init(&pending);
    pending_add(&pending, 5, 1, 1, 0);
    pending_add(&pending, 5, 2, 1, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        it_agrees_with_a_plain_array_whatever_happens,
        at_or_after_finds_the_next_living,
        acks_in_order_never_grow_it,
        one_that_is_stuck_at_the_front_does_not_let_it_grow,
        a_burst_gives_its_memory_back,
        a_deadline_is_never_early_and_at_most_a_millisecond_late,
    };
    const TTest *aborting[] = {sequences_must_rise};

    return UNIT_RUN("pending", tests, aborting);
}
