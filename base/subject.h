/*
 * subject: the lexical rules of subjects and filters (reference core.md 2.1). Pure.
 *
 * A subject is tokens separated by '.'; in a filter a token "*" matches one token, a last ">" one
 * or more. A literal subject with an empty token ("a..b", ".a", "") matches no filter. Filters are
 * taken to be valid; nothing here depends on the number of tokens (limits.h bounds it for those who
 * subscribe or configure).
 */
#ifndef BASE_SUBJECT_H
#define BASE_SUBJECT_H

#include "base/bytes.h"

/* SUB rule: no empty token; '>' only last; wildcards only as whole tokens (else literal). */
bool subject_valid(struct bytes subject);
/* What one pass over its bytes says: the cheapest question, for subjects that are nearly always
 * literal. */
struct subject_glance {
    size_t dots;
    bool empty; /* a token is, or the subject */
    bool wild;  /* there is a '*' or '>', as a token or in one */
};
struct subject_glance subject_glance(struct bytes subject);
/* The same, and no blanks or control separators inside (config, API). */
bool subject_valid_strict(struct bytes subject);
/* Valid and without wildcard tokens. */
bool subject_literal(struct bytes subject);
bool subject_has_wildcard(struct bytes subject);
/* Does the literal `subject` match `filter`? Wildcard characters in `subject` are ordinary. */
bool subject_matches(struct bytes filter, struct bytes subject);
/* Can one literal subject match both? */
bool subject_collide(struct bytes a, struct bytes b);
/* Does every subject that matches `inner` match `outer`? */
bool subject_covers(struct bytes outer, struct bytes inner);
/* The n-th token from 0; .size 0 and .at NULL when there is none. */
struct bytes subject_token(struct bytes subject, size_t n);
size_t subject_token_count(struct bytes subject);

#endif
