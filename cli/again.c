#include "cli/again.h"

#include <time.h>

#include "cli/message.h"

#define WAIT_FIRST_NS INT64_C(100000000)
#define WAIT_MOST_NS  INT64_C(2000000000)
#define READY_NS      INT64_C(30000000000) /* for JetStream behind a server that is there */

static void sleep_ns(int64_t ns)
{
    const struct timespec wait = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    (void)nanosleep(&wait, NULL); /* a signal only makes it shorter */
}

static int64_t longer(int64_t wait)
{
    return wait * 2 < WAIT_MOST_NS ? wait * 2 : WAIT_MOST_NS;
}

/* Does JetStream answer? Without one the command will say so itself. */
static void await_jetstream(struct cli *cli)
{
    const char *subject = cli_print(cli, "%s.INFO", cli->settings.api_prefix);
    int64_t until = conn_now() + READY_NS, wait = WAIT_FIRST_NS;

    while (conn_now() < until) {
        struct msg answer;
        enum conn_verdict verdict =
            conn_request(&cli->conn, bytes_of_text(subject), (struct bytes){0}, (struct bytes){0},
                         cli->settings.timeout_ns, &cli->arena, &answer);

        if (verdict != CONN_TIMEOUT && (verdict != CONN_OK || msg_status(&answer, NULL) != 503))
            return;
        sleep_ns(wait);
        wait = longer(wait);
    }
}

int again_connect(struct cli *cli, enum conn_verdict verdict, bool jetstream)
{
    int64_t wait = WAIT_FIRST_NS;

    if (verdict != CONN_LOST)
        return cli_fail_conn(cli, verdict);
    (void)fflush(stdout);
    message_log("Disconnected: %s; trying again", cli->conn.error);
    conn_close(&cli->conn);
    cli->connected = false;
    for (;;) {
        verdict = conn_open(&cli->conn, &cli->settings);
        if (verdict == CONN_OK)
            break;
        if (verdict != CONN_UNREACHABLE && verdict != CONN_TIMEOUT && verdict != CONN_LOST)
            return cli_fail_conn(cli, verdict);
        sleep_ns(wait);
        wait = longer(wait);
    }
    cli->connected = true;
    message_log("Connected again to %s", cli->conn.url);
    if (jetstream)
        await_jetstream(cli);
    return EXIT_DONE;
}
