#include "cli/bucket.h"

#include "cli/form.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/pick.h"

struct stream_placement *bucket_placement(struct cli *cli, struct stream_placement *placement)
{
    const struct flag_value *tags = args_flag(&cli->args, "tags");
    const char *cluster = args_text(&cli->args, "cluster");
    struct bytes *at = ARENA_ARRAY(&cli->arena, struct bytes, tags->count + 1);

    *placement = (struct stream_placement){.cluster = bytes_of_text(cluster != NULL ? cluster : ""),
                                           .tags = {.at = at, .count = tags->count}};
    for (size_t i = 0; i < tags->count; i++)
        at[i] = bytes_of_text(tags->list[i]);
    return cluster != NULL || tags->count > 0 ? placement : NULL;
}

int bucket_storage(struct cli *cli, int32_t *storage)
{
    static const char *const words[] = {"file:f", "memory:m:mem"};
    const char *text = args_text(&cli->args, "storage");
    const char *word = text == NULL ? words[0] : form_choose(text, words, 2);

    *storage = word == words[1] ? STORAGE_MEMORY : STORAGE_FILE;
    if (word != NULL)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "file or memory", "\"%s\" is no storage", text);
}

int bucket_create(struct cli *cli, const struct stream_config *config)
{
    struct json_writer writer;
    const struct json *answer;
    struct buf text;
    int result;

    buf_init(&text, 1024 * 1024);
    json_writer_init(&writer, &text);
    schema_encode(&stream_config_schema, config, &writer);
    result = api_call(cli, cli_print(cli, "STREAM.CREATE.%.*s", BYTES_ARG(config->name)),
                      buf_bytes(&text), &answer);
    buf_deinit(&text);
    return result;
}

/* Keeps what begins so. */
static void keep(struct api_items *items, const char *prefix)
{
    size_t kept = 0;

    for (size_t i = 0; i < items->count; i++)
        if (bytes_starts(api_bytes(items->at[i], "config.name"), bytes_of_text(prefix)))
            items->at[kept++] = items->at[i];
    items->count = kept;
}

int bucket_list(struct cli *cli, const char *prefix, const char *title, bool values)
{
    static const char *const heads[] = {"Bucket", "Description", "Created",
                                        "Size",   "Last Update", "Values"};
    struct api_items items;
    struct grid grid;
    int result = api_list(cli, "STREAM.LIST", "streams", "", &items);

    if (result != EXIT_DONE)
        return result;
    keep(&items, prefix);
    if (cli->json)
        return api_say_items(cli, &items, NULL);
    grid_init(&grid, cli, title, heads, values ? 6 : 5);
    for (size_t i = 0; i < items.count; i++) {
        const struct json *info = items.at[i];
        const char *name = api_text(cli, info, "config.name") + strlen(prefix);

        if (args_on(&cli->args, "names"))
            puts(name);
        grid_add(&grid, (const char *const[]){name, api_text(cli, info, "config.description"),
                                              human_time(cli, api_bytes(info, "created")),
                                              human_size(cli, api_u64(info, "state.bytes")),
                                              human_ago(cli, api_bytes(info, "state.last_ts")),
                                              human_count(cli, api_u64(info, "state.messages"))});
    }
    if (items.count == 0 && !args_on(&cli->args, "names"))
        printf("No %s found\n", title);
    else if (!args_on(&cli->args, "names"))
        grid_show(&grid);
    return EXIT_DONE;
}

int bucket_remove(struct cli *cli, const char *stream, const char *what)
{
    const struct json *answer;
    int result = pick_confirmed(cli, cli_print(cli, "Really delete bucket %s", what));

    if (result == EXIT_DONE)
        result =
            api_call(cli, cli_print(cli, "STREAM.DELETE.%s", stream), (struct bytes){0}, &answer);
    if (result == EXIT_DONE && cli->json)
        cli_say_json(cli, answer->text);
    else if (result == EXIT_DONE)
        printf("Removed bucket %s\n", what);
    return result;
}
