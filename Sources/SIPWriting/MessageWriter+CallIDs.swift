internal import SIP
package import Sys

/// Who began a dialog, and so wrote its Call-ID, From and To first.
package enum DialogOwner: UInt8, BitwiseCopyable, Sendable {
    /// A phone or a trunk, which must find them again as it wrote them.
    case outside
    /// An Asterisk.
    case inside
    /// Nobody can tell: a token of before tokens were bound to dialogs.
    case unknown
}

/// What stands for a token in a Call-ID on the inner side.
package enum CallIDHost: Equatable, Sendable {
    /// An inside address; port 0 stands for none.
    case address(SocketAddress)
    /// A text, with the sign before it if it has one.
    case text(TokenText)

    /// The inside address, nil for a text.
    package var address: SocketAddress? {
        if case .address(let address) = self { address } else { nil }
    }
}

/// Call-IDs, whose hosts differ between the sides.
extension MessageWriter {
    /// Writes the Call-ID; a host of the inside in one that leaves becomes a token, and back.
    package mutating func callID(
        _ value: Span<UInt8>, _ direction: Direction, _ owner: DialogOwner = .unknown
    ) {
        append("Call-ID: ")
        appendCallID(value, direction, owner)
        endLine()
    }

    /// Writes a Call-ID that `owner` has made.
    ///
    /// One with a host that no token can stand for overflows the message, which then does not leave.
    mutating func appendCallID(
        _ value: Span<UInt8>, _ direction: Direction, _ owner: DialogOwner = .unknown
    ) {
        switch direction {
        case .outward: append(leavingCallID: value, owner)
        case .inward:
            // The token of a single byte, the shortest there is, has 16 letters.
            guard let sign = value.first(UInt8(ascii: "@")), value.count - sign > 16,
                let host = tokens.host(value.extracting(sign + 1..<value.count))
            else {
                buffer.append(value)
                return
            }
            switch host {
            case .address(let address):
                buffer.append(value.extracting(0...sign))
                append(address: address)
            case .text(let text):
                buffer.append(value.extracting(0..<sign))
                buffer.append(text.span)
            }
        }
    }

    private mutating func append(leavingCallID value: Span<UInt8>, _ owner: DialogOwner) {
        let name = value.upToHost
        let rest = value.extracting(name.count..<value.count)
        if owner != .outside, insideHostEnd(name, 0, isCallID: true) != nil { buffer.fail() }
        guard owner != .outside, !rest.isEmpty, !leaves(rest, owner) else {
            buffer.append(value)
            return
        }
        buffer.append(name)
        buffer.append("@")
        let address =
            rest[0] == UInt8(ascii: "@")
            ? insideAddress(rest.extracting(1..<rest.count)) : nil
        if let address {
            tokens.write(host: address, into: &buffer)
        } else if !tokens.write(hostText: rest, into: &buffer) {
            buffer.fail()
        }
    }

    /// Whether what stands behind a Call-ID's name may leave.
    private func leaves(_ rest: Span<UInt8>, _ owner: DialogOwner) -> Bool {
        for place in rest.indices where insideHostEnd(rest, place, isCallID: true) != nil {
            return false
        }
        guard owner == .inside else { return true }
        guard rest[0] == UInt8(ascii: "@"), let end = hostEnd(1, rest.count, rest),
            end == rest.count || rest[end] == UInt8(ascii: ":")
        else { return false }
        return hosts.leaves(rest.extracting(1..<end), isTrunk ? .target : .party)
    }
}

extension Span where Element == UInt8 {
    /// A Call-ID up to its host, which alone differs between the sides; all of one without a host.
    ///
    /// The host is what follows the first `@`, or what begins with an address before that.
    package var upToHost: Span<UInt8> {
        @_lifetime(copy self)
        get {
            var at = 0
            // An IPv4 address has three dots, an IPv6 one a bracket.
            var marks = 0
            while at < count {
                let byte = self[at]
                if byte == UInt8(ascii: "@") { break }
                if byte == UInt8(ascii: ".") { marks += 1 }
                if byte == UInt8(ascii: "[") { marks += 3 }
                at += 1
            }
            return extracting(0..<(marks < 3 ? at : addressStart(before: at)))
        }
    }

    /// Where the first address begins that has something before it; `end` when there is none.
    private func addressStart(before end: Int) -> Int {
        var at = 1
        while at < end {
            if self[at] == UInt8(ascii: "[") { return at }
            if self[at] &- 0x30 <= 9, self[at - 1] &- 0x30 > 9, self[at - 1] != UInt8(ascii: "."),
                isAddress(at, end)
            {
                return at
            }
            at += 1
        }
        return end
    }

    /// Whether digits and dots that begin at `start` make an IPv4 address.
    private func isAddress(_ start: Int, _ end: Int) -> Bool {
        var stop = start
        while stop < end, self[stop] &- 0x30 <= 9 || self[stop] == UInt8(ascii: ".") { stop += 1 }
        return IPAddress(parsing: extracting(start..<stop)) != nil
    }
}
