// Elements of nftables sets as netlink messages (linux/netfilter/nf_tables.h).
internal import Sys

/// The messages of nf_tables that are written and read here, and their numbers.
enum ElementFrames {
    /// NFPROTO_INET.
    static let inet: UInt8 = 1

    private static func kind(_ number: UInt16) -> UInt16 { 10 << 8 | number }

    static let newElement = kind(12)
    static let getElement = kind(13)
    private static let deleteElement = kind(14)
    static let newGeneration = kind(15)
    static let getGeneration = kind(16)
    private static let batchBegin: UInt16 = 16
    private static let batchEnd: UInt16 = 17
    /// NFNL_SUBSYS_NFTABLES, which a batch is for.
    private static let subsystem: UInt16 = 10

    /// NFTA_SET_ELEM_LIST_ELEMENTS.
    static let list: UInt16 = 3
    /// The elements of one message are an attribute, whose length has 16 bits.
    private static let elementsPerMessage = 1000

    /// A part of the table: how it is asked for, and which attributes tell a change of it.
    struct Part {
        let get: UInt16
        let new: UInt16
        let tableAttribute: UInt16
        let telling: [UInt16]
    }

    /// Chains, sets and rules.
    ///
    /// A handle is never used twice, so it tells a change; of a chain its policy and hook do too.
    /// Counters, which are in the rules' expressions, are left out.
    static let structure = [
        Part(get: kind(4), new: kind(3), tableAttribute: 1, telling: [2, 3, 4, 5]),
        Part(get: kind(10), new: kind(9), tableAttribute: 1, telling: [2, 3, 16]),
        Part(get: kind(7), new: kind(6), tableAttribute: 1, telling: [2, 3]),
    ]

    /// The key of an element: NFTA_SET_ELEM_KEY with its NFTA_DATA_VALUE.
    static func key(of element: [UInt8]) -> ArraySlice<UInt8>? {
        NetlinkAttributes(element[...]).first(1).flatMap { NetlinkAttributes($0).first(1) }
    }

    /// Whether an element is the bound after a range: NFTA_SET_ELEM_FLAGS has
    /// NFT_SET_ELEM_INTERVAL_END.
    static func isEnd(_ element: [UInt8]) -> Bool {
        NetlinkAttributes(element[...]).first(3).map { Netlink.number($0) & 1 == 1 } ?? false
    }

    /// Names a table and a set of it.
    static func name(_ set: KernelSet, of table: String, in writer: inout NetlinkWriter) {
        writer.name(1, table)
        writer.name(2, set.rawValue)
    }

    /// The messages of a transaction on a table; the last step is acknowledged.
    static func transaction(
        _ steps: [ElementChange], of table: String, _ sequence: () -> UInt32
    ) -> [UInt8] {
        var writer = NetlinkWriter()
        writer.message(
            batchBegin, flags: 0, sequence: sequence(), family: 0, resource: subsystem)
        var index = 0
        while index < steps.count {
            let count = alike(steps, from: index)
            let isLast = index + count == steps.count
            write(
                steps[index..<index + count], of: table, isLast: isLast, in: &writer, sequence)
            index += count
        }
        writer.message(batchEnd, flags: 0, sequence: sequence(), family: 0, resource: subsystem)
        return writer.bytes
    }

    /// How many steps from one on fit its message.
    private static func alike(_ steps: [ElementChange], from start: Int) -> Int {
        func mark(_ step: ElementChange) -> (verb: UInt8, set: KernelSet)? {
            switch step {
            case .add(let set, _, _): (1, set)
            case .delete(let set, _): (2, set)
            case .flush, .ranges, .removeRanges: nil
            }
        }
        guard let first = mark(steps[start]) else { return 1 }
        let rest = steps[start...].prefix(elementsPerMessage)
        return rest.prefix { step in mark(step).map { $0 == first } ?? false }.count
    }

    private static func write(
        _ steps: ArraySlice<ElementChange>, of table: String, isLast: Bool,
        in writer: inout NetlinkWriter, _ sequence: () -> UInt32
    ) {
        let flags = isLast ? Netlink.acknowledge : 0
        switch steps.first {
        case .add(let set, _, _):
            message(newElement, flags | Netlink.create, set, of: table, in: &writer, sequence) {
                writer in
                for case .add(_, let address, let span) in steps {
                    element(address, in: &writer) { writer in
                        // NFTA_SET_ELEM_TIMEOUT; 0 would be for ever.
                        writer.attribute(4) { $0.network(UInt64(max(span.count, 1))) }
                    }
                }
            }
        case .delete(let set, _):
            message(deleteElement, flags, set, of: table, in: &writer, sequence) { writer in
                for case .delete(_, let address) in steps { element(address, in: &writer) }
            }
        case .flush(let set):
            writer.message(deleteElement, flags: flags, sequence: sequence(), family: inet) {
                name(set, of: table, in: &$0)
            }
        case .ranges(let set, let ranges):
            write(
                newElement, ranges, to: set, of: table, flags, Netlink.create, in: &writer, sequence
            )
        case .removeRanges(let set, let ranges):
            write(deleteElement, ranges, to: set, of: table, flags, 0, in: &writer, sequence)
        case nil: break
        }
    }

    /// A range is two elements: its first address, and the one after its last marked as an end.
    private static func write(
        _ type: UInt16, _ ranges: [AddressRange], to set: KernelSet, of table: String,
        _ lastFlags: UInt16, _ flags: UInt16, in writer: inout NetlinkWriter,
        _ sequence: () -> UInt32
    ) {
        let step = elementsPerMessage / 2
        for start in stride(from: 0, to: ranges.count, by: step) {
            let part = ranges[start..<min(start + step, ranges.count)]
            let isLast = part.endIndex == ranges.count
            message(
                type, (isLast ? lastFlags : 0) | flags, set, of: table, in: &writer, sequence
            ) { writer in
                for range in part {
                    element(range.first, in: &writer)
                    guard let next = range.next else { continue }
                    element(next, in: &writer) { writer in
                        // NFTA_SET_ELEM_FLAGS: NFT_SET_ELEM_INTERVAL_END
                        writer.attribute(3) { $0.network(UInt32(1)) }
                    }
                }
            }
        }
    }

    private static func message(
        _ type: UInt16, _ flags: UInt16, _ set: KernelSet, of table: String,
        in writer: inout NetlinkWriter, _ sequence: () -> UInt32,
        _ elements: (inout NetlinkWriter) -> Void
    ) {
        writer.message(type, flags: flags, sequence: sequence(), family: inet) { writer in
            name(set, of: table, in: &writer)
            writer.attribute(list, nested: true, elements)
        }
    }

    private static func element(
        _ address: IPAddress, in writer: inout NetlinkWriter,
        _ more: (inout NetlinkWriter) -> Void = { _ in }
    ) {
        writer.attribute(1, nested: true) { writer in
            writer.attribute(1, nested: true) { writer in
                writer.attribute(1) { $0.address(address) }
            }
            more(&writer)
        }
    }
}
