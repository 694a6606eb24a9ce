internal import Sys

/// One member of an archive in the format `ustar` (POSIX.1-1988), which every tar reads.
///
/// Written here and not by tar(1). A backup is read before anything of it is laid anywhere, and
/// each name and type is checked against what a backup may have. The container image has no
/// programs.
struct TarHeader: Equatable {
    /// What a member is.
    enum Kind: Equatable {
        /// A file of so many bytes, which follow.
        case file(length: Int)
        /// A folder.
        case folder
        /// A symbolic link, and where it leads.
        case link(String)
    }

    /// The path, without a slash at either end.
    var path: String
    /// What it is.
    var kind: Kind
    /// The permissions, nine bits.
    var mode: UInt32
    /// The owner's name; decimal digits for one that has none.
    var user: String
    /// The group's name, in the same way.
    var group: String
    /// When it was changed last, in seconds since 1970.
    var modified: Int64

    /// How long a header is, and what the bytes of a file are filled up to a multiple of.
    static let length = 512

    /// Why bytes are no header.
    enum Fault: Error, Equatable {
        /// They are of no archive, or damaged.
        case damaged
        /// A member of a kind, or with a name, that is not written here.
        case foreign(String)
    }

    /// How many bytes of an archive the content of a file takes.
    static func padded(_ length: Int) -> Int {
        (length + Self.length - 1) / Self.length * Self.length
    }

    // Where the fields are.
    private enum Field {
        static let (name, mode, uid, gid) = (0..<100, 100..<108, 108..<116, 116..<124)
        static let (size, time, sum) = (124..<136, 136..<148, 148..<156)
        static let (type, target) = (156, 157..<257)
        static let (magic, user, group) = (257..<265, 265..<297, 297..<329)
        static let prefix = 345..<500
    }

    private static let magic = Array("ustar\u{0}00".utf8)
}

extension TarHeader {
    /// The header; nil when a name is too long for the format.
    func encoded() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: Self.length)
        let folderPath = kind == .folder ? path + "/" : path
        guard let (prefix, name) = Self.split(folderPath),
            Self.put(name, Field.name, &bytes), Self.put(prefix, Field.prefix, &bytes),
            Self.put(user, Field.user.dropLast(), &bytes),
            Self.put(group, Field.group.dropLast(), &bytes)
        else { return nil }
        var size = 0
        switch kind {
        case .file(let length):
            bytes[Field.type] = UInt8(ascii: "0")
            size = length
        case .folder: bytes[Field.type] = UInt8(ascii: "5")
        case .link(let target):
            bytes[Field.type] = UInt8(ascii: "2")
            guard Self.put(target, Field.target, &bytes) else { return nil }
        }
        Self.put(Int64(mode), Field.mode, &bytes)
        // Owners are told by name: numbers are another machine's.
        Self.put(0, Field.uid, &bytes)
        Self.put(0, Field.gid, &bytes)
        Self.put(Int64(size), Field.size, &bytes)
        Self.put(modified, Field.time, &bytes)
        bytes.replaceSubrange(Field.magic, with: Self.magic)
        Self.put(Int64(Self.sum(bytes[...])), Field.sum, &bytes)
        return bytes
    }

    /// The header of such bytes; nil for the zeroes that end an archive.
    init?(_ bytes: ArraySlice<UInt8>) throws(Fault) {
        let bytes = Array(bytes)
        guard bytes.count == Self.length else { throw .damaged }
        if bytes.allSatisfy({ $0 == 0 }) { return nil }
        guard Array(bytes[Field.magic]) == Self.magic,
            Self.number(bytes[Field.sum]) == Int64(Self.sum(bytes[...])),
            let size = Self.number(bytes[Field.size]), let mode = Self.number(bytes[Field.mode]),
            let modified = Self.number(bytes[Field.time]), let name = Self.text(bytes[Field.name]),
            let prefix = Self.text(bytes[Field.prefix]), let user = Self.text(bytes[Field.user]),
            let group = Self.text(bytes[Field.group]), let target = Self.text(bytes[Field.target])
        else { throw .damaged }
        var path = prefix.isEmpty ? name : "\(prefix)/\(name)"
        if path.hasSuffix("/") { path.removeLast() }
        switch bytes[Field.type] {
        case UInt8(ascii: "0"), 0: kind = .file(length: Int(size))
        case UInt8(ascii: "5"): kind = .folder
        case UInt8(ascii: "2"): kind = .link(target)
        default: throw .foreign(path)
        }
        self.path = path
        self.mode = UInt32(mode & 0o777)
        self.user = user
        self.group = group
        self.modified = modified
    }

    /// A path as prefix and name, which a slash stands between.
    private static func split(_ path: String) -> (String, String)? {
        if path.utf8.count <= Field.name.count { return ("", path) }
        for index in path.indices where path[index] == "/" {
            let (prefix, name) = (path[..<index], path[path.index(after: index)...])
            if name.utf8.count <= Field.name.count, prefix.utf8.count <= Field.prefix.count,
                !name.isEmpty
            {
                return (String(prefix), String(name))
            }
        }
        return nil
    }

    private static func put(_ text: String, _ field: Range<Int>, _ bytes: inout [UInt8]) -> Bool {
        let text = Array(text.utf8)
        guard text.count <= field.count else { return false }
        bytes.replaceSubrange(field.prefix(text.count), with: text)
        return true
    }

    /// Writes octal digits, which the last byte of the field ends.
    private static func put(_ number: Int64, _ field: Range<Int>, _ bytes: inout [UInt8]) {
        let digits = String(max(number, 0), radix: 8)
        let text = String(repeating: "0", count: max(field.count - 1 - digits.count, 0)) + digits
        bytes.replaceSubrange(field.dropLast(), with: text.utf8.suffix(field.count - 1))
    }

    private static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        let digits = field.filter { $0 != 0 && $0 != UInt8(ascii: " ") }
        return Int64(String(decoding: digits, as: UTF8.self), radix: 8).flatMap {
            $0 < 0 ? nil : $0
        }
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String? {
        String(validating: field.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The sum of all bytes, those of the sum itself counted as blanks.
    private static func sum(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.indices.reduce(0) { sum, index in
            sum + (Field.sum.contains(index) ? 32 : Int(bytes[index]))
        }
    }
}
