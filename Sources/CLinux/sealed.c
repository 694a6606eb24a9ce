// A file's bytes as they are now, kept in memory where nobody can change them.
#define _GNU_SOURCE
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// sys/mman.h of an older libc lacks it; its value is ABI.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int new_memory(void) {
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    // vm.memfd_noexec=2 wants it said; before Linux 6.3 it cannot be.
    int fd = memfd_create("rempart", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("rempart", flags);
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

static int copy_all(int from, int to, size_t limit) {
    char buffer[16384];
    size_t length = 0;
    int result = 0;
    while (result == 0) {
        ssize_t got = pread(from, buffer, sizeof buffer, (off_t)length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) result = -errno;
        if (got <= 0) break;
        length += (size_t)got;
        result = length > limit ? -EFBIG : write_all(to, buffer, (size_t)got);
    }
    // It may have been a private key.
    explicit_bzero(buffer, sizeof buffer);
    return result;
}

int clinux_sealed_copy(int fd, size_t limit) {
    struct stat status;
    if (fstat(fd, &status) < 0) return -errno;
    if (!S_ISREG(status.st_mode)) return -ESPIPE;
    int copy = new_memory();
    if (copy < 0) return copy;
    int result = copy_all(fd, copy, limit);
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (result == 0 && fcntl(copy, F_ADD_SEALS, seals) < 0) result = -errno;
    if (result == 0) return copy;
    close(copy);
    return result;
}
