/* context: saved settings. */
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/form.h"
#include "cli/grid.h"

static const struct flag save_flags[] = {
    {"description", 0, FLAG_TEXT, "TEXT", "What it is for", NULL},
    {"token", 0, FLAG_TEXT, "TOKEN", "A token", NULL},
    {"select", 0, FLAG_SWITCH, NULL, "Select it as well", NULL},
};
static const struct flag force_flags[] = {
    {"force", 'f', FLAG_SWITCH, NULL, "Do not ask", NULL},
};

static int wrong_name(struct cli *cli, const char *name)
{
    return cli_fail(cli, EXIT_USAGE, "letters, digits and -_.@", "\"%s\" is no name of a context",
                    name);
}

static int missing(struct cli *cli, const char *name)
{
    return cli_fail(cli, EXIT_MISSING, "millrace context ls", "unknown context \"%s\"", name);
}

/* ---- save ------------------------------------------------------------------------------------ */

/* What the command line says of a field. A user without a password is a token, as everywhere. */
static const char *given(struct cli *cli, const struct context *before,
                         const struct context_field *field)
{
    const char *user = args_text(&cli->args, "user");
    bool token = user != NULL && args_text(&cli->args, "password") == NULL &&
                 before->password == NULL && args_text(&cli->args, "token") == NULL;

    if (token && strcmp(field->key, "user") == 0)
        return NULL;
    if (token && strcmp(field->key, "token") == 0)
        return user;
    return field->flag != NULL ? args_text(&cli->args, field->flag) : NULL;
}

/* The fields of the file that no flag changes, then those that one does. */
static void write_fields(struct cli *cli, const struct context *before, struct json_writer *writer)
{
    const struct json *at = before->file == NULL ? NULL : before->file->child;

    json_object_begin(writer);
    for (; at != NULL; at = at->next) {
        bool changed = false;

        for (size_t i = 0; i < context_field_count; i++)
            if (bytes_equal(at->key, bytes_of_text(context_fields[i].key)))
                changed = given(cli, before, &context_fields[i]) != NULL;
        if (changed ||
            (bytes_equal(at->key, BYTES("tls_first")) && args_flag(&cli->args, "tlsfirst")->given))
            continue;
        json_key(writer, at->key);
        if (at->type == JSON_STRING)
            json_string(writer, at->text);
        else if (at->type == JSON_TRUE || at->type == JSON_FALSE)
            json_bool(writer, at->type == JSON_TRUE);
        else if (at->type == JSON_NULL)
            json_null(writer);
        else
            json_raw(writer, at->text);
    }
    for (size_t i = 0; i < context_field_count; i++)
        if (given(cli, before, &context_fields[i]) != NULL) {
            json_key(writer, bytes_of_text(context_fields[i].key));
            json_string(writer, bytes_of_text(given(cli, before, &context_fields[i])));
        }
    if (args_flag(&cli->args, "tlsfirst")->given) {
        JSON_KEY(writer, "tls_first");
        json_bool(writer, args_on(&cli->args, "tlsfirst"));
    }
    json_object_end(writer);
}

static int run_save(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    char error[CONTEXT_ERROR_SIZE];
    struct context before = {0};
    struct json_writer writer;
    struct buf plain, text;
    bool done;

    if (!context_name_valid(name))
        return wrong_name(cli, name);
    if (context_exists(name, &cli->arena) && !context_load(&before, name, &cli->arena, error) &&
        before.file == NULL)
        return cli_fail(cli, EXIT_FAILED, "millrace context rm", "%s", error);
    buf_init(&plain, 1024 * 1024);
    buf_init(&text, 1024 * 1024);
    json_writer_init(&writer, &plain);
    write_fields(cli, &before, &writer);
    (void)json_indent(&text, buf_bytes(&plain));
    done = context_write(name, buf_bytes(&text), &cli->arena, error) &&
           (!args_on(&cli->args, "select") || context_select(name, &cli->arena, error));
    buf_deinit(&plain);
    buf_deinit(&text);
    if (!done)
        return cli_fail(cli, EXIT_FAILED, NULL, "%s", error);
    if (cli->json)
        form_say(cli, "saved", name, NULL);
    else
        printf("Saved context %s\n", name);
    return EXIT_DONE;
}

/* ---- the others ------------------------------------------------------------------------------ */

static int list_json(struct cli *cli, const char **names, size_t count, const char *selected)
{
    struct json_writer writer;
    struct buf text;

    buf_init(&text, 1024 * 1024);
    json_writer_init(&writer, &text);
    json_array_begin(&writer);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(&writer);
        JSON_KEY(&writer, "name");
        json_string(&writer, bytes_of_text(names[i]));
        JSON_KEY(&writer, "selected");
        json_bool(&writer, selected != NULL && strcmp(selected, names[i]) == 0);
        json_object_end(&writer);
    }
    json_array_end(&writer);
    cli_say_json(cli, buf_bytes(&text));
    buf_deinit(&text);
    return EXIT_DONE;
}

static const struct flag ls_flags[] = {
    {"names", 'n', FLAG_SWITCH, NULL, "Names only", NULL},
};

static int say_names(struct cli *cli, const char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%s%s", cli->json ? (i > 0 ? ", " : "[") : "",
               cli->json ? form_quote(cli, names[i]) : names[i], cli->json ? "" : "\n");
    if (cli->json)
        puts(count > 0 ? "]" : "[]");
    return EXIT_DONE;
}

static int run_ls(struct cli *cli)
{
    static const char *const heads[] = {"Name", "Description", "Server"};
    const char *selected = context_selected(&cli->arena), **names;
    size_t count = context_list(&names, &cli->arena);
    struct grid grid;

    if (args_on(&cli->args, "names"))
        return say_names(cli, names, count);
    if (cli->json)
        return list_json(cli, names, count, selected);
    if (count == 0) {
        puts("No known contexts");
        return EXIT_DONE;
    }
    grid_init(&grid, cli, "Known Contexts", heads, 3);
    for (size_t i = 0; i < count; i++) {
        char error[CONTEXT_ERROR_SIZE];
        struct context context;
        bool good = context_load(&context, names[i], &cli->arena, error);
        bool star = selected != NULL && strcmp(selected, names[i]) == 0;

        grid_add(&grid, (const char *const[]){cli_print(cli, "%s%s", names[i], star ? "*" : ""),
                                              good ? context.description : "(damaged)",
                                              good ? context.url : NULL});
    }
    grid_show(&grid);
    return EXIT_DONE;
}

static int run_info(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    char error[CONTEXT_ERROR_SIZE];
    struct context context;

    if (name == NULL)
        name = context_selected(&cli->arena);
    if (name == NULL)
        return cli_fail(cli, EXIT_MISSING, "millrace context select NAME",
                        "no context is selected");
    if (!context_load(&context, name, &cli->arena, error))
        return cli_fail(cli, EXIT_MISSING, "millrace context ls", "%s", error);
    if (cli->json) {
        cli_say_json(cli, context.file->text);
        return EXIT_DONE;
    }
    printf("Connection configuration for context \"%s\"\n\n", name);
    for (size_t i = 0; i < context_field_count; i++) {
        const char *value = *(const char **)((char *)&context + context_fields[i].offset);
        bool secret = strcmp(context_fields[i].key, "password") == 0 ||
                      strcmp(context_fields[i].key, "token") == 0 ||
                      strcmp(context_fields[i].key, "user_jwt") == 0;

        if (value != NULL)
            printf("%24s: %s\n", context_fields[i].key, secret ? "*********" : value);
    }
    return EXIT_DONE;
}

static int run_select(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    char error[CONTEXT_ERROR_SIZE];

    if (!context_name_valid(name))
        return wrong_name(cli, name);
    if (!context_exists(name, &cli->arena))
        return missing(cli, name);
    if (!context_select(name, &cli->arena, error))
        return cli_fail(cli, EXIT_FAILED, NULL, "%s", error);
    if (cli->json)
        form_say(cli, "selected", name, NULL);
    else
        printf("Selected context %s\n", name);
    return EXIT_DONE;
}

static int run_rm(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0), *selected = context_selected(&cli->arena);
    char error[CONTEXT_ERROR_SIZE];

    if (!context_name_valid(name))
        return wrong_name(cli, name);
    if (!context_exists(name, &cli->arena))
        return missing(cli, name);
    if (!args_on(&cli->args, "force") &&
        !cli_confirm(cli, cli_print(cli, "Really delete context %s", name), "--force"))
        return EXIT_USAGE;
    if (!context_remove(name, &cli->arena, error) ||
        (selected != NULL && strcmp(selected, name) == 0 &&
         !context_select(NULL, &cli->arena, error)))
        return cli_fail(cli, EXIT_FAILED, NULL, "%s", error);
    if (cli->json)
        form_say(cli, "removed", name, NULL);
    else
        printf("Removed context %s\n", name);
    return EXIT_DONE;
}

static const struct command commands[] = {
    {"context save", "add create", "<name>", 1, 1, "Save the flags given here under a name",
     "millrace context save local --server nats://127.0.0.1:4222 --select",
     "Any flag of `millrace help flags` that says where or who; what is saved already stays.",
     FLAGS(save_flags), run_save, true},
    {"context ls", "list", "", 0, 0, "List the saved contexts", "millrace context ls", NULL,
     FLAGS(ls_flags), run_ls, true},
    {"context info", "show", "[<name>]", 0, 1, "Show one, or the selected one",
     "millrace context info local", NULL, NO_FLAGS, run_info, true},
    {"context select", "switch", "<name>", 1, 1, "Use it when no other is named",
     "millrace context select local", NULL, NO_FLAGS, run_select, true},
    {"context rm", "delete", "<name>", 1, 1, "Remove one", "millrace context rm local --force",
     NULL, FLAGS(force_flags), run_rm, true},
};
const struct command_list commands_context = {commands, sizeof(commands) / sizeof(commands[0])};
