/// The name of the edge's table in the kernel's firewall: edges on one kernel have one each.
package enum FirewallTable {
    /// The name of the edge whose runtime folder is the standard one.
    package static let standard = "rempart"
    /// The longest name, in bytes; the kernel takes 255.
    package static let longest = 96

    private static let standardFolder = "/run/rempart"
    private static let parent = "/run/"
    private static let longestPart = 64

    /// The name for a runtime folder, by its absolute path without links.
    ///
    /// `rempart-NAME`, after the folder's name.
    ///
    /// A folder that is not in /run, or whose name nft(8) would not take, has a number after it.
    /// The number tells it from others that would be called the same.
    package static func name(ofRuntime path: String) -> String {
        guard path != standardFolder else { return standard }
        let last = path.split(separator: "/").last.map(String.init) ?? ""
        let safe = String(last.utf8.prefix(longestPart).map(character))
        guard safe != last || path != parent + last else { return "\(standard)-\(safe)" }
        return "\(standard)-\(safe)-\(String(number(path), radix: 16))"
    }

    private static func character(_ byte: UInt8) -> Character {
        isSafe(byte) ? Character(Unicode.Scalar(byte)) : "_"
    }

    /// FNV-1a of 32 bits: the same at every start.
    private static func number(_ path: String) -> UInt32 {
        path.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// Whether a name is one that is made here: nothing else of the firewall can be named by it.
    static func isSafe(_ name: String) -> Bool {
        name == standard || name.hasPrefix(standard + "-") && name.utf8.allSatisfy(isSafe)
    }

    private static func isSafe(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }
}
