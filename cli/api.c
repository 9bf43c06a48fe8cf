#include "cli/api.h"

#include "base/limits.h"

#define PAGES_MAX 100000u
#define SAID_MAX  ((size_t)1 << 30)

/* ---- errors ---------------------------------------------------------------------------------- */

/* What each means for a script. */
static enum cli_exit exit_of(uint64_t code, uint64_t err_code)
{
    switch (err_code) {
    case 10058: /* stream name in use */
    case 10130: /* the same, for a restore */
    case 10148: /* consumer exists */
    case 10071: /* wrong last sequence */
    case 10164: return EXIT_EXISTS;
    default: return code == 404 ? EXIT_MISSING : code == 408 ? EXIT_TIMEOUT : EXIT_FAILED;
    }
}

static const char *next_of(uint64_t err_code)
{
    switch (err_code) {
    case 10059: return "millrace stream ls";
    case 10014: return "millrace consumer ls STREAM";
    case 10039: /* not enabled for the account */
    case 10076: return "JetStream for this account: -js, or jetstream in the configuration";
    case 10058: return "millrace stream edit, or another name";
    case 10130: return "millrace stream rm, or leave it";
    case 10005: return "--replicas 1, or more servers";
    case 10023: return "millrace doctor: what is full";
    case 10065: return "millrace stream find --subject SUBJECT: who has it";
    default: return NULL;
    }
}

int api_fail(struct cli *cli, const struct json *answer)
{
    const struct json *error = api_get(answer, "error");
    uint64_t code = api_u64(error, "code"), err_code = api_u64(error, "err_code");

    if (error == NULL)
        return EXIT_DONE;
    return cli_fail(cli, exit_of(code, err_code), next_of(err_code), "%s (%llu)",
                    api_text(cli, error, "description"), (unsigned long long)err_code);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int parse(struct cli *cli, const struct msg *answer, const struct json **json)
{
    struct json_error wrong;

    if (msg_status(answer, NULL) == 503)
        return cli_fail(cli, EXIT_MISSING,
                        "a server with JetStream: millrace serve -js -sd DIRECTORY",
                        "JetStream does not answer here");
    *json = json_parse(&cli->arena, answer->payload, &wrong);
    if (*json != NULL && (*json)->type == JSON_OBJECT)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_FAILED, "--trace, to see it", "the answer is no JSON: %s",
                    *json == NULL ? wrong.text : "not an object");
}

int api_read(struct cli *cli, const struct msg *answer, const struct json **json)
{
    int result = parse(cli, answer, json);

    return result == EXIT_DONE ? api_fail(cli, *json) : result;
}

int api_try(struct cli *cli, const char *subject, struct bytes request, const struct json **answer,
            unsigned *code)
{
    struct msg msg;
    int result =
        cli_request(cli, cli_print(cli, "%s.%s", cli->settings.api_prefix, subject), request, &msg);

    *code = 0;
    if (result == EXIT_DONE)
        result = parse(cli, &msg, answer);
    if (result == EXIT_DONE)
        *code = (unsigned)api_u64(*answer, "error.err_code");
    return result;
}

int api_call(struct cli *cli, const char *subject, struct bytes request, const struct json **answer)
{
    unsigned code;
    int result = api_try(cli, subject, request, answer, &code);

    return result == EXIT_DONE ? api_fail(cli, *answer) : result;
}

static void add_item(struct cli *cli, struct api_items *items, const struct json *item,
                     size_t *room)
{
    if (items->count == *room) {
        size_t more = *room == 0 ? 64 : *room * 2;
        const struct json **at = ARENA_ARRAY(&cli->arena, const struct json *, more);

        assert(at != NULL);
        if (items->count > 0)
            memcpy(at, items->at, items->count * sizeof(*at));
        items->at = at;
        *room = more;
    }
    items->at[items->count++] = item;
}

int api_list(struct cli *cli, const char *subject, const char *member, const char *extra,
             struct api_items *items)
{
    size_t room = 0;

    *items = (struct api_items){0};
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        const char *request =
            cli_print(cli, "{\"offset\":%zu%s%s}", items->count, extra[0] != 0 ? "," : "", extra);
        const struct json *answer, *list;
        size_t before = items->count;
        int result = api_call(cli, subject, bytes_of_text(request), &answer);

        if (result != EXIT_DONE)
            return result;
        list = api_get(answer, member);
        /* Behind the last one it may say any offset: some may have been removed meanwhile. */
        if (list != NULL && list->child != NULL && api_u64(answer, "offset") != items->count)
            return cli_fail(cli, EXIT_FAILED, "--trace, to see it",
                            "the server answers with another page than was asked for");
        for (const struct json *at = list == NULL ? NULL : list->child; at != NULL; at = at->next)
            add_item(cli, items, at, &room);
        if (items->count == before || items->count >= api_u64(answer, "total"))
            break;
    }
    return EXIT_DONE;
}

int api_say_items(struct cli *cli, const struct api_items *items, const char *path)
{
    struct json_writer writer;
    struct buf text;

    buf_init(&text, SAID_MAX);
    json_writer_init(&writer, &text);
    json_array_begin(&writer);
    for (size_t i = 0; i < items->count; i++) {
        if (path != NULL)
            json_string(&writer, api_bytes(items->at[i], path));
        else
            json_raw(&writer, items->at[i]->text);
    }
    json_array_end(&writer);
    cli_say_json(cli, buf_bytes(&text));
    buf_deinit(&text);
    return EXIT_DONE;
}

/* ---- members --------------------------------------------------------------------------------- */

const struct json *api_get(const struct json *json, const char *path)
{
    while (json != NULL && *path != 0) {
        size_t size = strcspn(path, ".");

        json = json_get(json, bytes_of(path, size));
        path += size + (path[size] == '.');
    }
    return json;
}

struct bytes api_bytes(const struct json *json, const char *path)
{
    const struct json *value = api_get(json, path);

    return value == NULL || value->type == JSON_NULL ? (struct bytes){0} : value->text;
}

const char *api_text(struct cli *cli, const struct json *json, const char *path)
{
    return cli_text(cli, api_bytes(json, path));
}

uint64_t api_u64(const struct json *json, const char *path)
{
    uint64_t value = 0;

    return json_u64(api_get(json, path), &value) ? value : 0;
}

int64_t api_i64(const struct json *json, const char *path)
{
    int64_t value = 0;

    return json_i64(api_get(json, path), &value) ? value : 0;
}

bool api_bool(const struct json *json, const char *path)
{
    const struct json *value = api_get(json, path);

    return value != NULL && value->type == JSON_TRUE;
}

size_t api_count(const struct json *json, const char *path)
{
    const struct json *value = api_get(json, path);
    size_t count = 0;

    if (value == NULL || (value->type != JSON_ARRAY && value->type != JSON_OBJECT))
        return 0;
    for (const struct json *at = value->child; at != NULL; at = at->next)
        count++;
    return count;
}

const char *api_join(struct cli *cli, const struct json *json, const char *path)
{
    const struct json *value = api_get(json, path);
    struct buf text;
    const char *copy;

    buf_init(&text, 64 * MIB);
    for (const struct json *at = value == NULL ? NULL : value->child; at != NULL; at = at->next) {
        buf_add(&text, at->text);
        if (at->next != NULL)
            buf_add(&text, BYTES(", "));
    }
    copy = cli_text(cli, buf_bytes(&text));
    buf_deinit(&text);
    return copy;
}

int api_name(struct cli *cli, const char *what, const char *name)
{
    if (name[0] != 0 && strlen(name) <= NAME_SIZE_MAX && strpbrk(name, " \t\r\n.*>/\\") == NULL)
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "letters, digits, - and _", "\"%s\" is no name for a %s", name,
                    what);
}
