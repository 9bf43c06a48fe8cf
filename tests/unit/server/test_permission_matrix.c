/*
 * What may be published, subscribed and delivered, against an oracle that knows no tables: it looks
 * at every filter, token by token. More than a million random questions, and all small patterns
 * against each other.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/prng.h"
#include "server/auth/permissions.h"
#include "tests/unit/unit.h"

#define FILTERS_MAX 6u
#define TEXT_MAX    32u
#define WORLDS      10000u
#define QUESTIONS   100u /* per world; of three kinds each */
#define SECONDS_MAX 120  /* of processor time, sanitizers included; it takes one */

static struct prng prng;

/* ---- subjects ------------------------------------------------------------------------------- */

struct text {
    char at[TEXT_MAX];
};

static struct bytes view(const struct text *text)
{
    return bytes_of_text(text->at);
}

/* Few tokens of few letters, so that much matches. */
static struct text random_subject(unsigned wildcards_percent)
{
    static const char *const letters[] = {"a", "b", "c", "dd"};
    size_t count = 1 + prng_below(&prng, 4), size = 0;
    struct text text = {""};

    for (size_t i = 0; i < count; i++) {
        const char *token = letters[prng_below(&prng, 4)];
        bool wild = prng_below(&prng, 100) < wildcards_percent;

        if (wild)
            token = i + 1 == count && prng_below(&prng, 2) == 0 ? ">" : "*";
        size += (size_t)snprintf(text.at + size, TEXT_MAX - size, i > 0 ? ".%s" : "%s", token);
    }
    return text;
}

/* ---- the oracle ----------------------------------------------------------------------------- */

static const char *token_end(const char *at)
{
    while (*at != 0 && *at != '.')
        at++;
    return at;
}

static bool token_equal(const char *a, const char *b)
{
    size_t size = (size_t)(token_end(a) - a);

    return size == (size_t)(token_end(b) - b) && memcmp(a, b, size) == 0;
}

/* Does the filter match the text, whose own wildcards are ordinary tokens? */
static bool matches(const char *filter, const char *text)
{
    for (;;) {
        if (strcmp(filter, ">") == 0)
            return true;
        if (!token_equal(filter, "*") && !token_equal(filter, text))
            return false;
        filter = token_end(filter);
        text = token_end(text);
        if (*filter == 0 || *text == 0)
            return *filter == *text;
        filter++;
        text++;
    }
}

/* A list of filters as the oracle sees it. */
struct list {
    struct text subjects[FILTERS_MAX];
    struct text queues[FILTERS_MAX];
    struct permission_filter filters[FILTERS_MAX];
    size_t count;
};

struct world {
    struct list publish_allow, publish_deny, subscribe_allow, subscribe_deny;
    struct permission_options options;
};

static bool any_plain(const struct list *list, const char *subject)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->queues[i].at[0] == 0 && matches(list->subjects[i].at, subject))
            return true;
    }
    return false;
}

static bool any_queue(const struct list *list, const char *subject)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->queues[i].at[0] != 0 && matches(list->subjects[i].at, subject))
            return true;
    }
    return false;
}

static bool this_queue(const struct list *list, const char *subject, const char *queue)
{
    for (size_t i = 0; i < list->count && queue[0] != 0; i++) {
        if (list->queues[i].at[0] != 0 && matches(list->subjects[i].at, subject) &&
            matches(list->queues[i].at, queue))
            return true;
    }
    return false;
}

static bool may_publish(const struct world *world, const char *subject)
{
    if (world->publish_allow.count > 0 && !any_plain(&world->publish_allow, subject))
        return false;
    return !any_plain(&world->publish_deny, subject);
}

/* Who is given queues of a subject may use these and no others; what is denied stays denied. */
static bool may_subscribe(const struct world *world, const char *subject, const char *queue)
{
    const struct list *allow = &world->subscribe_allow, *deny = &world->subscribe_deny;

    if (allow->count > 0 && queue[0] != 0 && any_queue(allow, subject)) {
        if (!this_queue(allow, subject, queue))
            return false;
    } else if (allow->count > 0 && !any_plain(allow, subject)) {
        return false;
    }
    return !any_plain(deny, subject) && !this_queue(deny, subject, queue);
}

/* ---- worlds --------------------------------------------------------------------------------- */

static void list_fill(struct list *list, bool queues, struct permission_list *to)
{
    list->count = prng_below(&prng, FILTERS_MAX + 1);
    for (size_t i = 0; i < list->count; i++) {
        list->subjects[i] = random_subject(30);
        list->queues[i] = (struct text){""};
        if (queues && prng_below(&prng, 3) == 0)
            list->queues[i] = random_subject(20);
        list->filters[i] =
            (struct permission_filter){view(&list->subjects[i]), view(&list->queues[i])};
    }
    *to = (struct permission_list){list->filters, list->count};
}

static void world_make(struct world *world)
{
    world->options = (struct permission_options){0};
    list_fill(&world->publish_allow, false, &world->options.publish_allow);
    list_fill(&world->publish_deny, false, &world->options.publish_deny);
    list_fill(&world->subscribe_allow, true, &world->options.subscribe_allow);
    list_fill(&world->subscribe_deny, true, &world->options.subscribe_deny);
}

static void ask_all(const struct world *world, const struct permissions *permissions)
{
    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct text subject = random_subject(i % 2 == 0 ? 0 : 30), queue = {""};

        if (prng_below(&prng, 2) == 0)
            queue = random_subject(0);
        ck_assert_msg(permissions_publish(permissions, view(&subject)) ==
                          may_publish(world, subject.at),
                      "publish %s", subject.at);
        ck_assert_msg(permissions_subscribe(permissions, view(&subject), view(&queue)) ==
                          may_subscribe(world, subject.at, queue.at),
                      "subscribe %s in \"%s\"", subject.at, queue.at);
        ck_assert_msg(permissions_deliver(permissions, view(&subject)) ==
                          !any_plain(&world->subscribe_deny, subject.at),
                      "deliver %s", subject.at);
    }
}

START_TEST(a_million_random_questions_have_the_answers_of_the_oracle)
{
    static struct world world;
    clock_t begun = clock();

    static_assert(WORLDS * QUESTIONS >= 1000000, "a million, of each kind");
    prng_seed(&prng, 20);
    for (unsigned n = 0; n < WORLDS; n++) {
        struct permissions permissions;

        world_make(&world);
        permissions_init(&permissions, &world.options, n);
        ask_all(&world, &permissions);
        permissions_deinit(&permissions);
    }
    ck_assert_int_lt((clock() - begun) / CLOCKS_PER_SEC, SECONDS_MAX);
}
END_TEST

/* ---- what a subscription may see ------------------------------------------------------------ */

/* All literal subjects of up to three tokens of two letters. */
static bool share_a_subject(const char *a, const char *b)
{
    static const char letters[] = "ab";
    char text[8] = "";

    for (unsigned size = 1; size <= 3; size++) {
        for (unsigned n = 0; n < 1u << size; n++) {
            for (unsigned i = 0; i < size; i++) {
                text[2 * i] = letters[n >> i & 1];
                text[2 * i + 1] = i + 1 < size ? '.' : 0;
            }
            if (matches(a, text) && matches(b, text))
                return true;
        }
    }
    return false;
}

static const char *const patterns[] = {
    "a",   "b",   "*",   ">",     "a.a",   "a.b",   "b.a",   "a.*",   "*.a",   "*.b",   "*.*",
    "a.>", "b.>", "*.>", "a.a.a", "a.b.a", "a.*.b", "*.b.*", "*.*.*", "a.a.>", "a.*.>", "*.b.>",
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

START_TEST(a_subscription_leaks_when_it_shares_a_subject_with_what_is_denied)
{
    for (size_t i = 0; i < PATTERNS; i++) {
        struct permission_filter filter = {.subject = bytes_of_text(patterns[i])};
        struct permission_options options = {.subscribe_deny = {&filter, 1}};
        struct permissions permissions;

        permissions_init(&permissions, &options, i);
        for (size_t n = 0; n < PATTERNS; n++)
            ck_assert_msg(permissions_subscribe_leaks(&permissions, bytes_of_text(patterns[n])) ==
                              share_a_subject(patterns[i], patterns[n]),
                          "deny %s, subscribe %s", patterns[i], patterns[n]);
        permissions_deinit(&permissions);
    }
}
END_TEST

START_TEST(nothing_that_is_denied_is_ever_delivered)
{
    static struct world world;

    prng_seed(&prng, 21);
    for (unsigned n = 0; n < 2000; n++) {
        struct permissions permissions;
        struct text pattern = random_subject(50), subject = random_subject(0);

        world_make(&world);
        permissions_init(&permissions, &world.options, n);
        if (matches(pattern.at, subject.at) && any_plain(&world.subscribe_deny, subject.at))
            ck_assert_msg(permissions_subscribe_leaks(&permissions, view(&pattern)) &&
                              !permissions_deliver(&permissions, view(&subject)),
                          "%s by %s", subject.at, pattern.at);
        permissions_deinit(&permissions);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_million_random_questions_have_the_answers_of_the_oracle,
        a_subscription_leaks_when_it_shares_a_subject_with_what_is_denied,
        nothing_that_is_denied_is_ever_delivered,
    };

    return UNIT_RUN_PLAIN("permission_matrix", tests);
}
