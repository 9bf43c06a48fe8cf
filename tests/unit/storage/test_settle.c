/* A start of many logs: how often it waits for the disk, what it reads, and what a sync that fails
 * then does. */
#include "base/io_backend.h" /* for counting its calls */
#include "tests/unit/storage/shard.h"
#include "tests/unit/unit.h"

#define LOGS      100u
#define WAITS_MAX 12u /* the directories, the journal's segments, the node file, all logs */

/* The backend of the io under test, and what was waited for. */
static const struct io_calls *real;
static struct io_calls counted;
static unsigned waits;
static unsigned in_groups;
static uint64_t bytes_read;
static uint64_t refused; /* that log's directory cannot be synced; 0: none */

static enum err count_sync(struct io *io, struct io_file *file)
{
    waits++;
    return real->sync(io, file);
}

static enum err count_sync_dir(struct io *io, const char *path)
{
    waits++;
    return real->sync_dir(io, path);
}

static enum err count_read(struct io *io, struct io_file *file, uint64_t offset, void *at,
                           size_t size)
{
    bytes_read += size;
    return real->read_all(io, file, offset, at, size);
}

static void count_sync_all(struct io *io, struct io_syncing *items, size_t count)
{
    char name[17];

    waits++;
    in_groups += (unsigned)count;
    real->sync_all(io, items, count);
    snprintf(name, sizeof name, "%016llx", (unsigned long long)refused);
    for (size_t i = 0; refused != 0 && i < count; i++)
        if (items[i].file == NULL && strstr(items[i].path, name) != NULL)
            items[i].err = ERR_IO;
}

static void count(struct shard *s)
{
    real = s->io->calls;
    counted = *real;
    counted.sync = count_sync;
    counted.sync_dir = count_sync_dir;
    counted.sync_all = count_sync_all;
    counted.read_all = count_read;
    s->io->calls = &counted;
    waits = in_groups = 0;
    bytes_read = 0;
}

/* ---- logs of two batches each --------------------------------------------------------------- */

static struct log *logs[LOGS];
static unsigned durable, failures;
static uint64_t failed_log;

static void on_durable(void *owner, const struct log_batch *batch)
{
    (void)owner;
    (void)batch;
    durable++;
}

static void on_failed(void *owner, enum err err)
{
    (void)owner;
    ck_abort_msg("refused: %s", err_text(err));
}

static void on_batch(void *context, const struct log_batch *batch)
{
    (void)batch;
    ++*(unsigned *)context;
}

static void on_lost(void *context, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)context;
    (void)first;
    (void)last;
    (void)bytes;
    ck_abort_msg("nothing was damaged");
}

static void on_unsettled(void *context, uint64_t log_id, enum err err)
{
    (void)context;
    ck_assert_int_eq(err, ERR_IO);
    failed_log = log_id;
    failures++;
}

/* A process that dies has its files open; this one goes on, and its io knows nothing of them. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:io_posix_open\n";
}

static unsigned open_logs(struct shard *s)
{
    static const struct log_events events = {on_durable, on_failed};
    unsigned batches = 0;
    struct log_recovery recovery = {.batch = on_batch, .lost = on_lost, .context = &batches};

    for (unsigned i = 0; i < LOGS; i++)
        ck_assert_int_eq(log_open(s->store, i + 1, &recovery, &events, s, &logs[i]), OK);
    return batches;
}

static void append_to_all(struct shard *s)
{
    durable = 0;
    for (unsigned i = 0; i < LOGS; i++) {
        struct buf *batch = log_gather(logs[i]);

        ck_assert_ptr_nonnull(record_begin(batch, 1, 0, 8));
        record_end(batch, 8);
        (void)log_seal(logs[i], 1, 1000, 1);
    }
    for (int turn = 0; turn < 100000 && durable < LOGS; turn++)
        ck_assert_int_eq(io_turn(s->io, 1000000), OK);
    ck_assert_uint_eq(durable, LOGS);
}

static void begin(struct shard *s)
{
    memset(s, 0, sizeof *s);
    refused = failures = 0;
    strcpy(s->root, "/tmp/millrace-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->root));
    shard_world(s);
    ck_assert_int_eq(shard_open_store(s), OK);
    for (unsigned i = 0; i < LOGS; i++)
        ck_assert_int_eq(log_prepare(s->store, i + 1, shard_incarnation, bytes_of(NULL, 0)), OK);
    ck_assert_uint_eq(open_logs(s), 0);
    append_to_all(s); /* while the journal is being made */
    shard_settle(s);
    append_to_all(s); /* with the journal as their witness */
}

/* The process has died; the next opens the store and all logs. */
static void start_again(struct shard *s)
{
    io_destroy(s->io);
    store_forget(s->store);
    shard_world(s);
    count(s);
    ck_assert_int_eq(shard_open_store(s), OK);
    store_settle_later(s->store);
    ck_assert_uint_eq(open_logs(s), 2 * LOGS);
    store_settle(s->store, on_unsettled, s);
}

static void end(struct shard *s)
{
    for (unsigned i = 0; i < LOGS; i++)
        log_close(logs[i]);
    shard_end(s);
}

START_TEST(a_start_of_a_hundred_logs_waits_for_the_disk_a_few_times)
{
    struct shard s;

    begin(&s);
    start_again(&s);
    ck_assert_uint_le(waits, WAITS_MAX);
    ck_assert_uint_ge(in_groups, 3 * LOGS); /* replayed segments; then each file and directory */
    ck_assert_uint_eq(failures, 0);
    append_to_all(&s);
    end(&s);
}
END_TEST

START_TEST(a_log_that_cannot_be_synced_is_told_once_and_the_others_go_on)
{
    struct shard s;

    begin(&s);
    refused = 42;
    start_again(&s);
    ck_assert_uint_eq(failures, 1);
    ck_assert_uint_eq(failed_log, 42);
    refused = 0;
    append_to_all(&s);
    end(&s);
}
END_TEST

START_TEST(a_log_that_is_opened_later_is_synced_before_it_is_there)
{
    static const struct log_events events = {on_durable, on_failed};
    unsigned batches = 0;
    struct log_recovery recovery = {.batch = on_batch, .lost = on_lost, .context = &batches};
    struct shard s;

    begin(&s);
    start_again(&s);
    log_close(logs[7]);
    shard_settle(&s);
    refused = 8;
    ck_assert_int_eq(log_open(s.store, 8, &recovery, &events, &s, &logs[7]), ERR_IO);
    refused = 0;
    waits = 0;
    ck_assert_int_eq(log_open(s.store, 8, &recovery, &events, &s, &logs[7]), OK);
    ck_assert_uint_ge(waits, 1);
    end(&s);
}
END_TEST

#define MIB      (1u << 20)
#define WRITTEN  17u        /* of a mebibyte each: the file has room for 32 */
#define READ_MAX (24 * MIB) /* each is looked at by a quarter first */

START_TEST(room_that_was_never_written_is_not_read)
{
    struct shard s;

    shard_begin(&s);
    for (unsigned i = 0; i < WRITTEN; i++)
        shard_append(&s, MIB, (uint8_t)(i + 1));
    for (int start = 0; start < 2; start++) {
        shard_reopen_store(&s);
        count(&s);
        ck_assert_int_eq(shard_open_log(&s), OK);
        ck_assert_uint_eq(s.recovered, WRITTEN);
        ck_assert_uint_le(bytes_read, READ_MAX);
    }
    ck_assert_uint_eq(shard_append(&s, 100, 1), WRITTEN + 1);
    shard_end(&s);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        room_that_was_never_written_is_not_read,
        a_start_of_a_hundred_logs_waits_for_the_disk_a_few_times,
        a_log_that_cannot_be_synced_is_told_once_and_the_others_go_on,
        a_log_that_is_opened_later_is_synced_before_it_is_there,
    };

    return UNIT_RUN_PLAIN("settle", tests);
}
