/* kv add, ls, status, del of a whole bucket: the buckets themselves. */
#include "cli/bucket.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/kv.h"
#include "cli/stream_show.h"
#include "kv/bucket.h"
#include "kv/key.h"

#define WIDTH 21u

/* ---- add ------------------------------------------------------------------------------------- */

static const struct flag add_flags[] = {
    {"history", 0, FLAG_NUMBER, "N", "Values of a key that are kept, 1 to 64 (1)", NULL},
    {"ttl", 0, FLAG_DURATION, "DURATION", "How long a value lives", NULL},
    {"marker-ttl", 0, FLAG_DURATION, "DURATION", "How long it shows that a value expired", NULL},
    {"replicas", 0, FLAG_NUMBER, "N", "On how many servers (1)", NULL},
    {"max-value-size", 0, FLAG_SIZE, "SIZE", "Largest value", NULL},
    {"max-bucket-size", 0, FLAG_SIZE, "SIZE", "Most bytes in all", NULL},
    {"description", 0, FLAG_TEXT, "TEXT", "What it is for", NULL},
    {"storage", 0, FLAG_TEXT, "KIND", "file or memory", NULL},
    {"compress", 0, FLAG_SWITCH, NULL, "Compress what is stored", NULL},
    {"tags", 0, FLAG_LIST, "TAG", "Only on servers with this tag", NULL},
    {"cluster", 0, FLAG_TEXT, "NAME", "Only on servers of this cluster", NULL},
    {"mirror", 0, FLAG_TEXT, "BUCKET", "Be a copy of another bucket", NULL},
    {"source", 0, FLAG_LIST, "BUCKET", "Take in the keys of another bucket", NULL},
};

static struct schema_strings sources(struct cli *cli)
{
    const struct flag_value *names = args_flag(&cli->args, "source");
    struct bytes *at = ARENA_ARRAY(&cli->arena, struct bytes, names->count + 1);

    for (size_t i = 0; i < names->count; i++)
        at[i] = bytes_of_text(names->list[i]);
    return (struct schema_strings){.at = at, .count = names->count};
}

static int run_add(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    const char *description = args_text(&cli->args, "description");
    const char *mirror = args_text(&cli->args, "mirror");
    struct stream_placement placement;
    struct kv_bucket bucket = {
        .name = bytes_of_text(name),
        .description = bytes_of_text(description != NULL ? description : ""),
        .history = args_number(&cli->args, "history", 1),
        .ttl_ns = args_number(&cli->args, "ttl", 0),
        .marker_ttl_ns = args_number(&cli->args, "marker-ttl", 0),
        .bytes_max = args_number(&cli->args, "max-bucket-size", -1),
        .value_max = (int32_t)args_number(&cli->args, "max-value-size", -1),
        .replicas = args_number(&cli->args, "replicas", 1),
        .compressed = args_on(&cli->args, "compress"),
        .placement = bucket_placement(cli, &placement),
        .mirror = bytes_of_text(mirror != NULL ? mirror : ""),
        .sources = sources(cli),
    };
    struct stream_config config;
    int result = bucket_storage(cli, &bucket.storage);
    const char *wrong = result == EXIT_DONE ? kv_bucket_check(&bucket) : NULL;

    if (wrong != NULL)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "%s", wrong);
    if (result != EXIT_DONE)
        return result;
    if (!kv_bucket_config(&bucket, &cli->arena, &config))
        return cli_fail(cli, EXIT_FAILED, NULL, "out of memory");
    result = bucket_create(cli, &config);
    return result == EXIT_DONE ? kv_show_status(cli, name) : result;
}

/* ---- status ---------------------------------------------------------------------------------- */

int kv_show_status(struct cli *cli, const char *bucket)
{
    const struct json *info, *config;
    int result = kv_info(cli, bucket, &info);

    if (result != EXIT_DONE)
        return result;
    if (cli->json) {
        cli_say_json(cli, info->text);
        return EXIT_DONE;
    }
    config = api_get(info, "config");
    printf("Information for Key-Value Store Bucket %s created %s\n\nConfiguration:\n\n", bucket,
           human_time(cli, api_bytes(info, "created")));
    human_row(WIDTH, "Bucket Name", "%s", bucket);
    human_row(WIDTH, "History Kept", "%s", api_text(cli, config, "max_msgs_per_subject"));
    human_row(WIDTH, "Values Stored", "%s", human_count(cli, api_u64(info, "state.messages")));
    human_row(WIDTH, "Compressed", "%s",
              bytes_equal(api_bytes(config, "compression"), BYTES("s2")) ? "true" : "false");
    human_row(WIDTH, "Bucket Size", "%s", human_size(cli, api_u64(info, "state.bytes")));
    human_row(WIDTH, "Maximum Bucket Size", "%s",
              human_size_limit(cli, api_i64(config, "max_bytes")));
    human_row(WIDTH, "Maximum Value Size", "%s",
              human_size_limit(cli, api_i64(config, "max_msg_size")));
    human_row(WIDTH, "Maximum Age", "%s", human_ns_limit(cli, api_i64(config, "max_age")));
    if (api_bytes(config, "mirror.name").size > 0)
        human_row(WIDTH, "Mirror of", "%s", api_text(cli, config, "mirror.name"));
    human_row(WIDTH, "JetStream Stream", "%s", api_text(cli, config, "name"));
    human_row(WIDTH, "Storage", "%s", human_title(cli, api_bytes(config, "storage")));
    human_row(WIDTH, "Replicas", "%s", api_text(cli, config, "num_replicas"));
    stream_show_cluster(cli, api_get(info, "cluster"), WIDTH);
    return EXIT_DONE;
}

static int run_status(struct cli *cli)
{
    return kv_show_status(cli, args_word(&cli->args, 0));
}

/* ---- ls -------------------------------------------------------------------------------------- */

static int run_ls(struct cli *cli)
{
    if (args_word(&cli->args, 0) != NULL)
        return kv_list_keys(cli, args_word(&cli->args, 0), args_word(&cli->args, 1));
    return bucket_list(cli, KV_STREAM_PREFIX, "Key-Value Buckets", true);
}

static const struct flag ls_flags[] = {
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
    {"values", 'v', FLAG_SWITCH, NULL, "Keys with their values", NULL},
    {"verbose", 0, FLAG_SWITCH, NULL, "Keys with what is known of them", NULL},
    {"display-value", 0, FLAG_SWITCH, NULL, "With --verbose their values, too", NULL},
};

static const struct command commands[] = {
    {"kv add", "create-bucket new", "<bucket>", 1, 1, "Create a bucket",
     "millrace kv add CONFIG --history 5 --ttl 30d", NULL, FLAGS(add_flags), run_add},
    {"kv ls", "list", "[<bucket>] [<filter>]", 0, 2, "List the buckets, or the keys of one",
     "millrace kv ls CONFIG 'db.>'", NULL, FLAGS(ls_flags), run_ls},
    {"kv status", "info", "<bucket>", 1, 1, "What a bucket is and holds",
     "millrace kv status CONFIG", NULL, NO_FLAGS, run_status},
};
const struct command_list commands_kv_bucket = {commands, sizeof(commands) / sizeof(commands[0])};
