// What a confined process tries that its filter may refuse, and what comes of it.
internal import Glibc
internal import Sys

/// Tries of system calls that reach further than a role needs; each is harmless when it succeeds.
enum Attempts {
    /// Each try with its errno, 0 when it was carried out: "stat=13 route=13".
    static func outcome() -> String {
        (files() + sockets() + [("signal", signal())]).map { "\($0.0)=\($0.1)" }
            .joined(separator: " ")
    }

    private static let path = "/etc/passwd"
    /// No descriptor at all: the filter looks first.
    private static let none: Int32 = -1
    // AT_EMPTY_PATH and O_PATH (linux/fcntl.h).
    private static let emptyPath: Int32 = 0x1000
    private static let pathOnly: Int32 = 0x20_0000

    private static func code(_ result: some SignedInteger) -> Int32 { result < 0 ? errno : 0 }

    private static func files() -> [(String, Int32)] {
        var status = Glibc.stat()
        return [
            ("stat", code(unsafe fstatat(AT_FDCWD, path, &status, 0))),
            ("lstat", code(unsafe lstat(path, &status))),
            ("fstat", code(unsafe fstat(0, &status))),
            // A path beside the flag is still a path.
            ("empty-path", code(unsafe fstatat(AT_FDCWD, path, &status, emptyPath))),
            ("access", code(unsafe access(path, F_OK))),
            ("open", code(unsafe open(path, pathOnly))),
        ]
    }

    private static func sockets() -> [(String, Int32)] {
        let raw = Int32(SOCK_RAW.rawValue)
        let datagram = Int32(SOCK_DGRAM.rawValue)
        var address = sockaddr()
        address.sa_family = sa_family_t(AF_UNIX)
        let length = socklen_t(MemoryLayout<sockaddr>.size)
        let bytes: [UInt8] = [0]
        return [
            // NETLINK_ROUTE, NETLINK_AUDIT, NETLINK_NETFILTER, NETLINK_GENERIC (linux/netlink.h).
            ("route", socket(AF_NETLINK, raw, 0)), ("audit", socket(AF_NETLINK, raw, 9)),
            ("netfilter", socket(AF_NETLINK, raw, 12)), ("generic", socket(AF_NETLINK, raw, 16)),
            ("unix", socket(AF_UNIX, datagram, 0)), ("udp", socket(AF_INET, datagram, 0)),
            ("udp6", socket(AF_INET6, datagram, 0)), ("raw", socket(AF_INET, raw, 1)),
            ("bind", code(unsafe bind(none, &address, length))),
            ("connect", code(unsafe connect(none, &address, length))),
            ("sendto", code(unsafe sendto(none, bytes, 1, 0, &address, length))),
        ]
    }

    private static func socket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
        let result = Glibc.socket(family, type, number)
        let code = code(result)
        if result >= 0 { close(result) }
        return code
    }

    /// Asks whether there is a process 1, by the call that raise(3) makes.
    private static func signal() -> Int32 {
        typealias Call = @convention(c) (Int32, Int32, Int32) -> Int32
        guard let symbol = unsafe dlsym(nil, "tgkill") else { return -1 }
        // The C library's own declaration of it.
        return code(unsafe unsafeBitCast(symbol, to: Call.self)(1, 1, 0))
    }
}
