/* object add, ls, info, rm, seal, watch: the buckets, and what is known of their objects. */
#include <stdlib.h>

#include "base/text.h"
#include "cli/bucket.h"
#include "cli/commands.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/object_store.h"
#include "cli/pick.h"
#include "cli/plain.h"
#include "cli/reader.h"
#include "cli/stream_show.h"
#include "objstore/object_bucket.h"
#include "objstore/object_name.h"

#define WIDTH 21u

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

/* ---- buckets --------------------------------------------------------------------------------- */

static const struct flag add_flags[] = {
    {"ttl", 0, FLAG_DURATION, "DURATION", "How long an object lives", NULL},
    {"replicas", 0, FLAG_NUMBER, "N", "On how many servers (1)", NULL},
    {"max-bucket-size", 0, FLAG_SIZE, "SIZE", "Most bytes in all", NULL},
    {"description", 0, FLAG_TEXT, "TEXT", "What it is for", NULL},
    {"storage", 0, FLAG_TEXT, "KIND", "file or memory", NULL},
    {"compress", 0, FLAG_SWITCH, NULL, "Compress what is stored", NULL},
    {"tags", 0, FLAG_LIST, "TAG", "Only on servers with this tag", NULL},
    {"cluster", 0, FLAG_TEXT, "NAME", "Only on servers of this cluster", NULL},
};

static void say_bucket(struct cli *cli, const char *bucket, const struct json *info)
{
    const struct json *config = api_get(info, "config");

    printf("Information for Object Store Bucket %s created %s\n\nConfiguration:\n\n", bucket,
           human_time(cli, api_bytes(info, "created")));
    human_row(WIDTH, "Bucket Name", "%s", bucket);
    if (api_bytes(config, "description").size > 0)
        human_row(WIDTH, "Description", "%s", api_text(cli, config, "description"));
    human_row(WIDTH, "Replicas", "%s", api_text(cli, config, "num_replicas"));
    human_row(WIDTH, "TTL", "%s", human_ns_limit(cli, api_i64(config, "max_age")));
    human_row(WIDTH, "Sealed", "%s", api_bool(config, "sealed") ? "true" : "false");
    human_row(WIDTH, "Size", "%s", human_size(cli, api_u64(info, "state.bytes")));
    human_row(WIDTH, "Maximum Bucket Size", "%s",
              human_size_limit(cli, api_i64(config, "max_bytes")));
    human_row(WIDTH, "JetStream Stream", "%s", api_text(cli, config, "name"));
    human_row(WIDTH, "Storage", "%s", human_title(cli, api_bytes(config, "storage")));
    stream_show_cluster(cli, api_get(info, "cluster"), WIDTH);
}

static int show_bucket(struct cli *cli, const char *bucket)
{
    const struct json *info;
    int result = object_store_info(cli, bucket, &info);

    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        cli_say_json(cli, info->text);
    else
        say_bucket(cli, bucket, info);
    return EXIT_DONE;
}

static int run_add(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    const char *description = args_text(&cli->args, "description");
    struct stream_placement placement;
    struct object_bucket bucket = {
        .name = bytes_of_text(name),
        .description = bytes_of_text(description != NULL ? description : ""),
        .ttl_ns = args_number(&cli->args, "ttl", 0),
        .bytes_max = args_number(&cli->args, "max-bucket-size", -1),
        .replicas = args_number(&cli->args, "replicas", 1),
        .compressed = args_on(&cli->args, "compress"),
        .placement = bucket_placement(cli, &placement),
    };
    struct stream_config config;
    int result = bucket_storage(cli, &bucket.storage);
    const char *wrong = result == EXIT_DONE ? object_bucket_check(&bucket) : NULL;

    if (wrong != NULL)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "%s", wrong);
    if (result != EXIT_DONE)
        return result;
    if (!object_bucket_config(&bucket, &cli->arena, &config))
        return cli_fail(cli, EXIT_FAILED, NULL, "out of memory");
    result = bucket_create(cli, &config);
    return result == EXIT_DONE ? show_bucket(cli, name) : result;
}

static int run_seal(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0);
    const struct json *info, *answer;
    struct form form;
    int result = object_store_info(cli, bucket, &info);

    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really seal bucket %s, for ever", bucket));
    if (result != EXIT_DONE)
        return result;
    form_init(&form, cli);
    (void)form_load(&form, api_get(info, "config"));
    form_bool(&form, "sealed", true);
    result = api_call(cli, cli_print(cli, "STREAM.UPDATE.%s", object_store_stream(cli, bucket)),
                      bytes_of_text(form_json(&form)), &answer);
    if (result == EXIT_DONE && !cli->json)
        printf("%s has been sealed\n", bucket);
    return result == EXIT_DONE ? show_bucket(cli, bucket) : result;
}

/* ---- objects --------------------------------------------------------------------------------- */

static const char *hex_digest(struct cli *cli, struct bytes digest)
{
    uint8_t hash[OBJECT_HASH_SIZE];
    char text[OBJECT_HASH_SIZE * 2 + 1];

    if (!object_digest_read(digest, hash))
        return cli_text(cli, digest);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return cli_print(cli, "SHA-256 %s", text);
}

static void say_object_json(const struct object *object, struct bytes time)
{
    struct json_writer writer;
    struct buf body, line;

    buf_init(&body, (size_t)64 * 1024 * 1024);
    buf_init(&line, (size_t)65 * 1024 * 1024);
    (void)object_write(object, &body);
    json_writer_init(&writer, &line);
    json_object_begin(&writer);
    JSON_KEY(&writer, "time");
    json_string(&writer, time);
    JSON_KEY(&writer, "object");
    json_raw(&writer, buf_bytes(&body));
    json_object_end(&writer);
    (void)fwrite(line.at, 1, line.size, stdout);
    putchar('\n');
    buf_deinit(&body);
    buf_deinit(&line);
}

static int run_info(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0), *name = args_word(&cli->args, 1);
    struct object object;
    struct bytes time;
    int result;

    if (name == NULL)
        return show_bucket(cli, bucket);
    result = object_store_need(cli, &bucket, name, &object, &time);
    if (result != EXIT_DONE)
        return result;
    if (cli->json) {
        say_object_json(&object, time);
        return EXIT_DONE;
    }
    printf("Object information for %s > %s\n\n", bucket, plain_text(cli, name));
    if (object.description.size > 0)
        human_row(19, "Description", "%.*s", BYTES_ARG(object.description));
    human_row(19, "Size", "%s", human_size(cli, object.size));
    human_row(19, "Modification Time", "%s", human_time(cli, time));
    human_row(19, "Chunks", "%s", human_count(cli, object.chunks));
    human_row(19, "Digest", "%s", hex_digest(cli, object.digest));
    return EXIT_DONE;
}

static int run_rm(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0), *name = args_word(&cli->args, 1);
    struct object object;
    struct bytes time, id;
    bool found = false;
    int result;

    if (name == NULL) {
        result = object_store_check(cli, bucket, NULL);
        return result == EXIT_DONE ? bucket_remove(cli, object_store_stream(cli, bucket), bucket)
                                   : result;
    }
    result = object_store_find(cli, bucket, name, &object, &time, &found);
    if (result == EXIT_DONE && (!found || object.deleted))
        result = cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace object ls %s", bucket),
                          "there is no object %s in %s", name, bucket);
    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really delete %s > %s", bucket, name));
    if (result != EXIT_DONE)
        return result;
    id = object.linked ? (struct bytes){0} : object.id;
    object.deleted = true;
    object.size = object.chunks = 0;
    object.digest = (struct bytes){0};
    result = object_store_describe(cli, &object);
    if (result == EXIT_DONE)
        result = object_store_forget(cli, bucket, id);
    if (result == EXIT_DONE && cli->json)
        form_say(cli, "bucket", bucket, "removed", name, NULL);
    else if (result == EXIT_DONE)
        printf("Removed %s > %s\n", bucket, name);
    return result;
}

/* ---- ls, watch ------------------------------------------------------------------------------- */

static const char *rfc_time(struct cli *cli, int64_t ns)
{
    char time[TEXT_TIME_MAX];

    return cli_text(cli, bytes_of(time, text_time(time, ns)));
}

/* All descriptions: those that are there, or also what comes. */
static int read_objects(struct cli *cli, const char *bucket, bool follow, int64_t count,
                        struct grid *grid)
{
    const struct reader_options options = {.filter = cli_print(cli, "$O.%s.M.>", bucket),
                                           .deliver = "last_per_subject"};
    struct reader reader;
    int result = reader_begin(&reader, cli, object_store_stream(cli, bucket), &options);

    for (uint64_t i = 0; result == EXIT_DONE && (follow || i < reader.pending) && count > 0; i++) {
        int64_t until = follow ? INT64_MAX : conn_now() + cli->settings.timeout_ns;
        struct reader_item item;
        struct object object;
        enum conn_verdict verdict;

        if (follow && cli_end_output(cli) != EXIT_DONE)
            return EXIT_FAILED;
        verdict = reader_next(&reader, until, &item);
        if (verdict != CONN_OK && follow) {
            result = reader_again(&reader, verdict);
            continue;
        }
        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        if (!object_read(bytes_of_text(cli_text(cli, item.msg.payload)), &cli->arena, &object) ||
            (object.deleted && !follow))
            continue;
        count--;
        if (cli->json)
            say_object_json(&object, bytes_of_text(rfc_time(cli, item.time_ns)));
        else if (follow)
            printf("[%s] %s %s > %.*s: %s\n",
                   human_time(cli, bytes_of_text(rfc_time(cli, item.time_ns))),
                   object.deleted ? "DEL" : "PUT", bucket, BYTES_ARG(object.name),
                   human_size(cli, object.size));
        else
            grid_add(grid, (const char *const[]){
                               cli_text(cli, object.name), human_size(cli, object.size),
                               human_time(cli, bytes_of_text(rfc_time(cli, item.time_ns)))});
    }
    if (result == EXIT_DONE)
        reader_end(&reader);
    return result;
}

static const struct flag ls_flags[] = {
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
};

static int run_ls(struct cli *cli)
{
    static const char *const heads[] = {"Name", "Size", "Time"};
    const char *bucket = args_word(&cli->args, 0);
    const struct json *info;
    struct grid grid;
    int result;

    if (bucket == NULL)
        return bucket_list(cli, OBJECT_STREAM_PREFIX, "Object Store Buckets", false);
    grid_init(&grid, cli, "Bucket Contents", heads, 3);
    result = object_store_info(cli, bucket, &info);
    if (result == EXIT_DONE)
        result = read_objects(cli, bucket, false, INT64_MAX, &grid);
    if (result != EXIT_DONE || cli->json)
        return result;
    if (args_on(&cli->args, "names"))
        for (size_t i = 0; i < grid.rows; i++)
            puts(grid.cells[3 * i]);
    else if (grid.rows == 0)
        puts("No entries found");
    else
        grid_show(&grid);
    return EXIT_DONE;
}

static const struct flag watch_flags[] = {
    {"count", 0, FLAG_NUMBER, "N", "End after so many", NULL},
};

static int run_watch(struct cli *cli)
{
    const char *bucket = args_word(&cli->args, 0);
    const struct json *info;
    int result = object_store_info(cli, bucket, &info);

    return result == EXIT_DONE
               ? read_objects(cli, bucket, true, args_number(&cli->args, "count", INT64_MAX), NULL)
               : result;
}

static const struct command commands[] = {
    {"object add", "create-bucket new", "<bucket>", 1, 1, "Create a bucket",
     "millrace object add BACKUPS --ttl 90d", NULL, FLAGS(add_flags), run_add},
    {"object ls", "list", "[<bucket>]", 0, 1, "List the buckets, or the objects of one",
     "millrace object ls BACKUPS", NULL, FLAGS(ls_flags), run_ls},
    {"object info", "show i", "<bucket> [<name>]", 1, 2, "What a bucket or an object is",
     "millrace object info BACKUPS db.dump", NULL, NO_FLAGS, run_info},
    {"object rm", "delete del", "<bucket> [<name>]", 1, 2, "Remove an object, or a whole bucket",
     "millrace object rm BACKUPS db.dump --force", NULL, FLAGS(force_flags), run_rm},
    {"object seal", NULL, "<bucket>", 1, 1, "Change nothing in it any more, for ever",
     "millrace object seal BACKUPS --force", NULL, FLAGS(force_flags), run_seal},
    {"object watch", NULL, "<bucket>", 1, 1, "Show objects, and changes as they come",
     "millrace object watch BACKUPS", NULL, FLAGS(watch_flags), run_watch},
};
const struct command_list commands_object = {commands, sizeof(commands) / sizeof(commands[0])};
