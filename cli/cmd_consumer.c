/* consumer add, edit, info, ls, report, rm, pause, resume: what consumers are and how far. */
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/consumer_config.h"
#include "cli/consumer_show.h"
#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/pick.h"

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int show(struct cli *cli, const struct json *info)
{
    if (cli->json)
        cli_say_json(cli, info->text);
    else
        consumer_show(cli, info);
    return EXIT_DONE;
}

/* Both names. */
static int pick_both(struct cli *cli, const char **stream, const char **name)
{
    int result = pick_stream(cli, 0, stream);

    return result == EXIT_DONE ? pick_consumer(cli, 1, *stream, name) : result;
}

static int fetch_info(struct cli *cli, const char *stream, const char *name,
                      const struct json **info)
{
    return api_call(cli, cli_print(cli, "CONSUMER.INFO.%s.%s", stream, name), (struct bytes){0},
                    info);
}

/* ---- add, edit, info ------------------------------------------------------------------------- */

static int create(struct cli *cli, const char *stream, const struct form *form, const char *action,
                  const struct json **answer)
{
    const struct json *config = form_parse(form);
    const char *name = api_text(cli, config, "name");
    const char *filter = api_text(cli, config, "filter_subject");
    struct form request;

    form_init(&request, cli);
    form_text(&request, "stream_name", stream);
    form_raw(&request, "config", form_json(form));
    form_text(&request, "action", action);
    return api_call(cli,
                    name[0] == 0 ? cli_print(cli, "CONSUMER.CREATE.%s", stream)
                                 : cli_print(cli, "CONSUMER.CREATE.%s.%s%s%s", stream, name,
                                             filter[0] != 0 ? "." : "", filter),
                    bytes_of_text(form_json(&request)), answer);
}

/* The file that --config names, if it does. EXIT_DONE, or said. */
static int read_config(struct form *form)
{
    const char *config = args_text(&form->cli->args, "config");

    return config == NULL ? EXIT_DONE
                          : form_read(form, config, "millrace consumer info STREAM NAME --json");
}

static int run_add(struct cli *cli)
{
    const struct json *answer;
    const char *stream;
    struct form form;
    int result = pick_stream(cli, 0, &stream);

    form_init(&form, cli);
    if (result == EXIT_DONE)
        result = read_config(&form);
    if (result == EXIT_DONE)
        result = consumer_config_take_flags(&form);
    if (result == EXIT_DONE)
        result = consumer_config_complete(&form);
    if (result == EXIT_DONE)
        result = create(cli, stream, &form, "create", &answer);
    return result == EXIT_DONE ? show(cli, answer) : result;
}

/* What the consumer is to be: as it is or as a file says, with what flags say; its names stay. */
static int make_edited(struct form *form, const struct json *config)
{
    const struct json *durable = api_get(config, "durable_name"), *name = api_get(config, "name");
    bool from_file = args_text(&form->cli->args, "config") != NULL;
    int result = EXIT_DONE;

    form_init(form, form->cli);
    if (from_file)
        result = read_config(form);
    else if (!form_load(form, config))
        result = cli_fail(form->cli, EXIT_FAILED, NULL, "the configuration has too many members");
    if (result == EXIT_DONE)
        result = consumer_config_take_flags(form);
    if (result != EXIT_DONE || !from_file)
        return result;
    form_remove(form, "durable_name");
    if (name != NULL)
        form_text(form, "name", cli_text(form->cli, name->text));
    if (durable != NULL)
        form_text(form, "durable_name", cli_text(form->cli, durable->text));
    return EXIT_DONE;
}

static int say_edit(struct cli *cli, const struct form *form)
{
    if (cli->json)
        cli_say_json(cli, bytes_of_text(form_json(form)));
    return EXIT_DONE;
}

static int run_edit(struct cli *cli)
{
    const char *stream, *name;
    const struct json *info, *answer;
    struct form form;
    int result = pick_both(cli, &stream, &name);

    if (result == EXIT_DONE)
        result = fetch_info(cli, stream, name, &info);
    if (result != EXIT_DONE)
        return result;
    form_init(&form, cli);
    result = make_edited(&form, api_get(info, "config"));
    if (result == EXIT_DONE && form_show_changes(&form, api_get(info, "config")) == 0)
        fputs("Nothing would change\n", stderr);
    if (result == EXIT_DONE && args_on(&cli->args, "dry-run"))
        return say_edit(cli, &form);
    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really edit Consumer %s > %s", stream, name));
    if (result == EXIT_DONE)
        result = create(cli, stream, &form, "update", &answer);
    return result == EXIT_DONE ? show(cli, answer) : result;
}

static int run_info(struct cli *cli)
{
    const char *stream, *name;
    const struct json *info;
    int result = pick_both(cli, &stream, &name);

    if (result == EXIT_DONE)
        result = fetch_info(cli, stream, name, &info);
    return result == EXIT_DONE ? show(cli, info) : result;
}

/* ---- ls, report ------------------------------------------------------------------------------ */

static const struct flag list_flags[] = {
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
};

static const char *unprocessed(struct cli *cli, const struct json *info, uint64_t total)
{
    uint64_t pending = api_u64(info, "num_pending");

    return total == 0 ? human_count(cli, pending)
                      : cli_print(cli, "%s / %llu%%", human_count(cli, pending),
                                  (unsigned long long)(pending * 100 / total));
}

static void add_row(struct cli *cli, struct grid *grid, const struct json *info, uint64_t total)
{
    bool push = api_bytes(info, "config.deliver_subject").size > 0;

    grid_add(grid, (const char *const[]){api_text(cli, info, "name"), push ? "Push" : "Pull",
                                         human_title(cli, api_bytes(info, "config.ack_policy")),
                                         human_duration(cli, api_i64(info, "config.ack_wait")),
                                         human_count(cli, api_u64(info, "num_ack_pending")),
                                         human_count(cli, api_u64(info, "num_redelivered")),
                                         unprocessed(cli, info, total),
                                         human_count(cli, api_u64(info, "ack_floor.stream_seq"))});
}

static int list(struct cli *cli, bool table)
{
    static const char *const heads[] = {"Consumer",    "Mode",        "Ack Policy",  "Ack Wait",
                                        "Ack Pending", "Redelivered", "Unprocessed", "Ack Floor"};
    const struct json *stream_info;
    struct api_items items;
    const char *stream;
    struct grid grid;
    int result = pick_stream(cli, 0, &stream);

    if (result == EXIT_DONE)
        result = api_list(cli, cli_print(cli, "CONSUMER.LIST.%s", stream), "consumers", "", &items);
    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        return api_say_items(cli, &items, args_on(&cli->args, "names") ? "name" : NULL);
    if (!table || args_on(&cli->args, "names")) {
        if (!args_on(&cli->args, "names"))
            printf("Consumers for Stream %s:\n\n", stream);
        for (size_t i = 0; i < items.count; i++)
            printf("%s%s\n", args_on(&cli->args, "names") ? "" : "\t",
                   api_text(cli, items.at[i], "name"));
        return EXIT_DONE;
    }
    result =
        api_call(cli, cli_print(cli, "STREAM.INFO.%s", stream), (struct bytes){0}, &stream_info);
    if (result != EXIT_DONE)
        return result;
    grid_init(&grid, cli,
              cli_print(cli, "Consumer report for %s with %zu consumers", stream, items.count),
              heads, 8);
    grid.right = 0xf8;
    for (size_t i = 0; i < items.count; i++)
        add_row(cli, &grid, items.at[i], api_u64(stream_info, "state.messages"));
    grid_show(&grid);
    return EXIT_DONE;
}

static int run_ls(struct cli *cli)
{
    return list(cli, false);
}

static int run_report(struct cli *cli)
{
    return list(cli, true);
}

/* ---- rm, pause, resume ----------------------------------------------------------------------- */

static int run_rm(struct cli *cli)
{
    const char *stream, *name;
    const struct json *answer;
    int result = pick_both(cli, &stream, &name);

    if (result == EXIT_DONE)
        result =
            pick_confirmed(cli, cli_print(cli, "Really delete Consumer %s > %s", stream, name));
    if (result == EXIT_DONE)
        result = api_call(cli, cli_print(cli, "CONSUMER.DELETE.%s.%s", stream, name),
                          (struct bytes){0}, &answer);
    if (result == EXIT_DONE && cli->json)
        cli_say_json(cli, answer->text);
    else if (result == EXIT_DONE)
        printf("Removed Consumer %s > %s\n", stream, name);
    return result;
}

/* Until a time, or for a while: RFC 3339. */
static int read_until(struct cli *cli, const char *text, char out[static TEXT_TIME_MAX])
{
    struct timespec now;
    int64_t ns;

    if (!text_read_time(bytes_of_text(text), &ns)) {
        if (!args_read_duration(text, &ns) || ns <= 0)
            return cli_fail(cli, EXIT_USAGE, cli->command->example,
                            "\"%s\" is neither a duration nor a time", text);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        ns += (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    (void)text_time(out, ns);
    return EXIT_DONE;
}

static int pause_until(struct cli *cli, const char *stream, const char *name, const char *request)
{
    const struct json *answer;
    int result = api_call(cli, cli_print(cli, "CONSUMER.PAUSE.%s.%s", stream, name),
                          bytes_of_text(request), &answer);

    if (result != EXIT_DONE)
        return result;
    if (cli->json)
        cli_say_json(cli, answer->text);
    else if (api_bool(answer, "paused"))
        printf("Paused %s > %s until %s (%s)\n", stream, name,
               human_time(cli, api_bytes(answer, "pause_until")),
               human_duration(cli, api_i64(answer, "pause_remaining")));
    else
        printf("Consumer %s > %s was resumed\n", stream, name);
    return EXIT_DONE;
}

static int run_pause(struct cli *cli)
{
    const char *stream, *name, *until = args_word(&cli->args, 2);
    char time[TEXT_TIME_MAX];
    int result = pick_both(cli, &stream, &name);

    if (result == EXIT_DONE)
        result = read_until(cli, until != NULL ? until : "1h", time);
    return result == EXIT_DONE
               ? pause_until(cli, stream, name, cli_print(cli, "{\"pause_until\":\"%s\"}", time))
               : result;
}

static int run_resume(struct cli *cli)
{
    const char *stream, *name;
    int result = pick_both(cli, &stream, &name);

    return result == EXIT_DONE ? pause_until(cli, stream, name, "") : result;
}

static const struct command commands[] = {
    {"consumer add", "create new", "[<stream>] [<consumer>]", 0, 2, "Create a consumer",
     "millrace consumer add ORDERS work --pull --ack explicit --defaults", NULL,
     consumer_config_flags, CONSUMER_CONFIG_FLAGS, run_add},
    {"consumer edit", "update", "[<stream>] [<consumer>]", 0, 2, "Change a consumer",
     "millrace consumer edit ORDERS work --max-deliver 5 --force", NULL, consumer_config_flags,
     CONSUMER_CONFIG_FLAGS, run_edit},
    {"consumer info", "nfo i", "[<stream>] [<consumer>]", 0, 2, "What a consumer is, and how far",
     "millrace consumer info ORDERS work", NULL, NO_FLAGS, run_info},
    {"consumer ls", "list", "[<stream>]", 0, 1, "List the consumers of a stream",
     "millrace consumer ls ORDERS", NULL, FLAGS(list_flags), run_ls},
    {"consumer report", NULL, "[<stream>]", 0, 1, "How far the consumers of a stream are",
     "millrace consumer report ORDERS", NULL, FLAGS(list_flags), run_report},
    {"consumer rm", "delete del", "[<stream>] [<consumer>]", 0, 2, "Remove a consumer",
     "millrace consumer rm ORDERS work --force", NULL, FLAGS(force_flags), run_rm},
    {"consumer pause", NULL, "[<stream>] [<consumer>] [<until>]", 0, 3,
     "Deliver nothing for a while (1h)", "millrace consumer pause ORDERS work 30m",
     "<until> is a duration or a time such as 2027-01-31T08:00:00Z. Nothing is asked.",
     FLAGS(force_flags), run_pause},
    {"consumer resume", NULL, "[<stream>] [<consumer>]", 0, 2, "Deliver again",
     "millrace consumer resume ORDERS work", "Nothing is asked.", FLAGS(force_flags), run_resume},
};
const struct command_list commands_consumer = {commands, sizeof(commands) / sizeof(commands[0])};
