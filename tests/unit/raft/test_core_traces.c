/*
 * The core's rules as traces: the files in tests/unit/raft/traces, each named by what it promises.
 * A command, a line of dashes, and what it brought about, compared line by line:
 *
 *     propose 1
 *     ----
 *     1 -> 2 append term 2, after 2 (term 2): 3, committed 2
 *
 * `test_core_traces --rewrite` writes down what happens now; read the difference before keeping it.
 *
 *     group 1,2,3 [learners 4,5] [sleep MS] [inflight N]   a new group; nodes stand still
 *     lead N                        N gets elected and everybody has everything (not written down)
 *     tick N | elapse MS | run MS   its deadline comes; only the clock; all clocks and messages
 *     deliver [A>B]... | once | drop A>B    until nothing is under way; what is under way now
 *     cut A>B... | heal             later messages there are lost
 *     hold N | release N [votes|INDEX]      its disk waits
 *     propose N [COUNT] | change N add|promote|demote|remove M | allowed N add|... M
 *     read N | transfer N M | stuck N on|off | still N on|off | refuse N INDEX
 *     lend N TERM LAST_TERM LAST            what is left of the log, to one that holds still
 *     floor N INDEX | snapshot A>B ok|failed | lacks N INDEX TERM
 *     unsent A>B INDEX | resend A>B
 *     forget N INDEX                the disk of the only voter lost one
 *     crash N [INDEX] | start N | wipe N | damage N INDEX [all|anew]   INDEX: kept; first one lost
 *     node N M up|down
 *     message A>B TYPE [key=value...]       one that nobody sent
 *     show [N] | progress N | messages on|off
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/raft/trace_message.h"
#include "tests/unit/raft/trace_rig.h"
#include "tests/unit/unit.h"

#define TRACES    "tests/unit/raft/traces"
#define TEXT_MAX  (256u * 1024u)
#define WORDS_MAX 24u
#define SAYS(a)   (strcmp(word, a) == 0)

struct command {
    char *words[WORDS_MAX];
    size_t count;
};

static uint64_t number_at(const struct command *command, size_t place)
{
    ck_assert_msg(place < command->count, "'%s' misses a number", command->words[0]);
    return strtoull(command->words[place], NULL, 10);
}

static const char *word_at(const struct command *command, size_t place)
{
    return place < command->count ? command->words[place] : "";
}

/* "A>B"; "*" stands for any. */
static bool link_at(const struct command *command, size_t place, uint64_t *from, uint64_t *to)
{
    const char *word = word_at(command, place), *arrow = strchr(word, '>');

    *from = *to = 0;
    if (arrow == NULL)
        return false;
    *from = word[0] == '*' ? 0 : strtoull(word, NULL, 10);
    *to = arrow[1] == '*' ? 0 : strtoull(arrow + 1, NULL, 10);
    return true;
}

/* ---- groups --------------------------------------------------------------------------------- */

static void add_members(struct rig *rig, struct raft_config *config, const char *list, bool learner)
{
    for (char *end; *list != 0; list = *end == ',' ? end + 1 : end) {
        uint64_t number = strtoull(list, &end, 10);

        ck_assert_uint_ge(number, 1);
        ck_assert_uint_le(number, RIG_NODES);
        rig->nodes[number].self = (struct raft_member){number, 1, false};
        config->at[config->count++] = (struct raft_member){number, 1, learner};
    }
}

static void do_group(struct rig *rig, const struct command *command)
{
    struct raft_config config = {0};
    const struct raft_config *first;

    add_members(rig, &config, word_at(command, 1), false);
    for (size_t i = 2; i + 1 < command->count; i += 2) {
        const char *word = command->words[i];

        if (SAYS("learners"))
            add_members(rig, &config, command->words[i + 1], true);
        else if (SAYS("sleep"))
            rig->options.sleep_ns = (int64_t)number_at(command, i + 1) * RIG_MS;
        else if (SAYS("inflight"))
            rig->options.inflight_max = (uint32_t)number_at(command, i + 1);
        else if (SAYS("uncommitted"))
            rig->options.uncommitted_max = number_at(command, i + 1);
        else
            ck_abort_msg("group knows no %s", word);
    }
    first = rig_config(rig, &config);
    for (uint64_t number = 1; number <= RIG_NODES; number++) {
        struct rig_node *node = &rig->nodes[number];

        if (node->self.node == 0) {
            node->self = (struct raft_member){number, 1, false};
            continue; /* one that may join */
        }
        node->log[1].term = 1;
        node->log[1].config = first;
        node->last = node->durable = node->committed = 1;
    }
    for (uint64_t number = 1; number <= RIG_NODES; number++)
        rig_start(rig, number);
}

static void do_lead(struct rig *rig, const struct command *command)
{
    uint64_t number = number_at(command, 1);
    int64_t until = rig->now + 5000 * RIG_MS;

    rig->quiet = true;
    while (raft_core_role(rig->nodes[number].core) != RAFT_LEADER) {
        ck_assert_int_lt(rig->now, until);
        rig_tick(rig, number);
        while (rig_deliver_now(rig, 0, 0, false))
            continue;
    }
    rig_run(rig, rig->now + 150 * RIG_MS);
    rig->quiet = false;
    rig_show(rig, number);
}

/* ---- membership ----------------------------------------------------------------------------- */

static struct raft_config changed(struct rig *rig, const struct command *command)
{
    struct raft_config config = *raft_core_config(rig->nodes[number_at(command, 1)].core);
    const char *word = word_at(command, 2);
    uint64_t node = number_at(command, 3);
    uint32_t place = 0;

    if (SAYS("add") || SAYS("add-voter")) {
        ck_assert_uint_lt(config.count, RAFT_MEMBERS_MAX);
        config.at[config.count] = rig->nodes[node].self;
        config.at[config.count++].learner = SAYS("add");
        return config;
    }
    while (place < config.count && config.at[place].node != node)
        place++;
    ck_assert_uint_lt(place, config.count);
    if (SAYS("remove")) {
        config.count--;
        memmove(config.at + place, config.at + place + 1,
                (config.count - place) * sizeof config.at[0]);
    } else if (SAYS("promote") || SAYS("demote")) {
        config.at[place].learner = SAYS("demote");
    } else {
        ck_abort_msg("no such change: %s", word);
    }
    return config;
}

static void do_change(struct rig *rig, const struct command *command)
{
    struct raft_config config = changed(rig, command);
    uint64_t number = number_at(command, 1);

    if (raft_core_config_allowed(rig->nodes[number].core, &config))
        rig_propose(rig, number, rig_config(rig, &config));
    else
        rig_say(rig, "not allowed");
}

/* ---- the disk ------------------------------------------------------------------------------- */

static void do_release(struct rig *rig, const struct command *command)
{
    const char *word = word_at(command, 2);
    bool all = command->count == 2;

    rig->nodes[number_at(command, 1)].held = !all;
    rig_release(rig, number_at(command, 1), all || SAYS("votes"),
                all ? UINT64_MAX : strtoull(word, NULL, 10));
}

static void do_refuse(struct rig *rig, const struct command *command)
{
    struct rig_node *node = &rig->nodes[number_at(command, 1)];
    uint64_t index = number_at(command, 2);

    node->last = index - 1;
    if (node->committed > node->last)
        node->committed = node->last;
    raft_core_refused(node->core, rig->now, index);
    rig_drain(rig, node->self.node, NULL);
}

static void do_damage(struct rig *rig, const struct command *command)
{
    struct rig_node *node = &rig->nodes[number_at(command, 1)];

    ck_assert_ptr_null(node->core);
    if (node->damaged < node->last)
        node->damaged = node->last;
    if (strcmp(word_at(command, 3), "all") == 0)
        node->damaged = RAFT_DAMAGED_ALL;
    if (strcmp(word_at(command, 3), "anew") == 0)
        node->damaged = RAFT_DAMAGED_ANEW;
    node->last = node->durable = number_at(command, 2) - 1;
}

/* The content of one entry, and its term, of the only voter there is. */
static void do_forget(struct rig *rig, const struct command *command)
{
    rig->nodes[number_at(command, 1)].log[number_at(command, 2)] = (struct rig_entry){0};
}

static void do_wipe(struct rig *rig, const struct command *command)
{
    struct rig_node *node = &rig->nodes[number_at(command, 1)];
    struct raft_member self = node->self;

    ck_assert_ptr_null(node->core);
    memset(node, 0, sizeof *node);
    node->self = self;
    node->self.incarnation++;
}

static void do_floor(struct rig *rig, const struct command *command)
{
    struct rig_node *node = &rig->nodes[number_at(command, 1)];
    uint64_t index = number_at(command, 2);

    for (uint64_t i = node->floor + 1; i <= index; i++)
        if (node->log[i].config != NULL)
            node->floor_config = node->log[i].config;
    node->floor = index;
    raft_core_floor(node->core, index, node->log[index].term);
}

static void do_snapshot(struct rig *rig, const struct command *command)
{
    struct rig_node *node, *to;
    uint64_t from_number, to_number;
    bool ok = strcmp(word_at(command, 2), "ok") == 0;

    ck_assert(link_at(command, 1, &from_number, &to_number));
    node = &rig->nodes[from_number];
    to = &rig->nodes[to_number];
    if (ok) {
        uint64_t index = node->floor;

        ck_assert(raft_core_lacks(to->core, index, node->log[index].term));
        to->log[index].term = node->log[index].term;
        to->floor = to->last = to->durable = to->committed = index;
        to->floor_config = node->floor_config;
        raft_core_restored(to->core, rig->now, index, node->log[index].term, node->floor_config);
        rig_drain(rig, to_number, NULL);
    }
    raft_core_snapshot_sent(node->core, rig->now, to->self, node->floor, ok);
    rig_drain(rig, from_number, NULL);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void do_message(struct rig *rig, const struct command *command)
{
    static struct raft_message message;
    const char *word = word_at(command, 2);
    uint64_t from, to;

    memset(&message, 0, sizeof message);
    ck_assert(link_at(command, 1, &from, &to));
    message.from = rig->nodes[from].self;
    message.to = rig->nodes[to].self;
    message.type = trace_message_type(word);
    for (size_t i = 3; i < command->count; i++)
        trace_message_set(&message, command->words[i]);
    rig_step(rig, &message);
}

static void do_links(struct rig *rig, const struct command *command)
{
    const char *word = command->words[0];
    bool once = strcmp(word_at(command, 1), "once") == 0;
    uint64_t from, to;

    if (SAYS("deliver") && (command->count == 1 || once))
        while (rig_deliver_now(rig, 0, 0, false) && !once)
            continue;
    for (size_t i = 1; i < command->count && !once; i++) {
        ck_assert(link_at(command, i, &from, &to));
        if (!SAYS("cut")) {
            (void)rig_deliver_now(rig, from, to, SAYS("drop"));
        } else {
            for (uint64_t a = 1; a <= RIG_NODES; a++)
                for (uint64_t b = 1; b <= RIG_NODES; b++)
                    if ((from == 0 || a == from) && (to == 0 || b == to))
                        rig->cut[a][b] = true;
        }
    }
}

/* ---- looking -------------------------------------------------------------------------------- */

static void do_show(struct rig *rig, const struct command *command)
{
    if (command->count > 1) {
        rig_show(rig, number_at(command, 1));
        return;
    }
    for (uint64_t number = 1; number <= RIG_NODES; number++)
        if (rig->nodes[number].core == NULL || raft_core_last(rig->nodes[number].core) > 0)
            rig_show(rig, number);
}

static void do_progress(struct rig *rig, const struct command *command)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX];
    uint32_t count = raft_core_progress(rig->nodes[number_at(command, 1)].core, progress);

    for (uint32_t i = 0; i < count; i++)
        rig_say(rig, "%llu%s has %llu%s%s", LLU(progress[i].member.node),
                progress[i].member.learner ? " (learner)" : "", LLU(progress[i].match),
                progress[i].current ? ", current" : "", progress[i].offline ? ", offline" : "");
}

/* ---- commands ------------------------------------------------------------------------------- */

static void do_timing(struct rig *rig, const struct command *command)
{
    const char *word = command->words[0];

    if (SAYS("tick"))
        rig_tick(rig, number_at(command, 1));
    else if (SAYS("elapse"))
        rig->now += (int64_t)number_at(command, 1) * RIG_MS;
    else
        rig_run(rig, rig->now + (int64_t)number_at(command, 1) * RIG_MS);
}

static void do_life(struct rig *rig, const struct command *command)
{
    const char *word = command->words[0];
    uint64_t number = number_at(command, 1);

    if (SAYS("crash"))
        rig_crash(rig, number, command->count > 2 ? number_at(command, 2) : UINT64_MAX);
    else if (SAYS("start"))
        rig_start(rig, number);
    else if (SAYS("wipe"))
        do_wipe(rig, command);
    else
        do_damage(rig, command);
}

static void do_ask(struct rig *rig, const struct command *command)
{
    const char *word = command->words[0];
    struct rig_node *node = &rig->nodes[number_at(command, 1)];

    if (SAYS("read"))
        rig_say(rig, "read %llu", LLU(raft_core_read(node->core, rig->now)));
    else if (SAYS("transfer"))
        raft_core_transfer(node->core, rig->now, rig->nodes[number_at(command, 2)].self);
    else if (SAYS("stuck"))
        raft_core_stuck(node->core, rig->now, strcmp(word_at(command, 2), "on") == 0);
    else if (SAYS("still"))
        rig_say(rig, "%s",
                raft_core_hold_still(node->core, rig->now, strcmp(word_at(command, 2), "on") == 0)
                    ? "holds still"
                    : "somebody leads");
    else if (SAYS("lend"))
        raft_core_lend(node->core, rig->now, number_at(command, 2), number_at(command, 3),
                       number_at(command, 4));
    else
        raft_core_node(node->core, rig->now, number_at(command, 2),
                       strcmp(word_at(command, 3), "up") == 0);
    rig_drain(rig, node->self.node, NULL);
}

static void do_sending(struct rig *rig, const struct command *command)
{
    const char *word = command->words[0];
    uint64_t from, to;

    ck_assert(link_at(command, 1, &from, &to));
    if (SAYS("unsent"))
        raft_core_unsent(rig->nodes[from].core, rig->nodes[to].self, number_at(command, 2));
    else
        raft_core_resend(rig->nodes[from].core, rig->now, rig->nodes[to].self);
    rig_drain(rig, from, NULL);
}

static void do_propose(struct rig *rig, const struct command *command)
{
    for (uint64_t i = command->count > 2 ? number_at(command, 2) : 1; i > 0; i--) {
        if (!raft_core_may_propose(rig->nodes[number_at(command, 1)].core)) {
            rig_say(rig, "may not propose");
            return;
        }
        rig_propose(rig, number_at(command, 1), NULL);
    }
}

static void do_allowed(struct rig *rig, const struct command *command)
{
    struct raft_config config = changed(rig, command);
    bool allowed = raft_core_config_allowed(rig->nodes[number_at(command, 1)].core, &config);

    rig_say(rig, "%s", allowed ? "allowed" : "not allowed");
}

static void do_lacks(struct rig *rig, const struct command *command)
{
    const struct raft_core *core = rig->nodes[number_at(command, 1)].core;

    rig_say(rig, "%s",
            raft_core_lacks(core, number_at(command, 2), number_at(command, 3)) ? "yes" : "no");
}

static void do_heal(struct rig *rig, const struct command *command)
{
    (void)command;
    memset(rig->cut, 0, sizeof rig->cut);
}

static void do_hold(struct rig *rig, const struct command *command)
{
    rig->nodes[number_at(command, 1)].held = true;
}

static void do_messages(struct rig *rig, const struct command *command)
{
    rig->hide_messages = strcmp(word_at(command, 1), "off") == 0;
}

static const struct {
    const char *name;
    void (*run)(struct rig *rig, const struct command *command);
} commands[] = {
    {"group", do_group},       {"lead", do_lead},       {"tick", do_timing},
    {"elapse", do_timing},     {"run", do_timing},      {"deliver", do_links},
    {"drop", do_links},        {"cut", do_links},       {"heal", do_heal},
    {"hold", do_hold},         {"release", do_release}, {"propose", do_propose},
    {"change", do_change},     {"allowed", do_allowed}, {"read", do_ask},
    {"transfer", do_ask},      {"stuck", do_ask},       {"node", do_ask},
    {"still", do_ask},         {"refuse", do_refuse},   {"floor", do_floor},
    {"snapshot", do_snapshot}, {"lacks", do_lacks},     {"unsent", do_sending},
    {"resend", do_sending},    {"crash", do_life},      {"start", do_life},
    {"wipe", do_life},         {"damage", do_life},     {"message", do_message},
    {"show", do_show},         {"forget", do_forget},   {"progress", do_progress},
    {"messages", do_messages}, {"lend", do_ask},
};

static void run_command(struct rig *rig, char *line)
{
    struct command command = {0};

    for (char *rest = line, *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        ck_assert_uint_lt(command.count, WORDS_MAX);
        command.words[command.count++] = word;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(command.words[0], commands[i].name) == 0) {
            commands[i].run(rig, &command);
            return;
        }
    }
    ck_abort_msg("no such command: %s", command.words[0]);
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool rewrite;

static size_t read_text(const char *path, char *text)
{
    FILE *file = fopen(path, "r");
    size_t size;

    ck_assert_msg(file != NULL, "%s cannot be read", path);
    size = fread(text, 1, TEXT_MAX - 1, file);
    ck_assert_uint_lt(size, TEXT_MAX - 1);
    text[size] = 0;
    fclose(file);
    return size;
}

static void write_text(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text.at, 1, text.size, file), text.size);
    ck_assert_int_eq(fclose(file), 0);
}

/* Commands, comments and empty lines are kept; what stands behind dashes is made anew. */
static void run_text(struct rig *rig, char *text)
{
    bool output = false, ran = false;

    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line == 0 && rest == NULL)
            break; /* behind the last line end */
        if (strcmp(line, "----") == 0)
            output = true;
        if (output && *line != 0)
            continue;
        output = false;
        if (ran && *line != 0)
            rig_say(rig, "%s", ""); /* commands in a new file may stand close */
        rig_say(rig, "%s", line);
        ran = *line != 0 && *line != '#';
        if (!ran)
            continue;
        rig_say(rig, "----");
        run_command(rig, line);
    }
}

static void compare(const char *path, const char *expected, const char *got)
{
    const char *a = expected, *b = got;
    size_t line = 1;

    while (*a != 0 && *a == *b) {
        line += *a == '\n';
        a++;
        b++;
    }
    if (*a == *b)
        return;
    while (a > expected && a[-1] != '\n') {
        a--;
        b--;
    }
    ck_abort_msg("%s:%zu\n  expected: %.*s\n  happened: %.*s", path, line, (int)strcspn(a, "\n"), a,
                 (int)strcspn(b, "\n"), b);
}

static void run_file(const char *path)
{
    static char text[TEXT_MAX], work[TEXT_MAX];
    static struct rig rig;

    read_text(path, text);
    strcpy(work, text);
    rig_init(&rig);
    run_text(&rig, work);
    if (rewrite) {
        write_text(path, buf_bytes(&rig.out));
    } else {
        ck_assert(buf_add_byte(&rig.out, 0));
        compare(path, text, (const char *)rig.out.at);
    }
    rig_deinit(&rig);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_trace(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot != NULL && strcmp(dot, ".txt") == 0;
}

static struct dirent **traces;
static int trace_count;

START_TEST(what_each_trace_promises_is_kept)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TRACES, traces[_i]->d_name);
    run_file(path);
}
END_TEST

int main(int count, char **words)
{
    Suite *suite = suite_create("core_traces");
    TCase *group = tcase_create("core_traces");
    SRunner *runner;
    int failed;

    rewrite = count > 1 && strcmp(words[1], "--rewrite") == 0;
    trace_count = scandir(TRACES, &traces, is_trace, by_name);
    if (trace_count <= 0)
        return fprintf(stderr, "no traces in %s\n", TRACES), EXIT_FAILURE;
    tcase_add_loop_test(group, what_each_trace_promises_is_kept, 0, trace_count);
    suite_add_tcase(suite, group);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
