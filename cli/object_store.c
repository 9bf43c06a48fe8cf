#include "cli/object_store.h"

#include "cli/message.h"
#include "cli/stored.h"
#include "objstore/object_name.h"

#define NO_STREAM 10059u

static const char *appended(struct cli *cli,
                            bool (*append)(struct buf *, struct bytes, struct bytes),
                            struct bytes a, struct bytes b)
{
    struct buf text;
    const char *copy;

    buf_init(&text, 65536);
    if (!append(&text, a, b))
        assert(!"names are checked and fit");
    copy = cli_text(cli, buf_bytes(&text));
    buf_deinit(&text);
    return copy;
}

int object_store_check(struct cli *cli, const char *bucket, const char *name)
{
    if (!object_bucket_valid(bytes_of_text(bucket)))
        return cli_fail(cli, EXIT_USAGE, "letters, digits, - and _",
                        "\"%s\" is no name for a bucket", bucket);
    if (name == NULL || object_name_valid(bytes_of_text(name)))
        return EXIT_DONE;
    return cli_fail(cli, EXIT_USAGE, "--name NAME", "an object's name is empty or too long");
}

const char *object_store_stream(struct cli *cli, const char *bucket)
{
    return cli_print(cli, OBJECT_STREAM_PREFIX "%s", bucket);
}

const char *object_store_meta_subject(struct cli *cli, const char *bucket, const char *name)
{
    return appended(cli, object_meta_subject, bytes_of_text(bucket), bytes_of_text(name));
}

const char *object_store_chunk_subject(struct cli *cli, const char *bucket, struct bytes id)
{
    return appended(cli, object_chunk_subject, bytes_of_text(bucket), id);
}

static int no_bucket(struct cli *cli, const char *bucket)
{
    return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace object add %s", bucket),
                    "there is no bucket %s", bucket);
}

int object_store_info(struct cli *cli, const char *bucket, const struct json **info)
{
    unsigned code = 0;
    int result = object_store_check(cli, bucket, NULL);

    if (result == EXIT_DONE)
        result = api_try(cli, cli_print(cli, "STREAM.INFO.%s", object_store_stream(cli, bucket)),
                         (struct bytes){0}, info, &code);
    if (result == EXIT_DONE && code == NO_STREAM)
        return no_bucket(cli, bucket);
    return result == EXIT_DONE ? api_fail(cli, *info) : result;
}

int object_store_find(struct cli *cli, const char *bucket, const char *name, struct object *object,
                      struct bytes *time, bool *found)
{
    struct stored stored;
    int result = object_store_check(cli, bucket, name);

    if (result == EXIT_DONE)
        result = stored_get(cli, object_store_stream(cli, bucket),
                            cli_print(cli, "{\"last_by_subj\":\"%s\"}",
                                      object_store_meta_subject(cli, bucket, name)),
                            &stored, found);
    if (result != EXIT_DONE || !*found)
        return result;
    *time = stored.time;
    if (!object_read(stored.msg.payload, &cli->arena, object))
        return cli_fail(cli, EXIT_FAILED, NULL, "the description of %s is damaged", name);
    return EXIT_DONE;
}

int object_store_need(struct cli *cli, const char **bucket, const char *name, struct object *object,
                      struct bytes *time)
{
    for (unsigned hops = 0; hops < 2; hops++) {
        bool found = false;
        int result = object_store_find(cli, *bucket, name, object, time, &found);

        if (result != EXIT_DONE)
            return result;
        if (!found || object->deleted)
            return cli_fail(cli, EXIT_MISSING, cli_print(cli, "millrace object ls %s", *bucket),
                            "there is no object %s in %s", name, *bucket);
        if (!object->linked)
            return EXIT_DONE;
        if (object->link.name.size == 0)
            return cli_fail(
                cli, EXIT_FAILED,
                cli_print(cli, "millrace object ls %.*s", BYTES_ARG(object->link.bucket)),
                "%s is a link to a bucket", name);
        *bucket = cli_text(cli, object->link.bucket);
        name = cli_text(cli, object->link.name);
    }
    return cli_fail(cli, EXIT_FAILED, NULL, "%s links to a link", name);
}

int object_store_describe(struct cli *cli, const struct object *object)
{
    const char *subject =
        object_store_meta_subject(cli, cli_text(cli, object->bucket), cli_text(cli, object->name));
    const struct json *ack;
    struct buf body;
    struct msg answer;
    enum conn_verdict verdict;

    buf_init(&body, BODY_MAX);
    if (!object_write(object, &body)) {
        buf_deinit(&body);
        return cli_fail(cli, EXIT_USAGE, NULL, "the description is too large");
    }
    verdict = conn_request(&cli->conn, bytes_of_text(subject),
                           BYTES("NATS/1.0\r\nNats-Rollup: sub\r\n\r\n"), buf_bytes(&body),
                           cli->settings.timeout_ns, &cli->arena, &answer);
    buf_deinit(&body);
    return verdict == CONN_OK ? api_read(cli, &answer, &ack) : cli_fail_conn(cli, verdict);
}

static struct bytes purge_of_chunks(struct cli *cli, const char *bucket, struct bytes id)
{
    return bytes_of_text(
        cli_print(cli, "{\"filter\":\"%s\"}", object_store_chunk_subject(cli, bucket, id)));
}

int object_store_forget(struct cli *cli, const char *bucket, struct bytes id)
{
    const struct json *answer;

    if (id.size == 0)
        return EXIT_DONE;
    return api_call(cli, cli_print(cli, "STREAM.PURGE.%s", object_store_stream(cli, bucket)),
                    purge_of_chunks(cli, bucket, id), &answer);
}

void object_store_abandon(struct cli *cli, const char *bucket, struct bytes id)
{
    const char *subject = cli_print(cli, "%s.STREAM.PURGE.%s", cli->settings.api_prefix,
                                    object_store_stream(cli, bucket));
    struct msg answer;

    (void)conn_request(&cli->conn, bytes_of_text(subject), (struct bytes){0},
                       purge_of_chunks(cli, bucket, id), cli->settings.timeout_ns, &cli->arena,
                       &answer);
}
