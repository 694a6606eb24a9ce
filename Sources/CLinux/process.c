// Clocks, randomness, signals.
#define _GNU_SOURCE
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t milliseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clinux_monotonic_ms(void) { return milliseconds(CLOCK_MONOTONIC); }

int64_t clinux_monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clinux_realtime_ms(void) { return milliseconds(CLOCK_REALTIME); }

long clinux_utc_offset(void) {
    time_t now = time(NULL);
    struct tm local;
    // The first call reads the time zone, later ones remember it.
    return localtime_r(&now, &local) ? local.tm_gmtoff : 0;
}

int clinux_errno(void) { return errno; }

int clinux_random(void *bytes, size_t length) {
    uint8_t *cursor = bytes;
    while (length > 0) {
        ssize_t got = getrandom(cursor, length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        cursor += got;
        length -= (size_t)got;
    }
    return 0;
}

int clinux_signalfd(const int *signals) {
    sigset_t set;
    sigemptyset(&set);
    for (; *signals != 0; signals++) sigaddset(&set, *signals);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int clinux_next_signal(int fd, pid_t *sender, uid_t *uid) {
    struct signalfd_siginfo info;
    ssize_t got = read(fd, &info, sizeof info);
    if (got != sizeof info) return 0;
    *sender = (pid_t)info.ssi_pid;
    *uid = (uid_t)info.ssi_uid;
    return (int)info.ssi_signo;
}

int clinux_has_spare_descriptors(int fd, int count) {
    // Numbers are given out from the lowest on.
    int lowest = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0) return 0;
    // EINVAL from the limit of now on, whatever it was when the process began.
    int above = fcntl(fd, F_DUPFD_CLOEXEC, lowest + count);
    close(lowest);
    if (above < 0) return 0;
    close(above);
    return 1;
}

int clinux_pipe(int out[2]) {
    if (pipe2(out, O_CLOEXEC) < 0) return -errno;
    return fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}
