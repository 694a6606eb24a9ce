internal import SIP
internal import Sys

/// Texts that leave, or come in, and the hosts in them.
extension MessageWriter {
    // MARK: Values

    /// Writes a value of a message without folds, and with inside addresses replaced when it leaves.
    package mutating func append(value: Span<UInt8>, _ direction: Direction) {
        switch direction {
        case .inward: append(unfolded: value)
        case .outward: append(leaving: value, .text)
        }
    }

    /// Writes a whole header line.
    package mutating func header(
        _ name: StaticString, _ value: Span<UInt8>, _ direction: Direction
    ) {
        begin(name, name)
        append(value: value, direction)
        endLine()
    }

    /// Writes From or To of a request that leaves; of a dialog that began outside they are what stands there.
    package mutating func party(_ name: StaticString, _ value: Span<UInt8>, _ owner: DialogOwner) {
        begin(name, name)
        append(leaving: value, owner == .inside ? .party : .text)
        endLine()
    }

    private mutating func append(unfolded value: Span<UInt8>) {
        // In runs up to what must not stay as it is.
        var start = 0
        var at = 0
        while true {
            at = value.firstControl(from: at)
            guard at < value.count else { break }
            if value[at] == 0x0D || value[at] == 0x0A {
                at = fold(value, start, at)
                start = at
            } else {
                at += 1
            }
        }
        buffer.append(value.extracting(start..<value.count))
    }

    /// Writes the run from `start` up to a fold, and a blank for the fold; where the next run begins.
    private mutating func fold(_ value: Span<UInt8>, _ start: Int, _ end: Int) -> Int {
        buffer.append(value.extracting(start..<end))
        buffer.append(" ")
        var at = end
        while at < value.count, value[at] <= 0x20 { at += 1 }
        return at
    }

    /// Writes a text that leaves, without folds, and with the domain for hosts that must not leave.
    ///
    /// These are inside addresses anywhere, and in SIP URIs what the rule keeps here. In markup a Call-ID that is
    /// an attribute leaves as one.
    package mutating func append(
        leaving value: Span<UInt8>, _ rule: HostRule, isMarkup: Bool = false
    ) {
        let rule = isTrunk && rule == .party ? .target : rule
        var start = 0
        var at = 0
        var userEnd = 0
        while at < value.count {
            let byte = value[at]
            if byte == 0x0D || byte == 0x0A {
                at = fold(value, start, at)
                start = at
            } else if byte &- 0x30 <= 9 || byte == UInt8(ascii: "["),
                let end = insideHostEnd(value, at)
            {
                replace(value, start, at)
                at = end
                start = at
            } else if byte == UInt8(ascii: ":"), rule != .text,
                let host = uriHost(value, behind: at, &userEnd)
            {
                at = host.upperBound
                let leaves = hosts.leaves(value.extracting(host), rule)
                if leaves {
                    // A port of an Asterisk's at the domain is none of ours.
                    guard rule == .party, hosts.isServed(value.extracting(host)),
                        portEnd(value, at) > at
                    else { continue }
                    buffer.append(value.extracting(start..<at))
                } else {
                    replace(value, start, host.lowerBound)
                }
                at = portEnd(value, at)
                start = at
            } else if isMarkup, byte == UInt8(ascii: "\""), let end = callIDEnd(value, at) {
                buffer.append(value.extracting(start...at))
                appendCallID(value.extracting(at + 1..<end), .outward)
                at = end
                start = at
            } else {
                at += 1
            }
        }
        buffer.append(value.extracting(start..<value.count))
    }

    /// Writes the run up to a host, and the domain instead of the host.
    private mutating func replace(_ value: Span<UInt8>, _ start: Int, _ end: Int) {
        buffer.append(value.extracting(start..<end))
        appendDomain()
    }

    /// The host of the SIP URI whose scheme ends with the colon at this place; nil when none does.
    ///
    /// `userEnd` is where what may be a user part was found to end last, so that nothing is gone through twice.
    private func uriHost(
        _ value: Span<UInt8>, behind colon: Int, _ userEnd: inout Int
    ) -> Range<Int>? {
        guard isScheme(value, colon + 1) else { return nil }
        var start = colon + 1
        userEnd = max(userEnd, start)
        while userEnd < value.count,
            Characters.isUser(value[userEnd]) || value[userEnd] == UInt8(ascii: ":")
        {
            userEnd += 1
        }
        if userEnd < value.count, value[userEnd] == UInt8(ascii: "@") { start = userEnd + 1 }
        return hostEnd(start, value.count, value).map { start..<$0 }
    }

    /// The end of the Call-ID that begins behind the quote at this place, when it is that of an attribute
    /// `call-id` (RFC 4235 section 4.1.1) that needs no unescaping; else nil.
    private func callIDEnd(_ value: Span<UInt8>, _ quote: Int) -> Int? {
        guard quote >= 8, value.extracting(quote - 8..<quote).isCaseless("call-id="),
            let end = value.first(UInt8(ascii: "\""), from: quote + 1),
            value.extracting(quote + 1..<end).first(UInt8(ascii: "&")) == nil
        else { return nil }
        return end
    }

    // MARK: Inside addresses

    /// The end of the address that does not leave, and of its port, that begins at `start`; nil when none does.
    func insideHostEnd(
        _ value: Span<UInt8>, _ start: Int, isCallID: Bool = false
    ) -> Int? {
        if start > 0, value[start] != UInt8(ascii: "[") {
            // It begins behind anything but what would be a part of it; an escape is none.
            let before = value[start - 1]
            let isEscape = start > 2 && value[start - 3] == UInt8(ascii: "%")
            let isInside =
                before &- 0x30 <= 9
                || before == UInt8(ascii: ".") && start > 1 && value[start - 2] &- 0x30 <= 9
            if isInside, !isEscape { return nil }
        }
        return insideIP(value, start, isCallID).map { portEnd(value, $0.end) }
    }

    /// The address that does not leave and begins at `start`, and where it ends, its brackets included; nil when
    /// none does.
    private func insideIP(
        _ value: Span<UInt8>, _ start: Int, _ isCallID: Bool
    ) -> (ip: IPAddress, end: Int)? {
        guard start < value.count, value[start] != UInt8(ascii: "[") else {
            guard let end = hostEnd(start, value.count, value) else { return nil }
            let text = value.extracting(start + 1..<end - 1)
            guard let ip = IPAddress(parsing: text), hides(ip, isCallID) else { return nil }
            return (ip, end)
        }
        var end = start
        // An address has 15 bytes at most, and a sentence may end behind it.
        while end < value.count, end - start <= 16,
            value[end] &- 0x30 <= 9 || value[end] == UInt8(ascii: ".")
        {
            end += 1
        }
        while end > start, value[end - 1] == UInt8(ascii: ".") { end -= 1 }
        // Most numbers are none: the shortest address is 0.0.0.0.
        guard end - start >= 7, let ip = IPAddress(parsing: value.extracting(start..<end)),
            hides(ip, isCallID)
        else { return nil }
        return (ip, end)
    }

    private func hides(_ ip: IPAddress, _ isCallID: Bool) -> Bool {
        isCallID ? hosts.hidesInCallID(ip) : hosts.hides(ip)
    }

    private func portEnd(_ value: Span<UInt8>, _ start: Int) -> Int {
        guard start < value.count, value[start] == UInt8(ascii: ":") else { return start }
        var at = start + 1
        while at < value.count, value[at] &- 0x30 <= 9 { at += 1 }
        return at
    }

    /// Whether the colon before `start` is that of `sip:` rather than of an IPv6 address.
    private func isScheme(_ value: Span<UInt8>, _ start: Int) -> Bool {
        start >= 4 && value.extracting(start - 4..<start - 1).isCaseless("sip")
            || start >= 5 && value.extracting(start - 5..<start - 1).isCaseless("sips")
            // Of who is present (RFC 3859 section 3).
            || start >= 5 && value.extracting(start - 5..<start - 1).isCaseless("pres")
    }

    /// The address that fills the bytes and leaves in no Call-ID, with its port or 0.
    func insideAddress(_ host: Span<UInt8>) -> SocketAddress? {
        guard let (ip, end) = insideIP(host, 0, true) else { return nil }
        guard end < host.count else { return SocketAddress(ip, port: 0) }
        guard host[end] == UInt8(ascii: ":"),
            let port = host.extracting(end + 1..<host.count).decimal(limit: 65_535), port > 0
        else { return nil }
        return SocketAddress(ip, port: UInt16(port))
    }
}
