/*
 * cli: the command line. A command is a row of a table (commands.h) and a function that gets a
 * struct cli: its words and flags, a connection when it asks for one, and ways to answer.
 *
 * Answers go to standard output, everything else (prompts, progress, errors) to standard error, so
 * that a pipe holds answers only. A command that fails says why and what to do next, by cli_fail,
 * and returns what that returns.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

#include "base/json.h"
#include "cli/args.h"
#include "cli/conn.h"
#include "cli/settings.h"

/* Exit codes; they are documented (docs/cli.md) and stay. */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the server refused, or something broke */
    EXIT_USAGE = 2,       /* the command line is wrong; nothing was sent */
    EXIT_UNREACHABLE = 3, /* no server, or it went away */
    EXIT_REFUSED = 4,     /* credentials or permissions */
    EXIT_MISSING = 5,     /* no such stream, consumer, bucket, key, object, message */
    EXIT_TIMEOUT = 6,     /* nobody answered in time */
    EXIT_EXISTS = 7,      /* it is there already, or the revision is another one */
};

struct command;

struct cli {
    const struct command *command;
    struct args args;
    struct settings settings;
    struct arena arena; /* of the whole run */
    struct conn conn;
    bool connected;
    bool endures; /* requests outlive a lost connection (again.h) */
    bool json;    /* --json */
    bool colors;  /* on standard output */
    bool terminal_out;
    bool terminal_in;
    unsigned width; /* of the terminal; in a pipe: no limit (0) */
};

/* Is this command line ours (and not the server's, see docs/cli.md)? */
bool cli_wanted(int argc, char *const *argv);
/* Is --help, or -h, among the words? */
bool cli_wants_help(int argc, const char *const *argv);
/* Runs it; the result is the exit code. */
int cli_main(int argc, char **argv);

/* "millrace: error: ..." and, unless NULL, what to do next. Returns `code`. */
[[gnu::format(printf, 4, 5)]] int cli_fail(struct cli *cli, enum cli_exit code, const char *next,
                                           const char *format, ...);
/* The same for a failure of the connection. */
int cli_fail_conn(struct cli *cli, enum conn_verdict verdict);
/* Connects, once. EXIT_DONE, or it has failed and said so. */
int cli_connect(struct cli *cli);

/* One request of a command; EXIT_DONE or it failed and said so. */
int cli_request(struct cli *cli, const char *subject, struct bytes payload, struct msg *answer);

/* ---- answering ------------------------------------------------------------------------------- */

/* Indented as `nats --json` is, with a line end. */
void cli_say_json(struct cli *cli, struct bytes json);
/* Is standard output broken (a full disk)? Then EXIT_FAILED, said; otherwise EXIT_DONE. */
int cli_end_output(struct cli *cli);

/* ---- memory that lives as long as the run ---------------------------------------------------- */

[[gnu::format(printf, 2, 3)]] const char *cli_print(struct cli *cli, const char *format, ...);
const char *cli_text(struct cli *cli, struct bytes b); /* with a zero behind it; never NULL */

/* ---- asking ---------------------------------------------------------------------------------- */

/* A question on the terminal, with what an empty line means. NULL: the input ended. */
const char *cli_ask(struct cli *cli, const char *question, const char *otherwise);
/* Yes or no. Without a terminal it is no, and `flag` is named as what to give instead. */
bool cli_confirm(struct cli *cli, const char *question, const char *flag);

#endif
