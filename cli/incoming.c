#include "cli/incoming.h"

#include "base/text.h"
#include "cli/message.h"

void incoming_init(struct incoming *incoming, struct cli *cli)
{
    *incoming = (struct incoming){.raw = args_on(&cli->args, "raw"),
                                  .json = cli->json,
                                  .headers_only = args_on(&cli->args, "headers-only"),
                                  .subjects_only = args_on(&cli->args, "subjects-only")};
    buf_init(&incoming->line, CONN_SERVERS_MAX * BODY_MAX);
}

void incoming_deinit(struct incoming *incoming)
{
    buf_deinit(&incoming->line);
}

/* `stored`: what a stream knows of it, or NULL. */
static void show_json(struct incoming *in, const struct msg *msg, const struct reader_item *stored)
{
    struct json_writer writer;
    char time[TEXT_TIME_MAX];

    buf_clear(&in->line);
    json_writer_init(&writer, &in->line);
    json_object_begin(&writer);
    if (stored != NULL) {
        JSON_KEY(&writer, "sequence");
        json_number_u64(&writer, stored->sequence);
        JSON_KEY(&writer, "time");
        json_string(&writer, bytes_of(time, text_time(time, stored->time_ns)));
    }
    message_json(&writer, msg);
    json_object_end(&writer);
    buf_add_byte(&in->line, '\n');
    (void)fwrite_unlocked(in->line.at, 1, in->line.size, stdout);
}

static void show_line(struct bytes text)
{
    (void)fwrite_unlocked(text.at, 1, text.size, stdout);
    (void)putc_unlocked('\n', stdout);
}

void incoming_show(struct incoming *incoming, const struct msg *msg, uint64_t number)
{
    if (incoming->json) {
        show_json(incoming, msg, NULL);
    } else if (incoming->raw || incoming->subjects_only) {
        show_line(incoming->raw ? msg->payload : msg->subject);
    } else {
        printf("[#%llu] Received on \"%.*s\"%s%.*s%s\n", (unsigned long long)number,
               BYTES_ARG(msg->subject), msg->reply.size > 0 ? " with reply \"" : "",
               BYTES_ARG(msg->reply), msg->reply.size > 0 ? "\"" : "");
        message_show(stdout, msg, incoming->headers_only);
        (void)putc_unlocked('\n', stdout);
    }
}

void incoming_show_stored(struct incoming *incoming, const char *stream,
                          const struct reader_item *item, uint64_t number)
{
    struct msg msg = item->msg;
    char time[TEXT_TIME_MAX];

    msg.reply = (struct bytes){0}; /* its consumer's, and nobody waits there */
    if (incoming->json) {
        show_json(incoming, &msg, item);
    } else if (incoming->raw || incoming->subjects_only) {
        show_line(incoming->raw ? msg.payload : msg.subject);
    } else {
        (void)text_time(time, item->time_ns);
        printf("[#%llu] Received JetStream message: stream: %s seq %llu / subject: %.*s / "
               "time: %s\n",
               (unsigned long long)number, stream, (unsigned long long)item->sequence,
               BYTES_ARG(msg.subject), time);
        message_show(stdout, &msg, incoming->headers_only);
        (void)putc_unlocked('\n', stdout);
    }
}
