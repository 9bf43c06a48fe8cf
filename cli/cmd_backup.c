/*
 * stream backup and restore: a stream into a directory and back, as the `nats` command lays it out:
 * backup.json (configuration and state) and stream.tar.s2 (what the server sends, unchanged).
 *
 * backup.json is there only together with the content that belongs to it: both are complete and on
 * disk before the first gets its name, and an older backup.json goes before its content does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folders.h"
#include "cli/api.h"
#include "cli/bar.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/form.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/stream_show.h"

#define META_NAME   "backup.json"
#define DATA_NAME   "stream.tar.s2"
#define META_MAX    (size_t)(16 * 1024 * 1024)
#define CHUNK_SIZE  (uint64_t)(512 * 1024)
#define WINDOW_SIZE (uint64_t)(16 * 1024 * 1024)
#define SEND_SIZE   (size_t)(64 * 1024)
#define SEND_WINDOW 16u
#define SILENCE_NS  INT64_C(30000000000)   /* between two chunks */
#define PATIENCE_NS INT64_C(3600000000000) /* for a check before the first, or a restore's end */
#define NO_BODY                                                                                    \
    (struct bytes)                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/* ---- backup ---------------------------------------------------------------------------------- */

static const struct flag backup_flags[] = {
    {"progress", 0, FLAG_SWITCH, NULL, "A progress bar (yes; --no-progress)", NULL},
    {"check", 0, FLAG_SWITCH, NULL, "Let the server check every message before", NULL},
    {"consumers", 0, FLAG_SWITCH, NULL, "Its consumers as well (yes; --no-consumers)", NULL},
};

struct backing {
    struct cli *cli;
    const char *stream, *folder;
    bool made;                 /* the folder, by us */
    const struct json *answer; /* config and state */
    uint64_t sid;
    uint64_t bytes, chunks;
    struct file_out data, meta;
    struct bar bar;
};

static bool wanted(struct cli *cli, const char *flag)
{
    const struct flag_value *value = args_flag(&cli->args, flag);

    return !value->given || value->on;
}

static void begin_bar(struct cli *cli, struct bar *bar, uint64_t total)
{
    bar_begin(bar, cli, total);
    bar->shown = bar->shown && wanted(cli, "progress");
}

/* How long the server may be silent: what --timeout says, else long enough for a slow disk. Where
 * it may work for long, a shorter one does not count. */
static int64_t silence(struct cli *cli)
{
    return args_flag(&cli->args, "timeout")->given ? cli->settings.timeout_ns : SILENCE_NS;
}

static int64_t patience(const struct cli *cli)
{
    return cli->settings.timeout_ns > PATIENCE_NS ? cli->settings.timeout_ns : PATIENCE_NS;
}

/* Of waiting for `waited`. */
static int fail_waiting(struct cli *cli, enum conn_verdict verdict, int64_t waited)
{
    if (verdict != CONN_TIMEOUT)
        return cli_fail_conn(cli, verdict);
    return cli_fail(cli, EXIT_TIMEOUT,
                    cli_print(cli, "--timeout %llds, if it is only slow; its log may say more",
                              (long long)(waited / 500000000) + 1),
                    "the server said nothing for %s", human_duration(cli, waited));
}

static int cannot_write(struct cli *cli, const char *path)
{
    return cli_fail(cli, EXIT_FAILED, "a directory where there is room", "cannot write %s: %s",
                    path, strerror(errno));
}

/* No larger than what this server lets through. */
static uint64_t chunk_size(const struct cli *cli)
{
    uint64_t most = cli->conn.info.max_payload;

    return most > 0 && most < CHUNK_SIZE ? most : CHUNK_SIZE;
}

static int ask_snapshot(struct backing *b)
{
    struct cli *cli = b->cli;
    struct bytes inbox = conn_inbox(&cli->conn, &cli->arena);
    const char *request = cli_print(
        cli,
        "{\"deliver_subject\":\"%.*s\",\"no_consumers\":%s,\"jsck\":%s,\"chunk_size\":%llu,"
        "\"window_size\":%llu}",
        BYTES_ARG(inbox), wanted(cli, "consumers") ? "false" : "true",
        args_on(&cli->args, "check") ? "true" : "false", (unsigned long long)chunk_size(cli),
        (unsigned long long)WINDOW_SIZE);

    b->sid = conn_subscribe(&cli->conn, inbox, NO_BODY);
    return api_call(cli, cli_print(cli, "STREAM.SNAPSHOT.%s", b->stream), bytes_of_text(request),
                    &b->answer);
}

/* The number of a chunk, which the subject for its acknowledgement ends in. */
static bool read_number(struct bytes reply, uint64_t *number)
{
    size_t at = reply.size;

    while (at > 0 && reply.at[at - 1] != '.')
        at--;
    return bytes_read_u64(bytes_skip(reply, at), number);
}

static int take_chunk(struct backing *b, const struct msg *msg)
{
    struct cli *cli = b->cli;
    uint64_t number;

    b->chunks++;
    b->bytes += msg->payload.size;
    if (read_number(msg->reply, &number) && number != b->chunks)
        return cli_fail(cli, EXIT_FAILED, "the same again", "a part was lost on the way");
    if (!file_write(&b->data, msg->payload))
        return cannot_write(cli, b->folder);
    bar_add(&b->bar, msg->payload.size);
    if (msg->reply.size > 0 &&
        conn_publish(&cli->conn, msg->reply, NO_BODY, NO_BODY, NO_BODY) != CONN_OK)
        return cli_fail_conn(cli, CONN_LOST);
    return EXIT_DONE;
}

/* An empty message ends it, and says how. */
static int heed_end(struct backing *b, const struct msg *msg)
{
    struct bytes words = {0};
    unsigned status = msg_status(msg, &words);

    if (status == 0 || status == 204)
        return EXIT_DONE;
    return cli_fail(b->cli, EXIT_FAILED, "the same again; the server's log says more",
                    "the server ended the backup: %u %.*s", status, BYTES_ARG(words));
}

static int receive(struct backing *b)
{
    struct cli *cli = b->cli;
    int64_t wait = args_on(&cli->args, "check") ? patience(cli) : silence(cli);

    for (;;) {
        struct msg msg;
        enum conn_verdict verdict = conn_next_of(&cli->conn, b->sid, conn_now() + wait, &msg);
        int result;

        if (verdict != CONN_OK)
            return fail_waiting(cli, verdict, wait);
        if (msg.payload.size == 0)
            return heed_end(b, &msg);
        result = take_chunk(b, &msg);
        if (result != EXIT_DONE)
            return result;
        wait = silence(cli);
    }
}

static struct bytes meta_text(struct backing *b)
{
    struct form form;
    struct bytes text;
    struct buf indented;

    form_init(&form, b->cli);
    form_raw(&form, "config", cli_text(b->cli, form_write(b->cli, api_get(b->answer, "config"))));
    form_raw(&form, "state", cli_text(b->cli, form_write(b->cli, api_get(b->answer, "state"))));
    text = bytes_of_text(form_json(&form));
    buf_init(&indented, META_MAX);
    if (json_indent(&indented, text))
        text = bytes_of_text(cli_text(b->cli, buf_bytes(&indented)));
    buf_deinit(&indented);
    return text;
}

/* Both files into their places. */
static bool put_in_place(struct backing *b)
{
    const char *meta = b->meta.path;

    if (!file_sync(&b->data) || !file_sync(&b->meta))
        return false;
    if (unlink(meta) != 0 && errno != ENOENT)
        return false;
    return file_finish(&b->data) && file_finish(&b->meta);
}

static int fill_folder(struct backing *b)
{
    struct cli *cli = b->cli;
    struct interrupt interrupt;
    int result;

    if (!file_begin(&b->meta, cli_print(cli, "%s/" META_NAME, b->folder), 0600))
        return cannot_write(cli, b->folder);
    if (!file_begin(&b->data, cli_print(cli, "%s/" DATA_NAME, b->folder), 0600)) {
        file_drop(&b->meta);
        return cannot_write(cli, b->folder);
    }
    interrupt_begin(&interrupt, cli);
    result = ask_snapshot(b);
    if (result == EXIT_DONE) {
        begin_bar(cli, &b->bar, api_u64(b->answer, "state.bytes"));
        result = receive(b);
        bar_end(&b->bar);
    }
    if (result == EXIT_DONE && (!file_write(&b->meta, meta_text(b)) || !put_in_place(b)))
        result = cannot_write(cli, b->folder);
    file_drop(&b->data);
    file_drop(&b->meta);
    if (result != EXIT_DONE && b->made)
        (void)rmdir(b->folder); /* when nothing came into it */
    interrupt_end(&interrupt, cli);
    return result;
}

static int say_backup(struct backing *b, int64_t took)
{
    struct cli *cli = b->cli;

    if (cli->json)
        printf("{\"stream\": \"%s\", \"directory\": %s, \"bytes\": %llu, \"chunks\": %llu, "
               "\"messages\": %llu, \"seconds\": %.6f}\n",
               b->stream, form_quote(cli, b->folder), (unsigned long long)b->bytes,
               (unsigned long long)b->chunks,
               (unsigned long long)api_u64(b->answer, "state.messages"), (double)took / 1e9);
    else
        printf("Received %s compressed data in %s chunks for stream \"%s\" in %s, %s messages in "
               "%s\n",
               human_size(cli, b->bytes), human_count(cli, b->chunks), b->stream,
               human_duration(cli, took), human_count(cli, api_u64(b->answer, "state.messages")),
               human_size(cli, api_u64(b->answer, "state.bytes")));
    return EXIT_DONE;
}

static int run_backup(struct cli *cli)
{
    struct backing b = {
        .cli = cli, .stream = args_word(&cli->args, 0), .folder = args_word(&cli->args, 1)};
    struct stat before;
    bool there = stat(b.folder, &before) == 0;
    int64_t begun;
    int result = api_name(cli, "stream", b.stream);

    if (result == EXIT_DONE && there && !S_ISDIR(before.st_mode))
        result = cli_fail(cli, EXIT_USAGE, cli->command->example, "%s is no directory", b.folder);
    if (result == EXIT_DONE)
        result = cli_connect(cli);
    if (result != EXIT_DONE)
        return result;
    begun = conn_now();
    if (!there && !folders_make(b.folder, 0700))
        return cannot_write(cli, b.folder);
    b.made = !there;
    result = fill_folder(&b);
    return result == EXIT_DONE ? say_backup(&b, conn_now() - begun) : result;
}

/* ---- restore --------------------------------------------------------------------------------- */

static const struct flag restore_flags[] = {
    {"progress", 0, FLAG_SWITCH, NULL, "A progress bar (yes; --no-progress)", NULL},
    {"config", 0, FLAG_TEXT, "FILE", "A configuration in place of the one that was backed up",
     NULL},
    {"cluster", 0, FLAG_TEXT, "NAME", "Place it in this cluster", NULL},
    {"tag", 0, FLAG_LIST, "TAG", "Place it on servers with this tag", NULL},
};

struct restoring {
    struct cli *cli;
    const char *folder, *data, *stream, *to;
    int fd;
    uint64_t bytes, chunks, in_flight;
    bool over; /* the server has said its last word: `result` */
    const struct json *result;
    struct bar bar;
};

/* A JSON object from a file. EXIT_DONE, or said. */
static int read_object(struct cli *cli, const char *path, const char *next,
                       const struct json **json)
{
    struct json_error wrong;
    struct bytes text;

    if (!file_read_regular(path, META_MAX, &cli->arena, &text))
        return cli_fail(cli, errno == ENOENT ? EXIT_MISSING : EXIT_FAILED, next,
                        "cannot read %s: %s", path, file_why(errno));
    *json = json_parse(&cli->arena, text, &wrong);
    if (*json != NULL && (*json)->type == JSON_OBJECT)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_FAILED, next, "%s is damaged: %s", path,
                    *json == NULL ? wrong.text : "it is no object");
}

static void take_placement(struct cli *cli, struct form *config)
{
    const struct flag_value *tags = args_flag(&cli->args, "tag");
    const char *cluster = args_text(&cli->args, "cluster");
    struct form placement;

    if (cluster == NULL && !tags->given)
        return;
    form_init(&placement, cli);
    if (cluster != NULL)
        form_text(&placement, "cluster", cluster);
    if (tags->given)
        form_list(&placement, "tags", tags->list, tags->count);
    form_raw(config, "placement", form_json(&placement));
}

/* What the restore is asked with: the configuration, as flags change it, and the state. */
static int make_request(struct restoring *r, const char **request)
{
    struct cli *cli = r->cli;
    const char *file = args_text(&cli->args, "config");
    const struct json *meta, *config;
    struct form form, outer;
    int result = read_object(cli, cli_print(cli, "%s/" META_NAME, r->folder),
                             "a directory that `millrace stream backup` has filled", &meta);

    if (result != EXIT_DONE)
        return result;
    config = api_get(meta, "config");
    r->stream = api_text(cli, config, "name");
    if (config == NULL || config->type != JSON_OBJECT || api_get(meta, "state") == NULL)
        return cli_fail(cli, EXIT_FAILED, NULL, "%s/" META_NAME " tells of no stream", r->folder);
    if (file != NULL)
        result = read_object(cli, file, "--config FILE", &config);
    if (result != EXIT_DONE)
        return result;
    if (strcmp(api_text(cli, config, "name"), r->stream) != 0)
        return cli_fail(cli, EXIT_USAGE, NULL, "a restore cannot change the name of the stream");
    form_init(&form, cli);
    form_init(&outer, cli);
    if (!form_load(&form, config))
        return cli_fail(cli, EXIT_FAILED, NULL, "the configuration has too many members");
    take_placement(cli, &form);
    form_raw(&outer, "config", form_json(&form));
    form_raw(&outer, "state", cli_text(cli, form_write(cli, api_get(meta, "state"))));
    *request = form_json(&outer);
    return api_name(cli, "stream", r->stream);
}

/* An answer is empty, or it is the last: how the restore went. */
static int take_answer(struct restoring *r, int64_t wait)
{
    struct cli *cli = r->cli;
    struct json_error wrong;
    struct msg msg;
    uint64_t number;
    enum conn_verdict verdict = conn_answer(&cli->conn, conn_now() + wait, &number, &msg);

    if (verdict != CONN_OK)
        return fail_waiting(cli, verdict, wait);
    r->in_flight--;
    if (msg_status(&msg, NULL) == 503)
        return cli_fail(cli, EXIT_FAILED, "the same again; the server's log says more",
                        "the server has given the restore up");
    if (msg.payload.size == 0)
        return EXIT_DONE;
    r->over = true;
    r->result = json_parse(&cli->arena, arena_copy(&cli->arena, msg.payload), &wrong);
    if (r->result == NULL)
        return cli_fail(cli, EXIT_FAILED, "--trace, to see it", "the answer is no JSON: %s",
                        wrong.text);
    return api_fail(cli, r->result);
}

static int send_chunk(struct restoring *r, struct bytes chunk)
{
    enum conn_verdict verdict;

    (void)conn_ask(&r->cli->conn, bytes_of_text(r->to), NO_BODY, chunk, &verdict);
    if (verdict != CONN_OK)
        return cli_fail_conn(r->cli, verdict);
    r->in_flight++;
    r->chunks++;
    r->bytes += chunk.size;
    bar_add(&r->bar, chunk.size);
    return EXIT_DONE;
}

/* All of the file, then an empty message, whose answer is the last. */
static int send_all(struct restoring *r)
{
    static uint8_t chunk[SEND_SIZE];
    int result = EXIT_DONE;
    ssize_t got;

    while (result == EXIT_DONE && !r->over && (got = read(r->fd, chunk, sizeof(chunk))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cli_fail(r->cli, EXIT_FAILED, NULL, "cannot read %s: %s", r->data,
                            strerror(errno));
        result = send_chunk(r, bytes_of(chunk, (size_t)got));
        while (result == EXIT_DONE && !r->over && r->in_flight >= SEND_WINDOW)
            result = take_answer(r, silence(r->cli));
    }
    while (result == EXIT_DONE && !r->over && r->in_flight > 0)
        result = take_answer(r, silence(r->cli));
    if (result == EXIT_DONE && !r->over)
        result = send_chunk(r, NO_BODY);
    if (result == EXIT_DONE && !r->over)
        result = take_answer(r, patience(r->cli));
    if (result == EXIT_DONE && !r->over)
        result =
            cli_fail(r->cli, EXIT_FAILED, cli_print(r->cli, "millrace stream info %s", r->stream),
                     "the server did not say how the restore ended");
    return result;
}

static int say_restore(struct restoring *r, int64_t took)
{
    struct cli *cli = r->cli;
    const struct json *info;
    int result = api_call(cli, cli_print(cli, "STREAM.INFO.%s", r->stream), NO_BODY, &info);

    if (result != EXIT_DONE)
        return result;
    if (cli->json) {
        cli_say_json(cli, info->text);
        return EXIT_DONE;
    }
    printf("Restored stream \"%s\" in %s\n\n", r->stream, human_duration(cli, took));
    stream_show(cli, info);
    return EXIT_DONE;
}

static int restore_from(struct restoring *r, const char *request)
{
    struct cli *cli = r->cli;
    struct stat stat;
    const struct json *answer;
    int64_t begun = conn_now();
    struct interrupt interrupt;
    int result = api_call(cli, cli_print(cli, "STREAM.RESTORE.%s", r->stream),
                          bytes_of_text(request), &answer);

    if (result != EXIT_DONE)
        return result;
    r->to = api_text(cli, answer, "deliver_subject");
    if (!cli->json)
        printf("Starting restore of Stream \"%s\" from file \"%s\"\n\n", r->stream, r->folder);
    (void)fflush(stdout); /* a failure shows at the end */
    begin_bar(cli, &r->bar, fstat(r->fd, &stat) == 0 ? (uint64_t)stat.st_size : 0);
    interrupt_begin(&interrupt, cli);
    result = send_all(r);
    bar_end(&r->bar);
    interrupt_end(&interrupt, cli); /* the server forgets what was not sent whole */
    return result == EXIT_DONE ? say_restore(r, conn_now() - begun) : result;
}

static int run_restore(struct cli *cli)
{
    struct restoring r = {.cli = cli, .folder = args_word(&cli->args, 0)};
    const char *request;
    int result = make_request(&r, &request);

    if (result != EXIT_DONE)
        return result;
    r.data = cli_print(cli, "%s/" DATA_NAME, r.folder);
    r.fd = file_open(r.data);
    if (r.fd < 0)
        return cli_fail(cli, errno == ENOENT ? EXIT_MISSING : EXIT_FAILED,
                        "a directory that `millrace stream backup` has filled",
                        "cannot read %s: %s", r.data, file_why(errno));
    result = restore_from(&r, request);
    (void)close(r.fd);
    return result;
}

static const struct command commands[] = {
    {"stream backup", "snapshot", "<stream> <directory>", 2, 2, "A stream into a directory",
     "millrace stream backup ORDERS /backups/orders",
     "The `nats` command reads what this wrote, and the other way round. The files appear whole "
     "or\n"
     "not at all.",
     FLAGS(backup_flags), run_backup},
    {"stream restore", NULL, "<directory>", 1, 1, "A stream out of a directory",
     "millrace stream restore /backups/orders",
     "The stream must not be there; its consumers come back where they were.", FLAGS(restore_flags),
     run_restore},
};
const struct command_list commands_backup = {commands, sizeof(commands) / sizeof(commands[0])};
