/* print_json: what was parsed, written again. */
#ifndef TESTS_PRINT_JSON_H
#define TESTS_PRINT_JSON_H

#include "base/json.h"

static inline void print_json(struct json_writer *writer, const struct json *json)
{
    switch (json->type) {
    case JSON_NULL: json_null(writer); break;
    case JSON_FALSE: json_bool(writer, false); break;
    case JSON_TRUE: json_bool(writer, true); break;
    case JSON_NUMBER: json_raw(writer, json->text); break;
    case JSON_STRING: json_string(writer, json->text); break;
    case JSON_ARRAY:
        json_array_begin(writer);
        for (const struct json *child = json->child; child != NULL; child = child->next)
            print_json(writer, child);
        json_array_end(writer);
        break;
    case JSON_OBJECT:
        json_object_begin(writer);
        for (const struct json *child = json->child; child != NULL; child = child->next) {
            json_key(writer, child->key);
            print_json(writer, child);
        }
        json_object_end(writer);
        break;
    }
}

#endif
