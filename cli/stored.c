#include "cli/stored.h"

#include "cli/human.h"
#include "cli/message.h"
#include "server/auth/base64.h"

/* Base64 says its own size. */
static bool decode(struct cli *cli, struct bytes text, struct bytes *out)
{
    size_t size = text.size / 4 * 3;
    uint8_t *at;

    while (text.size > 0 && text.at[text.size - 1] == '=') {
        text.size--;
        size--;
    }
    at = arena_take(&cli->arena, size + 1);
    *out = bytes_of(at, size);
    return text.size == 0 || (at != NULL && base64_read(text, at, size));
}

int stored_get(struct cli *cli, const char *stream, const char *request, struct stored *stored,
               bool *found)
{
    const struct json *answer, *message;
    unsigned code;
    int result = api_try(cli, cli_print(cli, "STREAM.MSG.GET.%s", stream), bytes_of_text(request),
                         &answer, &code);

    *found = false;
    *stored = (struct stored){0};
    if (result != EXIT_DONE || code == API_NO_MESSAGE)
        return result;
    if (code != 0)
        return api_fail(cli, answer);
    message = api_get(answer, "message");
    stored->msg.subject = api_bytes(message, "subject");
    stored->sequence = api_u64(message, "seq");
    stored->time = api_bytes(message, "time");
    if (!decode(cli, api_bytes(message, "hdrs"), &stored->msg.header) ||
        !decode(cli, api_bytes(message, "data"), &stored->msg.payload))
        return cli_fail(cli, EXIT_FAILED, NULL, "the server's answer is malformed");
    *found = true;
    return EXIT_DONE;
}

static void show_json(const struct stored *stored)
{
    struct json_writer writer;
    struct buf line;

    buf_init(&line, BODY_MAX * 8);
    json_writer_init(&writer, &line);
    json_object_begin(&writer);
    JSON_KEY(&writer, "sequence");
    json_number_u64(&writer, stored->sequence);
    JSON_KEY(&writer, "time");
    json_string(&writer, stored->time);
    message_json(&writer, &stored->msg);
    json_object_end(&writer);
    (void)fwrite(line.at, 1, line.size, stdout);
    putchar('\n');
    buf_deinit(&line);
}

void stored_show(struct cli *cli, const char *stream, const struct stored *stored)
{
    if (cli->json) {
        show_json(stored);
        return;
    }
    printf("Item: %s#%llu received %s on Subject %.*s\n\n", stream,
           (unsigned long long)stored->sequence, human_time(cli, stored->time),
           BYTES_ARG(stored->msg.subject));
    message_show(stdout, &stored->msg, false);
    putchar('\n');
}
