/* message: bodies and headers that come from the command line, and messages shown to people. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include "cli/cli.h"
#include "cli/template.h"

#define BODY_MAX ((size_t)64 * 1024 * 1024)

/* "Name:Value" by "Name:Value" into a header block; EXIT_DONE, or it has said what is wrong. */
int message_headers(struct cli *cli, const struct flag_value *list,
                    const struct template_values *values, struct buf *out);
/* The word `index`, or standard input when there is no such word and no terminal. */
int message_body(struct cli *cli, size_t index, bool force_stdin, struct bytes *body);

/* {"subject","reply","headers":{name:[value]},"payload" or "data" (base64, when no UTF-8)}, the
 * members only: the caller may add its own. */
void message_json(struct json_writer *writer, const struct msg *msg);
/* Only "payload" or "data". */
void message_json_body(struct json_writer *writer, const struct msg *msg);
/* Headers line by line, then a blank one if there were any, then the payload and a line end. */
void message_show(FILE *out, const struct msg *msg, bool headers_only);

/* "14:30:33 " on standard error, then what is printed, then a line end. */
[[gnu::format(printf, 1, 2)]] void message_log(const char *format, ...);

/* Is the subject fit to be sent to (no blanks, no empty tokens, no wildcards unless allowed)?
 * EXIT_DONE or said. */
int message_subject(struct cli *cli, const char *subject, bool wildcards);
/* The flag --queue; one without a name is none. EXIT_DONE, or said. */
int message_queue(struct cli *cli);

#endif
