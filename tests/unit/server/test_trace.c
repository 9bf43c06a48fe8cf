#include <stdio.h>

#include "tests/unit/server/shard.h"

struct log {
    struct shard shard;
    struct client client;
    char text[8192];
};

static void keep(void *context, struct bytes line)
{
    struct log *log = context;
    size_t size = strlen(log->text);

    snprintf(log->text + size, sizeof(log->text) - size, "%.*s", BYTES_ARG(line));
}

static void log_init(struct log *log)
{
    *log = (struct log){0};
    shard_init(&log->shard);
    log->shard.logger.level = LOGGER_TRACE;
    log->shard.logger.line = keep;
    log->shard.logger.context = log;
    log->shard.clients.trace = true;
    shard_join(&log->shard, &log->client);
}

static void log_deinit(struct log *log)
{
    shard_leave(&log->shard, &log->client);
    shard_deinit(&log->shard);
}

#define CK_LOGGED(log, line)                                                                       \
    ck_assert_msg(strstr((log)->text, line "\n") != NULL, "%s", (log)->text)

START_TEST(the_protocol_is_traced_in_the_form_that_tools_know)
{
    static struct log log;

    log_init(&log);
    shard_say(
        &log.shard, &log.client,
        "CONNECT "
        "{\"verbose\":false,\"headers\":true,\"name\":\"n1\",\"lang\":\"py\",\"version\":\"9\"}\r\n"
        "SUB foo 1\r\nSUB foo q 2\r\nUNSUB 1 1\r\nPUB foo rep 3\r\na\rb\r\n"
        "HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\nFOO\r\n");
    CK_LOGGED(&log, "127.0.0.1:5000 - cid:4 - Client connection created");
    CK_LOGGED(
        &log,
        "cid:4 - <<- [CONNECT {\"verbose\":false,\"headers\":true,\"name\":\"n1\",\"lang\":\"py\","
        "\"version\":\"9\"}]");
    CK_LOGGED(&log, "cid:4 - \"v9:py:n1\" - <<- [SUB foo q 2]");
    CK_LOGGED(&log, "<<- [UNSUB 1 1]");
    CK_LOGGED(&log, "<<- [PUB foo rep 3]");
    CK_LOGGED(&log, "<<- MSG_PAYLOAD: [\"a\\rb\"]");
    CK_LOGGED(&log, "->> [MSG foo 1 rep 3]");
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"a\\rb\"]");
    CK_LOGGED(&log, "<-> [DELSUB 1]");
    CK_LOGGED(&log, "<<- [HPUB foo 12 14]");
    CK_LOGGED(&log, "->> [HMSG foo 2 12 14]");
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"NATS/1.0\\r\\n\\r\\nhi\"]");
    CK_LOGGED(&log, "<<- [PING]");
    CK_LOGGED(&log, "->> [PONG]");
    CK_LOGGED(&log, "->> [-ERR Unknown Protocol Operation]");
    log_deinit(&log);
}
END_TEST

START_TEST(secrets_do_not_reach_the_log)
{
    static struct log log;

    log_init(&log);
    shard_say(
        &log.shard, &log.client,
        "CONNECT "
        "{\"user\":\"me\",\"pass\":\"hidden1\",\"auth_token\":\"hidden2\",\"jwt\":\"hidden3\","
        "\"sig\":\"hidden4\",\"PASS\":\"hidden5\",\"p\\u0061ss\":\"hidden6\",\"import\":{\"x\":"
        "\"hidden7\"}}\r\n");
    ck_assert_ptr_nonnull(strstr(log.text, "\"user\":\"me\",\"pass\":\"[REDACTED]\""));
    ck_assert_ptr_null(strstr(log.text, "hidden"));
    log_deinit(&log);
}
END_TEST

START_TEST(a_name_cannot_forge_a_line_of_the_log)
{
    static struct log log;

    log_init(&log);
    shard_say(&log.shard, &log.client, "CONNECT {\"name\":\"x\\n[1] forged\"}\r\nPING\r\n");
    ck_assert_ptr_null(strstr(log.text, "\n[1] forged"));
    log_deinit(&log);
}
END_TEST

START_TEST(a_client_is_called_by_what_it_says_of_itself)
{
    static const struct {
        const char *said, *label;
    } rows[] = {
        {"{\"name\":\"n\"}", "cid:4 - \"n\" - <<- [PING]"},
        {"{\"lang\":\"l\",\"name\":\"n\"}", "cid:4 - \"l:n\" - <<- [PING]"},
        {"{\"version\":\"1\",\"name\":\"n\"}", "cid:4 - \"v1:n\" - <<- [PING]"},
        {"{\"version\":\"1\",\"lang\":\"l\"}", "cid:4 - \"v1:l\" - <<- [PING]"},
        {"{\"name\":\"a\\\"b\"}", "cid:4 - \"a\\\"b\" - <<- [PING]"},
        {"{}", "cid:4 - <<- [PING]"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        static struct log log;
        char line[200];

        log_init(&log);
        snprintf(line, sizeof(line), "CONNECT %s\r\nPING\r\n", rows[i].said);
        shard_say(&log.shard, &log.client, line);
        ck_assert_msg(strstr(log.text, rows[i].label) != NULL, "%s", log.text);
        log_deinit(&log);
    }
}
END_TEST

static const char said[] = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a 1\r\n"
                           "PUB a 7\r\n1234567\r\nHPUB a 20 22\r\nNATS/1.0\r\nA: bcd\r\n\r\nhi\r\n";

START_TEST(long_payloads_are_cut)
{
    static struct log log;

    log_init(&log);
    log.shard.options.traced_size_max = 5;
    shard_say(&log.shard, &log.client, said);
    CK_LOGGED(&log, "<<- MSG_PAYLOAD: [\"12345...\"]");
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"12345...\"]");
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"NATS/...\"]");
    log_deinit(&log);
    log_init(&log);
    log.shard.options.traced_size_max = 7;
    shard_say(&log.shard, &log.client, said);
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"1234567\"]");
    log_deinit(&log);
}
END_TEST

START_TEST(headers_alone_are_traced_without_payloads)
{
    static struct log log;

    log_init(&log);
    log.shard.options.trace_headers = true;
    shard_say(&log.shard, &log.client, said);
    ck_assert_ptr_null(strstr(log.text, "12345"));
    CK_LOGGED(&log, "<<- [PUB a 7]");
    CK_LOGGED(&log, "<<- MSG_PAYLOAD: [\"NATS/1.0\\r\\nA: bcd\"]");
    CK_LOGGED(&log, "->> MSG_PAYLOAD: [\"NATS/1.0\\r\\nA: bcd\"]");
    log_deinit(&log);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_protocol_is_traced_in_the_form_that_tools_know,
        secrets_do_not_reach_the_log,
        a_name_cannot_forge_a_line_of_the_log,
        a_client_is_called_by_what_it_says_of_itself,
        long_payloads_are_cut,
        headers_alone_are_traced_without_payloads,
    };

    return UNIT_RUN_PLAIN("trace", tests);
}
