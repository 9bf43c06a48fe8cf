/* jwt_members: members of claims, as they may or may not be there. Private to server/auth/jwt*.c.
 */
#ifndef SERVER_AUTH_JWT_MEMBERS_H
#define SERVER_AUTH_JWT_MEMBERS_H

#include "base/json.h"

static inline bool member_given(const struct json *member)
{
    return member != NULL && member->type != JSON_NULL && member->type != JSON_FALSE &&
           !((member->type == JSON_ARRAY || member->type == JSON_OBJECT) && member->child == NULL);
}

static inline int64_t member_number(const struct json *object, struct bytes key, int64_t otherwise)
{
    int64_t value;

    return json_i64(json_get(object, key), &value) ? value : otherwise;
}

static inline bool member_is_true(const struct json *object, struct bytes key)
{
    const struct json *member = json_get(object, key);

    return member != NULL && member->type == JSON_TRUE;
}

static inline struct bytes member_text(const struct json *object, struct bytes key)
{
    const struct json *member = json_get(object, key);

    return member != NULL && member->type == JSON_STRING ? member->text : bytes_of(NULL, 0);
}

static inline size_t member_children(const struct json *json)
{
    size_t count = 0;

    for (const struct json *child = json != NULL ? json->child : NULL; child != NULL;
         child = child->next)
        count++;
    return count;
}

static inline bool member_is_list(const struct json *json, enum json_type type)
{
    return json == NULL || json->type == JSON_NULL || json->type == type;
}

#endif
