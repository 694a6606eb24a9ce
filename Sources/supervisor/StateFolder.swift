internal import Glibc
internal import Messages
internal import Sys

/// The folder that outlives the daemon: the secret, and a folder for each child that keeps state.
struct StateFolder {
    /// 64 secret bytes, the same for ever, with which tokens in standing calls are sealed; then the moment at which
    /// tokens began to be bound to dialogs, in milliseconds since 1970: 0 when none is older.
    let secret: [UInt8]
    private let folders: [Role: Descriptor]

    /// The children that keep state, in a folder of their name.
    private static let keepers: [Role] = [.directory, .banner]
    private static let secretLength = SupervisorMessage.secretLength
    private static let keysLength = secretLength - 8

    /// Opens the folder, and makes what is missing in it.
    init(_ path: String, users: [Role: User]) throws(StartFailure) {
        // Its children pass through to their own folders; nobody else reads the list.
        try Self.makeFolder(path, mode: 0o711)
        secret = try Self.secret("\(path)/secret")
        var folders: [Role: Descriptor] = [:]
        for role in Self.keepers {
            folders[role] = try Self.folder("\(path)/\(role.name)", of: users[role])
        }
        self.folders = folders
    }

    /// The folder of a child, nil for one that keeps nothing.
    func folder(for role: Role) -> Descriptor? { folders[role] }

    /// Makes a folder with those above it, unless it is there.
    static func makeFolder(_ path: String, mode: UInt32) throws(StartFailure) {
        if unsafe mkdir(path, mode) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolder(String(path[..<slash]), mode: 0o755)
            if unsafe mkdir(path, mode) == 0 { return }
        }
        throw failure("the folder \(path) cannot be made")
    }

    private static func failure(_ what: String) -> StartFailure {
        let reason = SystemError("", code: errno).reason
        return StartFailure("\(what): \(reason); make it, or choose another with --state")
    }

    private static func folder(_ path: String, of user: User?) throws(StartFailure) -> Descriptor {
        try makeFolder(path, mode: 0o700)
        // O_NOFOLLOW: a child that owns its folder must not be able to lead root elsewhere.
        let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard raw >= 0 else { throw failure("the folder \(path) cannot be opened") }
        let opened = Descriptor(owning: raw)
        if let user, fchown(opened.raw, user.uid, user.gid) != 0 {
            throw failure("the folder \(path) cannot be given to its user")
        }
        let place = unsafe open("/proc/self/fd/\(raw)", pathOnly | O_DIRECTORY | O_CLOEXEC)
        guard place >= 0 else { throw failure("the folder \(path) cannot be opened") }
        return Descriptor(owning: place)
    }

    /// O_PATH, which the C library shows only to those who ask for its own extensions.
    private static let pathOnly: Int32 = 0o10000000

    private static func secret(_ path: String) throws(StartFailure) -> [UInt8] {
        let raw = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        if raw < 0 {
            guard errno == ENOENT else { throw failure("\(path) cannot be read") }
            return try newSecret(path)
        }
        let file = Descriptor(owning: raw)
        var bytes = [UInt8](repeating: 0, count: secretLength + 1)
        switch Stream.read(file.raw, into: &bytes, at: 0) {
        case .moved(secretLength): return Array(bytes.prefix(secretLength))
        case .moved(keysLength):
            // Of before tokens were bound to dialogs: those in standing calls are older than this moment.
            let secret = bytes.prefix(keysLength) + Self.bytes(of: Clock.sinceEpoch)
            try keep(Array(secret), path)
            return Array(secret)
        default:
            throw StartFailure(
                "\(path) is damaged: remove it; calls that stand now cannot be hung up through "
                    + "Rempart any more", lasts: true)
        }
    }

    private static func bytes(of moment: Milliseconds) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: moment.count >> Int64(56 - 8 * $0)) }
    }

    private static func newSecret(_ path: String) throws(StartFailure) -> [UInt8] {
        let secret = Random.bytes(keysLength) + bytes(of: Milliseconds(0))
        try keep(secret, path)
        return secret
    }

    /// Writes a secret beside its place and moves it there, so that it is whole, or what was there stays.
    private static func keep(_ bytes: [UInt8], _ path: String) throws(StartFailure) {
        let draft = "\(path).new"
        _ = unsafe unlink(draft)
        let raw = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw failure("\(draft) cannot be made") }
        let file = Descriptor(owning: raw)
        // In bounds: the array's own storage and length.
        let written = unsafe bytes.withUnsafeBytes { unsafe write(raw, $0.baseAddress, $0.count) }
        guard written == bytes.count, fsync(file.raw) == 0, unsafe rename(draft, path) == 0 else {
            throw failure("\(path) cannot be written")
        }
    }
}
