/* A stream that is restored in a life: the archive it comes from, its chunks, and what is there. */
#include <stdio.h>

#include "server/backup/archive.h"
#include "tests/sim/life.h"

#define MESSAGES 30u
#define CHUNK    4000u
#define MILLI    INT64_C(1000000)
#define CONFIG   "\"name\":\"R\",\"subjects\":[\"r\"],\"allow_direct\":true"
#define META                                                                                       \
    "{\"millrace\":{\"messages\":30,\"consumers\":0},\"Created\":\"2026-11-22T10:00:00Z\"," CONFIG \
    "}"

static void build(struct buf *out)
{
    char text[LIFE_SIZE + 1];
    uint8_t key[HIGHWAY_KEY_SIZE];
    struct buf block;

    buf_init(&block, 1 << 20);
    message_block_key(BYTES("R"), 1, key);
    for (unsigned i = 1; i <= MESSAGES; i++) {
        struct message_block_record record = {
            .sequence = i, .time_ns = (int64_t)i * 1000, .subject = BYTES("r")};

        life_text(i, text);
        record.payload = bytes_of_text(text);
        assert(message_block_add(&block, key, &record));
    }
    assert(s2_begin(out) && archive_add_config(out, BYTES("R"), bytes_of(NULL, 0), BYTES(META), 0));
    assert(archive_add_file(out, BYTES("msgs/1.blk"), buf_bytes(&block), 0));
    assert(archive_add_end(out));
    buf_deinit(&block);
}

/* Where the chunks go to; empty: it is there already. False: the power went. */
static bool begin(struct life *life, char to[static 256])
{
    to[0] = 0;
    for (int i = 0; i < 400; i++) {
        if (!life_ask(life, "$JS.API.STREAM.RESTORE.R", "{\"config\":{" CONFIG "},\"state\":{}}"))
            return false;
        if (sscanf(life->answer, "%*[^$]$JS.SNAPSHOT.RESTORE.%200[^\"]", to) == 1)
            return true;
        if (!life_ask(life, "$JS.API.STREAM.INFO.R", ""))
            return false;
        if (life_says(life, "\"last_seq\":"))
            return true;
        sim_run(life->sim, 150 * MILLI); /* what the power has ended is removed after 30 s */
    }
    life_fail(life, "a restore does not begin", 0);
}

static bool send(struct life *life, const char *to, struct bytes archive)
{
    char subject[300];

    snprintf(subject, sizeof subject, "$JS.SNAPSHOT.RESTORE.%s", to);
    while (archive.size > 0) {
        struct bytes chunk = bytes_take(archive, archive.size < CHUNK ? archive.size : CHUNK);

        if (!life_send(life, subject, chunk))
            return false;
        if (life->answer[0] != 0)
            life_fail(life, "a chunk is refused", archive.size);
        archive = bytes_skip(archive, chunk.size);
    }
    if (!life_ask(life, subject, ""))
        return false;
    if (!life_says(life, "\"messages\":30"))
        life_fail(life, "an archive is not restored", 0);
    return true;
}

bool life_restore(struct life *life)
{
    char to[256];
    struct buf archive;
    bool done;

    if (life->truth.restored == SURE)
        return true;
    life->truth.restored = ASKED;
    if (!begin(life, to))
        return false;
    buf_init(&archive, 1 << 20);
    build(&archive);
    done = to[0] == 0 || send(life, to, buf_bytes(&archive));
    buf_deinit(&archive);
    if (done)
        life->truth.restored = SURE;
    return done;
}

/* Whole or not at all; not at all only if nobody was told that it is there. */
void life_look_at_restored(struct life *life)
{
    char body[32], text[LIFE_SIZE + 1];

    if (!life_ask(life, "$JS.API.STREAM.NAMES", ""))
        life_fail(life, "the power went by itself", 0);
    if (!life_says(life, "\"R\"") && life->truth.restored == SURE)
        life_fail(life, "a stream that was restored is gone", 0);
    if (!life_says(life, "\"R\""))
        return;
    if (life->truth.restored == NEVER)
        life_fail(life, "a stream is there that nobody restored", 0);
    for (unsigned i = 1; i <= MESSAGES; i++) {
        snprintf(body, sizeof body, "{\"seq\":%u}", i);
        life_text(i, text);
        for (int tries = 0; tries < 400; tries++) {
            if (!life_ask(life, "$JS.API.DIRECT.GET.R", body))
                life_fail(life, "the power went by itself", 0);
            if (life->answer[0] != 0)
                break;
            sim_run(life->sim, 25 * MILLI); /* nobody listens there yet */
        }
        if (strcmp(life->answer, text) != 0)
            life_fail(life, "a restored stream has other messages", i);
    }
}
