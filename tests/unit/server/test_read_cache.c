#include "base/heap.h"
#include "base/prng.h"
#include "server/stream/read_cache.h"
#include "tests/unit/unit.h"

#define LOG_SIZE (3u << 20) /* more than the cache holds */

/* A log of which more and more is durable; the bytes behind that are not what they will be. */
struct log_bytes {
    uint64_t number;
    uint8_t *at;
    size_t durable;
};

static uint8_t byte_at(uint64_t number, size_t offset)
{
    return (uint8_t)((offset * 31 + offset / 251 + number * 7) & 0xff);
}

static void make(struct log_bytes *log, struct read_cache *cache)
{
    log->number = read_cache_log(cache);
    log->at = heap_take(LOG_SIZE);
    log->durable = 0;
    memset(log->at, 0xee, LOG_SIZE);
}

static void grow(struct log_bytes *log, size_t size)
{
    for (; size > 0 && log->durable < LOG_SIZE; size--, log->durable++)
        log->at[log->durable] = byte_at(log->number, log->durable);
}

/* As the reader does it. True: the cache had it. */
static bool read_one(struct read_cache *cache, const struct log_bytes *log, log_place place,
                     size_t size, bool *kept)
{
    struct read_cache_room room;
    struct bytes found = read_cache_find(cache, log->number, place, size, &room);
    size_t got;

    *kept = room.at != NULL;
    for (size_t i = 0; i < found.size; i++)
        if (found.at[i] != byte_at(log->number, (size_t)place + i))
            ck_abort_msg("byte %zu of a read of %zu at %zu is wrong", i, size, (size_t)place);
    if (room.at == NULL)
        return found.size > 0;
    ck_assert_uint_eq(found.size, 0);
    ck_assert_uint_le(room.place, place);
    ck_assert_uint_ge(room.place + room.size, place + size);
    got = log->durable - room.place < room.size ? log->durable - room.place : room.size;
    memcpy(room.at, log->at + room.place, got);
    read_cache_keep(cache, log->number, &room, got);
    return false;
}

static struct read_cache cache;

START_TEST(a_record_is_kept_when_it_is_asked_for_the_second_time)
{
    struct log_bytes log;
    bool kept;

    read_cache_init(&cache);
    make(&log, &cache);
    grow(&log, 100000);
    ck_assert(!read_one(&cache, &log, 5000, 200, &kept));
    ck_assert(!kept);
    ck_assert_ptr_null(cache.memory);
    ck_assert(!read_one(&cache, &log, 5000, 200, &kept));
    ck_assert(kept);
    ck_assert(read_one(&cache, &log, 5000, 200, &kept));
    ck_assert(read_one(&cache, &log, 4096, 4096, &kept)); /* and what stands beside it */
    heap_give(log.at);
    read_cache_deinit(&cache);
}
END_TEST

START_TEST(a_record_over_several_blocks_comes_in_one_piece)
{
    struct log_bytes log;
    bool kept;

    read_cache_init(&cache);
    make(&log, &cache);
    grow(&log, 100000);
    for (int i = 0; i < 2; i++)
        ck_assert(!read_one(&cache, &log, 4000, 8000, &kept));
    ck_assert(read_one(&cache, &log, 4000, 8000, &kept));
    ck_assert(read_one(&cache, &log, 100, 12000, &kept));
    heap_give(log.at);
    read_cache_deinit(&cache);
}
END_TEST

START_TEST(a_record_over_too_many_blocks_is_not_kept)
{
    struct log_bytes log;
    bool kept;

    read_cache_init(&cache);
    make(&log, &cache);
    grow(&log, 100000);
    for (int i = 0; i < 5; i++) {
        ck_assert(!read_one(&cache, &log, 4000, READ_CACHE_SPAN * READ_CACHE_BLOCK, &kept));
        ck_assert(!kept);
    }
    heap_give(log.at);
    read_cache_deinit(&cache);
}
END_TEST

START_TEST(what_was_not_durable_when_a_block_was_read_is_read_again)
{
    struct log_bytes log;
    bool kept;

    read_cache_init(&cache);
    make(&log, &cache);
    grow(&log, 1000);
    for (int i = 0; i < 2; i++)
        ck_assert(!read_one(&cache, &log, 100, 50, &kept));
    ck_assert(read_one(&cache, &log, 900, 100, &kept));
    grow(&log, 1000);
    ck_assert(!read_one(&cache, &log, 950, 100, &kept));
    ck_assert(kept);
    ck_assert(read_one(&cache, &log, 950, 100, &kept));
    heap_give(log.at);
    read_cache_deinit(&cache);
}
END_TEST

START_TEST(no_order_of_reads_gives_wrong_bytes)
{
    struct log_bytes logs[3];
    struct prng prng;
    uint64_t had = 0;
    bool kept;

    prng_seed(&prng, 5);
    read_cache_init(&cache);
    for (int i = 0; i < 3; i++)
        make(&logs[i], &cache);
    for (int i = 0; i < 300000; i++) {
        struct log_bytes *log = &logs[prng_below(&prng, 3)];
        size_t size = 1 + (size_t)prng_below(&prng, prng_chance(&prng, 1, 10) ? 20000 : 300);
        size_t span = prng_chance(&prng, 1, 2) ? log->durable : log->durable / 20;

        if (prng_chance(&prng, 1, 100))
            grow(log, (size_t)prng_below(&prng, 6000));
        if (size <= span)
            had += read_one(&cache, log, prng_below(&prng, span - size + 1), size, &kept);
    }
    ck_assert_uint_gt(had, 100000); /* else it tests nothing */
    for (int i = 0; i < 3; i++)
        heap_give(logs[i].at);
    read_cache_deinit(&cache);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_record_is_kept_when_it_is_asked_for_the_second_time,
        a_record_over_several_blocks_comes_in_one_piece,
        a_record_over_too_many_blocks_is_not_kept,
        what_was_not_durable_when_a_block_was_read_is_read_again,
        no_order_of_reads_gives_wrong_bytes,
    };

    return UNIT_RUN_PLAIN("read_cache", tests);
}
