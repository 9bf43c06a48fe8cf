/* schema_time: why a text is no RFC 3339 time, in the words of Go's time.Parse. */
#ifndef BASE_SCHEMA_TIME_H
#define BASE_SCHEMA_TIME_H

#include "base/json.h"

/* `text` has been refused by text_read_time. */
void schema_time_error(struct bytes text, struct json_error *error);

#endif
