/* authorization, users and permissions (reference config.md 3.1, 3.2). */
#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/limits.h"
#include "base/subject.h"
#include "base/table.h"
#include "base/text.h"
#include "server/auth/nkey.h"
#include "server/config/blocks.h"

#define RESPONSES_MAX INT64_C(1)
#define RESPONSES_NS  INT64_C(120000000000)

/* ---- permissions ---------------------------------------------------------------------------- */

static size_t blank_in(struct bytes text)
{
    size_t at = 0;

    while (at < text.size && text.at[at] != ' ' && text.at[at] != '\t')
        at++;
    return at;
}

/* "subject queue"; with more words it stays a subject, and no valid one. */
static void split_queue(struct bytes text, struct permission_filter *filter)
{
    size_t blank = blank_in(text);
    struct bytes rest = bytes_trim(bytes_skip(text, blank));

    if (blank_in(rest) < rest.size)
        return;
    filter->subject = bytes_take(text, blank);
    filter->queue = rest;
}

/* "subject" or, of subscriptions, "subject queue". */
static void read_filter(struct config_reader *reader, const struct config_value *at,
                        struct bytes text, bool queues, struct permission_list *list)
{
    struct permission_filter filter = {.subject = text};

    if (queues)
        split_queue(bytes_trim(text), &filter);
    if (!subject_valid_strict(filter.subject))
        config_error(reader, at, "subject \"%.*s\" is not a valid subject",
                     BYTES_ARG(filter.subject));
    else if (subject_token_count(filter.subject) > SUBJECT_TOKENS_MAX)
        config_error(reader, at, "subject \"%.*s\" has too many tokens", BYTES_ARG(filter.subject));
    else if (filter.queue.size > 0 && !subject_valid_strict(filter.queue))
        config_error(reader, at, "queue \"%.*s\" is not a valid queue", BYTES_ARG(filter.queue));
    else
        list->at[list->count++] = filter;
}

static void read_filters(struct config_reader *reader, const struct config_value *value,
                         bool queues, struct permission_list *list)
{
    if (value->type != CONFIG_STRING && value->type != CONFIG_ARRAY) {
        config_error(reader, value,
                     "Expected subject permissions to be a subject, or array of subjects, got %s",
                     config_type_text(value->type));
        return;
    }
    list->at = config_array(reader, value, sizeof(struct permission_filter), &list->count);
    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        if (e->type == CONFIG_STRING)
            read_filter(reader, e, e->text, queues, list);
        else
            config_error(reader, e, "Subject in permissions array cannot be cast to string");
    }
}

/* What may be published to, or subscribed: subjects that are allowed, or a map of both kinds. */
static void read_subjects(struct config_reader *reader, const struct config_value *value,
                          bool queues, struct permission_list *allow, struct permission_list *deny)
{
    if (value->type != CONFIG_MAP) {
        read_filters(reader, value, queues, allow);
        return;
    }
    for (const struct config_value *member = value->child; member != NULL; member = member->next) {
        if (bytes_equal_nocase(member->key, BYTES("allow")))
            read_filters(reader, member, queues, allow);
        else if (bytes_equal_nocase(member->key, BYTES("deny")))
            read_filters(reader, member, queues, deny);
        else if (!member->used)
            config_error(reader, member,
                         "Unknown field name \"%.*s\" parsing subject permissions, only 'allow' or "
                         "'deny' are permitted",
                         CONFIG_KEY(member));
    }
}

static void read_publish(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct permission_options *options = to;

    read_subjects(reader, value, false, &options->publish_allow, &options->publish_deny);
}

static void read_subscribe(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct permission_options *options = to;

    read_subjects(reader, value, true, &options->subscribe_allow, &options->subscribe_deny);
}

static void read_expires(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct permission_options *options = to;

    if (value->type != CONFIG_STRING)
        config_error(reader, value, "error parsing expires, not a duration string");
    else if (!text_read_duration(value->text, &options->responses_ns))
        config_error(reader, value, "error parsing expires: time: invalid duration \"%.*s\"",
                     BYTES_ARG(value->text));
}

static const struct config_option options_of_responses[] = {
    CONFIG_FIELD("max max_msgs max_messages max_responses", CONFIG_AS_INT64,
                 struct permission_options, responses_max),
    CONFIG_READ("expires expiration ttl", read_expires),
};

static const struct config_block responses = {options_of_responses, 2,
                                              "Unknown field \"%.*s\" parsing permissions"};

/* Less than nothing is without limit, nothing the default. */
static int64_t limit(int64_t value, int64_t usual)
{
    if (value < 0)
        return -1;
    return value == 0 ? usual : value;
}

static void read_responses(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct permission_options *options = to;

    options->responses_max = 0;
    options->responses_ns = 0;
    if (value->type == CONFIG_BOOL) {
        options->responses = value->boolean;
    } else if (value->type == CONFIG_MAP) {
        options->responses = true;
        (void)config_read_block(reader, value, &responses, options);
    } else {
        config_error(reader, value,
                     "error parsing response permissions, expected a boolean or a map");
    }
    options->responses_max = limit(options->responses_max, RESPONSES_MAX);
    options->responses_ns = limit(options->responses_ns, RESPONSES_NS);
}

static const struct config_option options_of_permissions[] = {
    CONFIG_READ("publish pub import", read_publish),
    CONFIG_READ("subscribe sub export", read_subscribe),
    CONFIG_READ("allow_responses publish_allow_responses", read_responses),
};

static const struct config_block permissions = {options_of_permissions, 3,
                                                "Unknown field \"%.*s\" parsing permissions"};

const struct permission_options *config_permissions(struct config_reader *reader,
                                                    const struct config_value *value)
{
    struct permission_options *options = CONFIG_NEW(reader, struct permission_options);

    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected permissions to be a map/struct, got %s",
                     config_type_text(value->type));
        return NULL;
    }
    (void)config_read_block(reader, value, &permissions, options);
    return options;
}

/* ---- users ---------------------------------------------------------------------------------- */

static void read_user_permissions(struct config_reader *reader, const struct config_value *value,
                                  void *to)
{
    struct user_options *user = to;

    user->permissions = config_permissions(reader, value);
}

static unsigned connection_type(struct bytes word)
{
    static const struct {
        const char *name;
        enum connection_type type;
    } types[] = {
        {"STANDARD", CONNECTION_STANDARD},
        {"WEBSOCKET", CONNECTION_WEBSOCKET},
        {"LEAFNODE", CONNECTION_LEAFNODE},
        {"LEAFNODE_WS", CONNECTION_LEAFNODE_WS},
        {"MQTT", CONNECTION_MQTT},
        {"MQTT_WS", CONNECTION_MQTT_WS},
        {"IN_PROCESS", CONNECTION_IN_PROCESS},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (bytes_equal_nocase(word, bytes_of_text(types[i].name)))
            return types[i].type;
    }
    return 0;
}

static void read_connection_types(struct config_reader *reader, const struct config_value *value,
                                  void *to)
{
    struct user_options *user = to;

    for (const struct config_value *e = config_elements(value); e != NULL;
         e = config_element_next(value, e)) {
        unsigned type = e->type == CONFIG_STRING ? connection_type(e->text) : 0;

        if (type == 0)
            config_error(reader, value, "invalid connection types [\"%.*s\"]", BYTES_ARG(e->text));
        user->connection_types |= type;
    }
}

static const struct config_option options_of_user[] = {
    CONFIG_FIELD("user username", CONFIG_AS_BYTES, struct user_options, name),
    CONFIG_FIELD("password pass", CONFIG_AS_BYTES, struct user_options, password),
    CONFIG_FIELD("nkey", CONFIG_AS_BYTES, struct user_options, nkey),
    CONFIG_READ("permissions permission authorization", read_user_permissions),
    CONFIG_READ("allowed_connection_types connection_types clients", read_connection_types),
    CONFIG_REFUSED_IF("proxy_required"),
};

static const struct config_block user_block = CONFIG_BLOCK(options_of_user);

static bool check_user(struct config_reader *reader, const struct config_value *value,
                       const struct user_options *user)
{
    uint8_t key[NKEY_SIZE];

    if (user->nkey.size == 0 && user->name.size == 0)
        config_error(reader, value, "User entry requires a user");
    else if (user->nkey.size > 0 && !nkey_read(user->nkey, NKEY_USER, key))
        config_error(reader, value, "Not a valid public nkey for a user");
    else if (user->nkey.size > 0 && (user->name.size > 0 || user->password.size > 0))
        config_error(reader, value, "Nkey users do not take usernames or passwords");
    else
        return true;
    return false;
}

static void read_user(struct config_reader *reader, const struct config_value *value,
                      const struct account_options *account, struct auth_options *auth)
{
    unsigned errors = reader->error_count;
    struct user_options user = {.account = account, .place = &value->place};

    if (value->type != CONFIG_MAP) {
        config_error(reader, value, "Expected user entry to be a map/struct, got %s",
                     config_type_text(value->type));
        return;
    }
    (void)config_read_block(reader, value, &user_block, &user);
    if (reader->error_count == errors && check_user(reader, value, &user))
        auth->users[auth->users_count++] = user;
}

void config_users(struct config_reader *reader, const struct config_value *value,
                  const struct account_options *account, struct auth_options *auth)
{
    struct user_options *before = auth->users;
    size_t more = 0;

    if (value->type != CONFIG_ARRAY) {
        config_error(reader, value, "Expected users field to be an array, got %s",
                     config_type_text(value->type));
        return;
    }
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        more++;
    auth->users = config_take(reader, (auth->users_count + more) * sizeof(struct user_options));
    if (auth->users_count > 0)
        memcpy(auth->users, before, auth->users_count * sizeof(struct user_options));
    for (const struct config_value *e = value->child; e != NULL; e = e->next)
        read_user(reader, e, account, auth);
}

/* ---- authorization -------------------------------------------------------------------------- */

static void read_timeout(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = to;

    config_timeout(reader, value, "authorization", &auth->timeout_ns);
}

static void read_users(struct config_reader *reader, const struct config_value *value, void *to)
{
    config_users(reader, value, NULL, to);
}

static void read_defaults(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = to;

    auth->default_permissions = config_permissions(reader, value);
}

static const struct config_option options_of_authorization[] = {
    CONFIG_FIELD("user username", CONFIG_AS_BYTES, struct auth_options, user),
    CONFIG_FIELD("password pass", CONFIG_AS_BYTES, struct auth_options, password),
    CONFIG_FIELD("token", CONFIG_AS_BYTES, struct auth_options, token),
    CONFIG_READ("timeout", read_timeout),
    CONFIG_READ("users", read_users),
    CONFIG_READ("default_permissions default_permission permissions", read_defaults),
    CONFIG_READ("auth_callout auth_hook", config_callout),
    CONFIG_REFUSED_IF("proxy_required"),
};

static const struct config_block authorization = CONFIG_BLOCK(options_of_authorization);

void config_authorization(struct config_reader *reader, const struct config_value *value, void *to)
{
    struct auth_options *auth = &((struct options *)to)->auth;

    auth->place = &value->place;
    (void)config_read_block(reader, value, &authorization, auth);
}

/* ---- what only the whole file shows --------------------------------------------------------- */

static struct bytes user_key(const void *item)
{
    const struct user_options *user = item;

    return user->nkey.size > 0 ? user->nkey : user->name;
}

static void check_twice(struct config_reader *reader, struct table *seen,
                        const struct user_options *user)
{
    const struct config_value at = {.place = *user->place};

    if (table_find(seen, user_key(user)) == NULL)
        table_add(seen, (void *)user);
    else if (user->nkey.size > 0)
        config_error(reader, &at, "Duplicate nkey \"%.*s\" detected", BYTES_ARG(user->nkey));
    else
        config_error(reader, &at, "Duplicate user \"%.*s\" detected", BYTES_ARG(user->name));
}

static void check_names(struct config_reader *reader, const struct auth_options *auth)
{
    struct table names, nkeys;

    table_init(&names, user_key, 1);
    table_init(&nkeys, user_key, 1);
    for (size_t i = 0; i < auth->users_count; i++)
        check_twice(reader, auth->users[i].nkey.size > 0 ? &nkeys : &names, &auth->users[i]);
    table_deinit(&names);
    table_deinit(&nkeys);
}

void config_auth_check(struct config_reader *reader, const struct auth_options *auth)
{
    const struct config_value at = {.place = auth->place != NULL ? *auth->place
                                                                 : (struct config_place){0}};
    bool single = auth->user.size > 0;

    if (single && auth->token.size > 0)
        config_error(reader, &at, "Cannot have a user/pass and token");
    if (single && auth->users_count > 0)
        config_error(reader, &at, "Can not have a single user/pass and a users array");
    if (auth->token.size > 0 && auth->users_count > 0)
        config_error(reader, &at, "Can not have a token and a users array");
    check_names(reader, auth);
}

static bool no_auth_user_known(const struct auth_options *auth)
{
    for (size_t i = 0; i < auth->users_count; i++) {
        if (bytes_equal(user_key(&auth->users[i]), auth->no_auth_user))
            return true;
    }
    return false;
}

void config_no_auth_user_check(struct config_reader *reader, const struct auth_options *auth)
{
    if (auth->no_auth_user.size == 0)
        return;
    if (auth->users_count == 0)
        config_error(reader, NULL,
                     "no_auth_user: \"%.*s\" present, but users/nkeys are not defined",
                     BYTES_ARG(auth->no_auth_user));
    else if (!no_auth_user_known(auth))
        config_error(reader, NULL,
                     "no_auth_user: \"%.*s\" not present as user or nkey in authorization block or "
                     "account configuration",
                     BYTES_ARG(auth->no_auth_user));
}
