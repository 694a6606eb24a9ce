// The bans on disk, so that they outlive the process and the kernel's memory.
internal import Glibc
internal import Messages
internal import Sys

/// The file `bans` in banner's own folder: a head line, then one ban a line.
///
/// Columns, between tabs: address, since, until (milliseconds since 1970), count, reason. The file is
/// always written whole and renamed into place.
struct BanStore {
    private let folder: Descriptor

    private static let head = "rempart bans 1"
    private static let file = "bans"
    private static let fresh = "bans.new"

    /// The store in an open folder.
    init(folder: Descriptor) { self.folder = folder }

    /// The kept bans, and how many lines are none.
    func load() throws(SystemError) -> (bans: [BanRow], broken: Int) {
        let raw = unsafe openat(folder.raw, Self.file, O_RDONLY | O_CLOEXEC)
        if raw < 0, errno == ENOENT { return ([], 0) }
        let file = Descriptor(owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans"))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        reading: while true {
            switch Stream.read(file.raw, into: &buffer, at: 0) {
            case .moved(let count): bytes += buffer[..<count]
            case .ended: break reading
            case .failed(let code): throw SystemError("read bans", code: code)
            case .wouldBlock: throw SystemError("read bans", code: EAGAIN)
            }
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first else { return ([], 0) }
        guard String(decoding: first, as: UTF8.self) == Self.head else { return ([], lines.count) }
        let bans = lines.dropFirst().compactMap(Self.ban)
        return (bans, lines.count - 1 - bans.count)
    }

    private static func ban(_ line: ArraySlice<UInt8>) -> BanRow? {
        let columns = String(decoding: line, as: UTF8.self)
            .split(separator: "\t", omittingEmptySubsequences: false)
        guard columns.count == 5, let address = IPAddress(columns[0]),
            let since = Int64(columns[1]), let until = Int64(columns[2]),
            let count = UInt32(columns[3]), columns[4].utf8.count <= 400
        else { return nil }
        return BanRow(
            source: Network(address, prefix: address.isV4 ? 32 : 64), reason: String(columns[4]),
            since: Milliseconds(since), until: Milliseconds(until), firstSeen: Milliseconds(since),
            lastSeen: Milliseconds(since), count: count)
    }

    /// Keeps these bans in place of the old ones, on the disk before it returns.
    func save(_ bans: [BanRow]) throws(SystemError) {
        var text = Self.head + "\n"
        for ban in bans {
            text += "\(ban.source.address)\t\(ban.since.count)\t\(ban.until.count)\t\(ban.count)\t"
            text += "\(ban.reason)\n"
        }
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        let raw = unsafe openat(folder.raw, Self.fresh, flags, 0o600)
        let file = Descriptor(
            owning: try SystemError.check(raw < 0 ? -errno : raw, "open bans.new"))
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            // In bounds: from `written` to the array's own end.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                return unsafe Glibc.write(file.raw, rest.baseAddress, rest.count)
            }
            guard count >= 0 else { throw SystemError("write bans.new", code: errno) }
            written += count
        }
        guard fdatasync(file.raw) == 0 else { throw SystemError("sync bans.new", code: errno) }
        guard unsafe renameat(folder.raw, Self.fresh, folder.raw, Self.file) == 0 else {
            throw SystemError("rename bans.new", code: errno)
        }
    }
}
