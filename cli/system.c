#include "cli/system.h"

#include "cli/again.h"

#define SILENCE_NS INT64_C(300000000) /* after an answer the others come within */
#define FIRST_NS   INT64_C(1000000000)

/* The connection's verdict; CONN_OK also when nobody answers. */
static enum conn_verdict ask(struct cli *cli, const char *subject, const char *request,
                             size_t expected, struct system_answers *answers)
{
    int64_t begun = conn_now(), until = begun + FIRST_NS;
    enum conn_verdict verdict;
    uint64_t wanted =
        conn_ask(&cli->conn, bytes_of_text(cli_print(cli, "$SYS.REQ.SERVER.%s", subject)),
                 (struct bytes){0}, bytes_of_text(request), &verdict);

    *answers = (struct system_answers){
        .at = ARENA_ARRAY(&cli->arena, struct system_answer, SYSTEM_ANSWERS_MAX)};
    while (verdict == CONN_OK && answers->count < SYSTEM_ANSWERS_MAX &&
           (expected == 0 || answers->count < expected)) {
        struct json_error wrong;
        struct msg msg;
        uint64_t number;

        verdict = conn_answer(&cli->conn, until, &number, &msg);
        if (verdict != CONN_OK || number != wanted)
            continue;
        if (msg_status(&msg, NULL) == 503)
            return CONN_OK; /* nobody: not the system account */
        answers->at[answers->count].rtt = conn_now() - begun;
        answers->at[answers->count].json =
            json_parse(&cli->arena, arena_copy(&cli->arena, msg.payload), &wrong);
        if (answers->at[answers->count].json != NULL)
            answers->count++;
        until = conn_now() + SILENCE_NS;
    }
    return verdict == CONN_TIMEOUT || verdict == CONN_DENIED ? CONN_OK : verdict;
}

int system_ask(struct cli *cli, const char *subject, const char *request, size_t expected,
               struct system_answers *answers)
{
    for (;;) {
        enum conn_verdict verdict = ask(cli, subject, request, expected, answers);
        int result;

        if (verdict == CONN_OK)
            return EXIT_DONE;
        result = cli->endures ? again_connect(cli, verdict, false) : cli_fail_conn(cli, verdict);
        if (result != EXIT_DONE)
            return result;
    }
}

int system_say_json(struct cli *cli, const struct system_answers *answers)
{
    struct json_writer writer;
    struct buf text;

    buf_init(&text, (size_t)1024 * 1024 * 1024);
    json_writer_init(&writer, &text);
    json_array_begin(&writer);
    for (size_t i = 0; i < answers->count; i++)
        json_raw(&writer, answers->at[i].json->text);
    json_array_end(&writer);
    cli_say_json(cli, buf_bytes(&text));
    buf_deinit(&text);
    return EXIT_DONE;
}

int system_fail(struct cli *cli)
{
    return cli_fail(cli, EXIT_REFUSED, "--user and --password (or --context) of the system account",
                    "no server answers; this needs the system account");
}
