/* system: what all servers answer in the system account ($SYS.REQ.SERVER.PING...). */
#ifndef CLI_SYSTEM_H
#define CLI_SYSTEM_H

#include "cli/cli.h"

struct system_answer {
    const struct json *json;
    int64_t rtt;
};

#define SYSTEM_ANSWERS_MAX 1024u

struct system_answers {
    struct system_answer *at;
    size_t count;
};

/*
 * Asks $SYS.REQ.SERVER.<subject> and takes answers until `expected` (0: unknown) are there or no
 * more come. None, also when this user may not ask: the count is 0. EXIT_DONE, or the connection
 * failed and it was said.
 */
int system_ask(struct cli *cli, const char *subject, const char *request, size_t expected,
               struct system_answers *answers);
/* All answers as an array. */
int system_say_json(struct cli *cli, const struct system_answers *answers);
/* What a command says that needs the account and has no answer. */
int system_fail(struct cli *cli);

#endif
