/* object put and get: content in and out, chunk by chunk; memory does not grow with it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bar.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/form.h"
#include "cli/hasher.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/object_store.h"
#include "cli/pick.h"
#include "cli/plain.h"
#include "cli/reader.h"
#include "objstore/object_name.h"

#define WINDOW 64u /* chunks on their way */

/* ---- put ------------------------------------------------------------------------------------- */

static const struct flag put_flags[] = {
    {"name", 0, FLAG_TEXT, "NAME", "What it is called there (as the file)", NULL},
    {"description", 0, FLAG_TEXT, "TEXT", "What it is", NULL},
    {"header", 'H', FLAG_LIST, "NAME:VALUE", "A header field of it", NULL},
    {"chunk-size", 0, FLAG_SIZE, "SIZE", "Size of the pieces (128KB)", NULL},
    {"force", 'f', FLAG_SWITCH, NULL, "Replace without asking", NULL},
};

struct putting {
    struct cli *cli;
    const char *bucket, *subject, *file;
    int fd;
    struct object object;
    struct bar bar;
    struct hasher *digest;
    struct interrupt interrupt;
    uint64_t in_flight;
};

/* One acknowledgement of a chunk. */
static int take_ack(struct putting *p)
{
    struct json_error wrong;
    const struct json *ack;
    struct arena turn;
    struct msg msg;
    uint64_t number;
    enum conn_verdict verdict =
        conn_answer(&p->cli->conn, conn_now() + p->cli->settings.timeout_ns, &number, &msg);
    int result = EXIT_DONE;

    if (verdict != CONN_OK)
        return cli_fail_conn(p->cli, verdict);
    p->in_flight--;
    if (msg_status(&msg, NULL) == 503)
        return cli_fail(p->cli, EXIT_MISSING,
                        cli_print(p->cli, "millrace object add %s", p->bucket),
                        "there is no bucket %s", p->bucket);
    arena_init(&turn, 1024 * 1024);
    ack = json_parse(&turn, msg.payload, &wrong);
    if (ack == NULL || api_get(ack, "error") != NULL)
        result = ack == NULL ? cli_fail(p->cli, EXIT_FAILED, NULL, "the answer is no JSON")
                             : api_fail(p->cli, ack);
    arena_deinit(&turn);
    return result;
}

static int send_chunk(struct putting *p, struct bytes chunk)
{
    enum conn_verdict verdict;

    (void)conn_ask(&p->cli->conn, bytes_of_text(p->subject), (struct bytes){0}, chunk, &verdict);
    if (verdict != CONN_OK)
        return cli_fail_conn(p->cli, verdict);
    p->in_flight++;
    p->object.size += chunk.size;
    p->object.chunks++;
    bar_add(&p->bar, chunk.size);
    return p->in_flight < WINDOW ? EXIT_DONE : take_ack(p);
}

/* A whole chunk, or what is left; false with errno, or when we are to end. */
static bool fill(const struct putting *p, uint8_t *at, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n;

        if (!interrupt_wait_read(&p->interrupt, p->fd))
            return false;
        n = read(p->fd, at + *got, size - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return true;
}

static int cannot_read(struct putting *p)
{
    const char *why = strerror(errno);

    if (!interrupt_came(&p->interrupt))
        return cli_fail(p->cli, EXIT_FAILED, NULL, "cannot read %s: %s", p->file, why);
    p->cli->conn.wake = -1; /* told: what cleans up now may talk */
    return cli_fail(p->cli, EXIT_FAILED, NULL, "interrupted");
}

static int send_content(struct putting *p)
{
    size_t got = 1;
    int result = EXIT_DONE;

    while (result == EXIT_DONE) {
        uint8_t *chunk = hasher_room(p->digest, p->object.chunk_max);

        if (!fill(p, chunk, p->object.chunk_max, &got))
            return cannot_read(p);
        if (got == 0)
            break;
        hasher_commit(p->digest, got);
        result = send_chunk(p, bytes_of(chunk, got));
    }
    while (result == EXIT_DONE && p->in_flight > 0)
        result = take_ack(p);
    return result;
}

static void finish_digest(struct putting *p)
{
    uint8_t hash[OBJECT_HASH_SIZE];
    char text[OBJECT_DIGEST_SIZE + 1];

    hasher_finish(p->digest, hash);
    object_digest_write(hash, text);
    p->object.digest = bytes_of_text(cli_print(p->cli, "%s", text));
}

/* Content, then description, then what it replaces goes. What failed leaves no chunks behind. */
static int put_content(struct putting *p, struct bytes replaced)
{
    char id[NUID_SIZE];
    struct stat stat;
    int result;

    nuid_next(&p->cli->conn.nuid, &p->cli->conn.prng, id);
    p->object.id = bytes_of_text(cli_text(p->cli, bytes_of(id, sizeof(id))));
    p->subject = object_store_chunk_subject(p->cli, p->bucket, p->object.id);
    p->digest = hasher_create();
    interrupt_begin(&p->interrupt, p->cli);
    bar_begin(&p->bar, p->cli, fstat(p->fd, &stat) == 0 ? (uint64_t)stat.st_size : 0);
    result = send_content(p);
    bar_end(&p->bar);
    finish_digest(p);
    if (result == EXIT_DONE)
        result = object_store_describe(p->cli, &p->object);
    if (result != EXIT_DONE)
        object_store_abandon(p->cli, p->bucket, p->object.id);
    else
        result = object_store_forget(p->cli, p->bucket, replaced);
    interrupt_end(&p->interrupt, p->cli);
    return result;
}

static int say_put(struct putting *p, int64_t took)
{
    struct cli *cli = p->cli;
    struct buf text;

    if (cli->json) {
        buf_init(&text, 1024 * 1024);
        (void)object_write(&p->object, &text);
        cli_say_json(cli, buf_bytes(&text));
        buf_deinit(&text);
        return EXIT_DONE;
    }
    printf("Stored %s > %s: %s in %s chunks in %s\n", p->bucket,
           plain_text(cli, cli_text(cli, p->object.name)), human_size(cli, p->object.size),
           human_count(cli, p->object.chunks), human_duration(cli, took));
    return EXIT_DONE;
}

/* The header of that name, a new one if there is none. */
static struct object_header *header_of(struct object *object, struct bytes name, size_t room)
{
    struct object_header *header = object->headers;

    while (header < object->headers + object->header_count && !bytes_equal(header->name, name))
        header++;
    if (header == object->headers + object->header_count) {
        object->header_count++;
        header->name = name;
        header->values.count = 0;
    }
    assert(header->values.count < room);
    return header;
}

/* What --header says. EXIT_DONE, or said. */
static int take_headers(struct cli *cli, struct object *object)
{
    const struct flag_value *list = args_flag(&cli->args, "header");

    object->headers = ARENA_ARRAY(&cli->arena, struct object_header, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        object->headers[i].values.at = ARENA_ARRAY(&cli->arena, struct bytes, list->count);
    for (size_t i = 0; i < list->count; i++) {
        struct bytes field = bytes_of_text(list->list[i]);
        size_t colon = bytes_find(field, ':');
        struct object_header *header;

        if (colon == 0 || colon == field.size || bytes_find(field, '\n') < field.size ||
            bytes_find(field, '\r') < field.size)
            return cli_fail(cli, EXIT_USAGE, "-H Name:Value", "\"%s\" is no header field",
                            list->list[i]);
        header = header_of(object, bytes_take(field, colon), list->count);
        header->values.at[header->values.count++] = bytes_trim(bytes_skip(field, colon + 1));
    }
    return EXIT_DONE;
}

static int put_file(struct cli *cli, const char *bucket, const char *name, const char *file, int fd)
{
    const char *description = args_text(&cli->args, "description");
    struct putting p = {.cli = cli, .bucket = bucket, .file = file, .fd = fd};
    int64_t begun = conn_now(), chunk = args_number(&cli->args, "chunk-size", OBJECT_CHUNK_DEFAULT);
    struct object before = {0};
    struct bytes time;
    bool found = false;
    int result = object_store_find(cli, bucket, name, &before, &time, &found);

    if (result == EXIT_DONE && found && !before.deleted && cli->terminal_in)
        result =
            pick_confirmed(cli, cli_print(cli, "Replace existing object %s > %s", bucket, name));
    if (result == EXIT_DONE &&
        (chunk < 1 || (uint64_t)chunk > HASHER_PART_MAX ||
         (cli->conn.info.max_payload > 0 && (uint64_t)chunk > cli->conn.info.max_payload)))
        result = cli_fail(cli, EXIT_USAGE, "--chunk-size 128KB", "pieces must fit a message");
    if (result != EXIT_DONE)
        return result;
    p.object = (struct object){
        .name = bytes_of_text(name),
        .description = bytes_of_text(description != NULL ? description : ""),
        .bucket = bytes_of_text(bucket),
        .chunk_max = (uint64_t)chunk,
    };
    result = take_headers(cli, &p.object);
    if (result != EXIT_DONE)
        return result;
    result =
        put_content(&p, found && !before.deleted && !before.linked ? before.id : (struct bytes){0});
    return result == EXIT_DONE ? say_put(&p, conn_now() - begun) : result;
}

static int run_put(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0), *file = args_word(&cli->args, 1);
    const char *name = args_text(&cli->args, "name");
    bool standard = file == NULL || strcmp(file, "-") == 0;
    struct stat stat;
    int fd, result;

    if (standard && name == NULL)
        return cli_fail(cli, EXIT_USAGE, "--name NAME",
                        "what comes from standard input needs a name");
    result = object_store_check(cli, bucket, name != NULL ? name : file);
    if (result != EXIT_DONE)
        return result;
    fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
        (void)close(fd);
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "%s is a directory",
                        standard ? "standard input" : file);
    }
    if (fd < 0)
        return cli_fail(cli, EXIT_FAILED, NULL, "cannot read %s: %s", file, strerror(errno));
    result =
        put_file(cli, bucket, name != NULL ? name : file, standard ? "standard input" : file, fd);
    if (!standard)
        (void)close(fd);
    return result;
}

/* ---- get ------------------------------------------------------------------------------------- */

static const struct flag get_flags[] = {
    {"output", 'O', FLAG_TEXT, "FILE", "Where it goes (as it is called; - is standard output)",
     NULL},
    {"force", 'f', FLAG_SWITCH, NULL, "Replace a file without asking", NULL},
};

struct getting {
    struct cli *cli;
    const char *bucket;
    struct object object;
    bool standard;
    struct file_out file;
    struct bar bar;
    struct hasher *digest;
    uint8_t *room; /* where the chunk that is on its way comes to stand; NULL: elsewhere */
};

static uint8_t *make_room(void *owner, size_t size)
{
    struct getting *g = owner;

    g->room = hasher_room(g->digest, size);
    return g->room;
}

/* It is hashed while it is written. */
static void hash_chunk(struct getting *g, struct bytes chunk)
{
    if (g->room != NULL && chunk.at == g->room)
        hasher_commit(g->digest, chunk.size);
    else
        hasher_add(g->digest, chunk);
    g->room = NULL;
}

static int write_chunk(struct getting *g, struct bytes chunk)
{
    bool done = g->standard ? fwrite(chunk.at, 1, chunk.size, stdout) == chunk.size
                            : file_write(&g->file, chunk);

    if (done)
        return EXIT_DONE;
    return cli_fail(g->cli, EXIT_FAILED, "--output, where there is room", "cannot write: %s",
                    strerror(errno));
}

static int check_digest(struct getting *g)
{
    uint8_t said[OBJECT_HASH_SIZE], hash[OBJECT_HASH_SIZE];

    hasher_finish(g->digest, hash);
    if (object_digest_read(g->object.digest, said) && memcmp(said, hash, sizeof(hash)) == 0)
        return EXIT_DONE;
    return cli_fail(g->cli, EXIT_FAILED, "millrace object put, once more",
                    "the content of %.*s is not what was put: its digest differs",
                    BYTES_ARG(g->object.name));
}

static int take_chunk(struct getting *g, struct bytes chunk, struct object_reading *reading)
{
    if (!object_chunk_take(reading, chunk.size))
        return cli_fail(g->cli, EXIT_FAILED, NULL, "the object has more content than it says");
    hash_chunk(g, chunk);
    bar_add(&g->bar, chunk.size);
    return write_chunk(g, chunk);
}

static int read_chunks(struct getting *g)
{
    struct cli *cli = g->cli;
    const struct reader_options options = {
        .filter = object_store_chunk_subject(cli, g->bucket, g->object.id), .deliver = "all"};
    struct object_reading reading;
    struct reader reader;
    struct conn_placing placing = {.size_max = HASHER_PART_MAX, .room = make_room, .owner = g};
    int result = reader_begin(&reader, cli, object_store_stream(cli, g->bucket), &options);

    object_reading_init(&reading, &g->object);
    placing.sid = reader.sid;
    conn_place(&cli->conn, &placing);
    while (result == EXIT_DONE && !object_complete(&reading)) {
        struct reader_item item;
        enum conn_verdict verdict =
            reader_next(&reader, conn_now() + cli->settings.timeout_ns, &item);

        result = verdict == CONN_OK ? take_chunk(g, item.msg.payload, &reading)
                                    : cli_fail_conn(cli, verdict);
    }
    conn_place(&cli->conn, NULL);
    if (result == EXIT_DONE)
        reader_end(&reader);
    return result;
}

static int receive(struct getting *g)
{
    int result;

    g->digest = hasher_create();
    result = g->object.chunks > 0 ? read_chunks(g) : EXIT_DONE;
    if (result == EXIT_DONE)
        return check_digest(g);
    hasher_drop(g->digest);
    return result;
}

/* The file has its name only when its content is whole and right. */
static int get_to(struct getting *g, const char *path)
{
    struct interrupt interrupt;
    int result;

    if (!g->standard && !file_begin(&g->file, path, 0644))
        return cli_fail(g->cli, EXIT_FAILED, "--output FILE", "cannot write %s: %s", path,
                        strerror(errno));
    interrupt_begin(&interrupt, g->cli);
    bar_begin(&g->bar, g->cli, g->object.size);
    result = receive(g);
    bar_end(&g->bar);
    if (result != EXIT_DONE && !g->standard)
        file_drop(&g->file);
    interrupt_end(&interrupt, g->cli);
    if (g->standard || result != EXIT_DONE)
        return result;
    if (!file_finish(&g->file))
        return cli_fail(g->cli, EXIT_FAILED, "--output, where there is room", "cannot write %s: %s",
                        path, strerror(errno));
    return EXIT_DONE;
}

static int run_get(struct cli *cli)
{
    const char *name = args_word(&cli->args, 1), *path = args_text(&cli->args, "output");
    struct getting g = {.cli = cli, .bucket = args_word(&cli->args, 0)};
    int64_t begun = conn_now();
    struct bytes time;
    struct stat there;
    int result = object_store_need(cli, &g.bucket, name, &g.object, &time);

    if (path == NULL)
        path = basename((char *)(uintptr_t)cli_print(cli, "%s", name));
    g.standard = strcmp(path, "-") == 0;
    if (result == EXIT_DONE && !g.standard && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        result = cli_fail(cli, EXIT_USAGE, cli_print(cli, "--output %s/NAME", path),
                          "%s is a directory", path);
    if (result == EXIT_DONE && !g.standard && access(path, F_OK) == 0)
        result = pick_confirmed(cli, cli_print(cli, "Replace existing file %s", path));
    if (result == EXIT_DONE)
        result = get_to(&g, path);
    if (result == EXIT_DONE && !g.standard && cli->json)
        printf("{\"bucket\":\"%s\",\"name\":%s,\"file\":%s,\"size\":%llu,\"seconds\":%.6f}\n",
               g.bucket, form_quote(cli, name), form_quote(cli, path),
               (unsigned long long)g.object.size, (double)(conn_now() - begun) / 1e9);
    else if (result == EXIT_DONE && !g.standard)
        printf("Wrote: %s to %s in %s\n", human_size(cli, g.object.size), plain_text(cli, path),
               human_duration(cli, conn_now() - begun));
    return result;
}

static const struct command commands[] = {
    {"object put", NULL, "<bucket> [<file>]", 1, 2, "Store a file",
     "millrace object put BACKUPS db.dump",
     "Without a file, or with -, standard input is stored; it needs --name.", FLAGS(put_flags),
     run_put},
    {"object get", NULL, "<bucket> <name>", 2, 2, "Fetch a file",
     "millrace object get BACKUPS db.dump -O /tmp/db.dump",
     "The file appears whole or not at all, its digest checked.", FLAGS(get_flags), run_get},
};
const struct command_list commands_object_move = {commands, sizeof(commands) / sizeof(commands[0])};
