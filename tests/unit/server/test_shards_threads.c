/* Shards in a thread each: for ThreadSanitizer, and for orders that no single thread has. */
#include <pthread.h>
#include <stdio.h>

#include "base/prng.h"
#include "tests/unit/server/shards.h"

#define THREADS 3u
#define ROUNDS  3000u

struct rig;

struct part {
    struct rig *rig;
    pthread_t thread;
    unsigned shard;
    struct client steady;    /* subscribes to what every shard publishes in order */
    struct client restless;  /* subscribes and leaves */
    struct client talker;    /* publishes */
    uint64_t next[THREADS];  /* of each publisher, as seen by steady */
    uint64_t calls[THREADS]; /* the same for what was answered to a new subscription */
};

struct rig {
    struct shards shards;
    struct part parts[THREADS];
    _Atomic uint64_t subscribed; /* shard 0 has so many subscriptions "call.N" in force */
    _Atomic unsigned done;
};

static void say(struct part *part, struct client *client, const char *text)
{
    shards_say(&part->rig->shards, part->shard, client, text);
}

/* "MSG order.P sid size\r\nN\r\n": each publisher's in its order, none left out. */
static void hear_order(struct part *part)
{
    struct bytes rest = buf_bytes(&part->steady.out);

    while (rest.size > 0) {
        unsigned long long number = 0;
        unsigned from = 0, size = 0;
        char kind[8] = "";
        size_t line = bytes_find(rest, '\n') + 1;

        ck_assert_int_eq(sscanf((const char *)rest.at, "MSG %7[a-z].%u %*s %u %llu", kind, &from,
                                &size, &number),
                         4);
        if (strcmp(kind, "order") == 0)
            ck_assert_uint_eq(number, part->next[from]++);
        else
            part->calls[number]++;
        rest = bytes_skip(rest, line + size + 2);
    }
    shard_forget(&part->steady);
}

static void say_order(struct part *part, uint64_t number)
{
    char payload[32], line[96];

    snprintf(payload, sizeof(payload), "%llu", (unsigned long long)number);
    snprintf(line, sizeof(line), "PUB order.%u %zu\r\n%s\r\n", part->shard, strlen(payload),
             payload);
    say(part, &part->talker, line);
}

/* Shard 0 subscribes and says so; the others publish to it as soon as they know. */
static void call(struct part *part, uint64_t *called)
{
    uint64_t subscribed = atomic_load(&part->rig->subscribed);
    char line[96];

    if (part->shard == 0) {
        snprintf(line, sizeof(line), "SUB call.%llu 2\r\n", (unsigned long long)subscribed);
        say(part, &part->steady, "UNSUB 2\r\n");
        say(part, &part->steady, line);
        atomic_store(&part->rig->subscribed, subscribed + 1);
        return;
    }
    if (subscribed == 0 || *called == subscribed)
        return;
    *called = subscribed;
    snprintf(line, sizeof(line), "PUB call.%llu 1\r\n%u\r\n", (unsigned long long)subscribed - 1,
             part->shard);
    say(part, &part->talker, line);
}

static void be_restless(struct part *part, struct prng *prng)
{
    static const char *const lines[] = {
        "SUB a.* 1\r\n",     "SUB a.b q 2\r\n",     "SUB > 3\r\n",
        "UNSUB 1\r\n",       "UNSUB 2\r\n",         "UNSUB 3\r\n",
        "PUB a.b 0\r\n\r\n", "PUB a.c r 0\r\n\r\n", "SUB a.> q 1\r\n",
    };

    say(part, &part->restless, lines[prng_below(prng, UNIT_COUNT(lines))]);
    shard_forget(&part->restless);
    shard_forget(&part->talker);
}

static void *run(void *of)
{
    struct part *part = of;
    struct rig *rig = part->rig;
    uint64_t called = 0;
    struct prng prng;

    prng_seed(&prng, part->shard + 1);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        (void)shard_post_read(&rig->shards.all[part->shard].post);
        hear_order(part);
        say_order(part, i);
        if (part->shard != 0)
            call(part, &called);
        else if (i == 0)
            call(part, &called); /* one for the whole run: all that is said to it must come */
        be_restless(part, &prng);
        shard_post_flush(&rig->shards.all[part->shard].post);
    }
    atomic_fetch_add(&rig->done, 1);
    while (atomic_load(&rig->done) < THREADS) {
        (void)shard_post_read(&rig->shards.all[part->shard].post);
        shard_post_flush(&rig->shards.all[part->shard].post);
    }
    return NULL;
}

START_TEST(every_publisher_is_heard_in_order_by_every_shard)
{
    static struct rig rig;

    shards_init(&rig.shards, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        struct part *part = &rig.parts[i];

        part->rig = &rig;
        part->shard = i;
        shards_join(&rig.shards, i, &part->steady);
        shards_join(&rig.shards, i, &part->restless);
        shards_join(&rig.shards, i, &part->talker);
        say(part, &part->steady, "SUB order.* 1\r\n");
    }
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&rig.parts[i].thread, NULL, run, &rig.parts[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(rig.parts[i].thread, NULL), 0);
    shards_settle(&rig.shards);
    for (unsigned i = 0; i < THREADS; i++) {
        hear_order(&rig.parts[i]);
        for (unsigned from = 0; from < THREADS; from++)
            ck_assert_uint_eq(rig.parts[i].next[from], ROUNDS);
    }
    for (unsigned from = 1; from < THREADS; from++)
        ck_assert_uint_eq(rig.parts[0].calls[from], 1); /* they knew of it: so it came */
    shards_deinit(&rig.shards);
}
END_TEST

/* ---- causes --------------------------------------------------------------------------------- */

#define CAUSES 2000u

static void *answer_causes(void *of)
{
    struct part *part = of;
    struct rig *rig = part->rig;
    uint64_t called = 0;

    while (called < CAUSES) {
        call(part, &called);
        shard_post_flush(&rig->shards.all[part->shard].post);
        (void)shard_post_read(&rig->shards.all[part->shard].post);
    }
    return NULL;
}

/* Each subscription is made when the answer to the one before has come. */
START_TEST(who_learns_of_a_subscription_reaches_it)
{
    static struct rig rig;
    struct part *home = &rig.parts[0], *other = &rig.parts[1];

    shards_init(&rig.shards, 2);
    for (unsigned i = 0; i < 2; i++) {
        rig.parts[i].rig = &rig;
        rig.parts[i].shard = i;
        shards_join(&rig.shards, i, &rig.parts[i].steady);
        shards_join(&rig.shards, i, &rig.parts[i].talker);
    }
    ck_assert_int_eq(pthread_create(&other->thread, NULL, answer_causes, other), 0);
    for (uint64_t i = 0; i < CAUSES; i++) {
        uint64_t turns = 0;

        call(home, NULL);
        while (home->calls[1] == i) {
            (void)shard_post_read(&rig.shards.all[0].post);
            hear_order(home);
            ck_assert_uint_lt(turns++, UINT64_C(1) << 32);
        }
    }
    ck_assert_int_eq(pthread_join(other->thread, NULL), 0);
    shards_deinit(&rig.shards);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        every_publisher_is_heard_in_order_by_every_shard,
        who_learns_of_a_subscription_reaches_it,
    };

    return UNIT_RUN_PLAIN("shards_threads", tests);
}
