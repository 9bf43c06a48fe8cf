/* incoming_report: how many messages came on which subjects, told when it ends. */
#include <stdlib.h>

#include "base/table.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/human.h"
#include "cli/incoming.h"
#include "cli/interrupt.h"

#define SUBJECTS_MAX 100000u /* those beyond are counted together */
#define TOP_DEFAULT  10

struct counted {
    struct bytes subject;
    uint64_t messages, bytes;
};

struct report {
    struct cli *cli;
    struct table table;      /* of all but `beyond` and `total` */
    struct counted **sorted; /* the most messages first */
    size_t shown;            /* of them */
    struct counted beyond, total;
};

static struct bytes subject_of(const void *item)
{
    return ((const struct counted *)item)->subject;
}

static struct counted *find(struct report *report, struct bytes subject)
{
    struct counted *counted = table_find(&report->table, subject);

    if (counted != NULL)
        return counted;
    if (report->table.count == SUBJECTS_MAX)
        return &report->beyond;
    counted = ARENA_NEW(&report->cli->arena, struct counted);
    assert(counted != NULL);
    *counted = (struct counted){.subject = arena_copy(&report->cli->arena, subject)};
    table_add(&report->table, counted);
    return counted;
}

static void count(struct counted *counted, const struct msg *msg)
{
    counted->messages++;
    counted->bytes += msg->payload.size;
}

static int by_messages(const void *a, const void *b)
{
    const struct counted *x = *(const struct counted *const *)a,
                         *y = *(const struct counted *const *)b;
    size_t size = x->subject.size < y->subject.size ? x->subject.size : y->subject.size;
    int compared = memcmp(x->subject.at, y->subject.at, size);

    if (x->messages != y->messages)
        return x->messages < y->messages ? 1 : -1;
    return compared != 0 ? compared : (x->subject.size > y->subject.size ? 1 : -1);
}

static void sort(struct report *report)
{
    int64_t top = args_number(&report->cli->args, "report-top", TOP_DEFAULT);
    size_t at = 0, count = 0;
    void *item;

    report->sorted = ARENA_ARRAY(&report->cli->arena, struct counted *, report->table.count + 1);
    while ((item = table_next(&report->table, &at)) != NULL)
        report->sorted[count++] = item;
    if (count > 0)
        qsort(report->sorted, count, sizeof(struct counted *), by_messages);
    report->shown = (uint64_t)top < count ? (size_t)top : count;
}

static void say_json(const struct report *report)
{
    struct json_writer writer;
    struct buf text;

    buf_init(&text, SIZE_MAX / 4);
    json_writer_init(&writer, &text);
    json_array_begin(&writer);
    for (size_t i = 0; i < report->shown; i++) {
        json_object_begin(&writer);
        JSON_KEY(&writer, "subject");
        json_string(&writer, report->sorted[i]->subject);
        JSON_KEY(&writer, "messages");
        json_number_u64(&writer, report->sorted[i]->messages);
        JSON_KEY(&writer, "bytes");
        json_number_u64(&writer, report->sorted[i]->bytes);
        json_object_end(&writer);
    }
    json_array_end(&writer);
    cli_say_json(report->cli, buf_bytes(&text));
    buf_deinit(&text);
}

static void add_row(const struct report *report, struct grid *grid, const char *name,
                    const struct counted *counted)
{
    grid_add(grid, (const char *const[]){name, human_count(report->cli, counted->messages),
                                         human_size(report->cli, counted->bytes)});
}

static void say_table(const struct report *report)
{
    static const char *const heads[] = {"Subject", "Message Count", "Bytes"};
    struct cli *cli = report->cli;
    struct grid grid;

    grid_init(&grid, cli,
              cli_print(cli, "%zu of %zu Active Subjects", report->shown, report->table.count),
              heads, 3);
    grid.right = 6;
    for (size_t i = 0; i < report->shown; i++)
        add_row(report, &grid, cli_text(cli, report->sorted[i]->subject), report->sorted[i]);
    if (report->beyond.messages > 0)
        add_row(report, &grid, "(more subjects than are counted)", &report->beyond);
    add_row(report, &grid, "(all)", &report->total);
    grid_show(&grid);
}

/* Until so many came, or none for so long, or Ctrl-C. */
static int gather(struct report *report)
{
    struct cli *cli = report->cli;
    int64_t most = args_number(&cli->args, "count", INT64_MAX);
    int64_t wait = args_number(&cli->args, "wait", 0);

    for (int64_t i = 0; i < most; i++) {
        struct msg msg;
        enum conn_verdict verdict =
            conn_next(&cli->conn, wait > 0 ? conn_now() + wait : INT64_MAX, &msg);

        if (verdict == CONN_INTERRUPTED || (verdict == CONN_TIMEOUT && wait > 0))
            return EXIT_DONE;
        if (verdict != CONN_OK)
            return cli_fail_conn(cli, verdict);
        count(find(report, msg.subject), &msg);
        count(&report->total, &msg);
    }
    return EXIT_DONE;
}

int incoming_report(struct cli *cli)
{
    struct report report = {.cli = cli};
    struct interrupt interrupt;
    int result, output;

    table_init(&report.table, subject_of, prng_next(&cli->conn.prng));
    interrupt_begin(&interrupt, cli);
    result = gather(&report);
    sort(&report);
    if (cli->json)
        say_json(&report);
    else
        say_table(&report);
    table_deinit(&report.table);
    output = cli_end_output(cli);
    interrupt_end(&interrupt, cli);
    return result != EXIT_DONE ? result : output;
}
