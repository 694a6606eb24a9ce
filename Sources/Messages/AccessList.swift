package import Sys
internal import Wire

/// Which address of a request a rule is compared with.
package enum AccessTarget: UInt8, Sendable {
    /// Where the request really comes from (`permit`, `deny`, `acl`).
    case source
    /// The host of a Contact (`contact_permit`, `contact_deny`, `contact_acl`).
    case contact
}

/// One rule of an account's access lists.
package struct AccessRule: Equatable, Sendable {
    /// Whether it lets the network in.
    package var permits: Bool
    /// What it is about; a rule says nothing of addresses outside, nor of the other family.
    package var network: Network
    /// Which address it is compared with.
    package var target: AccessTarget
    /// The number of its list, 0 to 15: the row's own list is 0, named ones follow.
    package var list: UInt8

    /// A rule of the row's own list unless `list` says otherwise.
    package init(
        _ permits: Bool, _ network: Network, _ target: AccessTarget = .source, list: UInt8 = 0
    ) {
        self.permits = permits
        self.network = network
        self.target = target
        self.list = list
    }
}

/// From where an account may be used, as Asterisk's tables say it.
///
/// Within a list the last rule that fits decides, and an address that none fits may pass
/// (`ast_apply_ha`). Every list has to let it pass.
///
/// It is kept as the bytes that cross the link: of a rule its head, its prefix, and 4 or 16 bytes of address.
package struct AccessList: Equatable, Sendable {
    /// How many rules there may be, all lists together.
    package static let most = 24
    /// The longest form, in bytes.
    package static let longest = most * 18
    /// How many lists there may be.
    package static let mostLists = 16
    /// Lets nobody in, from no address.
    package static let nobody = AccessList([
        AccessRule(false, Network(IPAddress(v4: 0), prefix: 0)),
        AccessRule(false, Network(IPAddress(high: 0, low: 0), prefix: 0)),
    ])

    private static let permitBit: UInt8 = 0x80
    private static let v6Bit: UInt8 = 0x40
    private static let contactBit: UInt8 = 0x20
    private static let listBits: UInt8 = 0x0F

    /// The rules as they are kept; empty for an account that may be used from anywhere.
    package private(set) var bytes: [UInt8] = []

    /// The first 24 rules of these, in the order in which they apply.
    package init(_ rules: [AccessRule] = []) {
        for rule in rules.prefix(Self.most) {
            let ip = rule.network.address
            bytes.append(
                (rule.permits ? Self.permitBit : 0) | (ip.isV4 ? 0 : Self.v6Bit)
                    | (rule.target == .contact ? Self.contactBit : 0) | rule.list & Self.listBits)
            bytes.append(rule.network.prefix)
            for index in (ip.isV4 ? 12 : 0)..<16 { bytes.append(ip.byte(index)) }
        }
    }

    /// Whether an address may pass, by the bytes of a list.
    package static func admits(
        _ bytes: Span<UInt8>, _ target: AccessTarget, _ ip: IPAddress
    ) -> Bool {
        var denied: UInt16 = 0
        var at = 0
        while let rule = rule(bytes, &at) {
            guard rule.target == target, rule.network.contains(ip) else { continue }
            let bit: UInt16 = 1 << UInt16(rule.list)
            denied = rule.permits ? denied & ~bit : denied | bit
        }
        return denied == 0
    }

    /// Whether there is a rule of that kind, by the bytes of a list.
    package static func limits(_ bytes: Span<UInt8>, _ target: AccessTarget) -> Bool {
        var at = 0
        while let rule = rule(bytes, &at) { if rule.target == target { return true } }
        return false
    }

    /// The rule that begins at `at`, which then stands behind it; nil at the end, and for what is no rule.
    private static func rule(_ bytes: Span<UInt8>, _ at: inout Int) -> AccessRule? {
        guard at + 2 <= bytes.count else { return nil }
        let head = bytes[at]
        let isV6 = head & v6Bit != 0
        let length = isV6 ? 16 : 4
        guard at + 2 + length <= bytes.count, bytes[at + 1] <= UInt8(length * 8) else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = isV6 ? 0 : 0xFFFF
        for index in 0..<length {
            if isV6, index < 8 {
                high = high << 8 | UInt64(bytes[at + 2 + index])
            } else {
                low = low << 8 | UInt64(bytes[at + 2 + index])
            }
        }
        let network = Network(IPAddress(high: high, low: low), prefix: bytes[at + 1])
        at += 2 + length
        return AccessRule(
            head & permitBit != 0, network, head & contactBit != 0 ? .contact : .source,
            list: head & listBits)
    }

    /// Reads a list, whose every byte has to be of a rule in its one form.
    init(from reader: inout WireReader) throws(WireError) {
        let read = try reader.data("access", limit: Self.longest)
        guard let list = Self(stored: read) else { throw .badValue("access") }
        self = list
    }

    /// The list of the bytes of one; nil when one of them is of no rule in its one form.
    package init?(stored: [UInt8]) {
        var rules: [AccessRule] = []
        var at = 0
        while let rule = Self.rule(stored.span, &at) { rules.append(rule) }
        self.init(rules)
        guard bytes == stored else { return nil }
    }
}
