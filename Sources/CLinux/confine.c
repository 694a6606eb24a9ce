// What a child does to itself: Landlock, capabilities, the report of a refused system call.
#define _GNU_SOURCE
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// linux/landlock.h of an older kernel lacks the later fields and rights; their values are ABI.
struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scoped;
};
enum {
    ACCESS_REFER = 1 << 13,
    ACCESS_TRUNCATE = 1 << 14,
    ACCESS_DEVICE = 1 << 15,
    NETWORK_BIND = 1,
    NETWORK_CONNECT = 2,
    SCOPE_ABSTRACT_SOCKET_AND_SIGNAL = 3,
};

static const uint64_t first_version = (1 << 13) - 1;
static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE
    | LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_TRUNCATE | LANDLOCK_ACCESS_FS_READ_FILE
    | LANDLOCK_ACCESS_FS_READ_DIR;
// The rights that a rule on a file, not on a folder, may name.
static const uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE
    | ACCESS_TRUNCATE | ACCESS_DEVICE;

static uint64_t handled(int version) {
    uint64_t rights = first_version;
    if (version >= 2) rights |= ACCESS_REFER;
    if (version >= 3) rights |= ACCESS_TRUNCATE;
    if (version >= 5) rights |= ACCESS_DEVICE;
    return rights;
}

int clinux_landlock_version(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
                           LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? -errno : (int)version;
}

int clinux_landlock_create(int connects) {
    int version = clinux_landlock_version();
    if (version < 0) return version;
    struct ruleset ruleset = {.files = handled(version)};
    size_t size = sizeof ruleset.files;
    if (version >= 4) {
        size += sizeof ruleset.network;
        ruleset.network = NETWORK_BIND | (connects ? 0 : NETWORK_CONNECT);
    }
    if (version >= 6) {
        size += sizeof ruleset.scoped;
        ruleset.scoped = SCOPE_ABSTRACT_SOCKET_AND_SIGNAL;
    }
    long fd = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    return fd < 0 ? -errno : (int)fd;
}

int clinux_landlock_allow(int ruleset, const char *path, int writable) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return -errno;
    struct stat status;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = (writable ? writing : reading) & handled(clinux_landlock_version()),
        .parent_fd = fd,
    };
    int result = fstat(fd, &status);
    if (result == 0) {
        if (!S_ISDIR(status.st_mode)) rule.allowed_access &= of_files;
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    int error = errno;
    close(fd);
    return result < 0 ? -error : 0;
}

int clinux_landlock_enforce(int ruleset) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

int clinux_keep_capabilities(int net_admin) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    uint32_t kept = net_admin ? data[0].permitted & 1U << CAP_NET_ADMIN : 0;
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = kept;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int clinux_hide(const char *name) {
    if (prctl(PR_SET_NAME, name, 0, 0, 0) < 0) return -errno;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static char process[32];

static size_t append(char *line, size_t at, const char *text) {
    size_t length = strlen(text);
    memcpy(line + at, text, length);
    return at + length;
}

// Runs on a refused call: says which, then lets SIGSYS end the process. Async-signal-safe only.
static void report_refused(int number, siginfo_t *info, void *context) {
    (void)context;
    char line[160], digits[12];
    size_t at = append(line, 0, "rempart[");
    at = append(line, at, process);
    at = append(line, at, "]: error: ended, for it tried system call ");
    unsigned call = (unsigned)info->si_syscall;
    size_t count = 0;
    do digits[count++] = (char)('0' + call % 10);
    while ((call /= 10) != 0);
    while (count > 0) line[at++] = digits[--count];
    at = append(line, at, ", which its filter does not permit\n");
    ssize_t written = write(2, line, at);
    (void)written;
    raise(number);
}

int clinux_report_refused_calls(const char *name) {
    strncpy(process, name, sizeof process - 1);
    // Reset on entry and not deferred: the second SIGSYS, raised by the handler, is the end.
    struct sigaction action = {.sa_sigaction = report_refused,
                               .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};
    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
