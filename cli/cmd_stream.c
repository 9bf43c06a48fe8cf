/* stream add, edit, info, rm, purge, seal: one stream, and what it is. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/file.h"
#include "cli/form.h"
#include "cli/pick.h"
#include "cli/plain.h"
#include "cli/stream_config.h"
#include "cli/stream_show.h"

static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int show(struct cli *cli, const struct json *info)
{
    if (cli->json)
        cli_say_json(cli, info->text);
    else
        stream_show(cli, info);
    return EXIT_DONE;
}

/* ---- add ------------------------------------------------------------------------------------- */

static int save(struct cli *cli, const char *path, const struct form *form)
{
    struct buf text;
    bool done;

    buf_init(&text, 16 * 1024 * 1024);
    (void)json_indent(&text, bytes_of_text(form_json(form)));
    buf_add_byte(&text, '\n');
    done = file_replace(path, buf_bytes(&text), 0644);
    buf_deinit(&text);
    if (!done)
        return cli_fail(cli, EXIT_FAILED, NULL, "cannot write %s: %s", path, strerror(errno));
    printf("Saved the configuration to %s\n", path);
    return EXIT_DONE;
}

static int run_add(struct cli *cli)
{
    const char *config = args_text(&cli->args, "config");
    const char *output = args_text(&cli->args, "output");
    const struct json *answer, *parsed;
    struct form form;
    int result = EXIT_DONE;

    form_init(&form, cli);
    if (config != NULL)
        result = stream_config_read(&form, config);
    if (result == EXIT_DONE)
        result = stream_config_take_flags(&form);
    if (result == EXIT_DONE)
        result = stream_config_complete(&form);
    if (result != EXIT_DONE)
        return result;
    if (output != NULL)
        return save(cli, output, &form);
    parsed = form_parse(&form);
    result = api_call(cli, cli_print(cli, "STREAM.CREATE.%s", api_text(cli, parsed, "name")),
                      bytes_of_text(form_json(&form)), &answer);
    if (result != EXIT_DONE)
        return result;
    if (!cli->json)
        printf("Stream %s was created\n\n", plain_text(cli, api_text(cli, answer, "config.name")));
    return show(cli, answer);
}

/* ---- info ------------------------------------------------------------------------------------ */

static int fetch_info(struct cli *cli, const char *name, const struct json **info)
{
    return api_call(cli, cli_print(cli, "STREAM.INFO.%s", name), (struct bytes){0}, info);
}

static const struct flag info_flags[] = {
    {"state", 0, FLAG_SWITCH, NULL, "Only what it holds (--json shows all)", NULL},
};

static int show_by_name(struct cli *cli, const char *name, bool state)
{
    const struct json *info;
    int result = fetch_info(cli, name, &info);

    if (result != EXIT_DONE || cli->json || !state)
        return result == EXIT_DONE ? show(cli, info) : result;
    stream_show_state(cli, info);
    return EXIT_DONE;
}

static int run_info(struct cli *cli)
{
    const char *name;
    int result = pick_stream(cli, 0, &name);

    return result == EXIT_DONE ? show_by_name(cli, name, args_on(&cli->args, "state")) : result;
}

/* ---- edit ------------------------------------------------------------------------------------ */

static int update(struct cli *cli, const char *name, const struct form *form)
{
    const struct json *answer;
    int result = api_call(cli, cli_print(cli, "STREAM.UPDATE.%s", name),
                          bytes_of_text(form_json(form)), &answer);

    if (result != EXIT_DONE)
        return result;
    if (!cli->json)
        printf("Stream %s was updated\n\n", name);
    return show(cli, answer);
}

static int run_edit(struct cli *cli)
{
    const char *config = args_text(&cli->args, "config"), *name;
    const struct json *info;
    struct form form;
    int result = pick_stream(cli, 0, &name);

    if (result == EXIT_DONE)
        result = fetch_info(cli, name, &info);
    if (result != EXIT_DONE)
        return result;
    form_init(&form, cli);
    if (config != NULL)
        result = stream_config_read(&form, config);
    else if (!form_load(&form, api_get(info, "config")))
        result = cli_fail(cli, EXIT_FAILED, NULL, "the configuration has too many members");
    if (result == EXIT_DONE)
        result = stream_config_take_flags(&form);
    if (result != EXIT_DONE)
        return result;
    if (form_show_changes(&form, api_get(info, "config")) == 0)
        return cli_fail(cli, EXIT_USAGE, "millrace stream edit ORDERS --max-age 7d",
                        "nothing would change");
    if (args_on(&cli->args, "dry-run")) {
        if (cli->json)
            cli_say_json(cli, bytes_of_text(form_json(&form)));
        return EXIT_DONE;
    }
    result = pick_confirmed(cli, cli_print(cli, "Really edit Stream %s", name));
    return result == EXIT_DONE ? update(cli, name, &form) : result;
}

static int run_seal(struct cli *cli)
{
    const struct json *info;
    const char *name;
    struct form form;
    int result = pick_stream(cli, 0, &name);

    if (result == EXIT_DONE)
        result = pick_confirmed(
            cli, cli_print(cli, "Really seal Stream %s, sealed streams can not be unsealed", name));
    if (result == EXIT_DONE)
        result = fetch_info(cli, name, &info);
    if (result != EXIT_DONE)
        return result;
    form_init(&form, cli);
    (void)form_load(&form, api_get(info, "config"));
    form_bool(&form, "sealed", true);
    return update(cli, name, &form);
}

/* ---- rm, purge ------------------------------------------------------------------------------- */

static int run_rm(struct cli *cli)
{
    const struct json *answer;
    const char *name;
    int result = pick_stream(cli, 0, &name);

    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really delete Stream %s", name));
    if (result == EXIT_DONE)
        result =
            api_call(cli, cli_print(cli, "STREAM.DELETE.%s", name), (struct bytes){0}, &answer);
    if (result == EXIT_DONE && cli->json)
        cli_say_json(cli, answer->text);
    else if (result == EXIT_DONE)
        printf("Removed Stream %s\n", name);
    return result;
}

static const struct flag purge_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
    {"subject", 0, FLAG_TEXT, "SUBJECT", "Only what matches", NULL},
    {"seq", 0, FLAG_NUMBER, "N", "Up to, but not including, this one", NULL},
    {"keep", 0, FLAG_NUMBER, "N", "All but the last N", NULL},
};

static int check_purge(struct cli *cli)
{
    if (args_number(&cli->args, "keep", 0) < 0)
        return cli_fail(cli, EXIT_USAGE, "--keep 0, or without it, to remove all",
                        "fewer than no messages cannot be kept");
    if (args_number(&cli->args, "seq", 1) < 1)
        return cli_fail(cli, EXIT_USAGE, "--seq 100, to remove those before it",
                        "the first message is number 1");
    return EXIT_DONE;
}

static int run_purge(struct cli *cli)
{
    static const struct form_flag members[] = {
        {"subject", "filter"}, {"seq", "seq"}, {"keep", "keep"}};
    const struct json *answer;
    struct form form;
    const char *name;
    int result = check_purge(cli);

    if (result == EXIT_DONE)
        result = pick_stream(cli, 0, &name);
    if (result == EXIT_DONE)
        result = pick_confirmed(cli, cli_print(cli, "Really purge Stream %s", name));
    if (result != EXIT_DONE)
        return result;
    form_init(&form, cli);
    form_take_flags(&form, members, 3);
    result = api_call(cli, cli_print(cli, "STREAM.PURGE.%s", name), bytes_of_text(form_json(&form)),
                      &answer);
    if (result != EXIT_DONE)
        return result;
    if (cli->json) {
        cli_say_json(cli, answer->text);
        return EXIT_DONE;
    }
    printf("Purged %llu messages\n\n", (unsigned long long)api_u64(answer, "purged"));
    return show_by_name(cli, name, false);
}

static const struct command commands[] = {
    {"stream add", "create new", "[<stream>]", 0, 1, "Create a stream",
     "millrace stream add ORDERS --subjects 'orders.>' --max-age 30d --defaults", NULL,
     stream_config_flags, STREAM_CONFIG_FLAGS, run_add},
    {"stream edit", "update", "[<stream>]", 0, 1, "Change a stream's configuration",
     "millrace stream edit ORDERS --max-age 7d --force", NULL, stream_config_flags,
     STREAM_CONFIG_FLAGS, run_edit},
    {"stream info", "nfo i", "[<stream>]", 0, 1, "What a stream is and holds",
     "millrace stream info ORDERS", NULL, FLAGS(info_flags), run_info},
    {"stream rm", "delete del", "[<stream>]", 0, 1, "Remove a stream and its messages",
     "millrace stream rm ORDERS --force", NULL, FLAGS(force_flags), run_rm},
    {"stream purge", NULL, "[<stream>]", 0, 1, "Remove messages, keep the stream",
     "millrace stream purge ORDERS --subject orders.old --force", NULL, FLAGS(purge_flags),
     run_purge},
    {"stream seal", NULL, "[<stream>]", 0, 1, "Take no more messages, for ever",
     "millrace stream seal ORDERS --force", NULL, FLAGS(force_flags), run_seal},
};
const struct command_list commands_stream = {commands, sizeof(commands) / sizeof(commands[0])};
