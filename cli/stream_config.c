#include "cli/stream_config.h"

#include "cli/api.h"

const struct flag stream_config_flags[STREAM_CONFIG_FLAGS] = {
    {"subjects", 0, FLAG_LIST, "SUBJECTS", "What it keeps; commas or again for more", NULL,
     "Takes in"},
    {"description", 0, FLAG_TEXT, "TEXT", "What it is for", NULL},
    {"storage", 0, FLAG_TEXT, "file|memory", "Where messages are kept (file)", NULL, "Where"},
    {"compression", 0, FLAG_TEXT, "none|s2", "How they are compressed (none)", NULL, "Where"},
    {"replicas", 0, FLAG_NUMBER, "N", "On how many servers: 1, 3 or 5", NULL, "Where"},
    {"tag", 0, FLAG_LIST, "TAG", "Only on servers with this tag", NULL, "Where"},
    {"cluster", 0, FLAG_TEXT, "NAME", "Only on servers of this cluster", NULL},
    {"ack", 0, FLAG_SWITCH, NULL, "Acknowledge what is published (yes)", NULL},
    {"retention", 0, FLAG_TEXT, "limits|interest|work", "Until when messages are kept (limits)",
     NULL, "Keeps"},
    {"discard", 0, FLAG_TEXT, "old|new", "What goes when it is full (old)", NULL, "When full"},
    {"discard-per-subject", 0, FLAG_SWITCH, NULL, "With discard new: per subject too", NULL,
     "When full"},
    {"first-sequence", 0, FLAG_NUMBER, "N", "Number of the first message", NULL},
    {"max-age", 0, FLAG_DURATION, "DURATION", "Oldest message kept", NULL, "Keeps"},
    {"max-bytes", 0, FLAG_SIZE, "SIZE", "Most bytes kept", NULL, "Keeps"},
    {"max-consumers", 0, FLAG_NUMBER, "N", "Most consumers", NULL},
    {"max-msg-size", 0, FLAG_SIZE, "SIZE", "Largest message", NULL, "Takes in"},
    {"max-msgs", 0, FLAG_NUMBER, "N", "Most messages kept", NULL, "Keeps"},
    {"max-msgs-per-subject", 0, FLAG_NUMBER, "N", "Most messages of each subject", NULL, "Keeps"},
    {"dupe-window", 0, FLAG_DURATION, "DURATION", "How long message ids are remembered", NULL,
     "Takes in"},
    {"mirror", 0, FLAG_TEXT, "STREAM", "Be a copy of another stream", NULL, "Takes in"},
    {"source", 0, FLAG_LIST, "STREAM", "Take in another stream", NULL, "Takes in"},
    {"allow-rollup", 0, FLAG_SWITCH, NULL, "Let a message replace its subject or all", NULL,
     "Allows"},
    {"allow-msg-ttl", 0, FLAG_SWITCH, NULL, "Let messages have a TTL of their own", NULL, "Allows"},
    {"allow-counter", 0, FLAG_SWITCH, NULL, "Let subjects be counters", NULL, "Allows"},
    {"allow-batch", 0, FLAG_SWITCH, NULL, "Let batches be published atomically", NULL, "Allows"},
    {"allow-schedules", 0, FLAG_SWITCH, NULL, "Let messages be scheduled", NULL, "Allows"},
    {"deny-delete", 0, FLAG_SWITCH, NULL, "No deletes of messages", NULL, "Forbids"},
    {"deny-purge", 0, FLAG_SWITCH, NULL, "No purges", NULL, "Forbids"},
    {"allow-direct", 0, FLAG_SWITCH, NULL, "Reads by any replica (yes)", NULL, "Allows"},
    {"allow-mirror-direct", 0, FLAG_SWITCH, NULL, "Reads by mirrors too", NULL},
    {"transform-source", 0, FLAG_TEXT, "SUBJECT", "Store what matches under", NULL},
    {"transform-destination", 0, FLAG_TEXT, "SUBJECT", "another subject", NULL},
    {"metadata", 0, FLAG_LIST, "KEY=VALUE", "Metadata", NULL},
    {"republish-source", 0, FLAG_TEXT, "SUBJECT", "Publish again what matches", NULL},
    {"republish-destination", 0, FLAG_TEXT, "SUBJECT", "to another subject", NULL},
    {"republish-headers", 0, FLAG_SWITCH, NULL, "its headers only", NULL},
    {"limit-consumer-inactive", 0, FLAG_DURATION, "DURATION", "Consumers: longest idle", NULL},
    {"limit-consumer-max-pending", 0, FLAG_NUMBER, "N", "Consumers: most unacknowledged", NULL},
    {"config", 0, FLAG_TEXT, "FILE", "Start from this JSON file", NULL, "Command"},
    {"output", 0, FLAG_TEXT, "FILE", "Write the configuration there instead", NULL},
    {"defaults", 0, FLAG_SWITCH, NULL, "Ask nothing", NULL, "Command"},
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask whether to edit", NULL, "Command"},
    {"dry-run", 0, FLAG_SWITCH, NULL, "Only show what edit would change", NULL, "Command"},
};

static const struct form_flag plain[] = {
    {"description", "description"},
    {"replicas", "num_replicas"},
    {"discard-per-subject", "discard_new_per_subject"},
    {"first-sequence", "first_seq"},
    {"max-age", "max_age"},
    {"max-bytes", "max_bytes"},
    {"max-consumers", "max_consumers"},
    {"max-msg-size", "max_msg_size"},
    {"max-msgs", "max_msgs"},
    {"max-msgs-per-subject", "max_msgs_per_subject"},
    {"dupe-window", "duplicate_window"},
    {"allow-rollup", "allow_rollup_hdrs"},
    {"allow-msg-ttl", "allow_msg_ttl"},
    {"allow-counter", "allow_msg_counter"},
    {"allow-batch", "allow_atomic"},
    {"allow-schedules", "allow_msg_schedules"},
    {"deny-delete", "deny_delete"},
    {"deny-purge", "deny_purge"},
    {"allow-direct", "allow_direct"},
    {"allow-mirror-direct", "mirror_direct"},
    {"compression", "compression"},
};

static const char *const storages[] = {"file:f", "memory:m:mem"};
static const char *const retentions[] = {"limits:l", "interest:i", "workqueue:work:w:workq"};
static const char *const discards[] = {"old:o", "new:n"};

/* ---- flags ----------------------------------------------------------------------------------- */

/* A word out of a few; the first of its names is what the API calls it. */
static int take_choice(struct form *form, const char *what, const char *text, const char *key,
                       const char *const *choices, size_t count)
{
    const char *choice = form_choose(text, choices, count);
    char words[160] = "";

    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(words);

        snprintf(words + used, sizeof(words) - used, "%s%.*s", i > 0 ? ", " : "",
                 (int)strcspn(choices[i], ":"), choices[i]);
    }
    if (choice == NULL)
        return cli_fail(form->cli, EXIT_USAGE, words, "\"%s\" is no %s", text, what);
    form_text(form, key, cli_text(form->cli, bytes_of(choice, strcspn(choice, ":"))));
    return EXIT_DONE;
}

static int take_subjects(struct form *form, const char *const *texts, size_t count)
{
    const char **all = ARENA_ARRAY(&form->cli->arena, const char *, 4096);
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        for (const char *at = texts[i]; *at != 0;) {
            size_t end = strcspn(at, ",");
            struct bytes one = bytes_trim(bytes_of(at, end));

            if (size == 4096)
                return cli_fail(form->cli, EXIT_USAGE, NULL, "more than 4096 subjects");
            if (one.size > 0)
                all[size++] = cli_text(form->cli, one);
            at += end + (at[end] == ',');
        }
    form_list(form, "subjects", all, size);
    return EXIT_DONE;
}

static void take_origins(struct form *form)
{
    struct cli *cli = form->cli;
    const char *mirror = args_text(&cli->args, "mirror");
    const struct flag_value *sources = args_flag(&cli->args, "source");
    struct form *origin = ARENA_NEW(&cli->arena, struct form);
    const char *list = "";

    form_init(origin, cli);
    if (mirror != NULL) {
        form_text(origin, "name", mirror);
        form_raw(form, "mirror", form_json(origin));
    }
    for (size_t i = 0; i < sources->count; i++) {
        form_init(origin, cli);
        form_text(origin, "name", sources->list[i]);
        list = cli_print(cli, "%s%s%s", list, i > 0 ? "," : "", form_json(origin));
    }
    if (sources->given)
        form_raw(form, "sources", cli_print(cli, "[%s]", list));
}

/* Flags that together make an object: each pair is a flag and a member. */
static void take_object(struct form *form, const char *key, const struct form_flag *flags,
                        size_t count)
{
    struct form *object = ARENA_NEW(&form->cli->arena, struct form);

    form_init(object, form->cli);
    form_take_flags(object, flags, count);
    if (object->count > 0)
        form_raw(form, key, form_json(object));
}

static void take_objects(struct form *form)
{
    static const struct form_flag placement[] = {{"tag", "tags"}, {"cluster", "cluster"}};
    static const struct form_flag transform[] = {{"transform-source", "src"},
                                                 {"transform-destination", "dest"}};
    static const struct form_flag republish[] = {{"republish-source", "src"},
                                                 {"republish-destination", "dest"},
                                                 {"republish-headers", "headers_only"}};
    static const struct form_flag limits[] = {{"limit-consumer-inactive", "inactive_threshold"},
                                              {"limit-consumer-max-pending", "max_ack_pending"}};

    take_object(form, "placement", placement, 2);
    take_object(form, "subject_transform", transform, 2);
    take_object(form, "republish", republish, 3);
    take_object(form, "consumer_limits", limits, 2);
}

int stream_config_take_flags(struct form *form)
{
    const struct args *args = &form->cli->args;
    const struct flag_value *subjects = args_flag(args, "subjects");
    int result = EXIT_DONE;

    form_take_flags(form, plain, sizeof(plain) / sizeof(plain[0]));
    if (args_number(args, "max-age", 0) == -1)
        form_number(form, "max_age", 0); /* no limit, as -1 is for the limits beside it */
    if (args_flag(args, "ack")->given)
        form_bool(form, "no_ack", !args_on(args, "ack"));
    if (subjects->given)
        result = take_subjects(form, subjects->list, subjects->count);
    if (result == EXIT_DONE && args_text(args, "storage") != NULL)
        result = take_choice(form, "storage", args_text(args, "storage"), "storage", storages, 2);
    if (result == EXIT_DONE && args_text(args, "retention") != NULL)
        result = take_choice(form, "retention", args_text(args, "retention"), "retention",
                             retentions, 3);
    if (result == EXIT_DONE && args_text(args, "discard") != NULL)
        result = take_choice(form, "discard", args_text(args, "discard"), "discard", discards, 2);
    if (result == EXIT_DONE)
        result = form_pairs(form, "metadata", "metadata");
    take_origins(form);
    take_objects(form);
    return result;
}

/* ---- questions ------------------------------------------------------------------------------- */

static int ask_choice(struct form *form, const char *question, const char *otherwise,
                      const char *key, const char *const *choices, size_t count)
{
    const char *answer;

    if (form_has(form, key))
        return EXIT_DONE;
    answer = cli_ask(form->cli, question, otherwise);
    if (answer == NULL)
        return cli_fail(form->cli, EXIT_USAGE, "--defaults", "the input ended");
    return take_choice(form, key, answer, key, choices, count);
}

static int ask_number(struct form *form, const char *question, const char *otherwise,
                      const char *key, bool (*read)(const char *, int64_t *))
{
    for (unsigned tries = 0; tries < 3; tries++) {
        const char *answer;
        int64_t value;

        if (form_has(form, key))
            return EXIT_DONE;
        answer = cli_ask(form->cli, question, otherwise);
        if (answer == NULL)
            break;
        if (read(answer, &value))
            form_number(form, key, value);
        else
            fprintf(stderr, "  \"%s\" cannot be read\n", answer);
    }
    return form_has(form, key)
               ? EXIT_DONE
               : cli_fail(form->cli, EXIT_USAGE, "--defaults", "no answer to: %s", question);
}

static int ask_all(struct form *form)
{
    int result = ask_choice(form, "Storage", "file", "storage", storages, 2);

    if (result == EXIT_DONE)
        result = ask_number(form, "Replication", "1", "num_replicas", args_read_number);
    if (result == EXIT_DONE)
        result = ask_choice(form, "Retention Policy", "limits", "retention", retentions, 3);
    if (result == EXIT_DONE)
        result = ask_choice(form, "Discard Policy", "old", "discard", discards, 2);
    if (result == EXIT_DONE)
        result = ask_number(form, "Stream Messages Limit", "-1", "max_msgs", args_read_number);
    if (result == EXIT_DONE)
        result = ask_number(form, "Per Subject Messages Limit", "-1", "max_msgs_per_subject",
                            args_read_number);
    if (result == EXIT_DONE)
        result = ask_number(form, "Total Stream Size", "-1", "max_bytes", args_read_size);
    if (result == EXIT_DONE)
        result = ask_number(form, "Message TTL", "0s", "max_age", args_read_duration);
    if (result == EXIT_DONE)
        result = ask_number(form, "Max Message Size", "-1", "max_msg_size", args_read_size);
    return result;
}

static int need_subjects(struct form *form, bool asking)
{
    const char *answer;

    if (api_count(form_parse(form), "subjects") > 0 || form_has(form, "mirror") ||
        form_has(form, "sources"))
        return EXIT_DONE;
    answer = asking ? cli_ask(form->cli, "Subjects", "") : NULL;
    if (answer == NULL || answer[0] == 0)
        return cli_fail(form->cli, EXIT_USAGE, "--subjects 'orders.>'",
                        "a stream needs subjects, a mirror or sources");
    return take_subjects(form, &answer, 1);
}

static void fill_defaults(struct form *form)
{
    static const struct {
        const char *key, *json;
    } defaults[] = {{"storage", "\"file\""}, {"retention", "\"limits\""},
                    {"discard", "\"old\""},  {"num_replicas", "1"},
                    {"max_msgs", "-1"},      {"max_bytes", "-1"},
                    {"max_consumers", "-1"}, {"max_msgs_per_subject", "-1"},
                    {"max_msg_size", "-1"},  {"max_age", "0"}};

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (!form_has(form, defaults[i].key))
            form_raw(form, defaults[i].key, defaults[i].json);
    if (!form_has(form, "allow_direct"))
        form_bool(form, "allow_direct", true);
}

int stream_config_complete(struct form *form)
{
    bool asking = form->cli->terminal_in && !args_on(&form->cli->args, "defaults") &&
                  args_text(&form->cli->args, "config") == NULL;
    const char *name = args_word(&form->cli->args, 0);
    int result;

    if (name == NULL && asking)
        name = cli_ask(form->cli, "Stream Name", "");
    if (name != NULL)
        form_text(form, "name", name);
    if (!form_has(form, "name"))
        return cli_fail(form->cli, EXIT_USAGE, "millrace stream add ORDERS", "which stream?");
    if (name != NULL && api_name(form->cli, "stream", name) != EXIT_DONE)
        return EXIT_USAGE;
    result = need_subjects(form, asking);
    if (result == EXIT_DONE && asking)
        result = ask_all(form);
    fill_defaults(form);
    return result;
}

int stream_config_read(struct form *form, const char *file)
{
    return form_read(form, file, "millrace stream info NAME --json");
}
