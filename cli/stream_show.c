#include "cli/stream_show.h"

#include "cli/human.h"
#include "cli/plain.h"

#define WIDTH 22u

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

static void show_origin(struct cli *cli, const struct json *origin, const char *what)
{
    const char *filter = api_text(cli, origin, "filter_subject");

    human_row(WIDTH, what, "%s%s%s", api_text(cli, origin, "name"), filter[0] ? ", filter " : "",
              filter);
}

static void show_what(struct cli *cli, const struct json *config)
{
    const struct json *sources = api_get(config, "sources"), *mirror = api_get(config, "mirror");
    const char *description = api_text(cli, config, "description");

    if (description[0] != 0)
        human_row(WIDTH, "Description", "%s", description);
    if (api_count(config, "subjects") > 0)
        human_row(WIDTH, "Subjects", "%s", api_join(cli, config, "subjects"));
    human_row(WIDTH, "Replicas", "%llu", (unsigned long long)api_u64(config, "num_replicas"));
    human_row(WIDTH, "Storage", "%s", human_title(cli, api_bytes(config, "storage")));
    if (api_get(config, "placement") != NULL) {
        if (api_bytes(config, "placement.cluster").size > 0)
            human_row(WIDTH, "Placement Cluster", "%s", api_text(cli, config, "placement.cluster"));
        if (api_count(config, "placement.tags") > 0)
            human_row(WIDTH, "Placement Tags", "%s", api_join(cli, config, "placement.tags"));
    }
    if (mirror != NULL && mirror->type == JSON_OBJECT)
        show_origin(cli, mirror, "Mirror");
    for (const struct json *at = sources == NULL ? NULL : sources->child; at != NULL; at = at->next)
        show_origin(cli, at, "Source");
}

static void show_options(struct cli *cli, const struct json *config)
{
    puts("\nOptions:\n");
    human_row(WIDTH, "Retention", "%s",
              bytes_equal(api_bytes(config, "retention"), BYTES("workqueue"))
                  ? "WorkQueue"
                  : human_title(cli, api_bytes(config, "retention")));
    human_row(WIDTH, "Acknowledgments", "%s", yes(!api_bool(config, "no_ack")));
    human_row(WIDTH, "Discard Policy", "%s%s", human_title(cli, api_bytes(config, "discard")),
              api_bool(config, "discard_new_per_subject") ? " per subject" : "");
    human_row(WIDTH, "Duplicate Window", "%s",
              human_duration(cli, api_i64(config, "duplicate_window")));
    human_row(WIDTH, "Direct Get", "%s", yes(api_bool(config, "allow_direct")));
    if (api_bool(config, "mirror_direct"))
        human_row(WIDTH, "Mirror Direct Get", "true");
    human_row(WIDTH, "Allows Msg Delete", "%s", yes(!api_bool(config, "deny_delete")));
    human_row(WIDTH, "Allows Purge", "%s", yes(!api_bool(config, "deny_purge")));
    human_row(WIDTH, "Allows Rollups", "%s", yes(api_bool(config, "allow_rollup_hdrs")));
    if (api_bool(config, "allow_msg_ttl"))
        human_row(WIDTH, "Allows Per-Message TTL", "true");
    if (api_bool(config, "allow_msg_counter"))
        human_row(WIDTH, "Allows Counters", "true");
    if (api_bool(config, "allow_atomic"))
        human_row(WIDTH, "Allows Batch Publish", "true");
    if (api_bool(config, "allow_msg_schedules"))
        human_row(WIDTH, "Allows Schedules", "true");
    if (api_bool(config, "sealed"))
        human_row(WIDTH, "Sealed", "true");
    if (api_bytes(config, "republish.dest").size > 0)
        human_row(WIDTH, "Republish", "%s to %s", api_text(cli, config, "republish.src"),
                  api_text(cli, config, "republish.dest"));
    if (api_bytes(config, "subject_transform.dest").size > 0)
        human_row(WIDTH, "Subject Transform", "%s to %s",
                  api_text(cli, config, "subject_transform.src"),
                  api_text(cli, config, "subject_transform.dest"));
}

static void show_limits(struct cli *cli, const struct json *config)
{
    puts("\nLimits:\n");
    human_row(WIDTH, "Maximum Messages", "%s", human_limit(cli, api_i64(config, "max_msgs")));
    human_row(WIDTH, "Maximum Per Subject", "%s",
              human_limit(cli, api_i64(config, "max_msgs_per_subject")));
    human_row(WIDTH, "Maximum Bytes", "%s", human_size_limit(cli, api_i64(config, "max_bytes")));
    human_row(WIDTH, "Maximum Age", "%s", human_ns_limit(cli, api_i64(config, "max_age")));
    human_row(WIDTH, "Maximum Message Size", "%s",
              human_size_limit(cli, api_i64(config, "max_msg_size")));
    human_row(WIDTH, "Maximum Consumers", "%s", human_limit(cli, api_i64(config, "max_consumers")));
}

void stream_show_metadata(struct cli *cli, const struct json *metadata, unsigned width)
{
    if (metadata == NULL || metadata->child == NULL)
        return;
    puts("\nMetadata:\n");
    for (const struct json *at = metadata->child; at != NULL; at = at->next)
        human_row(width, plain_text(cli, cli_text(cli, at->key)), "%s", cli_text(cli, at->text));
}

void stream_show_cluster(struct cli *cli, const struct json *cluster, unsigned width)
{
    const struct json *replicas = api_get(cluster, "replicas");

    if (cluster == NULL || api_bytes(cluster, "name").size == 0)
        return;
    puts("\nCluster Information:\n");
    human_row(width, "Name", "%s", api_text(cli, cluster, "name"));
    human_row(width, "Leader", "%s",
              api_bytes(cluster, "leader").size > 0 ? api_text(cli, cluster, "leader") : "(none)");
    for (const struct json *at = replicas == NULL ? NULL : replicas->child; at != NULL;
         at = at->next)
        human_row(width, "Replica", "%s, %s, seen %s ago%s", api_text(cli, at, "name"),
                  api_bool(at, "current") ? "current" : "outdated",
                  human_duration(cli, api_i64(at, "active")),
                  api_bool(at, "offline") ? ", OFFLINE" : "");
}

static void show_state(struct cli *cli, const struct json *info)
{
    const struct json *state = api_get(info, "state");
    uint64_t first = api_u64(state, "first_seq"), last = api_u64(state, "last_seq");
    bool empty = api_u64(state, "messages") == 0;

    puts("\nState:\n");
    human_row(WIDTH, "Messages", "%s", human_count(cli, api_u64(state, "messages")));
    human_row(WIDTH, "Bytes", "%s", human_size(cli, api_u64(state, "bytes")));
    human_row(WIDTH, "First Sequence", "%s%s%s", human_count(cli, first), empty ? "" : " @ ",
              empty ? "" : human_time(cli, api_bytes(state, "first_ts")));
    human_row(WIDTH, "Last Sequence", "%s%s%s", human_count(cli, last), last == 0 ? "" : " @ ",
              last == 0 ? "" : human_time(cli, api_bytes(state, "last_ts")));
    if (api_u64(state, "num_deleted") > 0)
        human_row(WIDTH, "Deleted Messages", "%s", human_count(cli, api_u64(state, "num_deleted")));
    human_row(WIDTH, "Active Consumers", "%s", human_count(cli, api_u64(state, "consumer_count")));
    if (api_u64(state, "num_subjects") > 0)
        human_row(WIDTH, "Number of Subjects", "%s",
                  human_count(cli, api_u64(state, "num_subjects")));
}

void stream_show_state(struct cli *cli, const struct json *info)
{
    printf("State for Stream %s created %s\n", plain_text(cli, api_text(cli, info, "config.name")),
           human_time(cli, api_bytes(info, "created")));
    show_state(cli, info);
}

void stream_show(struct cli *cli, const struct json *info)
{
    const struct json *config = api_get(info, "config");

    printf("Information for Stream %s created %s\n\n",
           plain_text(cli, api_text(cli, config, "name")),
           human_time(cli, api_bytes(info, "created")));
    show_what(cli, config);
    show_options(cli, config);
    show_limits(cli, config);
    stream_show_metadata(cli, api_get(config, "metadata"), WIDTH);
    stream_show_cluster(cli, api_get(info, "cluster"), WIDTH);
    show_state(cli, info);
}

const char *stream_show_replicas(struct cli *cli, const struct json *cluster)
{
    const struct json *replicas = api_get(cluster, "replicas");
    const char *text = "";

    if (api_bytes(cluster, "name").size == 0)
        return "";
    if (api_bytes(cluster, "leader").size > 0)
        text = cli_print(cli, "%s*", api_text(cli, cluster, "leader"));
    for (const struct json *at = replicas == NULL ? NULL : replicas->child; at != NULL;
         at = at->next)
        text = cli_print(cli, "%s%s%s%s", text, text[0] != 0 ? ", " : "", api_text(cli, at, "name"),
                         api_bool(at, "offline") || !api_bool(at, "current") ? "!" : "");
    return text;
}
