/* Members of objects: a key and its value. */
#include "base/json.h"
#include "base/text.h"

void json_put_string(struct json_writer *writer, struct bytes key, struct bytes value)
{
    json_key(writer, key);
    json_string(writer, value);
}

void json_put_given(struct json_writer *writer, struct bytes key, struct bytes value)
{
    if (value.size > 0)
        json_put_string(writer, key, value);
}

void json_put_text(struct json_writer *writer, struct bytes key, const char *value)
{
    json_put_string(writer, key, bytes_of_text(value));
}

void json_put_i64(struct json_writer *writer, struct bytes key, int64_t value)
{
    json_key(writer, key);
    json_number_i64(writer, value);
}

void json_put_u64(struct json_writer *writer, struct bytes key, uint64_t value)
{
    json_key(writer, key);
    json_number_u64(writer, value);
}

void json_put_bool(struct json_writer *writer, struct bytes key, bool value)
{
    json_key(writer, key);
    json_bool(writer, value);
}

void json_put_true(struct json_writer *writer, struct bytes key, bool value)
{
    if (value)
        json_put_bool(writer, key, true);
}

void json_put_time(struct json_writer *writer, struct bytes key, int64_t unix_ns)
{
    char text[TEXT_TIME_MAX];

    json_put_string(writer, key, bytes_of(text, text_time(text, unix_ns)));
}
