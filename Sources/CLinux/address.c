// Between clinux_address and the kernel's sockaddr.
#define _GNU_SOURCE
#include "address.h"

#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

socklen_t clinux_to_sockaddr(const struct clinux_address *address, struct sockaddr_storage *storage) {
    if (address->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)storage;
        memset(in, 0, sizeof *in);
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        memcpy(&in->sin_addr, address->ip + 12, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
    memset(in6, 0, sizeof *in6);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    in6->sin6_scope_id = address->scope;
    memcpy(&in6->sin6_addr, address->ip, 16);
    return sizeof *in6;
}

void clinux_from_sockaddr(const struct sockaddr_storage *storage, struct clinux_address *address) {
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)storage;
        address->family = 4;
        address->port = ntohs(in->sin_port);
        memcpy(address->ip, mapped, sizeof mapped);
        memcpy(address->ip + 12, &in->sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
        address->family = 6;
        address->port = ntohs(in6->sin6_port);
        address->scope = in6->sin6_scope_id;
        memcpy(address->ip, &in6->sin6_addr, 16);
    }
}
