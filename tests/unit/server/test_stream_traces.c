/*
 * Traces: scenarios as text (the files in tests/unit/server/traces), run against a rig and compared
 * line by line. What stands before "->" is the scenario, what stands behind it and after "|" is
 * what happened. TRACE_WRITE=1 writes down what happens now.
 *
 *     config MEMBERS                      of the StreamConfig; applied at once
 *     publish SUBJECT [key=value ...]     id last sublast filter lastid rollup stream ttl: headers;
 *                                         size: payload
 *     delete SEQUENCE | purge [filter= below= keep=] | expire AGE_MS
 *     consumer NAME [MEMBERS]             of the ConsumerConfig, without blanks
 *     pull NAME INBOX [BODY]              a pull request
 *     propose | commit [COUNT]            what is gathered becomes a batch, with the hand-outs that
 *                                         can join it; the oldest batches are applied
 *     lose                                the leader's proposals not applied never happened
 *     crash [COUNT]                       memory is gone, COUNT unapplied batches had reached the
 *                                         disk
 *     lost BYTES                          recovery found a damaged range
 *     time MS                             the clock moves, maybe backwards
 *     show                                what the applied state holds
 */
#include <dirent.h>

#include "tests/unit/server/rig_consumers.h"
#include "tests/unit/unit.h"

#define TRACES     "tests/unit/server/traces"
#define COLUMN     52
#define WORDS_MAX  12u
#define PARKED_MAX 64u
#define MS         INT64_C(1000000)

struct trace {
    struct rig *rig;
    struct rig_consumers consumers;
    struct buf out;
    unsigned publishes;
    struct {
        uint64_t index;
        char text[160];
    } parked[PARKED_MAX];
    size_t parked_count;
    bool operating;  /* an operation is gathered or proposed */
    struct buf sent; /* by consumers, not said yet */
};

[[gnu::format(printf, 2, 3)]] static void say(struct trace *trace, const char *format, ...)
{
    char text[2000];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)buf_add(&trace->out, bytes_of(text, (size_t)size));
}

/* ---- answers -------------------------------------------------------------------------------- */

static void park(struct trace *trace, const char *text)
{
    ck_assert_uint_lt(trace->parked_count, PARKED_MAX);
    trace->parked[trace->parked_count].index = rig_tail(trace->rig);
    snprintf(trace->parked[trace->parked_count++].text, sizeof trace->parked[0].text, "%s", text);
}

static void release(struct trace *trace)
{
    size_t kept = 0;

    for (size_t i = 0; i < trace->parked_count; i++) {
        if (trace->parked[i].index <= trace->rig->applied)
            say(trace, "\n| answer %s", trace->parked[i].text);
        else
            trace->parked[kept++] = trace->parked[i];
    }
    trace->parked_count = kept;
}

static void unanswered(struct trace *trace)
{
    for (size_t i = 0; i < trace->parked_count; i++)
        say(trace, "\n| no answer: %s", trace->parked[i].text);
    trace->parked_count = 0;
}

/* ---- commands ------------------------------------------------------------------------------- */

static const char *value_of(char **words, const char *key)
{
    size_t size = strlen(key);

    for (; *words != NULL; words++) {
        if (strncmp(*words, key, size) == 0 && (*words)[size] == '=')
            return *words + size + 1;
    }
    return NULL;
}

static uint64_t number_of(char **words, const char *key)
{
    const char *value = value_of(words, key);

    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static void write_headers(char **words, struct buf *block)
{
    static const struct {
        const char *key, *name;
    } rows[] = {
        {"id", "Nats-Msg-Id"},
        {"last", "Nats-Expected-Last-Sequence"},
        {"sublast", "Nats-Expected-Last-Subject-Sequence"},
        {"filter", "Nats-Expected-Last-Subject-Sequence-Subject"},
        {"lastid", "Nats-Expected-Last-Msg-Id"},
        {"rollup", "Nats-Rollup"},
        {"stream", "Nats-Expected-Stream"},
        {"ttl", "Nats-TTL"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *value = value_of(words, rows[i].key);

        if (value == NULL)
            continue;
        if (block->size == 0)
            (void)BUF_ADD(block, "NATS/1.0\r\n");
        (void)buf_print(block, "%s: %s\r\n", rows[i].name, value);
    }
    if (block->size > 0)
        (void)BUF_ADD(block, "\r\n");
}

static void do_publish(struct trace *trace, char **words)
{
    static const char payload[4096];
    struct decision decision;
    struct publish publish = {.subject = bytes_of_text(words[1]),
                              .payload = bytes_of(payload, number_of(words, "size"))};
    struct buf block;
    char text[160];

    buf_init(&block, 4096);
    write_headers(words, &block);
    publish.headers = buf_bytes(&block);
    rig_publish(trace->rig, &publish, &decision);
    trace->publishes += decision.outcome != DECIDE_WAIT && decision.outcome != DECIDE_FULL;
    switch (decision.outcome) {
    case DECIDE_STORE:
        snprintf(text, sizeof text, "#%u: stored as %llu", trace->publishes,
                 (unsigned long long)decision.sequence);
        break;
    case DECIDE_DUPLICATE:
        snprintf(text, sizeof text, "#%u: duplicate of %llu", trace->publishes,
                 (unsigned long long)decision.sequence);
        break;
    case DECIDE_REFUSE:
        snprintf(text, sizeof text, "#%u: %u%s%s", trace->publishes, decision.error,
                 decision.error_text[0] != 0 ? " " : "", decision.error_text);
        break;
    case DECIDE_TRACED: say(trace, "is not stored"); return;
    case DECIDE_STAGED:
    case DECIDE_HANDLED: say(trace, "is of a batch"); return;
    case DECIDE_WAIT: say(trace, "waits"); break;
    case DECIDE_FULL: say(trace, "the batch is full"); break;
    }
    if (decision.outcome == DECIDE_REFUSE && !decision.looked) {
        say(trace, "%s, at once", text);
    } else if (decision.outcome != DECIDE_WAIT && decision.outcome != DECIDE_FULL) {
        say(trace, "%s, to be said with index %llu", text,
            (unsigned long long)rig_tail(trace->rig));
        park(trace, text);
        release(trace); /* when nothing is in flight, that is now */
    }
    buf_deinit(&block);
}

static void operate(struct trace *trace, const struct effect *effect)
{
    if (!rig_quiet(trace->rig)) {
        say(trace, "waits");
        return;
    }
    rig_operation(trace->rig, effect);
    trace->operating = true;
    say(trace, "gathered");
}

static void do_config(struct trace *trace, const char *members)
{
    char json[600];
    struct effect effect = {.type = EFFECT_CONFIG, .config = {.created_ns = 1}};

    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s%s}",
             members[0] != 0 ? "," : "", members);
    effect.config.json = bytes_of_text(json);
    operate(trace, &effect);
}

static void do_purge(struct trace *trace, char **words)
{
    const char *filter = value_of(words, "filter");
    struct effect effect = {.type = EFFECT_PURGE,
                            .purge = {.filter = bytes_of_text(filter == NULL ? "" : filter),
                                      .below = number_of(words, "below"),
                                      .keep = number_of(words, "keep"),
                                      .last = trace->rig->state.last_seq}};

    operate(trace, &effect);
}

static void do_delete(struct trace *trace, char **words)
{
    struct effect effect = {.type = EFFECT_DELETE,
                            .remove = {.sequence = strtoull(words[1], NULL, 10)}};

    operate(trace, &effect);
}

static void do_expire(struct trace *trace, char **words)
{
    struct effect effect = {
        .type = EFFECT_EXPIRE,
        .expire = {.last = trace->rig->state.last_seq,
                   .time_ns = trace->rig->now_ns - (int64_t)strtoll(words[1], NULL, 10) * MS}};

    operate(trace, &effect);
}

static void do_consumer(struct trace *trace, char **words)
{
    char json[400];
    struct effect effect = {.type = EFFECT_CONSUMER_CREATE,
                            .consumer = {.number = trace->consumers.count + 1,
                                         .created_ns = trace->rig->now_ns,
                                         .name = bytes_of_text(words[1])}};

    snprintf(
        json, sizeof json,
        "{\"name\":\"%s\",\"durable_name\":\"%s\",\"ack_policy\":\"explicit\",\"max_deliver\":-1,"
        "\"ack_wait\":30000000000,\"max_waiting\":512%s%s}",
        words[1], words[1], words[2] != NULL ? "," : "", words[2] != NULL ? words[2] : "");
    effect.consumer.json = bytes_of_text(json);
    operate(trace, &effect);
}

static void do_pull(struct trace *trace, char **words)
{
    consumer_request(rig_consumers_find(&trace->consumers, words[1]), 1, bytes_of_text(words[2]),
                     bytes_of(NULL, 0), bytes_of_text(words[3] != NULL ? words[3] : "1"));
    say(trace, "waits");
}

static void do_propose(struct trace *trace)
{
    uint32_t records;
    uint64_t index;

    rig_consumers_work(&trace->consumers);
    records = trace->rig->gathered;
    index = rig_propose(trace->rig);
    if (index == 0)
        say(trace, "nothing to propose");
    else
        say(trace, "index %llu: %u record%s", (unsigned long long)index, records,
            records == 1 ? "" : "s");
}

/* What consumers sent meanwhile. */
static void say_sent(struct trace *trace)
{
    say(trace, "%.*s", BYTES_ARG(buf_bytes(&trace->sent)));
    buf_clear(&trace->sent);
}

static void do_commit(struct trace *trace, char **words)
{
    uint64_t count = words[1] == NULL ? 1 : strtoull(words[1], NULL, 10);

    for (; count > 0 && rig_commit(trace->rig); count--)
        continue;
    say(trace, "applied up to %llu: last %llu", (unsigned long long)trace->rig->applied,
        (unsigned long long)trace->rig->state.last_seq);
    if (trace->operating && trace->rig->applied == trace->rig->proposed) {
        say(trace, ", %llu removed", (unsigned long long)trace->rig->result.purged);
        trace->operating = false;
    }
    say_sent(trace);
    release(trace);
}

static void do_crash(struct trace *trace, char **words)
{
    rig_consumers_crash(&trace->consumers, words[1] == NULL ? 0 : strtoull(words[1], NULL, 10));
    say(trace, "recovered up to %llu: last %llu", (unsigned long long)trace->rig->applied,
        (unsigned long long)trace->rig->state.last_seq);
    trace->operating = false;
    unanswered(trace);
}

static void do_lose(struct trace *trace)
{
    say(trace, "%llu proposed and the gathered never happened",
        (unsigned long long)(trace->rig->proposed - trace->rig->applied));
    rig_consumers_refuse(&trace->consumers);
    trace->operating = false;
    unanswered(trace);
}

static void do_show(struct trace *trace)
{
    const struct stream_state *state = &trace->rig->state;
    struct index_entry entry;

    say(trace, "first %llu last %llu:", (unsigned long long)state->first_seq,
        (unsigned long long)state->last_seq);
    for (uint64_t from = 0; index_next(state->index, NULL, from, &entry); from = entry.sequence + 1)
        say(trace, " %llu:%.*s", (unsigned long long)entry.sequence, BYTES_ARG(entry.subject));
}

static void do_time(struct trace *trace, char **words)
{
    trace->rig->now_ns += (int64_t)strtoll(words[1], NULL, 10) * MS;
    say(trace, "%lld ms", (long long)((trace->rig->now_ns - INT64_C(1700000000000000000)) / MS));
}

static void command(struct trace *trace, char *line)
{
    char *words[WORDS_MAX + 1] = {NULL};
    size_t count = 0;
    char *rest = line;

    if (strncmp(line, "config", 6) == 0) {
        do_config(trace, line[6] == ' ' ? line + 7 : "");
        return;
    }
    for (char *word; count < WORDS_MAX && (word = strsep(&rest, " ")) != NULL;) {
        if (*word != 0)
            words[count++] = word;
    }
    if (strcmp(words[0], "publish") == 0)
        do_publish(trace, words);
    else if (strcmp(words[0], "consumer") == 0)
        do_consumer(trace, words);
    else if (strcmp(words[0], "pull") == 0)
        do_pull(trace, words);
    else if (strcmp(words[0], "propose") == 0)
        do_propose(trace);
    else if (strcmp(words[0], "commit") == 0)
        do_commit(trace, words);
    else if (strcmp(words[0], "purge") == 0)
        do_purge(trace, words);
    else if (strcmp(words[0], "delete") == 0)
        do_delete(trace, words);
    else if (strcmp(words[0], "expire") == 0)
        do_expire(trace, words);
    else if (strcmp(words[0], "crash") == 0)
        do_crash(trace, words);
    else if (strcmp(words[0], "lose") == 0)
        do_lose(trace);
    else if (strcmp(words[0], "show") == 0)
        do_show(trace);
    else if (strcmp(words[0], "time") == 0)
        do_time(trace, words);
    else if (strcmp(words[0], "lost") == 0)
        stream_state_lost(&trace->rig->state, strtoull(words[1], NULL, 10));
    else
        ck_abort_msg("no such command: %s", words[0]);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void run_line(struct trace *trace, char *line)
{
    char *arrow = strstr(line, "->");
    size_t size;

    if (line[0] == '|')
        return;
    if (line[0] == '#' || line[0] == 0) {
        say(trace, "%s\n", line);
        return;
    }
    if (arrow != NULL)
        *arrow = 0;
    for (size = strlen(line); size > 0 && line[size - 1] == ' '; size--)
        line[size - 1] = 0;
    say(trace, "%s%*s -> ", line, size < COLUMN ? (int)(COLUMN - size) : 0, "");
    command(trace, line);
    while (trace->out.size > 0 && trace->out.at[trace->out.size - 1] == ' ')
        trace->out.size--;
    say(trace, "\n");
}

static void consumer_said(void *context, const char *text)
{
    struct trace *trace = context;

    (void)buf_print(&trace->sent, "\n| %s", text);
}

static struct buf run_text(char *text)
{
    struct trace trace = {.rig = rig_create(1, 0)};

    buf_init(&trace.out, 1 << 20);
    buf_init(&trace.sent, 1 << 20);
    rig_consumers_init(&trace.consumers, trace.rig, consumer_said, &trace);
    for (char *line; (line = strsep(&text, "\n")) != NULL && (text != NULL || *line != 0);)
        run_line(&trace, line);
    rig_consumers_forget(&trace.consumers);
    rig_destroy(trace.rig);
    buf_deinit(&trace.sent);
    return trace.out;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = heap_take(1 << 16);
    size_t size;

    ck_assert_msg(file != NULL, "%s", path);
    size = fread(text, 1, (1 << 16) - 1, file);
    text[size] = 0;
    fclose(file);
    return text;
}

static void write_file(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    ck_assert_uint_eq(fwrite(text.at, 1, text.size, file), text.size);
    fclose(file);
}

/* The first line that differs. */
static void compare(const char *path, const char *expected, struct bytes happened)
{
    size_t line = 1, i = 0;

    while (i < happened.size && expected[i] == (char)happened.at[i])
        line += expected[i++] == '\n';
    if (i == happened.size && expected[i] == 0)
        return;
    while (i > 0 && expected[i - 1] != '\n')
        i--;
    ck_abort_msg("%s:%zu happened:\n%.*s", path, line,
                 (int)bytes_find(bytes_skip(happened, i < happened.size ? i : happened.size), '\n'),
                 (const char *)happened.at + i);
}

static void run_file(const char *name)
{
    char path[512];
    char *expected, *text;
    struct buf happened;

    snprintf(path, sizeof path, "%s/%s", TRACES, name);
    expected = read_file(path);
    text = read_file(path);
    happened = run_text(text);
    if (getenv("TRACE_WRITE") != NULL)
        write_file(path, buf_bytes(&happened));
    else
        compare(path, expected, buf_bytes(&happened));
    buf_deinit(&happened);
    heap_give(expected);
    heap_give(text);
}

static int is_trace(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return size > 4 && strcmp(entry->d_name + size - 4, ".txt") == 0;
}

START_TEST(every_scenario_happens_as_it_is_written_down)
{
    struct dirent **entries;
    int count = scandir(TRACES, &entries, is_trace, alphasort);

    ck_assert_int_gt(count, 0);
    for (int i = 0; i < count; i++) {
        run_file(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {every_scenario_happens_as_it_is_written_down};

    return UNIT_RUN_PLAIN("stream_traces", tests);
}
