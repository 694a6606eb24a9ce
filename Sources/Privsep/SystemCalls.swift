internal import Glibc
internal import Messages

/// The system calls that a role may make once it is confined.
///
/// Everything else ends the process. What a library only tries (a file, a name service) fails with
/// an errno instead, so that a refused attempt does no harm.
enum SystemCalls {
    /// What malloc, the C library, the Swift runtime and every event loop need.
    static let common = [
        "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range", "dup",
        "dup2", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
        "eventfd2", "exit", "exit_group", "fcntl", "fstat", "futex", "getcpu", "getegid",
        "geteuid", "getgid", "getpeername", "getpid", "getppid", "getrandom", "getrlimit",
        "getrusage", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid", "lseek",
        "madvise", "membarrier", "mincore", "mlock", "mlock2", "mmap", "mprotect", "mremap",
        "munlock", "munmap", "nanosleep", "newfstatat", "pipe2", "poll", "ppoll", "pread64",
        "preadv", "pselect6", "pwrite64", "read", "readv", "recvfrom", "recvmmsg", "recvmsg",
        "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
        "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "select",
        "sendmmsg", "sendmsg", "sendto", "set_robust_list", "set_tid_address", "setsockopt",
        "shutdown", "sigaltstack", "signalfd4", "statx", "sysinfo", "tgkill", "time",
        "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "uname", "write",
        "writev",
    ]

    /// What connections need beside `common`.
    static let connections = ["accept", "accept4"]

    /// What connections that are begun here need.
    static let connecting = ["bind", "connect"]

    /// What reading and writing files needs: SQLite's list, and that of a file replaced in one piece.
    static let files = [
        "access", "chmod", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fchown",
        "fdatasync", "flock", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64",
        "inotify_add_watch", "inotify_init1", "inotify_rm_watch", "link", "linkat", "lstat",
        "mkdir", "mkdirat", "msync", "open", "openat", "readlink", "readlinkat", "rename",
        "renameat", "renameat2", "rmdir", "stat", "statfs", "sync_file_range", "umask", "unlink",
        "unlinkat", "utimensat",
    ]

    /// What needs a thread beside the loop: a library that waits, or the search through all flows.
    static let threads = ["sched_getparam", "sched_getscheduler", "sched_setaffinity"]

    /// Attempts that are refused with an errno where the role has no files.
    static let fileAttempts = [
        "access", "faccessat", "faccessat2", "getcwd", "lstat", "open", "openat", "readlink",
        "readlinkat", "stat", "statfs",
    ]

    /// What a role may call.
    static func allowed(_ role: Role) -> [String] {
        switch role {
        case .supervisor: []
        case .terminator: common + connections + threads
        case .router: common + connections + connecting
        case .directory: common + files + threads
        case .banner: common + files + threads + ["bind"]
        }
    }

    /// The address families a role may open sockets of; others are refused with an errno.
    static func families(_ role: Role) -> [Int32] {
        switch role {
        case .supervisor, .terminator, .directory: []
        case .router: [AF_INET, AF_INET6]
        case .banner: [AF_NETLINK]
        }
    }

    /// Whether a role reads or writes files after its start.
    static func usesFiles(_ role: Role) -> Bool { role == .directory || role == .banner }

    /// Whether a role has threads beside its loop.
    static func usesThreads(_ role: Role) -> Bool {
        switch role {
        case .supervisor, .router: false
        case .terminator, .directory, .banner: true
        }
    }
}
