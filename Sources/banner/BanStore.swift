// The bans on disk, so that they outlive the process and the kernel's memory.
internal import Glibc
internal import Messages
internal import Sys

/// Why the kept bans are not read.
enum BanStoreError: Error, CustomStringConvertible {
    /// The file cannot be read.
    case system(SystemError)
    /// It is of a newer version of Rempart, and stays as it is.
    case newer(String)

    /// What is wrong.
    var description: String {
        switch self {
        case .system(let error): error.description
        case .newer(let words): words
        }
    }
}

/// The file `bans` in banner's own folder: a head line, then one change a line, the later one holds.
///
/// A line is one of these, with tabs between the columns:
/// - `+` and the columns of a ban, moments in milliseconds since 1970;
/// - `-` and a source whose ban was lifted;
/// - `allow` or `disallow` and a network.
///
/// Changes are added at the end. Once most lines are out of date, the file is written anew and
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

    private static let name = "bans"
    private static let fresh = "bans.new"
    /// The name of a file that could not be read.
    static let aside = "bans.unread"

    /// The store in an open folder.
    init(folder: Descriptor) { self.folder = folder }

    /// Hands over the kept changes in order, and returns how many lines are none.
    ///
    /// `expect` is told before how many there may be.
    func load(
        expect: (Int) -> Void = { _ in }, _ take: (Change) -> Void
    ) throws(BanStoreError) -> Int {
        guard let bytes = try bytes() else { return 0 }
        // The shortest line of a ban is longer.
        expect(bytes.count / 64)
        var broken = 0
        var hasHead: Bool?
        lines = 0
        BanLines.forEach(in: bytes.span) { line in
            guard let known = hasHead else { return hasHead = BanLines.isHead(line) }
            lines += 1
            guard known, let change = BanLines.change(line) else { return broken += 1 }
            take(change)
        }
        if hasHead == false { broken += 1 }
        // What is added later must begin a line of its own.
        if broken == 0, bytes.last == BanLines.newline {
            let raw = unsafe openat(folder.raw, Self.name, O_WRONLY | O_APPEND | O_CLOEXEC)
            file = raw < 0 ? nil : Descriptor(owning: raw)
        }
        return broken
    }

    /// What the file holds, nil when there is none; its first line is of no newer version.
    private func bytes() throws(BanStoreError) -> [UInt8]? {
        let bytes: [UInt8]
        do throws(SystemError) {
            // Read by itself: what cannot be written may still be read.
            let raw = unsafe openat(folder.raw, Self.name, O_RDONLY | O_CLOEXEC)
            if raw < 0, errno == ENOENT { return nil }
            let kept = Descriptor(
                owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans"))
            bytes = try kept.bytes(limit: 256 << 20, "bans")
        } catch {
            throw .system(error)
        }
        let end = bytes.firstIndex(of: BanLines.newline) ?? bytes.count
        if let found = StateFile.bans.headline(bytes.span.extracting(0..<end)),
            found.format > StateFile.bans.format
        {
            throw .newer(StateFile.bans.refusal(of: found.format, writer: found.writer))
        }
        return bytes
    }

    /// Renames a file that cannot be read, in place of an earlier such one, so that it outlives `rewrite`.
    func setAside() throws(SystemError) {
        guard unsafe renameat(folder.raw, Self.name, folder.raw, Self.aside) == 0 else {
            throw SystemError("rename bans", code: errno)
        }
    }

    /// Whether the file is so full of lines out of date that `rewrite` is worth its time.
    ///
    /// `count` is how many lines would do.
    func isWorn(_ count: Int) -> Bool { file == nil || lines > 10_000 + 4 * count }

    /// Adds changes at the end.
    ///
    /// The disk is not waited for, since bans would wait meanwhile. They outlive the process and a
    /// reboot, but a power cut may cost those of the last half minute.
    func append(_ changes: [Change]) throws(SystemError) {
        guard let file else { throw SystemError("append bans", code: EBADF) }
        do {
            var bytes: [UInt8] = []
            for change in changes { BanLines.append(change, to: &bytes) }
            try writeAll(bytes, to: file, "bans")
        } catch {
            // What was written of it may end in the middle of a line: the file is to be written anew.
            self.file = nil
            throw error
        }
        lines += changes.count
    }

    /// Keeps these in place of everything so far, on the disk before it returns.
    ///
    /// After a failure the file lacks changes, so nothing is added to it until this has succeeded.
    func rewrite(_ changes: ((Change) -> Void) -> Void) throws(SystemError) {
        do {
            try writeAnew(changes)
        } catch {
            file = nil
            // What was written of it takes room that others need.
            _ = unsafe unlinkat(folder.raw, Self.fresh, 0)
            throw error
        }
    }

    private func writeAnew(_ changes: ((Change) -> Void) -> Void) throws(SystemError) {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let raw = unsafe openat(folder.raw, Self.fresh, flags, 0o600)
        let fresh = Descriptor(
            owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans.new"))
        var bytes: [UInt8] = []
        BanLines.appendHead(to: &bytes)
        var count = 0
        changes { change in
            BanLines.append(change, to: &bytes)
            count += 1
        }
        try writeAll(bytes, to: fresh, "bans")
        guard fdatasync(fresh.raw) == 0 else { throw SystemError("sync bans", code: errno) }
        guard unsafe renameat(folder.raw, Self.fresh, folder.raw, Self.name) == 0 else {
            throw SystemError("rename bans.new", code: errno)
        }
        file = fresh
        lines = count
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
