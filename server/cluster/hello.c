#include "server/cluster/hello.h"

#include "base/codec.h"

#define FLAG_JETSTREAM    1u
#define FLAG_NAME_DYNAMIC 2u

/* ---- encoding ------------------------------------------------------------------------------- */

static void put_u16(struct buf *out, uint16_t value)
{
    bool fits = buf_add(out, bytes_of(&value, sizeof(value)));

    assert(fits);
}

static void put_u64(struct buf *out, uint64_t value)
{
    bool fits = buf_add(out, bytes_of(&value, sizeof(value)));

    assert(fits);
}

static void put_text(struct buf *out, struct bytes text)
{
    bool fits;

    assert(text.size <= HELLO_TEXT_MAX);
    put_u16(out, (uint16_t)text.size);
    fits = buf_add(out, text);
    assert(fits);
}

static void put_urls(struct buf *out, const struct bytes *urls, size_t count)
{
    assert(count <= HELLO_URLS_MAX);
    put_u16(out, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        put_text(out, urls[i]);
}

void hello_encode(struct buf *out, const struct hello *hello)
{
    uint8_t flags = (hello->jetstream ? FLAG_JETSTREAM : 0) |
                    (hello->cluster_name_dynamic ? FLAG_NAME_DYNAMIC : 0);

    put_u16(out, hello->version);
    put_u16(out, hello->version_min);
    put_u16(out, (uint16_t)(hello->class | flags << 8));
    put_u16(out, hello->port);
    put_u64(out, hello->features);
    put_u64(out, hello->token);
    put_u64(out, hello->node);
    put_u64(out, hello->incarnation);
    put_text(out, hello->cluster_name);
    put_text(out, hello->server_id);
    put_text(out, hello->server_name);
    put_text(out, hello->host);
    put_text(out, hello->user);
    put_text(out, hello->password);
    put_urls(out, hello->urls, hello->urls_count);
    put_urls(out, hello->websocket_urls, hello->websocket_urls_count);
}

/* ---- decoding ------------------------------------------------------------------------------- */

static struct bytes take_text(struct decoder *in)
{
    size_t size = decode_u16(in);

    if (size > HELLO_TEXT_MAX)
        in->failed = true;
    return decode_bytes(in, size);
}

static size_t take_urls(struct decoder *in, struct bytes urls[static HELLO_URLS_MAX])
{
    size_t count = decode_u16(in);

    if (count > HELLO_URLS_MAX)
        in->failed = true;
    for (size_t i = 0; i < count && !in->failed; i++)
        urls[i] = take_text(in);
    return count;
}

/* Names go into logs, INFO and subjects of monitoring: no control characters. */
static bool printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] == 0x7f)
            return false;
    return true;
}

static bool texts_good(const struct hello *hello)
{
    for (size_t i = 0; i < hello->urls_count; i++)
        if (!printable(hello->urls[i]))
            return false;
    for (size_t i = 0; i < hello->websocket_urls_count; i++)
        if (!printable(hello->websocket_urls[i]))
            return false;
    return hello->cluster_name.size > 0 && hello->server_id.size > 0 &&
           hello->server_name.size > 0 && printable(hello->cluster_name) &&
           printable(hello->server_id) && printable(hello->server_name) && printable(hello->host);
}

bool hello_decode(struct bytes body, struct hello *hello)
{
    struct decoder in;
    uint16_t class_flags;

    if (body.size > HELLO_SIZE_MAX)
        return false;
    decoder_init(&in, body);
    *hello = (struct hello){.version = decode_u16(&in)};
    hello->version_min = decode_u16(&in);
    class_flags = decode_u16(&in);
    hello->class = (uint8_t)class_flags;
    hello->jetstream = class_flags >> 8 & FLAG_JETSTREAM;
    hello->cluster_name_dynamic = class_flags >> 8 & FLAG_NAME_DYNAMIC;
    hello->port = decode_u16(&in);
    hello->features = decode_u64(&in);
    hello->token = decode_u64(&in);
    hello->node = decode_u64(&in);
    hello->incarnation = decode_u64(&in);
    hello->cluster_name = take_text(&in);
    hello->server_id = take_text(&in);
    hello->server_name = take_text(&in);
    hello->host = take_text(&in);
    hello->user = take_text(&in);
    hello->password = take_text(&in);
    hello->urls_count = take_urls(&in, hello->urls);
    if (!in.failed && in.rest.size > 0)
        hello->websocket_urls_count = take_urls(&in, hello->websocket_urls);
    return !in.failed && texts_good(hello);
}

/* ---- refusals ------------------------------------------------------------------------------- */

void refusal_encode(struct buf *out, enum hello_reason reason, struct bytes text)
{
    put_u16(out, (uint16_t)reason);
    put_text(out, bytes_take(text, text.size < HELLO_TEXT_MAX ? text.size : HELLO_TEXT_MAX));
}

bool refusal_decode(struct bytes body, enum hello_reason *reason, struct bytes *text)
{
    struct decoder in;

    decoder_init(&in, body);
    *reason = decode_u16(&in);
    *text = take_text(&in);
    return !in.failed && *reason != HELLO_FINE;
}

const char *hello_reason_text(enum hello_reason reason)
{
    switch (reason) {
    case HELLO_FINE: return "is welcome";
    case HELLO_MALFORMED: return "sent what cannot be read";
    case HELLO_VERSION_UNKNOWN: return "speaks another version of the link protocol";
    case HELLO_CREDENTIALS: return "Authorization Violation";
    case HELLO_CLUSTER_NAME: return "Cluster Name Conflict";
    case HELLO_SELF: return "is this server itself";
    case HELLO_DUPLICATE_NAME: return "Duplicate Server Name";
    case HELLO_FULL: return "too many nodes in the cluster";
    case HELLO_LINKED: return "is linked already";
    case HELLO_NO_LINK: return "belongs to no link";
    case HELLO_STOPPING: return "Server Shutdown";
    }
    return "refused for a reason that this version does not know";
}

/* ---- judging -------------------------------------------------------------------------------- */

/* Takes as long whatever the difference is. */
static bool secret_equal(struct bytes a, struct bytes b)
{
    uint8_t difference = a.size != b.size;

    for (size_t i = 0; i < a.size; i++)
        difference |= a.at[i] ^ (i < b.size ? b.at[i] : 0);
    return difference == 0;
}

static bool credentials_good(const struct hello *theirs, const struct hello_guard *guard)
{
    struct bytes user = bytes_of_text(guard->user != NULL ? guard->user : "");
    struct bytes password = bytes_of_text(guard->password != NULL ? guard->password : "");
    bool user_equal, password_equal;

    if (user.size == 0 && password.size == 0)
        return true;
    user_equal = secret_equal(theirs->user, user);
    password_equal = secret_equal(theirs->password, password);
    return user_equal && password_equal;
}

enum hello_reason hello_judge(const struct hello *ours, const struct hello *theirs,
                              const struct hello_guard *guard)
{
    if (theirs->version < ours->version_min || theirs->version_min > ours->version)
        return HELLO_VERSION_UNKNOWN;
    if (theirs->node != bytes_hash(theirs->server_name, 0))
        return HELLO_MALFORMED;
    if (guard != NULL && !credentials_good(theirs, guard))
        return HELLO_CREDENTIALS;
    if (bytes_equal(ours->server_id, theirs->server_id))
        return HELLO_SELF;
    if (!bytes_equal(ours->cluster_name, theirs->cluster_name) && !ours->cluster_name_dynamic &&
        !theirs->cluster_name_dynamic)
        return HELLO_CLUSTER_NAME;
    if (ours->node == theirs->node)
        return HELLO_DUPLICATE_NAME;
    return HELLO_FINE;
}

bool hello_adopts(const struct hello *ours, const struct hello *theirs)
{
    if (!ours->cluster_name_dynamic)
        return false;
    return !theirs->cluster_name_dynamic ||
           bytes_compare(theirs->cluster_name, ours->cluster_name) > 0;
}
