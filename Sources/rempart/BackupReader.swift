internal import Glibc
internal import Messages
internal import Sys

/// Reads a backup from its beginning to its end, holding each member to what a backup may have.
///
/// A member's folder comes before it, its path leads nowhere else, and nothing but files, folders and links is taken.
struct BackupReader {
    private let file: Descriptor
    private let path: String
    private var folders: Set<String> = []
    private var seen: Set<String> = []

    /// Opens a backup.
    init(_ path: String) throws(BackupFault) {
        self.path = path
        file = try BackupFault.mapping { () throws(SystemError) in
            let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
            guard raw >= 0 else { throw SystemError("open \(path)", code: errno) }
            return Descriptor(owning: raw)
        }
    }

    /// Hands over each member but the manifest, from the first on, with what reads its content in parts.
    ///
    /// `take` need not read it. Throws at the first that may not be there, and when the end is missing.
    mutating func forEach(
        _ take: (
            TarHeader,
            _ content: (([UInt8]) throws(BackupFault) -> Void) throws(BackupFault) -> Void
        )
            throws(BackupFault) -> Void
    ) throws(BackupFault) {
        guard lseek(file.raw, 0, Int32(SEEK_SET)) == 0 else {
            throw BackupFault(SystemError("read \(path)", code: errno))
        }
        folders = []
        seen = []
        try readManifest()
        while let header = try next() {
            try admit(header)
            var left = 0
            if case .file(let length) = header.kind { left = length }
            let padding = TarHeader.padded(left) - left
            try take(header) { part throws(BackupFault) in
                while left > 0 {
                    let bytes = try read(min(left, 1 << 18))
                    left -= bytes.count
                    try part(bytes)
                }
            }
            while left > 0 { left -= try read(min(left, 1 << 18)).count }
            _ = try read(padding)
        }
    }

    // MARK: What may be in it

    private mutating func readManifest() throws(BackupFault) {
        let wrong = BackupFault("\(path) is no backup of Rempart")
        guard let header = try? next(), header.path == BackupForm.manifest,
            case .file(let length) = header.kind, length <= 1024
        else { throw wrong }
        let bytes = try read(TarHeader.padded(length)).prefix(length)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let words = lines.map { $0.split(separator: " ") }
        guard words.count >= 2, words[0].starts(with: ["rempart", "backup"]),
            let number = words[0].last.flatMap({ Int($0) }), words[1].first == "version",
            let version = words[1].last
        else { throw wrong }
        let isNewer = Self.isNewer(version, than: productVersion)
        guard number <= BackupForm.number, !isNewer else {
            throw BackupFault(
                "\(path) was written by Rempart \(version), which is newer than this one,"
                    + " \(productVersion): install that version or a later one, then restore")
        }
    }

    /// Whether a version comes after another one, number by number.
    static func isNewer(_ version: some StringProtocol, than other: String) -> Bool {
        func numbers(_ text: some StringProtocol) -> [Int] {
            text.split(separator: ".").map { part in Int(part.prefix { $0.isNumber }) ?? 0 }
        }
        return numbers(other).lexicographicallyPrecedes(numbers(version))
    }

    private mutating func admit(_ header: TarHeader) throws(BackupFault) {
        let parts = header.path.split(separator: "/", omittingEmptySubsequences: false)
        let isSound = parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        let folder = parts.dropLast().joined(separator: "/")
        guard isSound, !seen.contains(header.path), Self.isKnown(header, parts),
            folder.isEmpty || folders.contains(folder)
        else {
            throw BackupFault(
                "\(path) has \(header.path), which is no part of a backup: nothing was changed")
        }
        seen.insert(header.path)
        if header.kind == .folder { folders.insert(header.path) }
    }

    private static func isKnown(_ header: TarHeader, _ parts: [Substring]) -> Bool {
        if header.path == BackupForm.settings || header.path == BackupForm.state {
            return header.kind == .folder
        }
        if parts[0] == BackupForm.settings { return true }
        guard parts[0] == BackupForm.state else { return false }
        let rest = parts.dropFirst().joined(separator: "/")
        switch header.kind {
        case .file: return BackupForm.stateFiles.contains { $0.path == rest }
        case .folder: return BackupForm.stateFolders.contains { $0.path == rest }
        case .link: return false
        }
    }

    // MARK: Bytes

    private func next() throws(BackupFault) -> TarHeader? {
        let bytes = try read(TarHeader.length)
        do throws(TarHeader.Fault) {
            return try TarHeader(bytes[...])
        } catch {
            switch error {
            case .damaged: throw BackupFault("\(path) is damaged: nothing was changed")
            case .foreign(let name):
                throw BackupFault(
                    "\(path) has \(name), which is no part of a backup: nothing was changed")
            }
        }
    }

    private func read(_ count: Int) throws(BackupFault) -> [UInt8] {
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        var at = 0
        while at < count {
            switch Stream.read(file.raw, into: &bytes, at: at) {
            case .moved(let more): at += more
            case .failed(let code): throw BackupFault(SystemError("read \(path)", code: code))
            case .ended, .wouldBlock:
                throw BackupFault("\(path) is cut short: nothing was changed")
            }
        }
        return bytes
    }
}
