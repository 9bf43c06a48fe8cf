/*
 * stream: the JetStream API as far as the load generator needs it.
 */
#include <stdio.h>
#include <string.h>

#include "bench/load.h"
#include "bench/names.h"

void client_inbox(struct client *client)
{
    client_subscribe(client, INBOX "*", SID_INBOX);
}

struct span client_request(struct client *client, const char *subject, const char *body)
{
    struct load *load = client->load;

    load->api_answered = false;
    client_publish(client, span_of(subject), span_of(INBOX_API), span_of(body));
    while (!load->api_answered)
        load_turn(load);
    return load->api_answer;
}

void stream_create(struct client *client, const char *subjects, const char *extra)
{
    char body[512];

    snprintf(body, sizeof body,
             "{\"name\":\"" STREAM_NAME "\",\"subjects\":[\"%s\"],\"retention\":\"limits\","
             "\"storage\":\"file\",\"num_replicas\":%llu,\"max_msgs\":-1,\"max_bytes\":-1,"
             "\"max_consumers\":-1,\"discard\":\"old\"%s}",
             subjects, (unsigned long long)client->load->options.replicas, extra);
    client_request(client, API "STREAM.CREATE." STREAM_NAME, body);
}

uint64_t stream_messages(struct client *client)
{
    struct span answer = client_request(client, API "STREAM.INFO." STREAM_NAME, "");
    uint64_t messages;

    if (!json_u64(answer, "messages", &messages))
        die("a stream info without messages: %.*s", (int)answer.size, answer.at);
    return messages;
}
