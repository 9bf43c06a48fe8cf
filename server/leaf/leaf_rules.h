/*
 * leaf_rules: what may pass a connection between a leaf and its hub. Pure. Each direction has
 * subjects that are allowed (none given: all) and subjects that are denied, which counts more. What
 * is JetStream's of either side is denied whoever it is: each side has its own, and reaches the
 * other's by its domain.
 *
 *     out   what this side may send, and so what the other's subscriptions are worth
 *     in    what this side may subscribe to over there, and so what it takes
 */
#ifndef SERVER_LEAF_LEAF_RULES_H
#define SERVER_LEAF_LEAF_RULES_H

#include "base/buf.h"
#include "base/json.h"
#include "server/auth/auth_options.h"

/* The texts are owned. */
struct leaf_filter {
    struct bytes *allow;
    size_t allow_count;
    struct bytes *deny;
    size_t deny_count;
};

struct leaf_rules {
    struct leaf_filter out;
    struct leaf_filter in;
    bool system; /* of the system account: more of JetStream is denied */
    struct bytes
        own; /* subjects of JetStream in this server's domain: do not leave; may be empty */
};

void leaf_rules_deinit(struct leaf_rules *rules);
void leaf_filter_deinit(struct leaf_filter *filter);

void leaf_filter_allow(struct leaf_filter *filter, struct bytes subject);
void leaf_filter_deny(struct leaf_filter *filter, struct bytes subject);
/* Of a user's permissions. */
void leaf_filter_take(struct leaf_filter *filter, const struct permission_list *allow,
                      const struct permission_list *deny);
/* {"allow":[...],"deny":[...]}, as INFO has it. */
void leaf_filter_write(struct json_writer *w, const struct leaf_filter *filter);
/* False: no such object. */
bool leaf_filter_read(const struct json *object, struct leaf_filter *filter);
bool leaf_filter_is_empty(const struct leaf_filter *filter);

/* The same by that list alone; a literal subject. */
bool leaf_filter_passes(const struct leaf_filter *filter, struct bytes subject);
/* May a message on that subject be sent? */
bool leaf_rules_send(const struct leaf_rules *rules, struct bytes subject);
/* May the other side be told that this pattern is wanted? */
bool leaf_rules_tell(const struct leaf_rules *rules, struct bytes pattern);
/* May a message of the other side be taken? A hub looks at what was configured alone. */
bool leaf_rules_take(const struct leaf_rules *rules, bool hub, struct bytes subject);

/* Subjects by which servers know each other's loops and replies: they pass whatever the rules. */
bool leaf_subject_free(struct bytes subject);

#define LEAF_LOOP_PREFIX BYTES("$LDS.")

#endif
