#include "cli/consumer_show.h"

#include "cli/human.h"
#include "cli/plain.h"
#include "cli/stream_show.h"

#define WIDTH 24u

static const char *deliver_policy(struct cli *cli, const struct json *config)
{
    struct bytes policy = api_bytes(config, "deliver_policy");

    if (bytes_equal(policy, BYTES("by_start_sequence")))
        return cli_print(cli, "From Sequence %s", api_text(cli, config, "opt_start_seq"));
    if (bytes_equal(policy, BYTES("by_start_time")))
        return cli_print(cli, "Since %s", api_text(cli, config, "opt_start_time"));
    if (bytes_equal(policy, BYTES("last_per_subject")))
        return "Last Per Subject";
    return human_title(cli, policy);
}

static void show_delivery(struct cli *cli, const struct json *config)
{
    if (api_bytes(config, "deliver_subject").size == 0) {
        human_row(WIDTH, "Pull Mode", "true");
    } else {
        human_row(WIDTH, "Delivery Subject", "%s", api_text(cli, config, "deliver_subject"));
        if (api_bytes(config, "deliver_group").size > 0)
            human_row(WIDTH, "Deliver Queue Group", "%s", api_text(cli, config, "deliver_group"));
    }
    if (api_bytes(config, "filter_subject").size > 0)
        human_row(WIDTH, "Filter Subject", "%s", api_text(cli, config, "filter_subject"));
    if (api_count(config, "filter_subjects") > 0)
        human_row(WIDTH, "Filter Subjects", "%s", api_join(cli, config, "filter_subjects"));
    human_row(WIDTH, "Deliver Policy", "%s", deliver_policy(cli, config));
    human_row(WIDTH, "Ack Policy", "%s", human_title(cli, api_bytes(config, "ack_policy")));
    if (api_i64(config, "ack_wait") > 0)
        human_row(WIDTH, "Ack Wait", "%s", human_duration(cli, api_i64(config, "ack_wait")));
    human_row(WIDTH, "Replay Policy", "%s", human_title(cli, api_bytes(config, "replay_policy")));
}

static void show_config(struct cli *cli, const struct json *config)
{
    puts("\nConfiguration:\n");
    human_row(WIDTH, "Name", "%s", api_text(cli, config, "name"));
    if (api_bytes(config, "description").size > 0)
        human_row(WIDTH, "Description", "%s", api_text(cli, config, "description"));
    show_delivery(cli, config);
    if (api_i64(config, "max_deliver") > 0)
        human_row(WIDTH, "Maximum Deliveries", "%s",
                  human_count(cli, api_u64(config, "max_deliver")));
    if (api_i64(config, "max_ack_pending") > 0)
        human_row(WIDTH, "Max Ack Pending", "%s",
                  human_count(cli, api_u64(config, "max_ack_pending")));
    if (api_i64(config, "max_waiting") > 0)
        human_row(WIDTH, "Max Waiting Pulls", "%s",
                  human_count(cli, api_u64(config, "max_waiting")));
    if (api_i64(config, "idle_heartbeat") > 0)
        human_row(WIDTH, "Idle Heartbeat", "%s",
                  human_duration(cli, api_i64(config, "idle_heartbeat")));
    if (api_bool(config, "flow_control"))
        human_row(WIDTH, "Flow Control", "true");
    if (api_bool(config, "headers_only"))
        human_row(WIDTH, "Headers Only", "true");
    if (api_i64(config, "inactive_threshold") > 0)
        human_row(WIDTH, "Inactive Threshold", "%s",
                  human_duration(cli, api_i64(config, "inactive_threshold")));
    if (api_i64(config, "num_replicas") > 0)
        human_row(WIDTH, "Replicas", "%s", api_text(cli, config, "num_replicas"));
    if (api_count(config, "priority_groups") > 0)
        human_row(WIDTH, "Priority Groups", "%s (%s)", api_join(cli, config, "priority_groups"),
                  api_text(cli, config, "priority_policy"));
}

static void show_position(struct cli *cli, const struct json *info, const char *name,
                          const char *path, const char *when)
{
    const struct json *at = api_get(info, path);
    struct bytes last = api_bytes(at, "last_active");

    human_row(WIDTH, name, "Consumer sequence: %s Stream sequence: %s%s%s%s",
              human_count(cli, api_u64(at, "consumer_seq")),
              human_count(cli, api_u64(at, "stream_seq")), last.size > 0 ? when : "",
              last.size > 0 ? human_ago(cli, last) : "", last.size > 0 ? " ago" : "");
}

static void show_state(struct cli *cli, const struct json *info)
{
    int64_t limit = api_i64(info, "config.max_ack_pending");
    bool push = api_bytes(info, "config.deliver_subject").size > 0;

    puts("\nState:\n");
    show_position(cli, info, "Last Delivered Message", "delivered", " Last delivery: ");
    show_position(cli, info, "Acknowledgment Floor", "ack_floor", " Last Ack: ");
    human_row(
        WIDTH, "Outstanding Acks", "%s%s%s", human_count(cli, api_u64(info, "num_ack_pending")),
        limit > 0 ? " out of maximum " : "", limit > 0 ? human_count(cli, (uint64_t)limit) : "");
    human_row(WIDTH, "Redelivered Messages", "%s",
              human_count(cli, api_u64(info, "num_redelivered")));
    human_row(WIDTH, "Unprocessed Messages", "%s", human_count(cli, api_u64(info, "num_pending")));
    if (push)
        human_row(WIDTH, "Active Interest", "%s",
                  api_bool(info, "push_bound") ? "Active" : "No interest");
    else
        human_row(WIDTH, "Waiting Pulls", "%s of maximum %s",
                  human_count(cli, api_u64(info, "num_waiting")),
                  human_count(cli, api_u64(info, "config.max_waiting")));
    if (api_bool(info, "paused"))
        human_row(WIDTH, "Paused", "for another %s",
                  human_duration(cli, api_i64(info, "pause_remaining")));
}

void consumer_show(struct cli *cli, const struct json *info)
{
    printf("Information for Consumer %s > %s created %s\n",
           plain_text(cli, api_text(cli, info, "stream_name")),
           plain_text(cli, api_text(cli, info, "name")),
           human_time(cli, api_bytes(info, "created")));
    show_config(cli, api_get(info, "config"));
    stream_show_metadata(cli, api_get(info, "config.metadata"), WIDTH);
    stream_show_cluster(cli, api_get(info, "cluster"), WIDTH);
    show_state(cli, info);
}
