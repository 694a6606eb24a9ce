internal import CSeccomp
internal import Glibc
internal import Messages
internal import Sys

/// A seccomp filter under construction (libseccomp); what no rule names ends the process.
@safe
struct Filter: ~Copyable {
    /// What becomes of a call that a rule names.
    enum Verdict {
        /// It is carried out.
        case allow
        /// It fails with this errno.
        case refuse(Int32)

        /// As libseccomp's macros SCMP_ACT_ALLOW and SCMP_ACT_ERRNO write it.
        fileprivate var action: UInt32 {
            switch self {
            case .allow: 0x7FFF_0000
            case .refuse(let code): 0x0005_0000 | UInt32(code)
            }
        }
    }

    /// A condition on one argument of a call.
    struct Condition {
        fileprivate let argument: UInt32
        fileprivate let compare: scmp_compare
        fileprivate let a: UInt64
        fileprivate let b: UInt64

        /// The argument has this value.
        static func equal(_ argument: UInt32, _ value: UInt64) -> Condition {
            Condition(argument: argument, compare: SCMP_CMP_EQ, a: value, b: 0)
        }

        /// The argument has another value.
        static func different(_ argument: UInt32, _ value: UInt64) -> Condition {
            Condition(argument: argument, compare: SCMP_CMP_NE, a: value, b: 0)
        }

        /// The argument's lower half, which is all that the kernel reads of an int, has this value.
        static func int(_ argument: UInt32, _ value: Int32) -> Condition {
            Condition(
                argument: argument, compare: SCMP_CMP_MASKED_EQ, a: 0xFFFF_FFFF,
                b: UInt64(UInt32(bitPattern: value)))
        }

        /// These bits of the argument are all set.
        static func bits(_ argument: UInt32, _ mask: UInt64) -> Condition {
            Condition(argument: argument, compare: SCMP_CMP_MASKED_EQ, a: mask, b: mask)
        }
    }

    // SCMP_ACT_TRAP: SIGSYS, whose handler can name the call.
    private static let trap: UInt32 = 0x0003_0000
    private let context: scmp_filter_ctx

    /// A filter that permits nothing yet.
    init() throws(SystemError) {
        guard let context = unsafe seccomp_init(Self.trap) else {
            throw SystemError("seccomp_init", code: ENOMEM)
        }
        unsafe self.context = unsafe context
    }

    deinit { unsafe seccomp_release(context) }

    /// Adds a rule for the call of a name; all conditions must hold.
    ///
    /// Names that this machine's architecture does not know are passed over.
    func add(
        _ verdict: Verdict, _ name: String, _ conditions: Condition...
    ) throws(SystemError) {
        let number = unsafe seccomp_syscall_resolve_name(name)
        // __NR_SCMP_ERROR: the library is older than the call.
        guard number != -1 else { return }
        let tests = conditions.map { condition in
            scmp_arg_cmp(
                arg: condition.argument, op: condition.compare, datum_a: condition.a,
                datum_b: condition.b)
        }
        // In bounds: the array's own storage and length.
        let result = unsafe tests.withUnsafeBufferPointer { buffer in
            unsafe seccomp_rule_add_array(
                context, verdict.action, number, UInt32(buffer.count), buffer.baseAddress)
        }
        _ = try SystemError.check(result, "seccomp rule for \(name)")
    }

    /// Puts the filter in force for every thread of this process, for good.
    func load() throws(SystemError) {
        // A tree instead of a list: the loop's own calls stand at no place of it in particular.
        _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1)
        // The kernel's own errno, not ECANCELED for each: what is forbidden is told from what is missing.
        _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_API_SYSRAWRC, 1)
        _ = try SystemError.check(unsafe seccomp_load(context), "seccomp_load")
    }
}

extension Filter {
    /// Adds the rules of a role; with `connects` it may open sockets to servers.
    func add(rulesOf role: Role, connects: Bool = false) throws(SystemError) {
        for name in SystemCalls.allowed(role) { try add(.allow, name) }
        for name in SystemCalls.refused(role) { try add(.refuse(EACCES), name) }
        try addSockets(role, connects)
        try addSocketOptions()
        if connects { try addConnections() }
        try addThreads(role)
        // A signal to itself: how a process ends itself.
        let own = UInt64(getpid())
        try add(.allow, "tgkill", .equal(0, own))
        try add(.refuse(EACCES), "tgkill", .different(0, own))
        // What the runtime asks a descriptor: how many bytes wait, and whether it is a terminal.
        for request in [FIONREAD, FIONBIO, TCGETS] {
            try add(.allow, "ioctl", .equal(1, UInt64(request)))
        }
        // Limits may be read, not set.
        try add(.allow, "prlimit64", .equal(2, 0))
        try add(.refuse(EPERM), "prlimit64", .different(2, 0))
        for option in ProcessOption.all { try add(.allow, "prctl", .equal(0, option)) }
    }

    private func addSockets(_ role: Role, _ connects: Bool) throws(SystemError) {
        let netlink = UInt64(AF_NETLINK)
        if SystemCalls.usesNetfilter(role) {
            try add(.allow, "socket", .equal(0, netlink), .equal(2, netfilter))
            try add(.refuse(EACCES), "socket", .equal(0, netlink), .different(2, netfilter))
            // libnftables names the kernel in each message to it.
            try add(.allow, "sendto")
        } else {
            try add(.refuse(EACCES), "socket", .equal(0, netlink))
            // Where a socket leads is settled when the role gets it.
            try add(.allow, "sendto", .equal(4, 0))
            try add(.refuse(EACCES), "sendto", .different(4, 0))
        }
        // The C library's name services try these; any other family ends the process.
        for family in [AF_UNIX, AF_INET, AF_INET6] {
            try add(connects ? .allow : .refuse(EACCES), "socket", .equal(0, UInt64(family)))
        }
        for name in SystemCalls.socketAttempts {
            let isAllowed = connects && SystemCalls.connecting.contains(name)
            try add(isAllowed ? .allow : .refuse(EACCES), name)
        }
    }

    /// What the drivers of databases and the C library's name services set and call beside.
    private func addConnections() throws(SystemError) {
        for name in SystemCalls.ofDrivers { try add(.allow, name) }
        for level in internetLevels { try add(.allow, "setsockopt", .int(1, level)) }
        for option in driverOptions {
            try add(.allow, "setsockopt", .int(1, SOL_SOCKET), .int(2, option))
        }
    }

    /// The size of buffers, and the options of TCP and netlink.
    ///
    /// Never SO_LINGER: a descriptor that was handed to another process would keep that one in close(2), for as
    /// long as the peer acknowledges nothing (socket(7)).
    private func addSocketOptions() throws(SystemError) {
        for level in [tcpLevel, netlinkLevel] {
            try add(.allow, "setsockopt", .int(1, level))
        }
        for option in bufferOptions {
            try add(.allow, "setsockopt", .int(1, SOL_SOCKET), .int(2, option))
        }
    }

    private func addThreads(_ role: Role) throws(SystemError) {
        // Its flags lie in memory, out of the filter's sight; the C library then uses clone.
        try add(.refuse(ENOSYS), "clone3")
        guard SystemCalls.usesThreads(role) else { return }
        try add(.allow, "clone", .bits(0, cloneThread))
    }
}

/// Options of prctl(2), which the C library's Swift module does not show.
private enum ProcessOption {
    static let getDumpable: UInt64 = 3
    static let setName: UInt64 = 15
    static let getName: UInt64 = 16
    static let nameMemory: UInt64 = 0x5356_4D41
    static let all = [getDumpable, setName, getName, nameMemory]
}

/// NETLINK_NETFILTER (linux/netlink.h): not NETLINK_ROUTE, by which CAP_NET_ADMIN changes routes and addresses.
private let netfilter: UInt64 = 12

/// CLONE_THREAD of clone(2): a thread of this process, not a new one.
private let cloneThread: UInt64 = 0x10000

/// IPPROTO_TCP (RFC 9293's number of the protocol) and SOL_NETLINK (linux/socket.h), as levels of setsockopt(2).
private let tcpLevel: Int32 = 6
private let netlinkLevel: Int32 = 270

/// IPPROTO_IP and IPPROTO_IPV6 as levels of setsockopt(2): IP_TOS, IP_RECVERR.
private let internetLevels: [Int32] = [0, 41]

/// SO_REUSEADDR, SO_KEEPALIVE, SO_RCVTIMEO and SO_SNDTIMEO, the last two with long times too (asm-generic/socket.h).
private let driverOptions: [Int32] = [2, 9, 20, 21, 66, 67]

/// SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE and SO_RCVBUFFORCE (asm-generic/socket.h).
private let bufferOptions: [Int32] = [7, 8, 32, 33]
