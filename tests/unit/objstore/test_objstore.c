#include "base/prng.h"
#include "objstore/object.h"
#include "objstore/object_bucket.h"
#include "objstore/object_name.h"
#include "tests/unit/unit.h"

static void same(struct bytes got, const char *want)
{
    ck_assert_uint_eq(got.size, strlen(want));
    ck_assert_mem_eq(got.at, want, got.size);
}

/* ---- names ----------------------------------------------------------------------------------- */

START_TEST(subjects_are_those_that_clients_use)
{
    struct buf out;

    buf_init(&out, 256);
    ck_assert(object_meta_subject(&out, BYTES("b"), BYTES("a/b c?>.txt")));
    same(buf_bytes(&out), "$O.b.M.YS9iIGM_Pi50eHQ=");
    buf_clear(&out);
    ck_assert(object_chunk_subject(&out, BYTES("b"), BYTES("2FInbz0402terYzjunJo9O")));
    same(buf_bytes(&out), "$O.b.C.2FInbz0402terYzjunJo9O");
    buf_clear(&out);
    ck_assert(object_stream_name(&out, BYTES("b")));
    same(buf_bytes(&out), "OBJ_b");
    buf_deinit(&out);
}
END_TEST

START_TEST(every_name_reads_back_from_its_subject)
{
    struct prng prng;
    uint8_t name[40];

    prng_seed(&prng, 1);
    for (unsigned i = 0; i < 5000; i++) {
        size_t size = 1 + prng_below(&prng, sizeof name);
        struct buf subject, read;
        struct bytes bucket;

        for (size_t at = 0; at < size; at++)
            name[at] = (uint8_t)prng_next(&prng);
        buf_init(&subject, 256);
        buf_init(&read, 256);
        ck_assert(object_meta_subject(&subject, BYTES("b"), bytes_of(name, size)));
        ck_assert(object_meta_read(buf_bytes(&subject), &bucket, &read));
        ck_assert(bytes_equal(buf_bytes(&read), bytes_of(name, size)));
        buf_deinit(&subject);
        buf_deinit(&read);
    }
}
END_TEST

START_TEST(subjects_of_something_else_are_refused)
{
    static const char *const bad[] = {"$O.b.M.Y",      "$O.b.M.Y===", "$O.b.M.Yz==", "$O.b.M.Y+==",
                                      "$O.b.M.YQ==.x", "$O..M.YQ==",  "$O.b.C.YQ==", "$O.b.M.",
                                      "$O.b.X.YQ==",   "$O",          "$O.b",        "x"};
    struct bytes bucket;
    struct buf read;

    buf_init(&read, 256);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        bool taken = object_meta_read(bytes_of_text(bad[i]), &bucket, &read);

        ck_assert_msg(!taken || read.size == 0, "%s", bad[i]);
        ck_assert_uint_eq(read.size, 0);
    }
    buf_deinit(&read);
}
END_TEST

START_TEST(a_digest_reads_back_and_nothing_else_is_one)
{
    uint8_t hash[OBJECT_HASH_SIZE], read[OBJECT_HASH_SIZE];
    char text[OBJECT_DIGEST_SIZE + 1];

    for (size_t i = 0; i < sizeof hash; i++)
        hash[i] = (uint8_t)(i * 37 + 250);
    object_digest_write(hash, text);
    ck_assert_uint_eq(strlen(text), OBJECT_DIGEST_SIZE);
    ck_assert(object_digest_read(bytes_of_text(text), read));
    ck_assert_mem_eq(hash, read, sizeof hash);
    ck_assert(object_digest_read(bytes_of(text, strlen(text) - 1), read)); /* without padding */
    ck_assert(!object_digest_read(bytes_of(text, strlen(text) - 5), read));
    text[0] = 'X';
    ck_assert(!object_digest_read(bytes_of_text(text), read));
}
END_TEST

/* ---- buckets --------------------------------------------------------------------------------- */

START_TEST(a_bucket_is_the_stream_that_clients_make)
{
    struct object_bucket bucket = {.name = BYTES("b")}, read;
    struct stream_config config;
    struct json_writer writer;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1u << 20);
    buf_init(&out, 1u << 16);
    ck_assert(object_bucket_config(&bucket, &arena, &config));
    json_writer_init(&writer, &out);
    schema_encode(&stream_config_schema, &config, &writer);
    same(buf_bytes(&out),
         "{\"name\":\"OBJ_b\",\"subjects\":[\"$O.b.C.\\u003e\",\"$O.b.M.\\u003e\"],"
         "\"retention\":\"limits\",\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,"
         "\"max_age\":0,\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"new\","
         "\"storage\":\"file\",\"num_replicas\":1,\"duplicate_window\":120000000000,"
         "\"compression\":\"none\",\"allow_direct\":true,\"mirror_direct\":false,"
         "\"sealed\":false,\"deny_delete\":false,\"deny_purge\":false,"
         "\"allow_rollup_hdrs\":true,\"consumer_limits\":{},\"allow_msg_ttl\":false}");
    ck_assert(object_bucket_read(&config, &read));
    same(read.name, "b");
    ck_assert_ptr_nonnull(object_bucket_check(&(struct object_bucket){.name = BYTES("a.b")}));
    buf_deinit(&out);
    arena_deinit(&arena);
}
END_TEST

/* ---- descriptions ---------------------------------------------------------------------------- */

#define DESCRIPTION                                                                                \
    "{\"name\":\"n\",\"description\":\"d\",\"headers\":{\"A\":[\"1\",\"2\"]},"                     \
    "\"metadata\":{\"k\":\"v\"},\"options\":{\"max_chunk_size\":10},\"bucket\":\"b\","             \
    "\"nuid\":\"2FInbz0402terYzjunJo9O\",\"size\":25,\"mtime\":\"0001-01-01T00:00:00Z\","          \
    "\"chunks\":3,\"digest\":\"SHA-256=x\"}"

START_TEST(a_description_reads_and_is_written_as_clients_do)
{
    struct object object;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1u << 20);
    buf_init(&out, 4096);
    ck_assert(object_read(BYTES(DESCRIPTION), &arena, &object));
    ck_assert_uint_eq(object.size, 25);
    ck_assert_uint_eq(object.chunks, 3);
    ck_assert_uint_eq(object.headers[0].values.count, 2);
    ck_assert(object_write(&object, &out));
    same(buf_bytes(&out), DESCRIPTION);
    buf_deinit(&out);
    arena_deinit(&arena);
}
END_TEST

START_TEST(what_is_no_description_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"name\":1}",
        "{\"name\":\"\"}",
        "{\"name\":\"n\",\"size\":-1}",
        "{\"name\":\"n\",\"size\":1.5}",
        "{\"name\":\"n\",\"headers\":[]}",
        "{\"name\":\"n\",\"headers\":{\"a\":\"b\"}}",
        "{\"name\":\"n\",\"headers\":{\"a\":[1]}}",
        "{\"name\":\"n\",\"metadata\":{\"a\":1}}",
        "{\"name\":\"n\",\"options\":[]}",
        "{\"name\":\"n\",\"options\":{\"link\":{}}}",
        "{\"name\":\"n\",\"options\":{\"link\":{\"bucket\":\"a b\"}}}"};
    struct object object;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!object_read(bytes_of_text(bad[i]), &arena, &object), "%s", bad[i]);
    arena_deinit(&arena);
}
END_TEST

START_TEST(content_is_complete_with_its_last_byte_and_chunk)
{
    struct object object = {.size = 25, .chunks = 3};
    struct object_reading reading;

    ck_assert_uint_eq(object_chunk_count(25, 10), 3);
    ck_assert_uint_eq(object_chunk_count(20, 10), 2);
    ck_assert_uint_eq(object_chunk_count(0, 10), 0);
    object_reading_init(&reading, &object);
    ck_assert(object_chunk_take(&reading, 10));
    ck_assert(object_chunk_take(&reading, 10));
    ck_assert(!object_complete(&reading));
    ck_assert(!object_chunk_take(&reading, 6));
    ck_assert(object_chunk_take(&reading, 5));
    ck_assert(object_complete(&reading));
    ck_assert(!object_chunk_take(&reading, 0));
}
END_TEST

START_TEST(links_lead_to_objects_and_buckets_only)
{
    struct object plain = {.name = BYTES("n"), .bucket = BYTES("b")};
    struct object gone = {.name = BYTES("n"), .bucket = BYTES("b"), .deleted = true};
    struct object link = {.name = BYTES("n"), .bucket = BYTES("b"), .linked = true};

    ck_assert_ptr_null(object_link_check(BYTES("b"), BYTES("l"), &plain));
    ck_assert_ptr_null(object_link_check(BYTES("b"), BYTES("l"), NULL));
    ck_assert_ptr_nonnull(object_link_check(BYTES("b"), BYTES(""), &plain));
    ck_assert_ptr_nonnull(object_link_check(BYTES("b"), BYTES("l"), &gone));
    ck_assert_ptr_nonnull(object_link_check(BYTES("b"), BYTES("l"), &link));
    ck_assert_ptr_nonnull(object_link_check(BYTES("b"), BYTES("n"), &plain));
}
END_TEST

START_TEST(an_audit_finds_orphans_and_what_is_missing)
{
    struct object objects[] = {
        {.id = BYTES("d"), .chunks = 2, .size = 20},
        {.id = BYTES("a"), .chunks = 1, .size = 5},
        {.id = BYTES("c"), .chunks = 1, .size = 5},
        {.id = BYTES("x"), .chunks = 1, .size = 5, .deleted = true},
        {.id = BYTES(""), .linked = true},
    };
    struct object_audit_chunks held[] = {
        {BYTES("x"), 1, 5},
        {BYTES("d"), 1, 10},
        {BYTES("b"), 4, 40},
        {BYTES("a"), 1, 5},
    };
    struct object_audit audit;

    object_audit(objects, 5, held, 4, &audit);
    ck_assert_uint_eq(audit.orphans, 2);
    ck_assert_uint_eq(audit.orphan_chunks, 5);
    ck_assert_uint_eq(audit.damaged, 2); /* "c" has none, "d" lacks one */
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        subjects_are_those_that_clients_use,      every_name_reads_back_from_its_subject,
        subjects_of_something_else_are_refused,   a_digest_reads_back_and_nothing_else_is_one,
        a_bucket_is_the_stream_that_clients_make, a_description_reads_and_is_written_as_clients_do,
        what_is_no_description_is_refused,        content_is_complete_with_its_last_byte_and_chunk,
        links_lead_to_objects_and_buckets_only,   an_audit_finds_orphans_and_what_is_missing,
    };

    return UNIT_RUN_PLAIN("objstore", tests);
}
