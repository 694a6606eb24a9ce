internal import CLinux
internal import Glibc
package import Messages
package import Sys

/// Starts programs with their privileges dropped; nothing of Swift runs between fork and exec.
package struct Spawner {
    /// The folder of this program, where the others are too.
    package let folder: String
    /// Whether programs can be given users of their own.
    package let isRoot: Bool

    /// How many descriptors a child may have open: its connections above all.
    private static let openFiles: UInt64 = 65_536

    /// A spawner for the programs beside this one.
    package init() throws(StartFailure) {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        // In bounds: the array's own length; readlink writes no terminator.
        let length = unsafe readlink("/proc/self/exe", &path, path.count)
        let bytes = path.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }
        guard let end = bytes.lastIndex(of: UInt8(ascii: "/")) else {
            throw StartFailure("/proc is not mounted: mount it, the other programs are found by it")
        }
        folder = String(decoding: bytes[..<end], as: UTF8.self)
        isRoot = geteuid() == 0
    }

    /// A spawner for the programs of another folder.
    package init(folder: String, isRoot: Bool) {
        self.folder = folder
        self.isRoot = isRoot
    }

    /// The user a program runs as, with those groups that another one is a member of; nil without root, where it
    /// runs as the caller.
    package func user(_ name: String, withGroupsOf other: String? = nil) throws(StartFailure)
        -> User?
    {
        guard isRoot else { return nil }
        guard var user = User(named: name) else {
            throw StartFailure(
                "the user \(name) does not exist: "
                    + "run systemd-sysusers /usr/lib/sysusers.d/rempart.conf", lasts: true)
        }
        guard user.uid != 0 else {
            throw StartFailure(
                "the user \(name) has the number 0: give it another, it is not root", lasts: true)
        }
        if let other, let member = User(named: other) { user.join(groupsOf: member) }
        return user
    }

    /// The user that a component's program runs as; nil without root, where it runs as the caller.
    package func user(of role: Role) throws(StartFailure) -> User? {
        try user(role.user, withGroupsOf: role.groupsOf)
    }

    /// Starts a component's program as `user`, and returns its pid.
    ///
    /// It finds its end of the link to its supervisor as descriptor 3. Its standard error is `errors`; nil: ours.
    package func start(
        _ role: Role, user: User?, link: Descriptor, errors: Descriptor?,
        keepingNetAdmin: Bool = false
    ) throws(SystemError) -> Int32 {
        try start(
            role.name, user: user,
            descriptors: [nil, nil, errors?.raw ?? STDERR_FILENO, link.raw],
            keepingNetAdmin: keepingNetAdmin)
    }

    /// Starts the program of a name in `folder`, as `user`, and returns its pid.
    ///
    /// `descriptors` become its 0 to 3; nil is /dev/null for the first three, nothing for the last.
    package func start(
        _ name: String, _ arguments: [String] = [], user: User?, descriptors: [Int32?],
        keepingNetAdmin: Bool = false
    ) throws(SystemError) -> Int32 {
        var spec = unsafe clinux_spawn()
        unsafe spec.descriptors = (
            descriptors[0] ?? -1, descriptors[1] ?? -1, descriptors[2] ?? -1, descriptors[3] ?? -1
        )
        unsafe spec.files = Self.openFiles
        unsafe spec.keep_net_admin = keepingNetAdmin ? 1 : 0
        if let user {
            unsafe spec.drop = 1
            unsafe spec.uid = user.uid
            unsafe spec.gid = user.gid
        }
        let words: [UnsafeMutablePointer<CChar>?] =
            unsafe (["\(folder)/\(name)"] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var stage = CLINUX_SPAWN_FORK
        // In bounds: both arrays outlive the call, and the list of words ends with nil.
        let pid = unsafe words.withUnsafeBufferPointer { list in
            unsafe (user?.groups ?? []).withUnsafeBufferPointer { groups in
                unsafe spec.arguments = list.baseAddress
                unsafe spec.groups = groups.baseAddress
                unsafe spec.group_count = groups.count
                return unsafe clinux_spawn(&spec, &stage)
            }
        }
        return try SystemError.check(pid, "start \(name), \(Self.words(stage))")
    }

    private static func words(_ stage: clinux_spawn_stage) -> String {
        switch stage {
        case CLINUX_SPAWN_FORK: "fork"
        case CLINUX_SPAWN_DESCRIPTOR: "hand over descriptors"
        case CLINUX_SPAWN_SIGNALS: "reset signals"
        case CLINUX_SPAWN_DIRECTORY: "enter /"
        case CLINUX_SPAWN_LIMITS: "set limits"
        case CLINUX_SPAWN_CAPABILITIES: "drop capabilities"
        case CLINUX_SPAWN_GROUPS: "drop groups"
        case CLINUX_SPAWN_USER: "change user"
        case CLINUX_SPAWN_PROOF: "prove that root is out of reach"
        case CLINUX_SPAWN_PRIVILEGES: "give up new privileges"
        default: "run the program"
        }
    }

    /// The next child process that ended, with its exit code or the signal that ended it.
    package static func reap() -> (pid: Int32, code: Int32, signal: Int32)? {
        var code: Int32 = 0
        var signal: Int32 = 0
        let pid = unsafe clinux_reap(&code, &signal)
        return pid > 0 ? (pid, code, signal) : nil
    }

    /// How a process ended, in words: by its exit code, or by a signal where that is not 0.
    package static func words(code: Int32, signal: Int32) -> String {
        switch signal {
        case 0: "exit code \(code)"
        case SIGSYS: "signal \(signal): it tried a system call that its filter does not permit"
        default: "signal \(signal)"
        }
    }

    /// Whether CAP_NET_ADMIN can be handed on.
    package static var hasNetAdmin: Bool { clinux_has_net_admin() != 0 }
}
