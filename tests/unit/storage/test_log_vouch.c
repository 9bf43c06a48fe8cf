/* Records of others, held against what this log says of them. */
#include <fcntl.h>

#include "storage/batch.h"
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

static struct shard s;
static bool done;

static void vouch_done(struct log_vouch_op *op)
{
    (void)op;
    done = true;
}

static void vouch(struct log_vouched *at, size_t count)
{
    struct log_vouch_op op = {.at = at, .count = count, .done = vouch_done};

    done = false;
    log_vouch(s.log, &op);
    ck_assert(!done); /* never from inside the call */
    ck_assert(log_vouch_busy(s.log));
    while (!done)
        ck_assert_int_eq(io_turn(s.io, 1000000), OK);
    ck_assert(!log_vouch_busy(s.log));
}

/* Of one record a batch, as it stands on the disk now. */
static struct bytes record_of(uint64_t index, uint8_t memory[static 4096])
{
    ck_assert_uint_le(s.sizes[index], 4096);
    ck_assert_int_eq(log_read_now(s.log, s.places[index], memory, s.sizes[index]),
                     (int64_t)s.sizes[index]);
    return bytes_of(memory, s.sizes[index]);
}

static void overwrite(log_place place, const void *bytes, size_t size)
{
    char path[160];
    int fd;

    ck_assert_uint_eq(place >> 32, 0);
    snprintf(path, sizeof path, "%s/data/logs/%016x/0000000100000001.seg", s.root, SHARD_LOG);
    fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, size, (off_t)(place & UINT32_MAX)), (ssize_t)size);
    close(fd);
}

static void many(unsigned count)
{
    shard_begin(&s);
    for (unsigned i = 1; i <= count; i++)
        shard_append(&s, 100 + i, (uint8_t)i);
}

/* A record with another body, whole in itself. */
static struct bytes other_than(struct bytes record, uint8_t memory[static 4096])
{
    struct buf buf;

    buf_init(&buf, 4096);
    memcpy(record_begin(&buf, 1, 0, 30), "something else, of equal length", 30);
    record_end(&buf, 30);
    memcpy(memory, record.at, record.size);
    memcpy(memory, buf.at, buf.size < record.size ? buf.size : record.size);
    buf_deinit(&buf);
    return bytes_of(memory, record.size);
}

START_TEST(what_stood_there_is_good_whatever_stands_there_now)
{
    uint8_t memory[3][4096], zeros[64] = {0};
    struct log_vouched at[3];

    many(60);
    for (unsigned i = 0; i < 3; i++)
        at[i] = (struct log_vouched){.place = s.places[10 + 20 * i],
                                     .record = record_of(10 + 20 * i, memory[i])};
    overwrite(s.places[10] + 40, zeros, 40);
    overwrite(s.places[30], zeros, 16); /* its head */
    vouch(at, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(at[i].good);
    shard_end(&s);
}
END_TEST

START_TEST(anything_else_is_not_good)
{
    uint8_t memory[4096], other[4096];
    struct log_vouched at;

    many(20);
    at = (struct log_vouched){.place = s.places[7], .record = record_of(7, memory)};
    for (size_t i = 0; i < at.record.size; i++) {
        memory[i] ^= 4;
        if (i % 8 == 0) {
            vouch(&at, 1);
            ck_assert(!at.good);
        }
        memory[i] ^= 4;
    }
    at.record = other_than(at.record, other);
    vouch(&at, 1);
    ck_assert(!at.good);
    at.record = record_of(8, other); /* a sound one, of another place */
    vouch(&at, 1);
    ck_assert(!at.good);
    at.record = bytes_of(memory, s.sizes[7]);
    vouch(&at, 1);
    ck_assert(at.good);
    shard_end(&s);
}
END_TEST

START_TEST(an_envelope_that_is_damaged_says_nothing_of_its_own_and_hides_no_other)
{
    uint8_t memory[2][4096], zeros[BATCH_ENVELOPE] = {0};
    struct log_vouched at[2];

    many(20);
    at[0] = (struct log_vouched){.place = s.places[7], .record = record_of(7, memory[0])};
    at[1] = (struct log_vouched){.place = s.places[9], .record = record_of(9, memory[1])};
    overwrite(s.places[7] - BATCH_HEAD, zeros, sizeof zeros);
    overwrite(s.places[9] + 20, zeros, 30);
    vouch(at, 2);
    ck_assert(!at[0].good);
    ck_assert(at[1].good);
    shard_end(&s);
}
END_TEST

START_TEST(more_damage_in_its_batch_and_it_cannot_be_judged)
{
    uint8_t memory[4096], byte = 0x55;
    struct log_vouched at;

    many(20);
    at = (struct log_vouched){.place = s.places[7], .record = record_of(7, memory)};
    overwrite(s.places[7] - BATCH_CONTENT_HEAD + 20, &byte, 1); /* of the content's head */
    vouch(&at, 1);
    ck_assert(!at.good);
    shard_end(&s);
}
END_TEST

START_TEST(of_files_that_are_not_there_nothing_is_said)
{
    uint8_t memory[2][4096];
    struct log_vouched at[2];

    many(20);
    at[0] = (struct log_vouched){.place = s.places[7], .record = record_of(7, memory[0])};
    at[1] = (struct log_vouched){.place = (log_place)LOG_FILE_NONE << 32,
                                 .record = record_of(8, memory[1])};
    vouch(at, 2);
    ck_assert(at[0].good);
    ck_assert(!at[1].good);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_stood_there_is_good_whatever_stands_there_now,
                            anything_else_is_not_good,
                            an_envelope_that_is_damaged_says_nothing_of_its_own_and_hides_no_other,
                            more_damage_in_its_batch_and_it_cannot_be_judged,
                            of_files_that_are_not_there_nothing_is_said};

    return UNIT_RUN_PLAIN("log_vouch", tests);
}
