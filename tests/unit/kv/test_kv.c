#include "kv/bucket.h"
#include "kv/entry.h"
#include "kv/key.h"
#include "tests/unit/unit.h"

static void same(struct bytes got, const char *want)
{
    ck_assert_uint_eq(got.size, strlen(want));
    if (got.size > 0)
        ck_assert_mem_eq(got.at, want, got.size);
}

/* ---- names ----------------------------------------------------------------------------------- */

START_TEST(keys_are_those_that_every_client_library_takes)
{
    static const char *const good[] = {"a", "a.b", "-/_=.x", "A.0", "a/b=c"};
    static const char *const bad[] = {"",  ".", ".a",  "a.",  "a..b",     "a b", "a*",
                                      "*", ">", "a.>", "a\n", "\xc3\xa4", "a$b"};

    for (size_t i = 0; i < UNIT_COUNT(good); i++)
        ck_assert_msg(kv_key_valid(bytes_of_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!kv_key_valid(bytes_of_text(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(filters_have_wildcards_only_as_whole_tokens)
{
    static const char *const good[] = {"a", "*", ">", "a.*.b", "a.>", "*.*"};
    static const char *const bad[] = {"", "a*", ">.a", "a.>.b", "*a.b", "a..>"};

    for (size_t i = 0; i < UNIT_COUNT(good); i++)
        ck_assert_msg(kv_filter_valid(bytes_of_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!kv_filter_valid(bytes_of_text(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(what_names_a_bucket_reads_back)
{
    struct bytes bucket, key;
    struct buf out;

    buf_init(&out, 64);
    ck_assert(kv_stream_name(&out, BYTES("b-1_X")));
    same(buf_bytes(&out), "KV_b-1_X");
    ck_assert(kv_stream_bucket(buf_bytes(&out), &bucket));
    same(bucket, "b-1_X");
    buf_clear(&out);
    ck_assert(kv_subject(&out, BYTES("b"), BYTES("x.y")));
    same(buf_bytes(&out), "$KV.b.x.y");
    ck_assert(kv_subject_read(buf_bytes(&out), &bucket, &key));
    same(bucket, "b");
    same(key, "x.y");
    ck_assert(!kv_stream_bucket(BYTES("KV_"), &bucket));
    ck_assert(!kv_stream_bucket(BYTES("OBJ_b"), &bucket));
    ck_assert(!kv_subject_read(BYTES("$KV.b"), &bucket, &key));
    ck_assert(!kv_subject_read(BYTES("$KV.b."), &bucket, &key));
    ck_assert(!kv_bucket_valid(BYTES("a.b")));
    ck_assert(!kv_bucket_valid(BYTES("")));
    buf_deinit(&out);
}
END_TEST

START_TEST(a_subject_that_does_not_fit_leaves_nothing_behind)
{
    struct buf out;

    buf_init(&out, 10);
    ck_assert(BUF_ADD(&out, "12345"));
    ck_assert(!kv_subject(&out, BYTES("b"), BYTES("x")));
    ck_assert_uint_eq(out.size, 5);
    buf_deinit(&out);
}
END_TEST

/* ---- buckets --------------------------------------------------------------------------------- */

static struct bytes config_text(const struct kv_bucket *bucket, struct arena *arena,
                                struct buf *out)
{
    struct stream_config config;
    struct json_writer writer;

    ck_assert(kv_bucket_config(bucket, arena, &config));
    buf_init(out, 1u << 16);
    json_writer_init(&writer, out);
    schema_encode(&stream_config_schema, &config, &writer);
    ck_assert(!writer.failed);
    return buf_bytes(out);
}

START_TEST(a_plain_bucket_is_the_stream_that_clients_make)
{
    struct kv_bucket bucket = {.name = BYTES("b")};
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1u << 20);
    same(config_text(&bucket, &arena, &out),
         "{\"name\":\"KV_b\",\"subjects\":[\"$KV.b.\\u003e\"],\"retention\":\"limits\","
         "\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,"
         "\"max_msgs_per_subject\":1,\"max_msg_size\":-1,\"discard\":\"new\",\"storage\":\"file\","
         "\"num_replicas\":1,\"duplicate_window\":120000000000,\"compression\":\"none\","
         "\"allow_direct\":true,\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":true,"
         "\"deny_purge\":false,\"allow_rollup_hdrs\":true,\"consumer_limits\":{},"
         "\"allow_msg_ttl\":false}");
    buf_deinit(&out);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_bucket_reads_back_from_its_stream)
{
    struct bytes sources[] = {BYTES("one"), BYTES("two")};
    struct kv_bucket bucket = {.name = BYTES("b"),
                               .description = BYTES("d"),
                               .history = 7,
                               .ttl_ns = 60000000000,
                               .marker_ttl_ns = 2000000000,
                               .bytes_max = 1000,
                               .value_max = 10,
                               .storage = STORAGE_MEMORY,
                               .replicas = 3,
                               .compressed = true,
                               .sources = {sources, 2}};
    struct stream_config config;
    struct kv_bucket read;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    ck_assert(kv_bucket_config(&bucket, &arena, &config));
    ck_assert_int_eq(config.duplicate_window_ns, 60000000000);
    ck_assert(config.allow_msg_ttl);
    ck_assert(kv_bucket_read(&config, &arena, &read));
    same(read.name, "b");
    same(read.description, "d");
    ck_assert_int_eq(read.history, 7);
    ck_assert_int_eq(read.ttl_ns, bucket.ttl_ns);
    ck_assert_int_eq(read.marker_ttl_ns, bucket.marker_ttl_ns);
    ck_assert_int_eq(read.bytes_max, 1000);
    ck_assert_int_eq(read.value_max, 10);
    ck_assert_int_eq(read.storage, STORAGE_MEMORY);
    ck_assert_int_eq(read.replicas, 3);
    ck_assert(read.compressed);
    ck_assert_uint_eq(read.sources.count, 2);
    same(read.sources.at[1], "two");
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_mirror_is_read_and_written_under_the_keys_of_its_origin)
{
    struct kv_bucket bucket = {.name = BYTES("copy"), .mirror = BYTES("b")}, read;
    struct stream_config config;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1u << 20);
    buf_init(&out, 64);
    ck_assert(kv_bucket_config(&bucket, &arena, &config));
    ck_assert_uint_eq(config.subjects.count, 0);
    same(config.mirror->name, "KV_b");
    ck_assert(config.mirror_direct);
    ck_assert(kv_bucket_read(&config, &arena, &read));
    ck_assert(kv_bucket_prefix(&read, &out));
    same(buf_bytes(&out), "$KV.b.");
    buf_deinit(&out);
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_bucket_that_cannot_be_says_why)
{
    struct bytes bad_source = BYTES("a.b");
    const struct kv_bucket bad[] = {
        {.name = BYTES("a.b")},
        {.name = BYTES("b"), .history = 65},
        {.name = BYTES("b"), .history = -1},
        {.name = BYTES("b"), .ttl_ns = -1},
        {.name = BYTES("b"), .marker_ttl_ns = 999999999},
        {.name = BYTES("b"), .mirror = BYTES("x y")},
        {.name = BYTES("b"), .sources = {&bad_source, 1}},
    };

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_ptr_nonnull(kv_bucket_check(&bad[i]));
    ck_assert_ptr_null(kv_bucket_check(&(struct kv_bucket){.name = BYTES("b"), .history = 64}));
}
END_TEST

START_TEST(a_stream_that_keeps_no_history_is_no_bucket)
{
    struct stream_config config = {.name = BYTES("KV_b"), .max_msgs_per_subject = -1};
    struct kv_bucket read;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    ck_assert(!kv_bucket_read(&config, &arena, &read));
    config.max_msgs_per_subject = 1;
    ck_assert(kv_bucket_read(&config, &arena, &read));
    config.name = BYTES("ORDERS");
    ck_assert(!kv_bucket_read(&config, &arena, &read));
    arena_deinit(&arena);
}
END_TEST

/* ---- entries --------------------------------------------------------------------------------- */

START_TEST(every_way_of_writing_sends_what_clients_send)
{
    static const struct {
        struct kv_write write;
        const char *headers;
    } cases[] = {
        {{.operation = KV_PUT}, ""},
        {{.operation = KV_PUT, .conditional = true},
         "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n"},
        {{.operation = KV_PUT, .conditional = true, .expected = 7, .ttl_ns = 90000000000},
         "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 7\r\nNats-TTL: 1m30s\r\n\r\n"},
        {{.operation = KV_DELETE}, "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"},
        {{.operation = KV_PURGE}, "NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n"},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, 1024);
        ck_assert(kv_write_headers(&cases[i].write, &out));
        same(buf_bytes(&out), cases[i].headers);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(what_was_written_is_told_apart_by_its_headers)
{
    static const struct {
        const char *headers;
        enum kv_operation operation;
        bool expired;
    } cases[] = {
        {"", KV_PUT, false},
        {"NATS/1.0\r\nX: y\r\n\r\n", KV_PUT, false},
        {"NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", KV_DELETE, false},
        {"NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n", KV_PURGE, false},
        {"NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1m0s\r\n\r\n", KV_PURGE, true},
        {"NATS/1.0\r\nNats-Marker-Reason: Purge\r\n\r\n", KV_PURGE, true},
        {"NATS/1.0\r\nNats-Marker-Reason: Remove\r\n\r\n", KV_DELETE, true},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct kv_message message = {
            .subject = BYTES("$KV.b.k"), .sequence = 3, .headers = bytes_of_text(cases[i].headers)};
        struct kv_entry entry;

        ck_assert(kv_entry_read(&message, &entry));
        ck_assert_int_eq(entry.operation, cases[i].operation);
        ck_assert_int_eq(entry.expired, cases[i].expired);
        ck_assert_uint_eq(entry.revision, 3);
    }
}
END_TEST

START_TEST(a_create_after_a_delete_expects_the_marker)
{
    uint64_t expected = 0;

    ck_assert(!kv_create_again(&(struct kv_entry){.revision = 5}, &expected));
    ck_assert(
        kv_create_again(&(struct kv_entry){.revision = 5, .operation = KV_DELETE}, &expected));
    ck_assert_uint_eq(expected, 5);
}
END_TEST

START_TEST(a_history_is_as_deep_as_said_and_begins_with_its_last_purge)
{
    const struct kv_entry entries[] = {{.created_ns = 10},
                                       {.created_ns = 20},
                                       {.created_ns = 30, .operation = KV_PURGE},
                                       {.created_ns = 40},
                                       {.created_ns = 50, .operation = KV_DELETE},
                                       {.created_ns = 60}};

    ck_assert_uint_eq(kv_history_first(entries, 6, 64, 0, 70), 2);
    ck_assert_uint_eq(kv_history_first(entries, 6, 3, 0, 70), 3);
    ck_assert_uint_eq(kv_history_first(entries, 6, 0, 0, 70), 5);
    ck_assert_uint_eq(kv_history_first(entries, 2, 64, 0, 70), 0);
    ck_assert_uint_eq(kv_history_first(entries, 6, 64, 25, 70), 4);
    ck_assert_uint_eq(kv_history_first(entries, 6, 64, 10, 70), 6);
    ck_assert_uint_eq(kv_history_first(entries, 0, 64, 0, 70), 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        keys_are_those_that_every_client_library_takes,
        filters_have_wildcards_only_as_whole_tokens,
        what_names_a_bucket_reads_back,
        a_subject_that_does_not_fit_leaves_nothing_behind,
        a_plain_bucket_is_the_stream_that_clients_make,
        a_bucket_reads_back_from_its_stream,
        a_mirror_is_read_and_written_under_the_keys_of_its_origin,
        a_bucket_that_cannot_be_says_why,
        a_stream_that_keeps_no_history_is_no_bucket,
        every_way_of_writing_sends_what_clients_send,
        what_was_written_is_told_apart_by_its_headers,
        a_create_after_a_delete_expects_the_marker,
        a_history_is_as_deep_as_said_and_begins_with_its_last_purge,
    };

    return UNIT_RUN_PLAIN("kv", tests);
}
