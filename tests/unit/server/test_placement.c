/* Which nodes a stream may be on. Texts as asked of a cluster of nats-server 2.14. */
#include "server/jetstream/placement.h"
#include "tests/unit/unit.h"

#define TAGS 3

struct asked {
    struct bytes at[TAGS];
    struct stream_placement placement;
};

static const struct stream_placement *ask(struct asked *asked, const char *cluster, const char *a,
                                          const char *b)
{
    *asked = (struct asked){.placement = {.cluster = bytes_of_text(cluster)}};
    asked->placement.tags.at = asked->at;
    if (a != NULL)
        asked->at[asked->placement.tags.count++] = bytes_of_text(a);
    if (b != NULL)
        asked->at[asked->placement.tags.count++] = bytes_of_text(b);
    return &asked->placement;
}

static struct schema_strings node(struct bytes at[static TAGS], const char *a, const char *b)
{
    at[0] = bytes_of_text(a);
    at[1] = bytes_of_text(b);
    return (struct schema_strings){.at = at, .count = 2};
}

START_TEST(a_node_needs_every_tag_and_none_that_is_excluded)
{
    static const struct {
        const char *a, *b;
        bool allowed;
    } rows[] = {
        {NULL, NULL, true}, {"x", NULL, true},   {"x", "y", true},   {"X", NULL, true},
        {"z", NULL, false}, {"x", "z", false},   {"!z", NULL, true}, {"!x", NULL, false},
        {"x", "!y", false}, {"!X", NULL, false}, {"x", "!z", true},
    };
    struct bytes at[TAGS];
    struct schema_strings tags = node(at, "x", "y");

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct placement_reasons reasons = {0};
        struct asked asked;

        ck_assert_msg(placement_allows(ask(&asked, "", rows[i].a, rows[i].b), &tags, &reasons) ==
                          rows[i].allowed,
                      "row %zu", i);
        ck_assert((reasons.missed | reasons.excluded) == 0 || !rows[i].allowed);
    }
}
END_TEST

START_TEST(a_node_tagged_against_jetstream_holds_nothing)
{
    struct bytes at[TAGS];
    struct schema_strings tags = node(at, "x", "!jetstream");
    struct placement_reasons reasons = {0};
    struct asked asked;

    ck_assert(!placement_allows(NULL, &tags, &reasons));
    ck_assert(!placement_allows(ask(&asked, "", "x", NULL), &tags, &reasons));
}
END_TEST

START_TEST(a_refusal_names_what_was_missed_and_what_was_excluded)
{
    struct bytes at[TAGS];
    struct schema_strings one = node(at, "x", "y");
    struct placement_reasons reasons = {0};
    struct asked asked;
    const struct stream_placement *placement = ask(&asked, "", "ssd", "!x");
    char text[200];

    placement_refusal(NULL, &reasons, true, text, sizeof text);
    ck_assert_str_eq(text, "no suitable peers for placement, peer offline");
    placement_refusal(placement, &reasons, false, text, sizeof text);
    ck_assert_str_eq(text, "no suitable peers for placement");
    (void)placement_allows(placement, &one, &reasons);
    placement_refusal(placement, &reasons, false, text, sizeof text);
    ck_assert_str_eq(text, "no suitable peers for placement, tags not matched ['ssd'], "
                           "tags excluded ['x']");
    placement = ask(&asked, "", "b", "hdd");
    reasons = (struct placement_reasons){0};
    (void)placement_allows(placement, &one, &reasons);
    placement_refusal(placement, &reasons, false, text, sizeof text);
    ck_assert_str_eq(text, "no suitable peers for placement, tags not matched ['b', 'hdd']");
    placement_refusal(placement, &reasons, false, text, 50); /* cut, not overrun */
    ck_assert_uint_eq(strlen(text), 49);
}
END_TEST

START_TEST(clusters_are_named_exactly_and_placements_compared_as_they_stand)
{
    struct asked a, b;

    ck_assert(placement_in_cluster(NULL, BYTES("C")));
    ck_assert(placement_in_cluster(ask(&a, "", "x", NULL), BYTES("C")));
    ck_assert(placement_in_cluster(ask(&a, "C", NULL, NULL), BYTES("C")));
    ck_assert(!placement_in_cluster(ask(&a, "D", NULL, NULL), BYTES("C")));
    ck_assert(placement_equal(NULL, NULL));
    ck_assert(!placement_equal(NULL, ask(&a, "", "x", NULL)));
    ck_assert(placement_equal(ask(&a, "C", "x", "y"), ask(&b, "C", "x", "y")));
    ck_assert(!placement_equal(ask(&a, "C", "x", "y"), ask(&b, "C", "x", NULL)));
    ck_assert(!placement_equal(ask(&a, "C", "x", NULL), ask(&b, "C", "y", NULL)));
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_node_needs_every_tag_and_none_that_is_excluded,
        a_node_tagged_against_jetstream_holds_nothing,
        a_refusal_names_what_was_missed_and_what_was_excluded,
        clusters_are_named_exactly_and_placements_compared_as_they_stand,
    };

    return UNIT_RUN_PLAIN("placement", tests);
}
