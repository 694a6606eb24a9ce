extension IPAddress: CustomStringConvertible {
    /// The address of a dotted-quad IPv4 or RFC 4291 IPv6 text without brackets, port or zone.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(parsing: bytes.span)
    }

    /// The address of the same text as bytes; nil for anything else.
    package init?(parsing text: Span<UInt8>) {
        var hasColon = false
        for index in text.indices where text[index] == UInt8(ascii: ":") { hasColon = true }
        if hasColon {
            self.init(parsingV6: text)
        } else {
            guard let word = Self.quad(text) else { return nil }
            self.init(v4: word)
        }
    }

    /// Four decimal numbers, 0 to 255, without leading zeros (which some read as octal).
    private static func quad(_ text: Span<UInt8>) -> UInt32? {
        var word: UInt32 = 0
        var part: UInt32 = 0
        var digits = 0
        var parts = 0
        for index in text.indices {
            let byte = text[index]
            if byte == UInt8(ascii: ".") {
                guard digits > 0, parts < 3 else { return nil }
                word = word << 8 | part
                part = 0
                digits = 0
                parts += 1
            } else {
                guard byte >= 0x30, byte <= 0x39, digits == 0 || part > 0 else { return nil }
                part = part * 10 + UInt32(byte - 0x30)
                digits += 1
                guard part <= 255 else { return nil }
            }
        }
        guard parts == 3, digits > 0 else { return nil }
        return word << 8 | part
    }

    private init?(parsingV6 text: Span<UInt8>) {
        var groups = InlineArray<8, UInt16>(repeating: 0)
        var count = 0
        var gap = -1
        var at = 0
        let colon = UInt8(ascii: ":")
        if text.count >= 2, text[0] == colon {
            guard text[1] == colon else { return nil }
            gap = 0
            at = 2
        }
        while at < text.count {
            var end = at
            while end < text.count, text[end] != colon { end += 1 }
            let part = text.extracting(at..<end)
            if end == text.count, let word = Self.quad(part) {
                guard count <= 6 else { return nil }
                groups[count] = UInt16(truncatingIfNeeded: word >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: word)
                count += 2
                at = end
                break
            }
            guard count < 8, let group = Self.hexGroup(part) else { return nil }
            groups[count] = group
            count += 1
            at = end
            guard at < text.count else { break }
            at += 1
            if at < text.count, text[at] == colon {
                guard gap < 0 else { return nil }
                gap = count
                at += 1
            } else if at == text.count {
                return nil
            }
        }
        guard gap >= 0 ? count < 8 : count == 8 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in 0..<8 {
            var group: UInt16 = 0
            if gap < 0 || index < gap {
                group = groups[index]
            } else if index >= 8 - (count - gap) {
                group = groups[index - (8 - count)]
            }
            if index < 4 {
                high = high << 16 | UInt64(group)
            } else {
                low = low << 16 | UInt64(group)
            }
        }
        self.init(high: high, low: low)
    }

    private static func hexGroup(_ text: Span<UInt8>) -> UInt16? {
        guard text.count >= 1, text.count <= 4 else { return nil }
        var value: UInt16 = 0
        for index in text.indices {
            let digit: UInt8
            switch text[index] {
            case 0x30...0x39: digit = text[index] - 0x30
            case 0x61...0x66: digit = text[index] - 0x61 + 10
            case 0x41...0x46: digit = text[index] - 0x41 + 10
            default: return nil
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// The canonical text (RFC 5952), IPv6 without brackets.
    package var description: String {
        if isV4 {
            return "\(byte(12)).\(byte(13)).\(byte(14)).\(byte(15))"
        }
        let groups = (0..<8).map { UInt16(byte(2 * $0)) << 8 | UInt16(byte(2 * $0 + 1)) }
        var best = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || groups[index] != 0 {
            if index - start > max(best.count, 1) { best = start..<index }
            start = index + 1
        }
        func hex(_ range: Range<Int>) -> String {
            range.map { String(groups[$0], radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return hex(0..<8) }
        return hex(0..<best.lowerBound) + "::" + hex(best.upperBound..<8)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// The address of "192.0.2.1:5060" or "[2001:db8::1]:5060"; without a port, of `port`.
    package init?(_ text: some StringProtocol, defaultPort: UInt16? = nil) {
        var host = String(text)
        var port = defaultPort
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let rest = host[host.index(after: end)...]
            if rest.hasPrefix(":") {
                guard let number = UInt16(rest.dropFirst()) else { return nil }
                port = number
            } else if !rest.isEmpty {
                return nil
            }
            host = String(host[host.index(after: host.startIndex)..<end])
            guard host.contains(":") else { return nil }
        } else if let colon = host.lastIndex(of: ":"), host.firstIndex(of: ":") == colon {
            guard let number = UInt16(host[host.index(after: colon)...]) else { return nil }
            port = number
            host = String(host[..<colon])
        }
        guard let port, let ip = IPAddress(host) else { return nil }
        self.init(ip, port: port)
    }

    /// "192.0.2.1:5060" or "[2001:db8::1]:5060".
    package var description: String { ip.isV4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}

/// A network in CIDR form: an address and how many of its leading bits count.
package struct Network: Hashable, Sendable, CustomStringConvertible {
    /// The first address of the network.
    package let address: IPAddress
    /// How many leading bits count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    package let prefix: UInt8

    /// The network of "192.0.2.0/24", "2001:db8::/32", or of a single address.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(parsing: bytes.span)
    }

    /// The network of the same text as bytes; nil for anything else.
    package init?(parsing text: Span<UInt8>) {
        var end = text.count
        for index in text.indices where text[index] == UInt8(ascii: "/") {
            guard end == text.count else { return nil }
            end = index
        }
        guard let address = IPAddress(parsing: text.extracting(0..<end)) else { return nil }
        let longest: UInt8 = address.isV4 ? 32 : 128
        var prefix = longest
        if end < text.count {
            guard let number = Self.number(text.extracting(end + 1..<text.count)),
                number <= longest
            else { return nil }
            prefix = number
        }
        self.init(address, prefix: prefix)
    }

    /// One to three digits.
    private static func number(_ text: Span<UInt8>) -> UInt8? {
        guard (1...3).contains(text.count) else { return nil }
        var value = 0
        for index in text.indices {
            guard (0x30...0x39).contains(text[index]) else { return nil }
            value = value * 10 + Int(text[index] - 0x30)
        }
        return UInt8(exactly: value)
    }

    /// The network of the first `prefix` bits of an address; `prefix` counts in its own family.
    package init(_ address: IPAddress, prefix: UInt8) {
        let masks = Self.masks(address.isV4 ? prefix + 96 : prefix)
        self.address = IPAddress(high: address.high & masks.high, low: address.low & masks.low)
        self.prefix = prefix
    }

    /// The network of an address alone.
    package init(_ address: IPAddress) { self.init(address, prefix: address.isV4 ? 32 : 128) }

    /// Whether the network is one address.
    package var isOneAddress: Bool { prefix == (address.isV4 ? 32 : 128) }

    /// Whether the two share an address.
    package func overlaps(_ other: Network) -> Bool {
        contains(other.address) || other.contains(address)
    }

    /// Whether the address lies in the network.
    package func contains(_ other: IPAddress) -> Bool {
        guard other.isV4 == address.isV4 else { return false }
        let masks = Self.masks(address.isV4 ? prefix + 96 : prefix)
        return other.high & masks.high == address.high && other.low & masks.low == address.low
    }

    private static func masks(_ bits: UInt8) -> (high: UInt64, low: UInt64) {
        let high: UInt64 = bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits))
        let low: UInt64 = bits <= 64 ? 0 : bits >= 128 ? .max : ~(UInt64.max >> UInt64(bits - 64))
        return (high, low)
    }

    // Tables of 100,000 sources are built from these while a start waits: hence inlined elsewhere.
    @inlinable
    package static func == (one: Network, other: Network) -> Bool {
        one.address.low == other.address.low && one.address.high == other.address.high
            && one.prefix == other.prefix
    }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        hasher.combine(address.low)
        // A prefix and its address are bound together as the key of one table: a sum tells them apart
        // as well as a third word would.
        hasher.combine(address.high &+ UInt64(prefix))
    }

    /// "192.0.2.0/24".
    package var description: String { "\(address)/\(prefix)" }
}

extension IPAddress {
    /// The address that a host is, an IPv6 address in its brackets; nil when it is a name.
    package init?(host: Span<UInt8>) {
        let isBracketed = host.count > 2 && host[0] == UInt8(ascii: "[")
        let text = isBracketed ? host.extracting(1..<host.count - 1) : host
        self.init(parsing: text)
    }

    /// The address as a host of a URI.
    package var host: [UInt8] { Array((isV4 ? "\(self)" : "[\(self)]").utf8) }
}
