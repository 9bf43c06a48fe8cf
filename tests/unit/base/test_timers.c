#include "base/timers.h"

#include "base/heap.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define COUNT 60u

/* A timer whose firing is written down, and which may act on others when it fires. */
struct entry {
    struct timer timer;
    struct world *world;
    bool armed; /* the model's own truth from here on */
    int64_t deadline_ns;
    uint64_t order;
    bool late; /* armed during this run for a time reached: not before the next */
};

struct world {
    struct timers timers;
    struct prng prng;
    struct entry entries[COUNT];
    uint64_t order_next;
    int64_t now_ns;
    bool running;
    bool acting; /* firing timers arm and cancel others */
    size_t fired;
};

static void model_arm(struct world *world, struct entry *entry, int64_t deadline_ns)
{
    timers_arm(&world->timers, &entry->timer, deadline_ns);
    entry->armed = true;
    entry->deadline_ns = deadline_ns;
    entry->order = world->order_next++;
    entry->late = world->running && deadline_ns <= world->now_ns;
}

static void model_cancel(struct world *world, struct entry *entry)
{
    timers_cancel(&world->timers, &entry->timer);
    entry->armed = false;
}

static struct entry *model_first(struct world *world, bool with_late)
{
    struct entry *first = NULL;

    for (size_t i = 0; i < COUNT; i++) {
        struct entry *entry = &world->entries[i];

        if (!entry->armed || (entry->late && !with_late))
            continue;
        if (first == NULL || entry->deadline_ns < first->deadline_ns ||
            (entry->deadline_ns == first->deadline_ns && entry->order < first->order))
            first = entry;
    }
    return first;
}

static void assert_model(struct world *world)
{
    struct entry *first = model_first(world, true);

    ck_assert_int_eq(timers_next(&world->timers), first ? first->deadline_ns : TIMERS_NEVER);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert(timer_armed(&world->entries[i].timer) == world->entries[i].armed);
}

static void act(struct world *world)
{
    struct entry *entry = &world->entries[prng_below(&world->prng, COUNT)];

    if (prng_chance(&world->prng, 2, 3))
        model_arm(world, entry, world->now_ns - 5 + (int64_t)prng_below(&world->prng, 40));
    else
        model_cancel(world, entry);
}

static void entry_fire(struct timer *timer)
{
    struct entry *entry = (struct entry *)timer;
    struct world *world = entry->world;

    ck_assert_ptr_eq(entry, model_first(world, false));
    ck_assert_int_le(entry->deadline_ns, world->now_ns);
    ck_assert(!timer_armed(timer));
    entry->armed = false;
    world->fired++;
    if (world->acting) {
        for (uint64_t i = prng_below(&world->prng, 4); i > 0; i--)
            act(world);
    }
    assert_model(world);
}

static void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.acting = true};
    prng_seed(&world->prng, seed);
    timers_init(&world->timers);
    for (size_t i = 0; i < COUNT; i++) {
        world->entries[i].timer.fire = entry_fire;
        world->entries[i].world = world;
    }
}

static void world_run(struct world *world)
{
    struct entry *first;

    world->running = true;
    timers_run(&world->timers, world->now_ns);
    world->running = false;
    first = model_first(world, false);
    ck_assert(first == NULL || first->deadline_ns > world->now_ns);
    for (size_t i = 0; i < COUNT; i++)
        world->entries[i].late = false;
    assert_model(world);
}

START_TEST(any_sequence_of_calls_fires_what_a_plain_array_would)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct world *world = HEAP_NEW(struct world);

        world_init(world, seed);
        for (int step = 0; step < 1000; step++) {
            act(world);
            assert_model(world);
            if (prng_chance(&world->prng, 1, 10)) {
                world->now_ns += (int64_t)prng_below(&world->prng, 20);
                world_run(world);
            }
        }
        ck_assert_uint_gt(world->fired, 50);
        timers_deinit(&world->timers);
        heap_give(world);
    }
}
END_TEST

START_TEST(equal_deadlines_fire_in_the_order_of_arming)
{
    struct world *world = HEAP_NEW(struct world);

    world_init(world, 1);
    world->acting = false;
    for (size_t i = 0; i < COUNT; i++)
        model_arm(world, &world->entries[i * 7 % COUNT], 100);
    model_arm(world, &world->entries[0], 100); /* again: now the last */
    world->now_ns = 100;
    world_run(world);
    ck_assert_uint_eq(world->fired, COUNT);
    timers_deinit(&world->timers);
    heap_give(world);
}
END_TEST

static void rearm_fire(struct timer *timer)
{
    struct entry *entry = (struct entry *)timer;

    entry->world->fired++;
    timers_arm(&entry->world->timers, timer, 0);
}

START_TEST(a_timer_that_arms_itself_for_now_fires_once_per_run)
{
    struct world *world = HEAP_NEW(struct world);

    world_init(world, 1);
    world->entries[0].timer.fire = rearm_fire;
    timers_arm(&world->timers, &world->entries[0].timer, 5);
    for (size_t i = 1; i <= 3; i++) {
        timers_run(&world->timers, 10);
        ck_assert_uint_eq(world->fired, i);
        ck_assert_int_eq(timers_next(&world->timers), 0);
    }
    timers_deinit(&world->timers);
    heap_give(world);
}
END_TEST

static void free_fire(struct timer *timer)
{
    heap_give(timer);
}

START_TEST(a_firing_timer_may_free_its_owner)
{
    struct timers timers;

    timers_init(&timers);
    for (int i = 0; i < 10; i++) {
        struct timer *timer = HEAP_NEW(struct timer);

        timer->fire = free_fire;
        timers_arm(&timers, timer, i);
    }
    timers_run(&timers, 100);
    ck_assert_int_eq(timers_next(&timers), TIMERS_NEVER);
    timers_deinit(&timers);
}
END_TEST

START_TEST(deinit_forgets_what_is_armed)
{
    struct timer timer = {.fire = free_fire};
    struct timers timers;

    timers_init(&timers);
    timers_arm(&timers, &timer, 1);
    timers_deinit(&timers);
    ck_assert(!timer_armed(&timer));
    timers_cancel(&timers, &timer); /* fine when not armed */
}
END_TEST

START_TEST(the_ends_of_time_are_deadlines_too)
{
    struct world *world = HEAP_NEW(struct world);

    world_init(world, 1);
    world->acting = false;
    model_arm(world, &world->entries[0], INT64_MIN);
    model_arm(world, &world->entries[1], TIMERS_NEVER);
    ck_assert_int_eq(timers_next(&world->timers), INT64_MIN);
    world_run(world);
    ck_assert_uint_eq(world->fired, 1);
    ck_assert_int_eq(timers_next(&world->timers), TIMERS_NEVER);
    timers_deinit(&world->timers);
    heap_give(world);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        any_sequence_of_calls_fires_what_a_plain_array_would,
        equal_deadlines_fire_in_the_order_of_arming,
        a_timer_that_arms_itself_for_now_fires_once_per_run,
        a_firing_timer_may_free_its_owner,
        deinit_forgets_what_is_armed,
        the_ends_of_time_are_deadlines_too,
    };

    return UNIT_RUN_PLAIN("timers", tests);
}
