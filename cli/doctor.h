/*
 * doctor: what is wrong, why, and what to do about it. Each part looks at one kind of thing and
 * adds what it found; it returns EXIT_DONE, or what kept it from looking, which was said.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/cli.h"

struct checkup {
    struct cli *cli;
    unsigned problems, warnings, passed;
    struct json_writer writer; /* with --json: an array of what was found */
    struct buf text;
};

enum finding { FINDING_WELL, FINDING_WARNING, FINDING_PROBLEM };

void checkup_begin(struct checkup *c, struct cli *cli);
/* One thing that was looked at; `next` says what to do about it, or NULL. */
void checkup_find(struct checkup *c, enum finding finding, const char *what, const char *next);
/* Says the sum, unless `result` is a failure. The exit code: EXIT_FAILED when there are problems.
 */
int checkup_end(struct checkup *c, int result);

int doctor_server(struct checkup *c);
int doctor_cluster(struct checkup *c);
int doctor_directory(struct checkup *c, const char *path);
int doctor_config(struct checkup *c, const char *path);

/* What STREAM.INFO or a stream's detail of JSZ tells. */
void doctor_stream(struct checkup *c, const struct json *info);

#endif
