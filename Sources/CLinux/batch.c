// recvmmsg and sendmmsg over slots whose headers are filled once.
//
// The slots' memory, headers and addresses are allocated together at creation; a receive resets the
// two fields that the kernel writes, nothing else.
#define _GNU_SOURCE
#include "address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct clinux_batch {
    unsigned slots, slot_size;
    struct mmsghdr *messages;
    struct iovec *parts;
    struct sockaddr_storage *addresses;
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
    batch->bytes = calloc(slots, slot_size);
    if (!batch->messages || !batch->parts || !batch->addresses || !batch->bytes) {
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
    }
    return batch;
}

void clinux_batch_destroy(struct clinux_batch *batch) {
    if (batch == NULL) return;
    free(batch->messages);
    free(batch->parts);
    free(batch->addresses);
    free(batch->bytes);
    free(batch);
}

int clinux_batch_receive(struct clinux_batch *batch, int fd) {
    for (unsigned i = 0; i < batch->slots; i++) {
        batch->messages[i].msg_hdr.msg_namelen = sizeof *batch->addresses;
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

void clinux_batch_prepare(struct clinux_batch *batch, unsigned slot, uint32_t length,
                          const struct clinux_address *destination) {
    batch->parts[slot].iov_len = length;
    batch->messages[slot].msg_hdr.msg_namelen =
        destination == NULL ? 0 : clinux_to_sockaddr(destination, &batch->addresses[slot]);
}

int clinux_batch_send(struct clinux_batch *batch, int fd, unsigned first, unsigned count) {
    int sent;
    do sent = sendmmsg(fd, batch->messages + first, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}
