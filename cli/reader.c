#include "cli/reader.h"

#include "cli/again.h"
#include "cli/form.h"

#define PARTS_MAX 16u

/* Where it begins: as was asked for, or behind what was handed out already. */
static const char *start(const struct reader *reader)
{
    struct cli *cli = reader->cli;

    if (reader->last == 0 && reader->options.start != NULL)
        return reader->options.start;
    return reader->last == 0
               ? cli_print(cli, "\"deliver_policy\":\"%s\"", reader->options.deliver)
               : cli_print(cli, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%llu",
                           (unsigned long long)reader->last + 1);
}

static int create(struct reader *reader)
{
    struct cli *cli = reader->cli;
    struct bytes inbox;
    const struct json *answer;
    const char *request;
    int result;

    reader->expected = 1;
    inbox = conn_inbox(&cli->conn, &cli->arena);
    reader->sid = conn_subscribe(&cli->conn, inbox, (struct bytes){0});
    request = cli_print(
        cli,
        "{\"stream_name\":\"%s\",\"config\":{\"deliver_subject\":\"%.*s\",%s,"
        "\"ack_policy\":\"none\",\"replay_policy\":\"instant\",\"max_deliver\":1,\"mem_"
        "storage\":true,"
        "\"num_replicas\":1,\"flow_control\":true,\"idle_heartbeat\":5000000000,"
        "\"inactive_threshold\":300000000000,\"filter_subject\":%s,\"headers_only\":%s}}",
        reader->stream, BYTES_ARG(inbox), start(reader), form_quote(cli, reader->options.filter),
        reader->options.headers_only ? "true" : "false");
    result = api_call(cli, cli_print(cli, "CONSUMER.CREATE.%s", reader->stream),
                      bytes_of_text(request), &answer);
    if (result != EXIT_DONE)
        return result;
    reader->heard = conn_now();
    reader->name = api_text(cli, answer, "name");
    reader->pending = api_u64(answer, "num_pending") + api_u64(answer, "delivered.consumer_seq");
    if (reader->last == 0 && strcmp(reader->options.deliver, "new") == 0)
        reader->last = api_u64(answer, "delivered.stream_seq");
    return EXIT_DONE;
}

int reader_begin(struct reader *reader, struct cli *cli, const char *stream,
                 const struct reader_options *options)
{
    int result = cli_connect(cli);

    *reader = (struct reader){.cli = cli, .stream = stream, .options = *options};
    return result == EXIT_DONE ? create(reader) : result;
}

int reader_again(struct reader *reader, enum conn_verdict verdict)
{
    int result = again_connect(reader->cli, verdict, true);

    return result == EXIT_DONE ? create(reader) : result;
}

/* What the subject for acknowledgements says: "$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.
 * <number>.<time>.<pending>", in its newer form with a domain and an account in between. */
static bool read_reply(struct bytes reply, uint64_t *number, struct reader_item *item)
{
    struct bytes parts[PARTS_MAX];
    size_t count = 0, first;
    uint64_t time;

    while (reply.size > 0 && count < PARTS_MAX) {
        size_t end = bytes_find(reply, '.');

        parts[count++] = bytes_take(reply, end);
        reply = bytes_skip(reply, end < reply.size ? end + 1 : end);
    }
    if (count < 9)
        return false;
    first = count >= 11 ? 7 : 5;
    if (!bytes_read_u64(parts[first], &item->sequence) ||
        !bytes_read_u64(parts[first + 1], number) || !bytes_read_u64(parts[first + 2], &time) ||
        !bytes_read_u64(parts[first + 3], &item->pending))
        return false;
    item->time_ns = (int64_t)time;
    return true;
}

enum conn_verdict reader_next(struct reader *reader, int64_t until, struct reader_item *item)
{
    struct conn *conn = &reader->cli->conn;

    for (;;) {
        enum conn_verdict verdict = conn_next_of(conn, reader->sid, until, &item->msg);
        uint64_t number;

        if (verdict != CONN_OK)
            return verdict;
        reader->heard = conn_now();
        if (msg_status(&item->msg, NULL) == 100) {
            struct bytes stalled = msg_header(&item->msg, "Nats-Consumer-Stalled");
            struct bytes answer = item->msg.reply.size > 0 ? item->msg.reply : stalled;

            if (answer.size > 0)
                (void)conn_publish(conn, answer, (struct bytes){0}, (struct bytes){0},
                                   (struct bytes){0});
            continue;
        }
        if (!read_reply(item->msg.reply, &number, item))
            continue;
        if (number != reader->expected++) {
            snprintf(conn->error, sizeof(conn->error),
                     "messages of stream %s were lost on the way; try again", reader->stream);
            return CONN_LOST;
        }
        reader->last = item->sequence;
        return CONN_OK;
    }
}

void reader_end(struct reader *reader)
{
    struct cli *cli = reader->cli;
    const struct json *answer;
    unsigned code;

    conn_unsubscribe(&cli->conn, reader->sid, 0);
    (void)api_try(cli, cli_print(cli, "CONSUMER.DELETE.%s.%s", reader->stream, reader->name),
                  (struct bytes){0}, &answer, &code);
}
