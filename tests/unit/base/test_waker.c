#include "base/waker.h"

#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static bool readable(const struct waker *waker)
{
    struct pollfd p = {.fd = waker->fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

struct run {
    struct waker waker;
    bool news;   /* what the poster publishes */
    bool looked; /* the loop found it */
    bool slept;  /* the loop found nothing, and would sleep on the eventfd */
};

enum { PUBLISH, POST, SLEEP, LOOK };

static void run_step(struct run *run, int step)
{
    switch (step) {
    case PUBLISH: run->news = true; break;
    case POST: waker_post(&run->waker); break;
    case SLEEP: waker_sleep(&run->waker); break;
    case LOOK:
        run->looked = run->news;
        run->slept = !run->news;
        break;
    }
}

/* All orders in which the poster's two steps and the loop's two can mix. */
START_TEST(in_every_order_the_loop_sees_the_news_or_is_woken)
{
    static const int orders[][4] = {
        {PUBLISH, POST, SLEEP, LOOK}, {PUBLISH, SLEEP, POST, LOOK}, {PUBLISH, SLEEP, LOOK, POST},
        {SLEEP, PUBLISH, POST, LOOK}, {SLEEP, PUBLISH, LOOK, POST}, {SLEEP, LOOK, PUBLISH, POST},
    };

    for (size_t i = 0; i < UNIT_COUNT(orders); i++) {
        struct run run = {0};

        ck_assert(waker_init(&run.waker));
        for (size_t step = 0; step < 4; step++)
            run_step(&run, orders[i][step]);
        ck_assert(run.looked || readable(&run.waker));
        waker_deinit(&run.waker);
    }
}
END_TEST

START_TEST(a_loop_that_is_awake_costs_no_system_call)
{
    struct waker waker;

    ck_assert(waker_init(&waker));
    waker_post(&waker);
    waker_ask(&waker);
    ck_assert(!readable(&waker));
    waker_sleep(&waker);
    waker_awake(&waker);
    waker_post(&waker);
    ck_assert(!readable(&waker));
    waker_deinit(&waker);
}
END_TEST

START_TEST(one_sleep_is_ended_by_one_write)
{
    uint64_t count = 0;
    struct waker waker;

    ck_assert(waker_init(&waker));
    waker_sleep(&waker);
    waker_post(&waker);
    waker_ask(&waker);
    ck_assert_int_eq(read(waker.fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(count, 1);
    waker_deinit(&waker);
}
END_TEST

START_TEST(what_was_asked_is_taken_once)
{
    struct waker waker;

    ck_assert(waker_init(&waker));
    ck_assert(!waker_take(&waker));
    waker_ask(&waker);
    waker_ask(&waker);
    ck_assert(waker_asked(&waker));
    ck_assert(waker_take(&waker));
    ck_assert(!waker_take(&waker));
    waker_deinit(&waker);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        in_every_order_the_loop_sees_the_news_or_is_woken,
        a_loop_that_is_awake_costs_no_system_call,
        one_sleep_is_ended_by_one_write,
        what_was_asked_is_taken_once,
    };

    return UNIT_RUN_PLAIN("waker", tests);
}
