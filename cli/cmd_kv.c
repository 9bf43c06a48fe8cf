/* kv put, get, create, update, del, purge, history, watch: keys and values. */
#include <stdlib.h>

#include "base/text.h"
#include "cli/bucket.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/kv.h"
#include "cli/message.h"
#include "cli/pick.h"
#include "cli/reader.h"
#include "cli/stored.h"
#include "kv/entry.h"
#include "kv/key.h"

#define WRONG_REVISION 10071u
#define NO_STREAM      10059u

/* ---- names ----------------------------------------------------------------------------------- */

int kv_check(struct cli *cli, const char *bucket, const char *key, bool filter)
{
    if (!kv_bucket_valid(bytes_of_text(bucket)))
        return cli_fail(cli, EXIT_USAGE, "letters, digits, - and _",
                        "\"%s\" is no name for a bucket", bucket);
    if (key == NULL || kv_key_valid(bytes_of_text(key)) ||
        (filter && kv_filter_valid(bytes_of_text(key))))
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "letters, digits and -/_=., such as db.host",
                    "\"%s\" is no key", key);
}

const char *kv_stream(struct cli *cli, const char *bucket)
{
    return cli_print(cli, KV_STREAM_PREFIX "%s", bucket);
}

const char *kv_key_subject(struct cli *cli, const char *bucket, const char *key)
{
    return cli_print(cli, KV_SUBJECT_PREFIX "%s.%s", bucket, key);
}

/* A mirror has its keys under the name of the bucket that it is a copy of. */
static const char *home_of(struct cli *cli, const char *bucket, const struct json *info)
{
    struct bytes mirrored = api_bytes(info, "config.mirror.name");

    if (!bytes_starts(mirrored, BYTES(KV_STREAM_PREFIX)))
        return bucket;
    return cli_text(cli, bytes_skip(mirrored, sizeof(KV_STREAM_PREFIX) - 1));
}

/* The same, asked for. Who may not ask has no mirror. */
static const char *find_home(struct cli *cli, const char *bucket)
{
    const char *subject =
        cli_print(cli, "%s.STREAM.INFO.%s", cli->settings.api_prefix, kv_stream(cli, bucket));
    struct json_error wrong;
    struct msg answer;

    if (conn_request(&cli->conn, bytes_of_text(subject), (struct bytes){0}, (struct bytes){0},
                     cli->settings.timeout_ns, &cli->arena, &answer) != CONN_OK)
        return bucket;
    return home_of(cli, bucket, json_parse(&cli->arena, answer.payload, &wrong));
}

static int no_bucket(struct cli *cli, const char *bucket)
{
    return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace kv add %s", bucket),
                    "there is no bucket %s", bucket);
}

int kv_info(struct cli *cli, const char *bucket, const struct json **info)
{
    unsigned code = 0;
    int result = kv_check(cli, bucket, NULL, false);

    if (result == EXIT_DONE)
        result = api_try(cli, cli_print(cli, "STREAM.INFO.%s", kv_stream(cli, bucket)),
                         (struct bytes){0}, info, &code);
    if (result == EXIT_DONE && code == NO_STREAM)
        return no_bucket(cli, bucket);
    return result == EXIT_DONE ? api_fail(cli, *info) : result;
}

/* ---- showing --------------------------------------------------------------------------------- */

static const char *operation_name(const struct kv_entry *entry)
{
    static const char *const names[] = {"PUT", "DEL", "PURGE"};

    return names[entry->operation];
}

static void show_json(const struct kv_entry *entry, bool headers_only)
{
    const struct msg value = {.payload = entry->value};
    char time[TEXT_TIME_MAX];
    struct json_writer writer;
    struct buf line;

    (void)text_time(time, entry->created_ns);
    buf_init(&line, BODY_MAX * 8);
    json_writer_init(&writer, &line);
    json_object_begin(&writer);
    JSON_KEY(&writer, "bucket");
    json_string(&writer, entry->bucket);
    JSON_KEY(&writer, "key");
    json_string(&writer, entry->key);
    JSON_KEY(&writer, "revision");
    json_number_u64(&writer, entry->revision);
    JSON_KEY(&writer, "created");
    json_string(&writer, bytes_of_text(time));
    JSON_KEY(&writer, "operation");
    json_string(&writer, bytes_of_text(operation_name(entry)));
    if (entry->operation == KV_PUT && !headers_only)
        message_json_body(&writer, &value);
    json_object_end(&writer);
    (void)fwrite(line.at, 1, line.size, stdout);
    putchar('\n');
    buf_deinit(&line);
}

/* What an item of a reader says. */
static bool read_item(const struct reader_item *item, const char *bucket, struct kv_entry *entry)
{
    const struct kv_message message = {.subject = item->msg.subject,
                                       .headers = item->msg.header,
                                       .payload = item->msg.payload,
                                       .sequence = item->sequence,
                                       .time_ns = item->time_ns};

    if (!kv_entry_read(&message, entry))
        return false;
    entry->bucket = bytes_of_text(bucket);
    return true;
}

static const char *when(struct cli *cli, int64_t ns)
{
    char time[TEXT_TIME_MAX];

    return human_time(cli, bytes_of(time, text_time(time, ns)));
}

/* ---- get ------------------------------------------------------------------------------------- */

static const struct flag get_flags[] = {
    {"raw", 0, FLAG_SWITCH, NULL, "The value only, without a line end", NULL},
    {"revision", 0, FLAG_NUMBER, "N", "An older value", NULL},
};

/* With the key under the name `home`. */
static int fetch_at(struct cli *cli, const char *bucket, const char *home, const char *key,
                    int64_t revision, struct kv_entry *entry, bool *found)
{
    const char *subject = kv_key_subject(cli, home, key);
    struct stored stored;
    struct kv_message message;
    int result = stored_get(cli, kv_stream(cli, bucket),
                            revision > 0 ? cli_print(cli, "{\"seq\":%lld}", (long long)revision)
                                         : cli_print(cli, "{\"last_by_subj\":\"%s\"}", subject),
                            &stored, found);

    if (result != EXIT_DONE || !*found)
        return result;
    message = (struct kv_message){.subject = stored.msg.subject,
                                  .headers = stored.msg.header,
                                  .payload = stored.msg.payload,
                                  .sequence = stored.sequence};
    (void)text_read_time(stored.time, &message.time_ns);
    *found =
        bytes_equal(stored.msg.subject, bytes_of_text(subject)) && kv_entry_read(&message, entry);
    entry->bucket = bytes_of_text(bucket);
    return EXIT_DONE;
}

/* The last of a key, or that revision. *found: there is a message; the entry may be a delete. */
static int fetch(struct cli *cli, const char *bucket, const char *key, int64_t revision,
                 struct kv_entry *entry, bool *found)
{
    int result = fetch_at(cli, bucket, bucket, key, revision, entry, found);
    const char *home;

    if (result != EXIT_DONE || *found)
        return result;
    home = find_home(cli, bucket);
    return strcmp(home, bucket) == 0 ? EXIT_DONE
                                     : fetch_at(cli, bucket, home, key, revision, entry, found);
}

static int run_get(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0), *key = args_word(&cli->args, 1);
    struct kv_entry entry;
    bool found;
    int result = kv_check(cli, bucket, key, false);

    if (result == EXIT_DONE)
        result = fetch(cli, bucket, key, args_number(&cli->args, "revision", 0), &entry, &found);
    if (result != EXIT_DONE)
        return result;
    if (!found || entry.operation != KV_PUT)
        return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace kv ls %s", bucket),
                        "there is no key %s in %s", key, bucket);
    if (cli->json)
        show_json(&entry, false);
    else if (!args_on(&cli->args, "raw"))
        printf("%s > %s revision: %llu created @ %s\n\n%.*s\n\n", bucket, key,
               (unsigned long long)entry.revision, when(cli, entry.created_ns),
               BYTES_ARG(entry.value));
    else
        (void)fwrite(entry.value.at, 1, entry.value.size, stdout);
    return EXIT_DONE;
}

/* ---- put, create, update, del, purge --------------------------------------------------------- */

/* One request with a header. EXIT_DONE, or said. */
static int publish(struct cli *cli, const char *home, const char *key, struct bytes header,
                   struct bytes value, struct msg *answer)
{
    enum conn_verdict verdict =
        conn_request(&cli->conn, bytes_of_text(kv_key_subject(cli, home, key)), header, value,
                     cli->settings.timeout_ns, &cli->arena, answer);

    return verdict == CONN_OK ? EXIT_DONE : cli_fail_conn(cli, verdict);
}

/* One write; *code is the API's error, for those who look at it. EXIT_DONE, or said. */
static int write_key(struct cli *cli, const char *bucket, const char *key,
                     const struct kv_write *write, struct bytes value, unsigned *code,
                     uint64_t *revision)
{
    struct json_error wrong;
    const struct json *ack;
    struct buf header;
    struct msg answer;
    int result = cli_connect(cli);

    if (result != EXIT_DONE)
        return result;
    buf_init(&header, 65536);
    (void)kv_write_headers(write, &header);
    result = publish(cli, bucket, key, buf_bytes(&header), value, &answer);
    if (result == EXIT_DONE && msg_status(&answer, NULL) == 503) /* it may be a mirror */
        result = publish(cli, find_home(cli, bucket), key, buf_bytes(&header), value, &answer);
    buf_deinit(&header);
    if (result != EXIT_DONE)
        return result;
    if (msg_status(&answer, NULL) == 503)
        return no_bucket(cli, bucket);
    ack = json_parse(&cli->arena, answer.payload, &wrong);
    *code = (unsigned)api_u64(ack, "error.err_code");
    *revision = api_u64(ack, "seq");
    if (*code == WRONG_REVISION)
        return EXIT_DONE;
    return ack == NULL ? cli_fail(cli, EXIT_FAILED, NULL, "the answer is no JSON: %s", wrong.text)
                       : api_fail(cli, ack);
}

static int say_written(struct cli *cli, const char *bucket, const char *key, uint64_t revision,
                       struct bytes value)
{
    if (cli->json)
        printf("{\"bucket\": \"%s\", \"key\": \"%s\", \"revision\": %llu}\n", bucket, key,
               (unsigned long long)revision);
    else if (value.size > 0)
        printf("%.*s\n", BYTES_ARG(value));
    return EXIT_DONE;
}

static int put(struct cli *cli, struct kv_write *write)
{
    const char *bucket = args_word(&cli->args, 0), *key = args_word(&cli->args, 1);
    struct bytes value;
    unsigned code = 0;
    uint64_t revision = 0;
    struct kv_entry last;
    bool found = false;
    int result = kv_check(cli, bucket, key, false);

    if (result == EXIT_DONE)
        result = message_body(cli, 2, false, &value);
    if (result == EXIT_DONE)
        result = write_key(cli, bucket, key, write, value, &code, &revision);
    if (result == EXIT_DONE && code == WRONG_REVISION)
        result = fetch(cli, bucket, key, 0, &last, &found);
    /* What was deleted may be created again. */
    if (result == EXIT_DONE && code == WRONG_REVISION && found && write->expected == 0 &&
        kv_create_again(&last, &write->expected))
        result = write_key(cli, bucket, key, write, value, &code, &revision);
    if (result != EXIT_DONE)
        return result;
    if (code == WRONG_REVISION)
        return cli_fail(cli, EXIT_EXISTS, cli_print(cli, "millrace kv get %s %s", bucket, key),
                        found ? "%s is at revision %llu" : "%s is not there, or at revision %llu",
                        key, found ? (unsigned long long)last.revision : 0ULL);
    return say_written(cli, bucket, key, revision, value);
}

static const struct flag put_flags[] = {
    {"ttl", 0, FLAG_DURATION, "DURATION", "How long it lives (whole seconds)", NULL},
};

static int run_put(struct cli *cli)
{
    struct kv_write write = {.operation = KV_PUT};

    return put(cli, &write);
}

static int run_create(struct cli *cli)
{
    struct kv_write write = {
        .operation = KV_PUT, .conditional = true, .ttl_ns = args_number(&cli->args, "ttl", 0)};

    return put(cli, &write);
}

static int run_update(struct cli *cli)
{
    const char *word = args_word(&cli->args, 3);
    struct kv_write write = {.operation = KV_PUT, .conditional = true};

    if (word == NULL || !bytes_read_u64(bytes_of_text(word), &write.expected) ||
        write.expected == 0)
        return cli_fail(cli, EXIT_USAGE, cli->command->example,
                        "which revision is to be replaced?");
    return put(cli, &write);
}

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int erase(struct cli *cli, enum kv_operation operation, const char *verb)
{
    const char *bucket = args_word(&cli->args, 0), *key = args_word(&cli->args, 1);
    const struct kv_write write = {.operation = operation};
    unsigned code = 0;
    uint64_t revision;
    int result = kv_check(cli, bucket, key, false);

    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really %s key %s > %s", verb, bucket, key));
    if (result == EXIT_DONE)
        result = write_key(cli, bucket, key, &write, (struct bytes){0}, &code, &revision);
    return result == EXIT_DONE ? say_written(cli, bucket, key, revision, (struct bytes){0})
                               : result;
}

static int run_del(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0);
    int result;

    if (args_word(&cli->args, 1) != NULL)
        return erase(cli, KV_DELETE, "delete");
    result = kv_check(cli, bucket, NULL, false);
    return result == EXIT_DONE ? bucket_remove(cli, kv_stream(cli, bucket), bucket) : result;
}

static int run_purge(struct cli *cli)
{
    return erase(cli, KV_PURGE, "purge");
}

/* ---- ls, history, watch ---------------------------------------------------------------------- */

struct listing {
    struct cli *cli;
    bool values, verbose;
    struct grid grid; /* with `verbose` */
};

static void list_key(struct listing *listing, const struct kv_entry *entry)
{
    struct cli *cli = listing->cli;
    struct bytes line = bytes_take(entry->value, bytes_find(entry->value, '\n'));

    if (cli->json)
        show_json(entry, !listing->values);
    else if (listing->verbose)
        grid_add(&listing->grid,
                 (const char *const[]){cli_text(cli, entry->key), when(cli, entry->created_ns),
                                       cli_print(cli, "%llu", (unsigned long long)entry->revision),
                                       cli_text(cli, line)});
    else if (listing->values)
        printf("%.*s: %.*s\n", BYTES_ARG(entry->key), BYTES_ARG(entry->value));
    else
        printf("%.*s\n", BYTES_ARG(entry->key));
}

static void begin_listing(struct listing *listing, struct cli *cli, const char *bucket)
{
    static const char *const heads[] = {"Key", "Created", "Revision", "Value"};
    bool verbose = args_on(&cli->args, "verbose") && !args_on(&cli->args, "names");

    *listing = (struct listing){.cli = cli,
                                .verbose = verbose,
                                .values = args_on(&cli->args, "values") ||
                                          (verbose && args_on(&cli->args, "display-value"))};
    grid_init(&listing->grid, cli, cli_print(cli, "Contents for bucket '%s'", bucket), heads,
              listing->values ? 4 : 3);
    listing->grid.right = 4;
}

int kv_list_keys(struct cli *cli, const char *bucket, const char *filter)
{
    struct listing listing;
    struct reader_options options = {.deliver = "last_per_subject",
                                     .headers_only = !args_on(&cli->args, "values") &&
                                                     !args_on(&cli->args, "display-value")};
    const struct json *info;
    struct reader reader;
    int result = kv_check(cli, bucket, filter, true);

    if (result == EXIT_DONE)
        result = kv_info(cli, bucket, &info);
    if (result == EXIT_DONE)
        options.filter =
            kv_key_subject(cli, home_of(cli, bucket, info), filter != NULL ? filter : ">");
    if (result == EXIT_DONE)
        result = reader_begin(&reader, cli, kv_stream(cli, bucket), &options);
    begin_listing(&listing, cli, bucket);
    for (uint64_t i = 0; result == EXIT_DONE && i < reader.pending; i++) {
        struct reader_item item;
        struct kv_entry entry;
        enum conn_verdict verdict =
            reader_next(&reader, conn_now() + cli->settings.timeout_ns, &item);

        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        if (read_item(&item, bucket, &entry) && entry.operation == KV_PUT)
            list_key(&listing, &entry);
    }
    if (result == EXIT_DONE)
        reader_end(&reader);
    if (result == EXIT_DONE && listing.verbose && !cli->json)
        grid_show(&listing.grid);
    return result;
}

static void add_history(struct cli *cli, struct grid *grid, const struct kv_entry *entry)
{
    bool value = entry->operation == KV_PUT;

    if (cli->json)
        show_json(entry, false);
    grid_add(
        grid,
        (const char *const[]){
            cli_text(cli, entry->key), cli_print(cli, "%llu", (unsigned long long)entry->revision),
            operation_name(entry), when(cli, entry->created_ns),
            human_count(cli, entry->value.size),
            value ? cli_text(cli, bytes_take(entry->value, bytes_find(entry->value, '\n'))) : ""});
}

static int run_history(struct cli *cli)
{
    static const char *const heads[] = {"Key", "Revision", "Op", "Created", "Length", "Value"};
    const char *bucket = args_word(&cli->args, 0), *key = args_word(&cli->args, 1);
    struct reader_options options = {.deliver = "all"};
    const struct json *info;
    struct reader reader;
    struct grid grid;
    int result = kv_check(cli, bucket, key, true);

    if (result == EXIT_DONE)
        result = kv_info(cli, bucket, &info);
    if (result == EXIT_DONE)
        options.filter = kv_key_subject(cli, home_of(cli, bucket, info), key);
    if (result == EXIT_DONE)
        result = reader_begin(&reader, cli, kv_stream(cli, bucket), &options);
    if (result != EXIT_DONE)
        return result;
    grid_init(&grid, cli, cli_print(cli, "History for %s > %s", bucket, key), heads, 6);
    grid.right = 2;
    for (uint64_t i = 0; i < reader.pending; i++) {
        struct reader_item item;
        struct kv_entry entry;
        enum conn_verdict verdict =
            reader_next(&reader, conn_now() + cli->settings.timeout_ns, &item);

        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        if (read_item(&item, bucket, &entry))
            add_history(cli, &grid, &entry);
    }
    reader_end(&reader);
    if (grid.rows == 0)
        return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace kv ls %s", bucket),
                        "there is no key %s in %s", key, bucket);
    if (!cli->json)
        grid_show(&grid);
    return EXIT_DONE;
}

static const struct flag watch_flags[] = {
    {"new", 0, FLAG_SWITCH, NULL, "Only changes from now on", NULL},
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
};

static int run_watch(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0), *key = args_word(&cli->args, 1);
    struct reader_options options = {.deliver =
                                         args_on(&cli->args, "new") ? "new" : "last_per_subject"};
    int64_t count = args_number(&cli->args, "count", INT64_MAX);
    const struct json *info;
    struct reader reader;
    int result = kv_check(cli, bucket, key, true);

    if (result == EXIT_DONE)
        result = kv_info(cli, bucket, &info);
    if (result == EXIT_DONE)
        options.filter = kv_key_subject(cli, home_of(cli, bucket, info), key != NULL ? key : ">");
    if (result == EXIT_DONE)
        result = reader_begin(&reader, cli, kv_stream(cli, bucket), &options);
    for (int64_t i = 0; result == EXIT_DONE && i < count;) {
        struct reader_item item;
        struct kv_entry entry;
        enum conn_verdict verdict;

        if (!conn_has_more(&cli->conn) && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = reader_next(&reader, INT64_MAX, &item);
        if (verdict != CONN_OK) {
            result = reader_again(&reader, verdict);
            continue;
        }
        if (!read_item(&item, bucket, &entry))
            continue;
        i++;
        if (cli->json)
            show_json(&entry, false);
        else
            printf("[%s] %s %s > %.*s%s%.*s\n", when(cli, entry.created_ns), operation_name(&entry),
                   bucket, BYTES_ARG(entry.key), entry.operation == KV_PUT ? ": " : "",
                   BYTES_ARG(entry.value));
    }
    if (result == EXIT_DONE)
        reader_end(&reader);
    return result;
}

static const struct command commands[] = {
    {"kv put", NULL, "<bucket> <key> [<value>]", 2, 3, "Set a key",
     "millrace kv put CONFIG db.host 10.0.0.7", "Without a value it is read from standard input.",
     NO_FLAGS, run_put},
    {"kv get", NULL, "<bucket> <key>", 2, 2, "Show the value of a key",
     "millrace kv get CONFIG db.host --raw", NULL, FLAGS(get_flags), run_get},
    {"kv create", NULL, "<bucket> <key> [<value>]", 2, 3, "Set a key that is not there yet",
     "millrace kv create LOCKS job-7 me --ttl 30s", NULL, FLAGS(put_flags), run_create},
    {"kv update", NULL, "<bucket> <key> <value> <revision>", 4, 4,
     "Set a key that nobody changed since", "millrace kv update CONFIG db.host 10.0.0.8 12", NULL,
     NO_FLAGS, run_update},
    {"kv del", "rm delete", "<bucket> [<key>]", 1, 2, "Delete a key, or a whole bucket",
     "millrace kv del CONFIG db.host --force", "A key's older values stay in its history.",
     FLAGS(force_flags), run_del},
    {"kv purge", NULL, "<bucket> <key>", 2, 2, "Delete a key and its history",
     "millrace kv purge CONFIG db.host --force", NULL, FLAGS(force_flags), run_purge},
    {"kv history", NULL, "<bucket> <key>", 2, 2, "Show the values that a key had",
     "millrace kv history CONFIG db.host", NULL, NO_FLAGS, run_history},
    {"kv watch", NULL, "<bucket> [<filter>]", 1, 2, "Show values, and changes as they come",
     "millrace kv watch CONFIG 'db.>'", NULL, FLAGS(watch_flags), run_watch},
};
const struct command_list commands_kv = {commands, sizeof(commands) / sizeof(commands[0])};
