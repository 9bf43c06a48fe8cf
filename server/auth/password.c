#include "server/auth/password.h"

#include <crypt.h>

#include "base/heap.h"

#define BCRYPT_PASSWORD_MAX 72u /* what is longer it does not look at, and newer ones refuse */
#define BCRYPT_SIZE         60u

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* "$2a$11$..." */
bool password_is_hash(struct bytes configured)
{
    const uint8_t *at = configured.at;

    return configured.size >= 7 && at[0] == '$' && at[1] == '2' && at[2] != 0 &&
           strchr("abxy", at[2]) != NULL && at[3] == '$' && is_digit(at[4]) && is_digit(at[5]) &&
           at[6] == '$';
}

bool password_equal(struct bytes configured, struct bytes said)
{
    size_t differences = configured.size ^ said.size;

    for (size_t i = 0; i < said.size && configured.size > 0; i++)
        differences |= (size_t)(configured.at[i % configured.size] ^ said.at[i]);
    return differences == 0;
}

bool password_proves(struct bytes hash, struct bytes said)
{
    struct crypt_data *data;
    char *phrase, *setting;
    const char *made;
    bool proven;

    /* A zero would end it early, and so would bcrypt's own limit: neither is what was configured.
     */
    if (hash.size != BCRYPT_SIZE || said.size > BCRYPT_PASSWORD_MAX ||
        bytes_find(said, 0) < said.size)
        return false;
    data = heap_take(sizeof(*data));
    phrase = heap_text(said);
    setting = heap_text(hash);
    made = crypt_r(phrase, setting, data);
    proven = made != NULL && password_equal(hash, bytes_of_text(made));
    explicit_bzero(phrase, said.size);
    explicit_bzero(data, sizeof(*data));
    heap_give(phrase);
    heap_give(setting);
    heap_give(data);
    return proven;
}
