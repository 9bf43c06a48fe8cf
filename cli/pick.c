#include "cli/pick.h"

#include <stdlib.h>

#include "cli/commands.h"

static int choose(struct cli *cli, const char *what, const struct api_items *items,
                  const char **name)
{
    const char *answer;
    int64_t number;

    for (size_t i = 0; i < items->count; i++)
        fprintf(stderr, "  %zu  %s\n", i + 1, cli_text(cli, items->at[i]->text));
    answer = cli_ask(cli, cli_print(cli, "Which %s (a number or its name)", what), "");
    if (answer == NULL || answer[0] == 0)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "no %s was picked", what);
    *name = answer;
    if (args_read_number(answer, &number) && number >= 1 && (size_t)number <= items->count)
        *name = cli_text(cli, items->at[number - 1]->text);
    return api_name(cli, what, *name);
}

static int pick(struct cli *cli, size_t word, const char *what, const char *subject,
                const char *member, const char **name)
{
    struct api_items items;
    int result;

    *name = args_word(&cli->args, word);
    if (*name != NULL)
        return api_name(cli, what, *name);
    if (!cli->terminal_in || cli->json)
        return cli_fail(cli, EXIT_USAGE, cli->command->example, "which %s?", what);
    result = api_list(cli, subject, member, "", &items);
    if (result != EXIT_DONE)
        return result;
    if (items.count == 0)
        return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace %s add", what),
                        "there is no %s yet", what);
    return choose(cli, what, &items, name);
}

int pick_stream(struct cli *cli, size_t word, const char **name)
{
    return pick(cli, word, "stream", "STREAM.NAMES", "streams", name);
}

int pick_consumer(struct cli *cli, size_t word, const char *stream, const char **name)
{
    return pick(cli, word, "consumer", cli_print(cli, "CONSUMER.NAMES.%s", stream), "consumers",
                name);
}

int pick_confirmed(struct cli *cli, const char *question)
{
    if (args_on(&cli->args, "force") || cli_confirm(cli, question, "--force, to do it unasked"))
        return EXIT_DONE;
    return EXIT_USAGE;
}
