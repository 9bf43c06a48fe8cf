/* What a whole server promises while a stream is restored: an archive that expands to much more
 * than its size keeps nobody waiting. */
#include "base/heap.h"
#include "server/backup/archive.h"
#include "server/backup/crc32c.h"
#include "server/jetstream/jetstream_priv.h"
#include "tests/unit/server/stream_world.h"

#define FRAMES 32u
#define ZEROS  (4u << 20) /* of each */

static struct world world;
static struct peer *peer;

static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* One byte, 64 copies of it, and that copy again for all the rest. */
static void add_zeros(struct buf *out, uint32_t sum)
{
    static const uint8_t block[] = {0x80, 0x80, 0x80, 0x02, 0x00, 0,    63 << 2 | 2,
                                    1,    0,    0x1d, 0,    0xbb, 0xff, 0x3e};
    uint8_t head[8] = {0, sizeof block + 4};

    memcpy(head + 4, &sum, 4);
    ck_assert(buf_add(out, bytes_of(head, sizeof head)));
    ck_assert(buf_add(out, bytes_of(block, sizeof block)));
}

/* Nothing that is in it is looked at. */
static void make_archive(struct buf *out)
{
    uint8_t *zeros = heap_take(ZEROS);
    uint32_t sum = masked(crc32c(bytes_of(zeros, ZEROS)));
    struct buf header;

    buf_init(&header, SIZE_MAX);
    ck_assert(s2_begin(out) &&
              archive_add_config(out, BYTES("R"), bytes_of(NULL, 0), BYTES("{\"name\":\"R\"}"), 0));
    ck_assert(tar_add_header(&header, BYTES("msgs/index.db"), (uint64_t)FRAMES * ZEROS, 0));
    ck_assert(s2_add(out, buf_bytes(&header)));
    for (unsigned i = 0; i < FRAMES; i++)
        add_zeros(out, sum);
    buf_deinit(&header);
    heap_give(zeros);
}

/* Where chunks go, as the answer says. */
static void chunk_subject(char subject[static 200])
{
    static const char key[] = "\"deliver_subject\":\"";
    const char *at = memmem(peer->in.at, peer->in.size, key, sizeof key - 1);

    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at + sizeof key - 1, "%199[^\"]", subject), 1);
}

static void say_chunk(struct bytes chunk)
{
    char subject[200];
    struct buf line;

    chunk_subject(subject);
    buf_clear(&peer->in);
    buf_init(&line, SIZE_MAX);
    ck_assert(buf_print(&line, "PUB %s in.chunk %zu\r\n", subject, chunk.size));
    ck_assert(buf_add(&line, chunk) && buf_add(&line, BYTES("\r\n")));
    peer->sending = buf_bytes(&line);
    io_sock_send(peer->io, peer->sock, &peer->sending, 1);
    settle(&world);
    buf_deinit(&line);
}

START_TEST(what_expands_to_much_takes_a_turn_of_the_loop_for_each_part)
{
    struct buf archive;
    uint64_t before;

    buf_init(&archive, SIZE_MAX);
    make_archive(&archive);
    ck_assert_uint_lt(archive.size, 16384);
    peer = start_with_stream(&world, 1, "");
    say_publish(&world, peer, "$JS.API.STREAM.RESTORE.R", "in.api",
                "{\"config\":{\"name\":\"R\",\"subjects\":[\"r\"]},\"state\":{}}");
    before = stream_lane_turns(world.server->jetstream->home);
    say_chunk(buf_bytes(&archive));
    ck_assert(peer_has(peer, "MSG in.chunk 1 0\r\n"));
    ck_assert_uint_ge(stream_lane_turns(world.server->jetstream->home) - before, FRAMES);
    world_deinit(&world);
    buf_deinit(&archive);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_turns");
    TCase *tests = tcase_create("restore_turns");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, what_expands_to_much_takes_a_turn_of_the_loop_for_each_part);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
