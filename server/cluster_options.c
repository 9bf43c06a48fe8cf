#include "server/cluster_options.h"

#include "base/percent.h"
#include "server/cluster/route_url.h"

static const char *keep(struct arena *arena, struct bytes b)
{
    struct bytes copy = arena_copy(arena, b);

    assert(copy.at != NULL);
    return (const char *)copy.at;
}

static const char *keep_or_null(struct arena *arena, struct bytes b)
{
    return b.size > 0 ? keep(arena, b) : NULL;
}

/* What a URL means by that; NULL when it is empty. */
static bool decode(struct arena *arena, struct bytes written, const char **to)
{
    char *text;

    *to = NULL;
    if (written.size == 0)
        return true;
    text = arena_take(arena, written.size + 1);
    assert(text != NULL);
    *to = text;
    return percent_decode(text, written.size + 1, written);
}

bool cluster_route_read(struct arena *arena, struct bytes text, struct cluster_route *route)
{
    struct route_url url;

    if (bytes_find(text, 0) < text.size || !route_url_read(text, &url))
        return false;
    *route = (struct cluster_route){
        .url = keep(arena, text),
        .host = keep_or_null(arena, url.host),
        .port = url.port,
    };
    return decode(arena, url.user, &route->user) && decode(arena, url.password, &route->password);
}
