// Lists of networks that others share: files, one network a line.
internal import Journal
internal import Messages
internal import Sys

/// The block lists of the settings, taken up again whenever their files change.
struct BlockLists {
    private struct List {
        var file: WatchedFile
        var networks: [Network] = []
        /// Why the file as it is now is not used; empty when it is.
        var fault = ""
    }

    private let journal: Journal
    private var lists: [List] = []

    private static let longest = 16 << 20

    /// No lists.
    init(_ journal: Journal) { self.journal = journal }

    /// The lists' networks together.
    var ranges: AddressRanges { AddressRanges(lists.flatMap(\.networks)) }

    /// How many networks there are.
    var count: Int { lists.reduce(0) { $0 + $1.networks.count } }

    /// Why lists are not used as they are now.
    var faults: [String] { lists.map(\.fault).filter { !$0.isEmpty } }

    /// The list that holds an address.
    func list(holding address: IPAddress) -> String? {
        lists.first { $0.networks.contains { $0.contains(address) } }?.file.path
    }

    /// Follows these files; those it follows already keep what was read.
    mutating func follow(_ paths: [String]) {
        lists = paths.map { path in
            lists.first { $0.file.path == path } ?? List(file: WatchedFile(path))
        }
    }

    /// Reads the files that have changed; whether the networks are others now.
    mutating func refresh() -> Bool {
        var isOther = false
        for index in lists.indices where lists[index].file.hasChanged() {
            let before = lists[index].networks.count
            do throws(BlockListFault) {
                let content = try Self.read(
                    lists[index].file, room: Bounds.mostListedNetworks - (count - before))
                guard content.networks.count * 10 >= before else {
                    throw BlockListFault(
                        "\(content.networks.count) networks are fewer than a tenth of the"
                            + " \(before) of before; if that is meant: rempart restart banner")
                }
                lists[index].networks = content.networks
                lists[index].fault = ""
                isOther = true
                say(content, of: lists[index].file.path)
            } catch {
                let path = lists[index].file.path
                let rest = before > 0 ? "its \(before) networks of before stay" : "it bars nobody"
                lists[index].fault = "block list \(path) is not used: \(error.message); \(rest)"
                journal.write(.degraded, .warning, lists[index].fault, [(.file, path)])
            }
        }
        return isOther
    }

    private func say(_ content: Content, of path: String) {
        let count = content.networks.count
        var words = "block list \(path): \(count) networks"
        if let first = content.firstBroken {
            words +=
                "; \(content.broken) lines are no networks, such as 192.0.2.0/24, and were left out,"
                + " the first is line \(first)"
        }
        let isOdd = content.broken > 0 || count == 0
        journal.write(
            .listLoaded, isOdd ? .warning : .info, words,
            [(.file, path), (.count, "\(count)")])
    }

    private static func read(
        _ file: WatchedFile, room: Int
    ) throws(BlockListFault) -> Content {
        let bytes: [UInt8]
        do {
            bytes = try file.bytes(limit: longest)
        } catch {
            throw BlockListFault("\(error); rempart-ban must be able to read it")
        }
        return try content(bytes, room: room)
    }

    /// What stands in a list.
    struct Content {
        var networks: [Network] = []
        /// How many lines are no networks.
        var broken = 0
        /// The number of the first of them.
        var firstBroken: Int?
    }

    /// The networks of a text: one a line, `#` or `;` begins a comment.
    ///
    /// A line that is no network costs itself. One that would shut out too much refuses the text: it was
    /// cut off, or is no block list.
    static func content(_ bytes: [UInt8], room: Int) throws(BlockListFault) -> Content {
        var content = Content()
        let text = bytes.starts(with: byteOrderMark) ? bytes[3...] : bytes[...]
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let text = line.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
                .drop { isBlank($0) }
            let end = text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? text.startIndex
            guard end > text.startIndex else { continue }
            guard let network = Network(String(decoding: text[..<end], as: UTF8.self)) else {
                content.broken += 1
                if content.firstBroken == nil { content.firstBroken = index + 1 }
                continue
            }
            guard !isTooWide(network) else {
                throw BlockListFault(
                    "line \(index + 1) would shut out \(network): a list holds no network wider than"
                        + " a /8, of IPv6 a /16, but for those of special use")
            }
            guard content.networks.count < room else {
                throw BlockListFault("more than \(Bounds.mostListedNetworks) networks in all lists")
            }
            content.networks.append(network)
        }
        return content
    }

    /// Whether a network holds more of the Internet than a list may shut out at a time.
    private static func isTooWide(_ network: Network) -> Bool {
        guard network.prefix < (network.address.isV4 ? 8 : 16) else { return false }
        return AddressRanges(specialUse + [network]) != specialRanges
    }

    /// Where nobody on the Internet is, as far as it is so wide.
    ///
    /// That is multicast and class E (RFC 6890), and what is no global unicast of IPv6 (RFC 4291,
    /// 2.4).
    private static let specialUse = ["224.0.0.0/3", "::/3", "4000::/2", "8000::/1"].compactMap {
        Network($0)
    }
    private static let specialRanges = AddressRanges(specialUse)
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 || byte == 13 }
}

/// What is wrong with a block list.
struct BlockListFault: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
