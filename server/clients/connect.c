#include "server/clients/connect.h"

#include "base/json.h"

/* A member that we check and do nothing with still ends the connection when its type is wrong. */
struct field {
    struct bytes key;
    enum { FIELD_BOOL, FIELD_STRING, FIELD_INTEGER, FIELD_OBJECT } type;
    size_t offset; /* in struct connect, NOWHERE */
};

#define NOWHERE SIZE_MAX

static const struct field fields[] = {
    {BYTES("verbose"), FIELD_BOOL, offsetof(struct connect, verbose)},
    {BYTES("pedantic"), FIELD_BOOL, offsetof(struct connect, pedantic)},
    {BYTES("echo"), FIELD_BOOL, offsetof(struct connect, echo)},
    {BYTES("headers"), FIELD_BOOL, offsetof(struct connect, headers)},
    {BYTES("no_responders"), FIELD_BOOL, offsetof(struct connect, no_responders)},
    {BYTES("protocol"), FIELD_INTEGER, offsetof(struct connect, protocol)},
    {BYTES("name"), FIELD_STRING, offsetof(struct connect, name)},
    {BYTES("lang"), FIELD_STRING, offsetof(struct connect, lang)},
    {BYTES("version"), FIELD_STRING, offsetof(struct connect, version)},
    {BYTES("user"), FIELD_STRING, offsetof(struct connect, user)},
    {BYTES("tls_required"), FIELD_BOOL, NOWHERE},
    {BYTES("nkey"), FIELD_STRING, offsetof(struct connect, nkey)},
    {BYTES("jwt"), FIELD_STRING, offsetof(struct connect, jwt)},
    {BYTES("sig"), FIELD_STRING, offsetof(struct connect, sig)},
    {BYTES("auth_token"), FIELD_STRING, offsetof(struct connect, auth_token)},
    {BYTES("pass"), FIELD_STRING, offsetof(struct connect, pass)},
    {BYTES("remote_account"), FIELD_STRING, NOWHERE},
    {BYTES("proxy_sig"), FIELD_STRING, NOWHERE},
    {BYTES("import"), FIELD_OBJECT, NOWHERE},
    {BYTES("export"), FIELD_OBJECT, NOWHERE},
};

void connect_default(struct connect *connect)
{
    *connect = (struct connect){.verbose = true, .pedantic = true, .echo = true};
}

static bool read_bool(const struct json *json, bool *to)
{
    if (json->type != JSON_TRUE && json->type != JSON_FALSE)
        return false;
    if (to != NULL)
        *to = json->type == JSON_TRUE;
    return true;
}

static bool read_string(const struct json *json, struct bytes *to)
{
    if (json->type != JSON_STRING)
        return false;
    if (to != NULL)
        *to = json->text;
    return true;
}

static bool read_field(const struct field *field, const struct json *json, struct connect *connect)
{
    void *to = field->offset != NOWHERE ? (char *)connect + field->offset : NULL;

    switch (field->type) {
    case FIELD_BOOL: return read_bool(json, to);
    case FIELD_STRING: return read_string(json, to);
    case FIELD_INTEGER: return json_i64(json, to);
    case FIELD_OBJECT: return json->type == JSON_OBJECT;
    }
    return false;
}

/* The legacy request for an account of one's own. */
static bool read_account(const struct json *object, struct connect *connect)
{
    const struct json *name = json_get_nocase(object, BYTES("account"));
    const struct json *new = json_get_nocase(object, BYTES("new_account"));
    struct bytes text = {0};
    bool asked = false;

    if (name != NULL && name->type != JSON_NULL && !read_string(name, &text))
        return false;
    if (new != NULL &&new->type != JSON_NULL && !read_bool(new, &asked))
        return false;
    connect->account_asked = asked || text.size > 0;
    return true;
}

bool connect_read(struct arena *arena, struct bytes json, struct connect *connect)
{
    struct json_error error;
    const struct json *object = json_parse(arena, json, &error);

    if (object == NULL || (object->type != JSON_OBJECT && object->type != JSON_NULL))
        return false;
    if (object->type == JSON_NULL)
        return true;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct json *member = json_get_nocase(object, fields[i].key);

        if (member == NULL || member->type == JSON_NULL)
            continue;
        if (!read_field(&fields[i], member, connect))
            return false;
    }
    return read_account(object, connect);
}
