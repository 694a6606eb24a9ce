// Sockets: created non-blocking and close-on-exec, bound and listening in one call.
#define _GNU_SOURCE
#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static int failed(int fd) {
    int error = errno;
    if (fd >= 0) close(fd);
    return -error;
}

// Lets the socket be bound to an address that the machine does not have yet.
static int allow_absent(int fd, int family) {
    int one = 1;
    return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof one)
                              : setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
}

// Has the kernel find out within 75 s that the peer of a connection is gone: one that has lost its power closes nothing.
// What is accepted inherits it (tcp(7)).
int clinux_watch_peers(int fd) {
    int one = 1, idle = 45, interval = 10, count = 3, longest = 75000;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) < 0) return -errno;
    if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) < 0) return -errno;
    if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) < 0) return -errno;
    if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) < 0) return -errno;
    // While something is not acknowledged, no keep-alive is sent.
    if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &longest, sizeof longest) < 0) return -errno;
    return 0;
}

int clinux_bind(enum clinux_kind kind, const struct clinux_address *address, int absent) {
    struct sockaddr_storage storage;
    socklen_t length = clinux_to_sockaddr(address, &storage);
    int type = kind == CLINUX_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(fd);
    int one = 1;
    // Only streams: two daemons that bind the same UDP port with it would share the traffic in
    // silence, where "address in use" is what the administrator must see.
    if (kind == CLINUX_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
        return failed(fd);
    if (storage.ss_family == AF_INET6
        && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
        return failed(fd);
    if (absent && allow_absent(fd, storage.ss_family) < 0) return failed(fd);
    if (bind(fd, (struct sockaddr *)&storage, length) < 0) return failed(fd);
    if (kind == CLINUX_STREAM && listen(fd, 1024) < 0) return failed(fd);
    return fd;
}

int clinux_source(const struct clinux_address *address, struct clinux_address *from) {
    struct sockaddr_storage target;
    socklen_t length = clinux_to_sockaddr(address, &target);
    int fd = socket(target.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    // Sends nothing: the kernel looks up the way there, and its source on this machine.
    int result = connect(fd, (struct sockaddr *)&target, length) < 0 ? -errno : 0;
    if (result == 0) result = clinux_local_address(fd, from);
    close(fd);
    return result;
}

// 1: an interface has the address; 0: none has it; -errno.
static int is_on_interface(const struct clinux_address *address) {
    struct clinux_address own[256];
    int count = clinux_own_addresses(own, sizeof own / sizeof own[0]);
    for (int each = 0; each < count; each++)
        if (memcmp(own[each].ip, address->ip, sizeof address->ip) == 0) return 1;
    return count < 0 ? count : 0;
}

int clinux_is_local(const struct clinux_address *address) {
    // By bind(2) an absent address could not be told where net.ipv4.ip_nonlocal_bind is set, as VRRP
    // has it.
    struct clinux_address from;
    int error = -clinux_source(address, &from);
    if (error == ENOBUFS || error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE
        || error == EAFNOSUPPORT)
        return -error;
    if (error != 0) return 0;
    if (memcmp(from.ip, address->ip, sizeof from.ip) == 0) return 1;
    // From a further address of a subnet the kernel leads by the first one of it.
    return is_on_interface(address);
}

int clinux_host_addresses(const char *host, struct clinux_address *addresses, unsigned capacity) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all;
    if (getaddrinfo(host, NULL, &hints, &all) != 0) return -ENOENT;
    unsigned count = 0;
    for (struct addrinfo *each = all; each != NULL && count < capacity; each = each->ai_next) {
        struct sockaddr_storage storage = {0};
        if (each->ai_addrlen > sizeof storage) continue;
        memcpy(&storage, each->ai_addr, each->ai_addrlen);
        clinux_from_sockaddr(&storage, &addresses[count]);
        // Of a family that is none here nothing is taken.
        if (addresses[count].family != 0) count++;
    }
    freeaddrinfo(all);
    return count > 0 ? (int)count : -ENOENT;
}

int clinux_own_addresses(struct clinux_address *addresses, unsigned capacity) {
    return clinux_own_networks(addresses, NULL, capacity);
}

// How many bits of an IPv4 or IPv6 mask are set; without a mask the address is a network by itself.
static uint8_t prefix_of(const struct sockaddr *mask, int family) {
    const uint8_t *bytes = NULL;
    size_t length = family == AF_INET ? 4 : 16;
    if (mask != NULL && family == AF_INET)
        bytes = (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
    else if (mask != NULL)
        bytes = (const uint8_t *)&((const struct sockaddr_in6 *)mask)->sin6_addr;
    if (bytes == NULL) return (uint8_t)(8 * length);
    int bits = 0;
    for (size_t index = 0; index < length; index++) bits += __builtin_popcount(bytes[index]);
    return (uint8_t)bits;
}

int clinux_own_networks(struct clinux_address *addresses, uint8_t *prefixes, unsigned capacity) {
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -errno;
    unsigned count = 0;
    for (struct ifaddrs *each = all; each != NULL && count < capacity; each = each->ifa_next) {
        if (each->ifa_addr == NULL) continue;
        int family = each->ifa_addr->sa_family;
        struct sockaddr_storage storage = {0};
        if (family == AF_INET)
            memcpy(&storage, each->ifa_addr, sizeof(struct sockaddr_in));
        else if (family == AF_INET6)
            memcpy(&storage, each->ifa_addr, sizeof(struct sockaddr_in6));
        else
            continue;
        if (prefixes != NULL) prefixes[count] = prefix_of(each->ifa_netmask, family);
        clinux_from_sockaddr(&storage, &addresses[count++]);
    }
    freeifaddrs(all);
    return (int)count;
}

int clinux_tell_asked(int fd, int is_v4) {
    int one = 1;
    int result = is_v4 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one)
                       : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
    return result < 0 ? -errno : 0;
}

int clinux_connect(const struct clinux_address *from, const struct clinux_address *to) {
    struct sockaddr_storage local, remote;
    socklen_t remote_length = clinux_to_sockaddr(to, &remote);
    int fd = socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(fd);
    if (from != NULL) {
        socklen_t local_length = clinux_to_sockaddr(from, &local);
        if (bind(fd, (struct sockaddr *)&local, local_length) < 0) return failed(fd);
    }
    if (connect(fd, (struct sockaddr *)&remote, remote_length) < 0 && errno != EINPROGRESS)
        return failed(fd);
    return fd;
}

int clinux_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

int clinux_accept(int fd, struct clinux_address *peer) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int accepted;
    do
        accepted = accept4(fd, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (accepted < 0 && errno == EINTR);
    if (accepted < 0) return -errno;
    clinux_from_sockaddr(&storage, peer);
    return accepted;
}

int clinux_local_address(int fd, struct clinux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    clinux_from_sockaddr(&storage, address);
    return 0;
}

int clinux_peer_address(int fd, struct clinux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    clinux_from_sockaddr(&storage, address);
    return 0;
}

int clinux_no_delay(int fd) {
    int one = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ? -errno : 0;
}

// The forced option passes the system's limit, where there is the right to; the other keeps to it.
static int buffer_size(int fd, int forced, int option, int bytes) {
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return 0;
    return setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
}

int clinux_buffer_sizes(int fd, int bytes) {
    if (buffer_size(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes) < 0) return -errno;
    return buffer_size(fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes) < 0 ? -errno : 0;
}

int clinux_adopt(int fd, struct clinux_address *address) {
    int type, domain;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0) return -errno;
    if (domain != AF_INET && domain != AF_INET6) return -EAFNOSUPPORT;
    if (type != SOCK_DGRAM && type != SOCK_STREAM) return -ESOCKTNOSUPPORT;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    int result = clinux_local_address(fd, address);
    // At every IPv6 address one that also takes IPv4 would be another endpoint's too.
    static const uint8_t every[16];
    int only = 1;
    length = sizeof only;
    if (result == 0 && domain == AF_INET6 && memcmp(address->ip, every, sizeof every) == 0
        && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 && !only)
        return -EADDRNOTAVAIL;
    return result < 0 ? result : type == SOCK_STREAM ? CLINUX_STREAM : CLINUX_DATAGRAM;
}

int clinux_seqpacket_pair(int out[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out) < 0 ? -errno : 0;
}

// Fills a Unix address; '@' as the first byte names an abstract socket.
static socklen_t unix_address(const char *path, struct sockaddr_un *address) {
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address->sun_path) return 0;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    if (path[0] != '@') return (socklen_t)sizeof *address;
    address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int clinux_seqpacket_listen(const char *path) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(fd);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 16) < 0) return failed(fd);
    return fd;
}

// Connects a blocking Unix socket.
static int unix_connect(const char *path, int type) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(fd);
    if (connect(fd, (struct sockaddr *)&address, length) < 0) return failed(fd);
    return fd;
}

int clinux_seqpacket_connect(const char *path) { return unix_connect(path, SOCK_SEQPACKET); }

int clinux_unix_datagram(const char *path) { return unix_connect(path, SOCK_DGRAM); }

int clinux_seqpacket_accept(int fd) {
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted < 0 ? -errno : accepted;
}

int clinux_peer_credentials(int fd, uid_t *uid, gid_t *gid, pid_t *pid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    *uid = credentials.uid;
    *gid = credentials.gid;
    *pid = credentials.pid;
    return 0;
}
