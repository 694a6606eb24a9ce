// Lists of networks that others share: files, one network a line.
internal import Journal
internal import Messages
internal import Sys

/// The block lists of the settings, taken up again whenever their files change.
struct BlockLists {
    private struct List {
        var file: WatchedFile
        var networks: [Network] = []
    }

    private let journal: Journal
    private var lists: [List] = []

    /// How many networks all lists may hold together.
    static let capacity = 100_000
    private static let longest = 16 << 20

    /// No lists.
    init(_ journal: Journal) { self.journal = journal }

    /// The lists' networks together.
    var ranges: AddressRanges { AddressRanges(lists.flatMap(\.networks)) }

    /// How many networks there are.
    var count: Int { lists.reduce(0) { $0 + $1.networks.count } }

    /// The list that holds an address.
    func list(holding address: IPAddress) -> String? {
        lists.first { $0.networks.contains { $0.contains(address) } }?.file.path
    }

    /// Follows these files; those it follows already keep what was read.
    mutating func follow(_ settings: [Setting]) {
        let paths = settings.compactMap { if case .blockList(let path) = $0 { path } else { nil } }
        lists = paths.map { path in
            lists.first { $0.file.path == path } ?? List(file: WatchedFile(path))
        }
    }

    /// Reads the files that have changed; whether the networks are others now.
    mutating func refresh() -> Bool {
        var isOther = false
        for index in lists.indices where lists[index].file.hasChanged() {
            let path = lists[index].file.path
            do throws(BlockListFault) {
                let others = count - lists[index].networks.count
                lists[index].networks = try Self.read(
                    lists[index].file, room: Self.capacity - others)
                isOther = true
                journal.write(
                    .listLoaded, .info,
                    "block list \(path): \(lists[index].networks.count) networks")
            } catch {
                let kept = lists[index].networks.count
                journal.write(
                    .degraded, .warning,
                    "block list \(path): \(error.message); its \(kept) networks of before stay")
            }
        }
        return isOther
    }

    private static func read(
        _ file: WatchedFile, room: Int
    ) throws(BlockListFault) -> [Network] {
        let bytes: [UInt8]
        do {
            bytes = try file.bytes(limit: longest)
        } catch {
            throw BlockListFault("\(error); rempart-ban must be able to read it")
        }
        return try networks(bytes, room: room)
    }

    /// The networks of a text: one a line, `#` or `;` begins a comment.
    static func networks(_ bytes: [UInt8], room: Int) throws(BlockListFault) -> [Network] {
        var networks: [Network] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let text = line.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
                .drop { isBlank($0) }
            let end = text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? text.startIndex
            guard end > text.startIndex else { continue }
            guard let network = Network(String(decoding: text[..<end], as: UTF8.self)) else {
                throw BlockListFault("line \(index + 1) is no network, such as 192.0.2.0/24")
            }
            guard network.prefix > 0 else {
                throw BlockListFault("line \(index + 1) would shut everybody out")
            }
            guard networks.count < room else {
                throw BlockListFault("more than \(capacity) networks in all lists")
            }
            networks.append(network)
        }
        return networks
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 || byte == 13 }
}

/// What is wrong with a block list.
struct BlockListFault: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
