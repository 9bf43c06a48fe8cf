/* header: values of the headers of HTTP and of lists in them, as views. Pure. */
#ifndef SERVER_WEBSOCKET_HEADER_H
#define SERVER_WEBSOCKET_HEADER_H

#include "base/bytes.h"

/* The first of that name; empty: there is none. */
struct bytes header_first(struct bytes headers, struct bytes name);
/* Is `token` one of a list that commas separate, in any of the headers of this name? */
bool header_lists(struct bytes headers, struct bytes name, struct bytes token);
/* The next part of a list, trimmed. */
bool header_part_next(struct bytes *list, uint8_t separator, struct bytes *part);

#endif
