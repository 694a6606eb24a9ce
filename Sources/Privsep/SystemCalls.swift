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
        "munlock", "munmap", "nanosleep", "pipe2", "poll", "ppoll", "pread64", "preadv",
        "pselect6", "pwrite64", "read", "readv", "recvfrom", "recvmsg", "restart_syscall", "rseq",
        "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
        "sched_getaffinity", "sched_yield", "select", "sendmsg", "set_robust_list",
        "set_tid_address", "shutdown", "sigaltstack", "signalfd4", "sysinfo", "time",
        "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "uname", "write",
        "writev",
    ]

    /// What connections need beside `common`.
    static let connections = ["accept", "accept4"]

    /// What datagrams to and from many peers need.
    static let datagrams = ["recvmmsg", "sendmmsg"]

    /// What reading files needs.
    static let reading = [
        "access", "faccessat", "faccessat2", "fadvise64", "fstatfs", "getcwd", "getdents64",
        "lstat",
        "newfstatat", "open", "openat", "readlink", "readlinkat", "stat", "statfs", "statx",
    ]

    /// What replacing a file in one piece needs.
    static let writing = [
        "fallocate", "fdatasync", "fsync", "ftruncate", "rename", "renameat", "renameat2", "unlink",
        "unlinkat",
    ]

    /// What SQLite needs beside that to write.
    static let database = [
        "chmod", "fchmod", "fchown", "flock", "mkdir", "mkdirat", "msync", "rmdir",
        "sync_file_range", "umask", "utimensat",
    ]

    /// What needs a thread beside the loop: a library that waits, or the search through all flows.
    static let threads = ["sched_getparam", "sched_getscheduler", "sched_setaffinity"]

    /// What a role needs to say why it may not read a file.
    static let ownGroups = ["getgroups"]

    /// Attempts that are refused with an errno where the role has no files.
    ///
    /// The C library's fstat(2) is newfstatat(2) with an empty path, which the filter cannot tell from
    /// another path; what asks so, standard output for its buffer, does without the answer.
    static let fileAttempts = [
        "access", "faccessat", "faccessat2", "getcwd", "lstat", "newfstatat", "open", "openat",
        "readlink", "readlinkat", "stat", "statfs", "statx",
    ]

    /// Attempts of the C library's name services that are refused with an errno in every role but where a
    /// source is a server: all other sockets are bound or connected when a role gets them.
    static let socketAttempts = ["bind", "connect"]

    /// The attempts that reach a server, where a role has one.
    static let connecting = ["connect"]

    /// What drivers of databases, libcurl and the C library's look-ups of hosts need beside sockets.
    static let ofDrivers = ["sendmmsg", "recvmmsg", "socketpair"]

    /// What a role may call.
    static func allowed(_ role: Role) -> [String] {
        switch role {
        case .supervisor: []
        case .terminator: common + connections + threads
        case .router: common + connections + datagrams
        case .directory: common + reading + writing + database
        case .accountsReader: common + reading + ownGroups
        case .banner: common + reading + writing + threads
        }
    }

    /// Whether a role opens sockets after its start: those of the kernel's netfilter, and no others.
    static func usesNetfilter(_ role: Role) -> Bool { role == .banner }

    /// Attempts that are refused with an errno in a role: of one that has no files every one to reach them, of
    /// one that reads a database what SQLite would write.
    static func refused(_ role: Role) -> [String] {
        if !usesFiles(role) { return fileAttempts }
        return role == .accountsReader ? writing + database : []
    }

    /// Whether a role reads or writes files after its start.
    static func usesFiles(_ role: Role) -> Bool {
        switch role {
        case .supervisor, .terminator, .router: false
        case .accountsReader, .directory, .banner: true
        }
    }

    /// Whether a role has threads beside its loop.
    static func usesThreads(_ role: Role) -> Bool {
        switch role {
        case .supervisor, .router, .accountsReader, .directory: false
        case .terminator, .banner: true
        }
    }
}
