#include "base/io_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>

#define NAMED_MAX 64u /* addresses of a name that are looked at */

socklen_t address_size(const union address *address)
{
    return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

uint16_t address_port(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}

void address_set_port(union address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons(port);
    else
        address->v6.sin6_port = htons(port);
}

void address_show(const union address *address, struct io_address *shown)
{
    memset(shown, 0, sizeof(*shown));
    shown->port = address_port(address);
    if (address->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address->v4.sin_addr, shown->text, sizeof(shown->text));
    else if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], shown->text, sizeof(shown->text));
    else
        inet_ntop(AF_INET6, &address->v6.sin6_addr, shown->text, sizeof(shown->text));
}

bool address_host_is_any(const char *host)
{
    return *host == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

bool address_read(const char *host, union address *address)
{
    memset(address, 0, sizeof(*address));
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1)
        address->v4.sin_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1)
        address->v6.sin6_family = AF_INET6;
    return address->any.sa_family != 0;
}

size_t address_look_up(const char *host, union address *addresses, size_t max)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    size_t count = 0;

    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return 0;
    for (struct addrinfo *at = found; at != NULL && count < max; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
            continue;
        memset(&addresses[count], 0, sizeof(addresses[count]));
        memcpy(&addresses[count++], at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(found);
    return count;
}

const union address *address_to_bind(const union address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (addresses[i].any.sa_family == AF_INET)
            return &addresses[i];
    return count > 0 ? &addresses[0] : NULL;
}

static bool look_up_to_bind(const char *host, union address *address)
{
    union address found[NAMED_MAX];
    const union address *first = address_to_bind(found, address_look_up(host, found, NAMED_MAX));

    if (first != NULL)
        *address = *first;
    return first != NULL;
}

bool address_of_host(const char *host, union address *address)
{
    if (address_host_is_any(host)) {
        memset(address, 0, sizeof(*address));
        address->v6.sin6_family = AF_INET6;
        return true;
    }
    return address_read(host, address) || look_up_to_bind(host, address);
}

/* What is of use on this machine or this wire only is left out. */
static bool address_is_global(const union address *address)
{
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    uint32_t v4;

    if (address->any.sa_family == AF_INET) {
        v4 = ntohl(address->v4.sin_addr.s_addr);
        return v4 != 0 && v4 >> 24 != 127 && v4 >> 16 != 0xa9fe && v4 >> 28 != 0xe;
    }
    return !IN6_IS_ADDR_UNSPECIFIED(v6) && !IN6_IS_ADDR_LOOPBACK(v6) &&
           !IN6_IS_ADDR_LINKLOCAL(v6) && !IN6_IS_ADDR_MULTICAST(v6);
}

void address_list(struct io *io, void (*address)(void *context, const char *text), void *context)
{
    struct ifaddrs *all;

    (void)io;
    if (getifaddrs(&all) != 0)
        return;
    for (struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        const union address *found = (const union address *)at->ifa_addr;
        struct io_address shown;

        if (found == NULL ||
            (found->any.sa_family != AF_INET && found->any.sa_family != AF_INET6) ||
            !address_is_global(found))
            continue;
        address_show(found, &shown);
        address(context, shown.text);
    }
    freeifaddrs(all);
}
