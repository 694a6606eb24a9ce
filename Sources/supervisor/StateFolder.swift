internal import Glibc
internal import Messages
internal import Spawning
internal import Sys

/// The folder that outlives the daemon: the secret, and a folder for each child that keeps state.
///
/// A disk that is full, or read-only, stops nothing. What is there is used, and what could not be
/// written is in `troubles`.
struct StateFolder {
    /// 64 secret bytes, the same for ever, with which tokens in established calls are sealed.
    ///
    /// Then comes the moment at which tokens began to be bound to dialogs, in milliseconds since
    /// 1970: 0 when none is older.
    let secret: [UInt8]
    /// Why the secret is not on the disk as it is used, nil when it is.
    private(set) var secretTrouble: String?
    private var folderTroubles: [String] = []
    private let path: String
    private var folders: [Role: Descriptor] = [:]

    /// The children that keep state, in a folder of their name.
    private static let keepers: [Role] = [.directory, .banner]
    private static let secretLength = SupervisorMessage.secretLength
    private static let keysLength = secretLength - 8

    /// Opens the folder, and makes what is missing in it.
    init(_ path: String, users: [Role: User]) throws(StartFailure) {
        self.path = path
        // Its children pass through to their own folders; nobody else reads the list.
        try Self.makeFolder(path, mode: 0o711)
        let found = try Self.secret("\(path)/secret")
        secret = found.secret
        if let newer = found.newer {
            secretTrouble =
                newer + "; calls that stand at a restart cannot be hung up through Rempart any more"
        } else if found.isNew {
            try writeSecretAtStart()
        }
        for role in Self.keepers {
            folders[role] = try folder("\(path)/\(role.name)", of: users[role])
        }
    }

    /// What could not be written, for the administrator.
    var troubles: [String] { folderTroubles + [secretTrouble].compactMap(\.self) }

    /// The folder of a child, nil for one that keeps nothing.
    func folder(for role: Role) -> Descriptor? { folders[role] }

    /// The absolute path of a folder that is there, without links.
    static func resolved(_ path: String) -> String {
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    /// Makes a folder with those above it, unless it is there.
    static func makeFolder(_ path: String, mode: UInt32) throws(StartFailure) {
        if unsafe mkdir(path, mode) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try makeFolder(String(path[..<slash]), mode: 0o755)
            if unsafe mkdir(path, mode) == 0 { return }
        }
        throw failure("the folder \(path) cannot be made", errno)
    }

    private static func failure(_ what: String, _ code: Int32) -> StartFailure {
        let reason = SystemError("", code: code).reason
        let advice = isFull(code) ? "make room for it" : "make it"
        return StartFailure("\(what): \(reason); \(advice), or choose another with --state")
    }

    /// Whether an error says that nothing can be written there at the moment.
    private static func isFull(_ code: Int32) -> Bool {
        code == ENOSPC || code == EDQUOT || code == EROFS
    }

    private mutating func folder(
        _ path: String, of user: User?
    ) throws(StartFailure) -> Descriptor? {
        if unsafe mkdir(path, 0o700) != 0, errno != EEXIST {
            let code = errno
            guard Self.isFull(code) else {
                throw Self.failure("the folder \(path) cannot be made", code)
            }
            folderTroubles.append(
                "the folder \(path) cannot be made: \(SystemError("", code: code).reason); make room,"
                    + " then: systemctl restart rempart")
            return nil
        }
        // O_NOFOLLOW: a child that owns its folder must not be able to lead root elsewhere.
        let raw = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard raw >= 0 else { throw Self.failure("the folder \(path) cannot be opened", errno) }
        let opened = Descriptor(owning: raw)
        if let user { try give(opened, path, to: user) }
        let place = unsafe open("/proc/self/fd/\(raw)", Self.pathOnly | O_DIRECTORY | O_CLOEXEC)
        guard place >= 0 else { throw Self.failure("the folder \(path) cannot be opened", errno) }
        return Descriptor(owning: place)
    }

    private mutating func give(
        _ folder: Descriptor, _ path: String, to user: User
    ) throws(StartFailure) {
        var status = stat()
        // In bounds: one structure.
        if unsafe fstat(folder.raw, &status) == 0, status.st_uid == user.uid,
            status.st_gid == user.gid
        {
            return
        }
        guard fchown(folder.raw, user.uid, user.gid) != 0 else { return }
        let code = errno
        let what = "the folder \(path) cannot be given to its user"
        guard Self.isFull(code) else { throw Self.failure(what, code) }
        folderTroubles.append("\(what): \(SystemError("", code: code).reason)")
    }

    /// O_PATH, which the C library shows only to programs that ask for its own extensions.
    private static let pathOnly: Int32 = 0o10000000

    // MARK: The secret

    /// A secret to use.
    private struct Secret {
        let secret: [UInt8]
        /// Whether it is not on the disk as it is.
        let isNew: Bool
        /// What is said of the file when it is of a newer version, and so must stay.
        var newer: String?

        /// One that was never used before.
        static func fresh(beside newer: String? = nil) -> Secret {
            let keys = Random.bytes(keysLength) + StateFolder.bytes(of: Milliseconds(0))
            return Secret(secret: keys, isNew: true, newer: newer)
        }
    }

    private static func secret(_ path: String) throws(StartFailure) -> Secret {
        let raw = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        if raw < 0 {
            guard errno == ENOENT else { throw failure("\(path) cannot be read", errno) }
            return .fresh()
        }
        let file = Descriptor(owning: raw)
        var bytes = [UInt8](repeating: 0, count: 256)
        let read = Stream.read(file.raw, into: &bytes, at: 0)
        // Before its length: a newer one may be as long as one of ours.
        if case .moved(let count) = read, let newer = newer(bytes.prefix(count)) {
            return .fresh(beside: newer)
        }
        switch read {
        case .moved(secretLength):
            return Secret(secret: Array(bytes.prefix(secretLength)), isNew: false)
        case .moved(keysLength):
            // Of before tokens were bound to dialogs: those in established calls are older than this moment.
            let secret = bytes.prefix(keysLength) + Self.bytes(of: Clock.sinceEpoch)
            return Secret(secret: Array(secret), isNew: true)
        default:
            throw StartFailure(
                "\(path) is damaged: remove it; calls that stand now cannot be hung up through "
                    + "Rempart any more", lasts: true)
        }
    }

    /// What is said of a file that names a newer format; nil for any other.
    private static func newer(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            let found = StateFile.secret.headline(Array(bytes[..<end]).span),
            found.format > StateFile.secret.format
        else { return nil }
        return StateFile.secret.refusal(of: found.format, writer: found.writer)
    }

    private static func bytes(of moment: Milliseconds) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: moment.count >> Int64(56 - 8 * $0)) }
    }

    private mutating func writeSecretAtStart() throws(StartFailure) {
        let code = replaceSecretFile()
        guard code != 0 else { return }
        guard Self.isFull(code) else {
            throw Self.failure("\(path)/secret cannot be written", code)
        }
        secretTrouble =
            "\(path)/secret cannot be written: \(SystemError("", code: code).reason); make room: it is"
            + " tried again each minute. After a restart before that, calls that stand now cannot be hung up"
            + " through Rempart any more"
    }

    /// Tries again to write the secret; whether its file holds it now.
    mutating func writeSecret() -> Bool {
        if secretTrouble != nil, !isNewerThere, replaceSecretFile() == 0 { secretTrouble = nil }
        return secretTrouble == nil
    }

    /// Whether the file is there, and not to be written over.
    private var isNewerThere: Bool { (try? Self.secret("\(path)/secret"))?.newer != nil }

    /// Writes the secret beside its place and moves it there, so that it is whole, or what was there stays; the
    /// error's number, or 0.
    private func replaceSecretFile() -> Int32 {
        let draft = "\(path)/secret.new"
        _ = unsafe unlink(draft)
        let raw = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard raw >= 0 else { return errno }
        let file = Descriptor(owning: raw)
        // In bounds: the array's own storage and length.
        let written = unsafe secret.withUnsafeBytes { unsafe write(raw, $0.baseAddress, $0.count) }
        // A part alone is written where there is no room for the rest.
        let isShort = written >= 0 && written < secret.count
        guard written == secret.count, fsync(file.raw) == 0,
            unsafe rename(draft, "\(path)/secret") == 0
        else {
            let code = isShort ? ENOSPC : errno
            _ = unsafe unlink(draft)
            return code
        }
        return 0
    }
}
