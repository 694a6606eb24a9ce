// Starting a child: fork, drop, exec. Nothing but C, and nothing that allocates, runs in between.
#define _GNU_SOURCE
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Where the two descriptors that only live until exec are kept: right above those of the child.
enum { REPORT = CLINUX_SPAWN_DESCRIPTORS, PROGRAM, FIRST_SURPLUS };

struct report {
    int stage;
    int error;
};

_Noreturn static void fail(int report, enum clinux_spawn_stage stage) {
    struct report message = {.stage = (int)stage, .error = errno};
    ssize_t written = write(report, &message, sizeof message);
    _exit(written == sizeof message ? 127 : 126);
}

// A copy of a descriptor (-1: of /dev/null) above all numbers that a child uses.
static int copy_above(int descriptor) {
    int from = descriptor < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : descriptor;
    return from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, FIRST_SURPLUS);
}

// Puts every descriptor at its number. All are copied out of the way first, so that none is
// overwritten before its turn.
static int place(const struct clinux_spawn *spec, int *report, int *program) {
    int copies[FIRST_SURPLUS];
    copies[REPORT] = copy_above(*report);
    if (copies[REPORT] < 0) return -1;
    *report = copies[REPORT];
    copies[PROGRAM] = copy_above(*program);
    if (copies[PROGRAM] < 0) return -1;
    for (int i = 0; i < CLINUX_SPAWN_DESCRIPTORS; i++) {
        copies[i] = copy_above(spec->descriptors[i]);
        if (copies[i] < 0) return -1;
    }
    for (int i = 0; i < FIRST_SURPLUS; i++)
        if (dup3(copies[i], i, i < REPORT ? 0 : O_CLOEXEC) < 0) return -1;
    *report = REPORT;
    *program = PROGRAM;
    if (spec->descriptors[REPORT - 1] < 0) close(REPORT - 1);
    return (int)syscall(SYS_close_range, FIRST_SURPLUS, ~0U, 0);
}

static int reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    // Those that cannot be changed answer EINVAL, which is as good.
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(const struct clinux_spawn *spec) {
    struct rlimit core = {0, 0};
    struct rlimit files = {spec->files, spec->files};
    if (setrlimit(RLIMIT_CORE, &core) < 0) return -1;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0) return 0;
    // Without privilege the hard limit stands; as much as it allows is what can be had.
    if (errno != EPERM || getrlimit(RLIMIT_NOFILE, &files) < 0) return -1;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files);
}

static int capset_to(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        uint32_t word = (uint32_t)(kept >> (32 * i));
        data[i] = (struct __user_cap_data_struct){word, word, word};
    }
    return (int)syscall(SYS_capset, &header, data);
}

static int drop_bounding(uint64_t kept) {
    for (unsigned capability = 0; capability < 64; capability++) {
        if ((kept >> capability & 1) != 0) continue;
        // EINVAL: the kernel knows no more capabilities.
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return errno == EINVAL ? 0 : -1;
    }
    return 0;
}

static int keep_ambient(uint64_t kept) {
    for (unsigned capability = 0; capability < 64; capability++) {
        if ((kept >> capability & 1) == 0) continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -1;
    }
    return 0;
}

// Succeeds only when no way leads back to the user 0.
static int prove_dropped(const struct clinux_spawn *spec) {
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    if (getresuid(&real, &effective, &saved) < 0) return -1;
    if (getresgid(&real_group, &effective_group, &saved_group) < 0) return -1;
    int same = real == spec->uid && effective == spec->uid && saved == spec->uid
        && real_group == spec->gid && effective_group == spec->gid && saved_group == spec->gid;
    if (spec->uid == 0 || !same || setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

static void drop(const struct clinux_spawn *spec, int report) {
    uint64_t kept = spec->keep_net_admin ? 1ULL << CAP_NET_ADMIN : 0;
    if (drop_bounding(kept) < 0) fail(report, CLINUX_SPAWN_CAPABILITIES);
    if (prctl(PR_SET_KEEPCAPS, kept != 0, 0, 0, 0) < 0) fail(report, CLINUX_SPAWN_CAPABILITIES);
    // The user goes last: after it there is no right to change the groups.
    if (setgroups(spec->group_count, spec->groups) < 0) fail(report, CLINUX_SPAWN_GROUPS);
    if (setresgid(spec->gid, spec->gid, spec->gid) < 0) fail(report, CLINUX_SPAWN_GROUPS);
    if (setresuid(spec->uid, spec->uid, spec->uid) < 0) fail(report, CLINUX_SPAWN_USER);
    if (capset_to(kept) < 0) fail(report, CLINUX_SPAWN_CAPABILITIES);
    if (keep_ambient(kept) < 0) fail(report, CLINUX_SPAWN_CAPABILITIES);
    if (prove_dropped(spec) < 0) fail(report, CLINUX_SPAWN_PROOF);
}

_Noreturn static void run_child(const struct clinux_spawn *spec, pid_t parent, int report,
                                int program) {
    // First of all: the parent may have as many open as its own limit allows.
    if (set_limits(spec) < 0) fail(report, CLINUX_SPAWN_LIMITS);
    if (place(spec, &report, &program) < 0) fail(report, CLINUX_SPAWN_DESCRIPTOR);
    if (reset_signals() < 0) fail(report, CLINUX_SPAWN_SIGNALS);
    // A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which then ends
    // its children in good order.
    setsid();
    umask(077);
    if (chdir("/") < 0) fail(report, CLINUX_SPAWN_DIRECTORY);
    if (spec->drop) drop(spec, report);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(report, CLINUX_SPAWN_PRIVILEGES);
    // After the change of user, which forgets it (prctl(2)); the parent may have died before.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(report, CLINUX_SPAWN_SIGNALS);
    if (getppid() != parent) _exit(126);
    char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    syscall(SYS_execveat, program, "", spec->arguments, environment, AT_EMPTY_PATH);
    fail(report, CLINUX_SPAWN_EXEC);
}

pid_t clinux_spawn(const struct clinux_spawn *spec, enum clinux_spawn_stage *stage) {
    *stage = CLINUX_SPAWN_EXEC;
    // Opened here, with the parent's rights, and not by name after the drop: the folder may be one
    // that the child's user cannot enter.
    int program = open(spec->arguments[0], O_PATH | O_CLOEXEC);
    if (program < 0) return -errno;
    int pipe_ends[2];
    *stage = CLINUX_SPAWN_FORK;
    if (pipe2(pipe_ends, O_CLOEXEC) < 0) {
        int error = errno;
        close(program);
        return -error;
    }
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) run_child(spec, parent, pipe_ends[1], program);
    int error = errno;
    close(program);
    close(pipe_ends[1]);
    if (child < 0) {
        close(pipe_ends[0]);
        return -error;
    }
    struct report message;
    ssize_t got;
    do got = read(pipe_ends[0], &message, sizeof message);
    while (got < 0 && errno == EINTR);
    close(pipe_ends[0]);
    if (got == 0) return child;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    if (got != sizeof message) return -EIO;
    *stage = (enum clinux_spawn_stage)message.stage;
    return -message.error;
}

int clinux_user(const char *name, struct clinux_user *user) {
    char buffer[16384];
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, buffer, sizeof buffer, &found);
    if (found == NULL) return error == 0 ? -ENOENT : -error;
    user->uid = entry.pw_uid;
    user->gid = entry.pw_gid;
    int count = CLINUX_GROUPS;
    if (getgrouplist(name, entry.pw_gid, user->groups, &count) < 0) return -E2BIG;
    user->group_count = (unsigned)count;
    return 0;
}

pid_t clinux_reap(int *code, int *signal) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return pid;
}

uint64_t clinux_permitted_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0) return 0;
    return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

int clinux_has_net_admin(void) {
    return prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) == 1
        && (clinux_permitted_capabilities() >> CAP_NET_ADMIN & 1) != 0;
}

int clinux_commands_network(void) {
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return 0;
    // The kernel permits a mark to CAP_NET_ADMIN or CAP_NET_RAW over the socket's network (socket(7)); a process that
    // has the former has it there in just the same case.
    int mark = 0;
    int marked = setsockopt(probe, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    close(probe);
    return marked == 0;
}
