/*
 * plain: texts that others chose (names, descriptions, errors of a server) without what a terminal
 * would obey: control bytes, among them ESC and line ends, and the same in UTF-8 (U+0080 to
 * U+009F) become question marks. Payloads are not ours to change, and JSON has escapes of its own.
 */
#ifndef CLI_PLAIN_H
#define CLI_PLAIN_H

#include "cli/cli.h"

/* Each byte is replaced by one, so the size stays. */
void plain_make(char *text, size_t size);
/* `text` itself when there is nothing to replace, else a copy that lives as long as the run. */
const char *plain_text(struct cli *cli, const char *text);

#endif
