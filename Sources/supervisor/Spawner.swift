internal import CLinux
internal import Glibc
internal import Messages
internal import Sys

/// Why the daemon cannot start, in words that tell the administrator what to do.
struct StartFailure: Error, Equatable, CustomStringConvertible {
    /// What is wrong and what to do about it.
    let description: String
    /// Whether no further try will do before somebody has mended it.
    private let lasts: Bool

    /// A failure with its words; `lasts` when another try is of no use.
    init(_ description: String, lasts: Bool = false) {
        self.description = description
        self.lasts = lasts
    }

    /// What the daemon exits with: 78 (EX_CONFIG), after which systemd does not try again, or 1.
    var exitCode: Int32 { lasts ? 78 : 1 }
}

/// A user of the system with all its groups.
struct User {
    /// Its number.
    let uid: UInt32
    /// Its first group.
    let gid: UInt32
    /// All its groups.
    private(set) var groups: [UInt32]

    /// The user of a name; nil when the system has none.
    init?(named name: String) {
        var found = clinux_user()
        guard unsafe clinux_user(name, &found) == 0 else { return nil }
        uid = found.uid
        gid = found.gid
        // In bounds: the C side counts what it has filled, at most the tuple's 64.
        groups = unsafe withUnsafeBytes(of: &found.groups) { bytes in
            unsafe Array(bytes.bindMemory(to: gid_t.self).prefix(Int(found.group_count)))
        }
    }

    /// Gives it the groups that another user was made a member of; at most 64 together.
    mutating func join(groupsOf other: User) {
        for group in other.groups where group != other.gid && !groups.contains(group) {
            if groups.count < Self.mostGroups { groups.append(group) }
        }
    }

    /// How many groups a process is given, as `clinux_user` has room for.
    private static let mostGroups = 64
}

/// Starts programs with their privileges dropped; nothing of Swift runs between fork and exec.
struct Spawner {
    /// The folder of this program, where the others are too.
    let folder: String
    /// Whether programs can be given users of their own.
    let isRoot: Bool

    /// How many descriptors a child may have open: its connections above all.
    private static let openFiles: UInt64 = 65_536

    /// A spawner for the programs beside this one.
    init() throws(StartFailure) {
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
    init(folder: String, isRoot: Bool) {
        self.folder = folder
        self.isRoot = isRoot
    }

    /// The user a program runs as, with those groups that another one is a member of; nil without root, where it
    /// runs as the caller.
    func user(_ name: String, withGroupsOf other: String? = nil) throws(StartFailure) -> User? {
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

    /// Starts the program of a name in `folder`, as `user`, and returns its pid.
    ///
    /// `descriptors` become its 0 to 3; nil is /dev/null for the first three, nothing for the last.
    func start(
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
    static func reap() -> (pid: Int32, code: Int32, signal: Int32)? {
        var code: Int32 = 0
        var signal: Int32 = 0
        let pid = unsafe clinux_reap(&code, &signal)
        return pid > 0 ? (pid, code, signal) : nil
    }

    /// Whether CAP_NET_ADMIN can be handed on.
    static var hasNetAdmin: Bool { clinux_has_net_admin() != 0 }
}
