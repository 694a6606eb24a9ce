// The bans on disk, so that they outlive the process and the kernel's memory.
internal import Glibc
internal import Messages
internal import Sys

/// The file `bans` in banner's own folder: a head line, then one change a line, the later one holds.
///
/// A line is one of these, with tabs between the columns; moments are milliseconds since 1970:
/// `+` and the columns of a ban; `-` and a source whose ban was lifted; `allow` or `disallow` and a
/// network. Changes are added at the end; once most lines are out of date the file is written anew and
/// renamed into place.
final class BanStore {
    /// One line of the file.
    enum Change: Equatable {
        /// A ban began or changed.
        case ban(BanRow)
        /// A ban was lifted, and is forgotten.
        case lifted(Network)
        /// The administrator allowed a network, or took that back.
        case allowed(Network, Bool)
    }

    private let folder: Descriptor
    private var file: Descriptor?
    private var lines = 0

    private static let head = "rempart bans 2"
    private static let name = "bans"
    private static let fresh = "bans.new"

    /// The store in an open folder.
    init(folder: Descriptor) { self.folder = folder }

    /// The kept changes, and how many lines are none.
    func load() throws(SystemError) -> (changes: [Change], broken: Int) {
        let raw = unsafe openat(folder.raw, Self.name, O_RDONLY | O_CLOEXEC)
        if raw < 0, errno == ENOENT { return ([], 0) }
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans"))
        let bytes = try readAll(file, "bans", limit: 256 << 20)
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first else { return ([], 0) }
        guard String(decoding: first, as: UTF8.self) == Self.head else { return ([], lines.count) }
        let changes = lines.dropFirst().compactMap(Self.change)
        return (changes, lines.count - 1 - changes.count)
    }

    private static func change(_ line: ArraySlice<UInt8>) -> Change? {
        let columns = String(decoding: line, as: UTF8.self)
            .split(separator: "\t", omittingEmptySubsequences: false)
        guard columns.count >= 2, let network = Network(columns[1]) else { return nil }
        switch (columns[0], columns.count) {
        case ("+", 11): return ban(network, columns.dropFirst(2))
        case ("-", 2): return .lifted(network)
        case ("allow", 2): return .allowed(network, true)
        case ("disallow", 2): return .allowed(network, false)
        default: return nil
        }
    }

    private static func ban(_ source: Network, _ columns: ArraySlice<Substring>) -> Change? {
        let isSource =
            source.address.isV4
            ? [24, 32].contains(source.prefix) : [48, 64].contains(source.prefix)
        let moments = columns.prefix(4).compactMap { Int64($0) }
        let rest = Array(columns.dropFirst(4))
        guard isSource, moments.count == 4, let count = UInt32(rest[0]),
            let level = UInt32(rest[1]), rest[2].utf8.count <= BanOrder.profileLimit,
            rest[3].utf8.count <= 400, rest[4].utf8.count <= BanOrder.evidenceLimit
        else { return nil }
        return .ban(
            BanRow(
                source: source, reason: String(rest[3]), evidence: String(rest[4]),
                profile: String(rest[2]), since: Milliseconds(moments[0]),
                until: Milliseconds(moments[1]), firstSeen: Milliseconds(moments[2]),
                lastSeen: Milliseconds(moments[3]), count: count, level: level))
    }

    private static func line(_ change: Change) -> String {
        switch change {
        case .ban(let ban):
            let moments = [ban.since, ban.until, ban.firstSeen, ban.lastSeen]
                .map { "\($0.count)" }.joined(separator: "\t")
            return "+\t\(ban.source)\t\(moments)\t\(ban.count)\t\(ban.level)\t\(ban.profile)\t"
                + "\(ban.reason)\t\(ban.evidence)\n"
        case .lifted(let source): return "-\t\(source)\n"
        case .allowed(let network, let isAllowed):
            return "\(isAllowed ? "allow" : "disallow")\t\(network)\n"
        }
    }

    /// Whether the file is so full of lines out of date that `rewrite` is worth its time.
    ///
    /// `count` is how many lines would do.
    func isWorn(_ count: Int) -> Bool { file == nil || lines > 10_000 + 4 * count }

    /// Adds changes at the end.
    ///
    /// The disk is not waited for, since bans would wait meanwhile: they outlive the process and a
    /// reboot, but a power cut may cost those of the last half minute.
    func append(_ changes: [Change]) throws(SystemError) {
        guard let file else { throw SystemError("append bans", code: EBADF) }
        do {
            try writeAll(Array(changes.map(Self.line).joined().utf8), to: file, "bans")
        } catch {
            // What was written of it may end in the middle of a line: the file is to be written anew.
            self.file = nil
            throw error
        }
        lines += changes.count
    }

    /// Keeps these in place of everything so far, on the disk before it returns.
    func rewrite(_ changes: some Sequence<Change>) throws(SystemError) {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let raw = unsafe openat(folder.raw, Self.fresh, flags, 0o600)
        let fresh = Descriptor(
            owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans.new"))
        var text = Self.head + "\n"
        var count = 0
        for change in changes {
            text += Self.line(change)
            count += 1
        }
        try writeAll(Array(text.utf8), to: fresh, "bans")
        guard fdatasync(fresh.raw) == 0 else { throw SystemError("sync bans", code: errno) }
        guard unsafe renameat(folder.raw, Self.fresh, folder.raw, Self.name) == 0 else {
            throw SystemError("rename bans.new", code: errno)
        }
        file = fresh
        lines = count
    }
}

/// Reads a file to its end; `what` names it in errors.
func readAll(_ file: Descriptor, _ what: String, limit: Int) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
        switch Stream.read(file.raw, into: &buffer, at: 0) {
        case .moved(let count): bytes += buffer[..<count]
        case .ended: return bytes
        case .failed(let code): throw SystemError("read \(what)", code: code)
        case .wouldBlock: throw SystemError("read \(what)", code: EAGAIN)
        }
        guard bytes.count <= limit else { throw SystemError("read \(what)", code: EFBIG) }
    }
}

/// Writes all bytes at the end of a file; `what` names it in errors.
func writeAll(_ bytes: [UInt8], to file: Descriptor, _ what: String) throws(SystemError) {
    var written = 0
    while written < bytes.count {
        // In bounds: from `written` to the array's own end.
        let count = unsafe bytes.withUnsafeBytes { buffer in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
            return unsafe Glibc.write(file.raw, rest.baseAddress, rest.count)
        }
        guard count >= 0 else { throw SystemError("write \(what)", code: errno) }
        written += count
    }
}
