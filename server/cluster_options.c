#include "server/cluster_options.h"

#define ROUTE_PORT 4222 /* of a URL without one, as the reference has it */

static const char *keep(struct arena *arena, struct bytes b)
{
    struct bytes copy = arena_copy(arena, b);

    assert(copy.at != NULL);
    return (const char *)copy.at;
}

static struct bytes behind_scheme(struct bytes url)
{
    static const char *const schemes[] = {"nats-route://", "nats://", "tls://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (bytes_starts(url, bytes_of_text(schemes[i])))
            return bytes_skip(url, strlen(schemes[i]));
    }
    return url;
}

/* "user:password@" of the rest; a user alone is one without a password. */
static struct bytes take_user(struct arena *arena, struct bytes rest, struct cluster_route *route)
{
    size_t at = rest.size;
    struct bytes said;
    size_t colon;

    while (at > 0 && rest.at[at - 1] != '@')
        at--;
    if (at == 0)
        return rest;
    said = bytes_take(rest, at - 1);
    colon = bytes_find(said, ':');
    route->user = keep(arena, bytes_take(said, colon));
    route->password = keep(arena, bytes_skip(said, colon < said.size ? colon + 1 : said.size));
    return bytes_skip(rest, at);
}

/* ":port"; -1 is any free one, for who listens. */
static bool read_port(struct bytes text, struct cluster_route *route)
{
    uint64_t number;

    route->port = ROUTE_PORT;
    route->port_given = text.size > 0;
    if (text.size == 0)
        return true;
    if (bytes_equal(text, BYTES(":-1"))) {
        route->port = -1;
        return true;
    }
    if (text.at[0] != ':' || !bytes_read_u64(bytes_skip(text, 1), &number) || number > UINT16_MAX)
        return false;
    route->port = (int)number;
    return true;
}

static bool read_host(struct arena *arena, struct bytes rest, struct cluster_route *route)
{
    bool brackets = bytes_starts(rest, BYTES("["));
    size_t end = bytes_find(rest, brackets ? ']' : ':');
    struct bytes host = bytes_take(rest, end);

    if (brackets && end == rest.size)
        return false;
    route->host = keep(arena, brackets ? bytes_skip(host, 1) : host);
    return route->host[0] != 0 && read_port(bytes_skip(rest, end + brackets), route);
}

bool cluster_route_read(struct arena *arena, struct bytes url, struct cluster_route *route)
{
    struct bytes rest = behind_scheme(url);

    *route = (struct cluster_route){.url = keep(arena, url)};
    if (bytes_find(url, 0) < url.size)
        return false;
    rest = take_user(arena, rest, route);
    return read_host(arena, bytes_take(rest, bytes_find(rest, '/')), route);
}
