/* human: numbers, sizes and times as people read them. Texts live as long as the run. */
#ifndef CLI_HUMAN_H
#define CLI_HUMAN_H

#include "cli/cli.h"

const char *human_count(struct cli *cli, uint64_t value); /* 1,234,567 */
const char *human_size(struct cli *cli, uint64_t bytes);  /* 141 B, 1.0 MiB */
const char *human_duration(struct cli *cli, int64_t ns);  /* 669.79µs, 70.1ms, 2m0s, 3d4h0m0s */
const char *human_time(struct cli *cli, struct bytes rfc3339); /* 2026-11-21 14:30:32, local */
const char *human_limit(struct cli *cli, int64_t value);       /* unlimited, or a count */
const char *human_size_limit(struct cli *cli, int64_t value);  /* unlimited, or a size */
const char *human_ns_limit(struct cli *cli, int64_t ns);       /* unlimited, or a duration */
const char *human_title(struct cli *cli, struct bytes word);   /* limits -> Limits */
/* How long ago a time was, as a duration; "never" when it is unset. */
const char *human_ago(struct cli *cli, struct bytes rfc3339);

/* "              Subjects: orders.>": a name, right-aligned in `width`, and a value. */
[[gnu::format(printf, 3, 4)]] void human_row(unsigned width, const char *name, const char *format,
                                             ...);

#endif
