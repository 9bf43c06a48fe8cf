#include "cli/consumer_config.h"

#include <time.h>

#include "base/text.h"
#include "cli/api.h"
#include "cli/commands.h"

const struct flag consumer_config_flags[CONSUMER_CONFIG_FLAGS] = {
    {"filter", 0, FLAG_LIST, "SUBJECT", "Only what matches", NULL, "Gets"},
    {"deliver", 0, FLAG_TEXT, "WHICH",
     "all, new, last, subject (last of each), a sequence, 1h, or a time (all)", NULL, "Gets"},
    {"ack", 0, FLAG_TEXT, "explicit|all|none", "How messages are acknowledged (explicit)", NULL,
     "Acks"},
    {"description", 0, FLAG_TEXT, "TEXT", "What it is for", NULL},
    {"pull", 0, FLAG_SWITCH, NULL, "Clients ask for messages (the default)", NULL, "Pulls"},
    {"target", 0, FLAG_TEXT, "SUBJECT", "Push messages to this subject", NULL, "Pushed to"},
    {"deliver-group", 0, FLAG_TEXT, "GROUP", "Push to a queue group", NULL, "Pushed to"},
    {"flow-control", 0, FLAG_SWITCH, NULL, "Push as fast as is taken", NULL, "Pushed to"},
    {"heartbeat", 0, FLAG_DURATION, "DURATION", "Push a sign of life when idle", NULL, "Pushed to"},
    {"ephemeral", 0, FLAG_SWITCH, NULL, "Without a name that lasts", NULL, "Lives"},
    {"inactive-threshold", 0, FLAG_DURATION, "DURATION", "Removed when unused for so long", NULL,
     "Lives"},
    {"headers-only", 0, FLAG_SWITCH, NULL, "Headers without bodies", NULL, "Gets"},
    {"max-deliver", 0, FLAG_NUMBER, "N", "Tries for each message (-1: no limit)", NULL, "Acks"},
    {"max-pending", 0, FLAG_NUMBER, "N", "Unacknowledged messages before it waits", NULL, "Acks"},
    {"max-waiting", 0, FLAG_NUMBER, "N", "Pulls that wait", NULL, "Pulls"},
    {"max-pull-batch", 0, FLAG_NUMBER, "N", "Most messages of one pull", NULL, "Pulls"},
    {"max-pull-expire", 0, FLAG_DURATION, "DURATION", "Longest wait of one pull", NULL, "Pulls"},
    {"max-pull-bytes", 0, FLAG_SIZE, "SIZE", "Most bytes of one pull", NULL},
    {"wait", 0, FLAG_DURATION, "DURATION", "Time to acknowledge (30s)", NULL, "Acks"},
    {"backoff", 0, FLAG_LIST, "DURATION", "Waits before the tries, one after the other", NULL,
     "Acks"},
    {"replay", 0, FLAG_TEXT, "instant|original", "As fast as it goes, or as they came (instant)",
     NULL, "Gets"},
    {"sample", 0, FLAG_NUMBER, "PERCENT", "Acknowledgements that are reported", NULL},
    {"bps", 0, FLAG_SIZE, "SIZE", "Push at most so many bits a second", NULL},
    {"memory", 0, FLAG_SWITCH, NULL, "Keep its state in memory", NULL, "Lives"},
    {"replicas", 0, FLAG_NUMBER, "N", "On how many servers (as its stream)", NULL, "Lives"},
    {"metadata", 0, FLAG_LIST, "KEY=VALUE", "Metadata", NULL},
    {"pinned-ttl", 0, FLAG_DURATION, "DURATION", "With a pinned client: how long it lasts", NULL},
    {"pinned-groups", 0, FLAG_LIST, "GROUP", "One client at a time, for these groups", NULL},
    {"config", 0, FLAG_TEXT, "FILE", "Start from this JSON file", NULL, "Command"},
    {"defaults", 0, FLAG_SWITCH, NULL, "Ask nothing", NULL, "Command"},
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask whether to edit", NULL, "Command"},
    {"dry-run", 0, FLAG_SWITCH, NULL, "Only show what edit would change", NULL, "Command"},
};

static const struct form_flag plain[] = {
    {"description", "description"},
    {"target", "deliver_subject"},
    {"deliver-group", "deliver_group"},
    {"flow-control", "flow_control"},
    {"heartbeat", "idle_heartbeat"},
    {"inactive-threshold", "inactive_threshold"},
    {"headers-only", "headers_only"},
    {"max-deliver", "max_deliver"},
    {"max-pending", "max_ack_pending"},
    {"max-waiting", "max_waiting"},
    {"max-pull-batch", "max_batch"},
    {"max-pull-expire", "max_expires"},
    {"max-pull-bytes", "max_bytes"},
    {"wait", "ack_wait"},
    {"bps", "rate_limit_bps"},
    {"memory", "mem_storage"},
    {"replicas", "num_replicas"},
    {"pinned-ttl", "priority_timeout"},
    {"pinned-groups", "priority_groups"},
};

static int wrong(struct form *form, const char *flag, const char *text, const char *next)
{
    return cli_fail(form->cli, EXIT_USAGE, next, "\"%s\" is nothing for --%s", text, flag);
}

/* ---- single flags ---------------------------------------------------------------------------- */

static int take_word(struct form *form, const char *flag, const char *key,
                     const char *const *choices, size_t count, const char *next)
{
    const char *text = args_text(&form->cli->args, flag), *choice;

    if (text == NULL)
        return EXIT_DONE;
    choice = form_choose(text, choices, count);
    if (choice == NULL)
        return wrong(form, flag, text, next);
    form_text(form, key, cli_text(form->cli, bytes_of(choice, strcspn(choice, ":"))));
    return EXIT_DONE;
}

static void start_at(struct form *form, int64_t ns)
{
    char time[TEXT_TIME_MAX];

    (void)text_time(time, ns);
    form_text(form, "deliver_policy", "by_start_time");
    form_text(form, "opt_start_time", time);
}

static int take_deliver(struct form *form)
{
    static const char *const words[] = {"all:1:first", "new", "last",
                                        "last_per_subject:subject:per_subject"};
    const char *text = args_text(&form->cli->args, "deliver"), *word;
    struct timespec now;
    int64_t value;

    if (text == NULL)
        return EXIT_DONE;
    word = form_choose(text, words, 4);
    if (word != NULL) {
        form_text(form, "deliver_policy", cli_text(form->cli, bytes_of(word, strcspn(word, ":"))));
    } else if (args_read_number(text, &value) && value > 0) {
        form_text(form, "deliver_policy", "by_start_sequence");
        form_number(form, "opt_start_seq", value);
    } else if (args_read_duration(text, &value) && value > 0) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        start_at(form, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - value);
    } else if (text_read_time(bytes_of_text(text), &value)) {
        start_at(form, value);
    } else {
        return wrong(form, "deliver", text, "all, new, last, subject, 100, 1h");
    }
    return EXIT_DONE;
}

static void take_filters(struct form *form)
{
    const struct flag_value *filters = args_flag(&form->cli->args, "filter");

    if (!filters->given)
        return;
    form_remove(form, "filter_subject");
    form_remove(form, "filter_subjects");
    if (filters->count == 1)
        form_text(form, "filter_subject", filters->list[0]);
    else
        form_list(form, "filter_subjects", filters->list, filters->count);
}

static int take_backoff(struct form *form)
{
    const struct flag_value *waits = args_flag(&form->cli->args, "backoff");
    const char *list = "";

    for (size_t i = 0; i < waits->count; i++) {
        int64_t ns;

        if (!args_read_duration(waits->list[i], &ns) || ns <= 0)
            return wrong(form, "backoff", waits->list[i], "--backoff 1s --backoff 10s");
        list = cli_print(form->cli, "%s%s%lld", list, i > 0 ? "," : "", (long long)ns);
    }
    if (waits->given)
        form_raw(form, "backoff", cli_print(form->cli, "[%s]", list));
    return EXIT_DONE;
}

int consumer_config_take_flags(struct form *form)
{
    static const char *const acks[] = {"explicit:e", "all:a", "none:n"};
    static const char *const replays[] = {"instant:i", "original:o"};
    const struct args *args = &form->cli->args;
    int result;

    if (args_on(args, "pull") && args_text(args, "target") != NULL)
        return cli_fail(form->cli, EXIT_USAGE, "one of them",
                        "--pull and --target exclude each other");
    form_take_flags(form, plain, sizeof(plain) / sizeof(plain[0]));
    take_filters(form);
    result = take_word(form, "ack", "ack_policy", acks, 3, "explicit, all or none");
    if (result == EXIT_DONE)
        result = take_word(form, "replay", "replay_policy", replays, 2, "instant or original");
    if (result == EXIT_DONE)
        result = take_deliver(form);
    if (result == EXIT_DONE)
        result = take_backoff(form);
    if (result == EXIT_DONE)
        result = form_pairs(form, "metadata", "metadata");
    if (args_flag(args, "sample")->given)
        form_text(form, "sample_freq", args_text(args, "sample"));
    if (args_flag(args, "pinned-groups")->given)
        form_text(form, "priority_policy", "pinned_client");
    return result;
}

int consumer_config_complete(struct form *form)
{
    struct cli *cli = form->cli;
    const char *name = args_word(&cli->args, 1);
    bool ephemeral = args_on(&cli->args, "ephemeral");

    if (name == NULL && form_has(form, "name")) /* a file says it */
        name = api_text(cli, form_parse(form), "name");
    if (name == NULL && !ephemeral && cli->terminal_in && !args_on(&cli->args, "defaults"))
        name = cli_ask(cli, "Consumer name", "");
    if ((name == NULL || name[0] == 0) && !ephemeral)
        return cli_fail(cli, EXIT_USAGE, cli->command->example,
                        "a consumer needs a name, or --ephemeral");
    if (name != NULL && api_name(cli, "consumer", name) != EXIT_DONE)
        return EXIT_USAGE;
    if (name != NULL)
        form_text(form, "name", name);
    if (name != NULL && !ephemeral)
        form_text(form, "durable_name", name);
    if (!form_has(form, "ack_policy"))
        form_text(form, "ack_policy", "explicit");
    if (!form_has(form, "deliver_policy"))
        form_text(form, "deliver_policy", "all");
    if (!form_has(form, "replay_policy"))
        form_text(form, "replay_policy", "instant");
    return EXIT_DONE;
}
