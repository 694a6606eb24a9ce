// recvmmsg and sendmmsg over slots whose headers are filled once.
//
// The slots' memory, headers and addresses are allocated together at creation; a receive resets the
// two fields that the kernel writes, nothing else.
#define _GNU_SOURCE
#include "address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Room for the one ancillary message that a slot has: which of our addresses it came to, or leaves from.
union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct clinux_batch {
    unsigned slots, slot_size;
    struct mmsghdr *messages;
    struct iovec *parts;
    struct sockaddr_storage *addresses;
    union control *controls;
    uint8_t *bytes;
};

struct clinux_batch *clinux_batch_create(unsigned slots, unsigned slot_size) {
    struct clinux_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return NULL;
    batch->slots = slots;
    batch->slot_size = slot_size;
    batch->messages = calloc(slots, sizeof *batch->messages);
    batch->parts = calloc(slots, sizeof *batch->parts);
    batch->addresses = calloc(slots, sizeof *batch->addresses);
    batch->controls = calloc(slots, sizeof *batch->controls);
    batch->bytes = calloc(slots, slot_size);
    if (!batch->messages || !batch->parts || !batch->addresses || !batch->controls || !batch->bytes) {
        clinux_batch_destroy(batch);
        return NULL;
    }
    for (unsigned i = 0; i < slots; i++) {
        batch->parts[i].iov_base = batch->bytes + (size_t)i * slot_size;
        batch->parts[i].iov_len = slot_size;
        batch->messages[i].msg_hdr.msg_iov = &batch->parts[i];
        batch->messages[i].msg_hdr.msg_iovlen = 1;
        batch->messages[i].msg_hdr.msg_name = &batch->addresses[i];
        batch->messages[i].msg_hdr.msg_namelen = sizeof *batch->addresses;
        batch->messages[i].msg_hdr.msg_control = &batch->controls[i];
    }
    return batch;
}

void clinux_batch_destroy(struct clinux_batch *batch) {
    if (batch == NULL) return;
    free(batch->messages);
    free(batch->parts);
    free(batch->addresses);
    free(batch->controls);
    free(batch->bytes);
    free(batch);
}

int clinux_batch_receive(struct clinux_batch *batch, int fd, int asked) {
    size_t room = asked ? sizeof *batch->controls : 0;
    for (unsigned i = 0; i < batch->slots; i++) {
        batch->messages[i].msg_hdr.msg_namelen = sizeof *batch->addresses;
        batch->messages[i].msg_hdr.msg_controllen = room;
        batch->parts[i].iov_len = batch->slot_size;
    }
    int count;
    do count = recvmmsg(fd, batch->messages, batch->slots, MSG_DONTWAIT, NULL);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

uint8_t *clinux_batch_bytes(struct clinux_batch *batch, unsigned slot) {
    return batch->bytes + (size_t)slot * batch->slot_size;
}

uint32_t clinux_batch_length(const struct clinux_batch *batch, unsigned slot) {
    if ((batch->messages[slot].msg_hdr.msg_flags & MSG_TRUNC) != 0) return batch->slot_size + 1;
    return batch->messages[slot].msg_len;
}

void clinux_batch_source(const struct clinux_batch *batch, unsigned slot,
                         struct clinux_address *source) {
    clinux_from_sockaddr(&batch->addresses[slot], source);
}

int clinux_batch_asked(const struct clinux_batch *batch, unsigned slot, struct clinux_address *own) {
    struct msghdr *header = &batch->messages[slot].msg_hdr;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        struct sockaddr_storage storage = {0};
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            // Of a datagram to many hosts ipi_addr is that group, ipi_spec_dst an address of ours.
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            storage.ss_family = AF_INET;
            ((struct sockaddr_in *)&storage)->sin_addr = info.ipi_spec_dst;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) return 0;
            storage.ss_family = AF_INET6;
            ((struct sockaddr_in6 *)&storage)->sin6_addr = info.ipi6_addr;
        } else {
            continue;
        }
        clinux_from_sockaddr(&storage, own);
        return 1;
    }
    return 0;
}

// Writes the source address into the slot's ancillary message; how long that is.
static size_t put_source(union control *control, const struct clinux_address *source) {
    struct msghdr header = {.msg_control = control, .msg_controllen = sizeof *control};
    struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    if (source->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, source->ip + 12, 4);
        message->cmsg_level = IPPROTO_IP;
        message->cmsg_type = IP_PKTINFO;
        message->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(message), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in6_pktinfo info = {0};
    memcpy(&info.ipi6_addr, source->ip, 16);
    message->cmsg_level = IPPROTO_IPV6;
    message->cmsg_type = IPV6_PKTINFO;
    message->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(message), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

void clinux_batch_prepare(struct clinux_batch *batch, unsigned slot, uint32_t length,
                          const struct clinux_address *destination,
                          const struct clinux_address *source) {
    batch->parts[slot].iov_len = length;
    batch->messages[slot].msg_hdr.msg_controllen =
        source == NULL ? 0 : put_source(&batch->controls[slot], source);
    batch->messages[slot].msg_hdr.msg_namelen =
        destination == NULL ? 0 : clinux_to_sockaddr(destination, &batch->addresses[slot]);
}

int clinux_batch_send(struct clinux_batch *batch, int fd, unsigned first, unsigned count) {
    struct msghdr *header = &batch->messages[first].msg_hdr;
    while (1) {
        int sent = sendmmsg(fd, batch->messages + first, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return sent;
        if (errno == EINTR) continue;
        // This machine has lost the address that it was to leave from: that is how IPv6 says it, and how IPv4 does,
        // which has the same word for a destination without a route.
        if ((errno != EINVAL && errno != ENETUNREACH) || header->msg_controllen == 0) return -errno;
        header->msg_controllen = 0;
    }
}
