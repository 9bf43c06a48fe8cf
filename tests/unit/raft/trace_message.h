/* trace_message: a message of the core made of words: its type, then `field=number` or `flag`. */
#ifndef TESTS_UNIT_RAFT_TRACE_MESSAGE_H
#define TESTS_UNIT_RAFT_TRACE_MESSAGE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "raft/core.h"

static enum raft_message_type trace_message_type(const char *name)
{
    static const struct {
        const char *name;
        enum raft_message_type type;
    } types[] = {
        {"prevote", RAFT_PREVOTE},
        {"prevote-answer", RAFT_PREVOTE_ANSWER},
        {"vote", RAFT_VOTE},
        {"vote-answer", RAFT_VOTE_ANSWER},
        {"append", RAFT_APPEND},
        {"append-answer", RAFT_APPEND_ANSWER},
        {"snapshot-needed", RAFT_SNAPSHOT_NEEDED},
        {"transfer", RAFT_TRANSFER},
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    ck_abort_msg("no such message: %s", name);
}

static void trace_message_set(struct raft_message *message, const char *word)
{
    const char *equals = strchr(word, '=');
    uint64_t value = equals == NULL ? 1 : strtoull(equals + 1, NULL, 10);

#define FIELD(name)                                                                                \
    if (strncmp(word, #name, sizeof #name - 1) == 0 &&                                             \
        (word[sizeof #name - 1] == '=' || word[sizeof #name - 1] == 0)) {                          \
        message->name = value;                                                                     \
        return;                                                                                    \
    }
    FIELD(term)
    FIELD(previous)
    FIELD(previous_term)
    FIELD(commit)
    FIELD(last)
    FIELD(last_term)
    FIELD(probe)
    FIELD(damaged)
    FIELD(granted)
    FIELD(transfer)
    FIELD(sleep)
    FIELD(removed)
#undef FIELD
    if (strncmp(word, "from=", 5) == 0) {
        message->from.incarnation = value;
    } else if (strncmp(word, "to=", 3) == 0) {
        message->to.incarnation = value;
    } else if (strncmp(word, "entry=", 6) == 0) { /* its term */
        message->entries[message->entry_count] = (struct raft_entry){
            .index = message->previous + 1 + message->entry_count, .term = value};
        message->entry_count++;
    } else {
        ck_abort_msg("no such field: %s", word);
    }
}

#endif
