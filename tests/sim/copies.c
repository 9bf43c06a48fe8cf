#include "tests/sim/copies.h"

#include <stdio.h>

#include "server/jetstream/jetstream_core.h"
#include "server/server_priv.h"
#include "server/stream/stream_priv.h"

#define SUBJECTS 3u

/* {name, config, the subject that is copied (NULL: each), what its first token becomes} */
static const struct copy {
    const char *name, *config, *only;
    char letter;
    bool mirror;
} made[] = {
    {"CM", "\"mirror\":{\"name\":\"CO\"}", NULL, 'c', true},
    {"CA", "\"sources\":[{\"name\":\"CO\"}]", NULL, 'c', false},
    {"CT",
     "\"sources\":[{\"name\":\"CO\",\"subject_transforms\":[{\"src\":\"c.1\",\"dest\":\"t.1\"}]}]",
     "c.1", 't', false},
};

#define COPIES (sizeof made / sizeof made[0])

static void ask(struct sim_client *client, const char *name, const char *config)
{
    char subject[64], body[300];
    int size = snprintf(body, sizeof body, "{\"name\":\"%s\",%s}", name, config);

    snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", name);
    sim_client_publish(client, subject, "_R.copies", "", bytes_of(body, (size_t)size));
}

void copies_set_up(const struct copies *copies, struct sim_client *client)
{
    (void)copies;
    ask(client, "CO", "\"subjects\":[\"c.*\"]");
    for (size_t i = 0; i < COPIES; i++)
        ask(client, made[i].name, made[i].config);
    ask(client, "CQ", "\"subjects\":[\"q\"],\"retention\":\"workqueue\"");
    ask(client, "CK", "\"sources\":[{\"name\":\"CQ\"}]");
}

void copies_act(struct copies *copies, struct sim_client *client, struct prng *prng)
{
    uint64_t count = 1 + prng_below(prng, 5);

    if (prng_chance(prng, 1, 40))
        copies_set_up(copies, client);
    while (count-- > 0) {
        char subject[16], body[24];
        int size = snprintf(body, sizeof body, "%llu", (unsigned long long)++copies->sent);

        if (prng_chance(prng, 1, 3))
            snprintf(subject, sizeof subject, "q");
        else
            snprintf(subject, sizeof subject, "c.%u", (unsigned)prng_below(prng, SUBJECTS));
        sim_client_publish(client, subject, "_R.copies", "", bytes_of(body, (size_t)size));
    }
}

/* ---- comparing ------------------------------------------------------------------------------ */

static struct stream *named(struct server *server, const char *name)
{
    return jetstream_stream(server->jetstream, router_account_default(server->router),
                            bytes_of_text(name));
}

/* What a message is, by its place: the text of its payload. */
static bool text_of(struct stream *stream, const struct index_entry *entry, char out[static 24])
{
    struct stream_message message;

    if (!stream_read_now(stream, entry, &message) || message.payload.size >= 24)
        return false;
    snprintf(out, 24, "%.*s", BYTES_ARG(message.payload));
    return true;
}

static bool violate(struct copies *copies, const struct copy *copy, const char *what,
                    uint64_t sequence)
{
    snprintf(copies->violation, sizeof copies->violation, "%s: %s at %llu of the origin",
             copy->name, what, (unsigned long long)sequence);
    return false;
}

static bool is_copy(struct copies *copies, const struct copy *copy, struct stream *from,
                    const struct index_entry *theirs, struct stream *to,
                    const struct index_entry *ours)
{
    char there[24], here[24];

    if (!text_of(from, theirs, there) || !text_of(to, ours, here))
        return true; /* its bytes are on their way to the disk: later */
    if (strcmp(there, here) != 0)
        return violate(copies, copy, "another message", theirs->sequence);
    if (ours->subject.at[0] != (uint8_t)copy->letter ||
        !bytes_equal(bytes_skip(ours->subject, 1), bytes_skip(theirs->subject, 1)))
        return violate(copies, copy, "another subject", theirs->sequence);
    if (copy->mirror && (ours->sequence != theirs->sequence || ours->time_ns != theirs->time_ns))
        return violate(copies, copy, "another sequence or time", theirs->sequence);
    return true;
}

static bool compare(struct copies *copies, const struct copy *copy, struct stream *from,
                    struct stream *to, bool *whole)
{
    struct bytes only = bytes_of_text(copy->only != NULL ? copy->only : "");
    struct index_filter filter = {.subjects = &only, .count = copy->only != NULL};
    struct index_entry theirs = {0}, ours = {0};
    bool more;

    while ((more = index_next(from->state.index, &filter, theirs.sequence + 1, &theirs)) &&
           index_next(to->state.index, NULL, ours.sequence + 1, &ours)) {
        if (!is_copy(copies, copy, from, &theirs, to, &ours))
            return false;
        copies->copied++;
    }
    *whole = *whole && !more;
    if (!more && index_next(to->state.index, NULL, ours.sequence + 1, &ours))
        return violate(copies, copy, "more than there is", theirs.sequence);
    return true;
}

/* What a queue has handed over is there once, in its order, and what it has let go of is there. */
static bool compare_queue(struct copies *copies, struct server *server, bool *whole)
{
    static const struct copy copy = {.name = "CK"};
    struct stream *from = named(server, "CQ"), *to = named(server, "CK");
    struct index_entry ours = {0}, kept = {0};
    unsigned long long last = 0, number;
    char text[24];
    uint64_t count = 0;

    *whole = *whole && from != NULL && to != NULL;
    if (from == NULL || to == NULL)
        return true;
    while (index_next(to->state.index, NULL, ours.sequence + 1, &ours)) {
        count++;
        if (!text_of(to, &ours, text))
            continue;
        if (sscanf(text, "%llu", &number) != 1 || number <= last)
            return violate(copies, &copy, "again or out of order", ours.sequence);
        last = number;
    }
    if (index_next(from->state.index, NULL, 0, &kept)) {
        *whole = false;
        if (count + 1 < kept.sequence)
            return violate(copies, &copy, "let go and not there", count + 1);
    } else if (count < from->state.last_seq) {
        return violate(copies, &copy, "let go and not there", count + 1);
    }
    copies->copied += count;
    return true;
}

bool copies_compare(struct copies *copies, struct server *server, bool *whole)
{
    struct stream *from = named(server, "CO");

    copies->copied = 0;
    *whole = from != NULL;
    for (size_t i = 0; i < COPIES && from != NULL; i++) {
        struct stream *to = named(server, made[i].name);

        *whole = *whole && to != NULL;
        if (to != NULL && !compare(copies, &made[i], from, to, whole))
            return false;
    }
    return compare_queue(copies, server, whole);
}
