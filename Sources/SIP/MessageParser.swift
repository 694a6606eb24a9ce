/// Indexes SIP messages, strictly: what two parsers could read in two ways is refused.
///
/// Refused are control characters, bare CR or LF, doubled single-value fields, a Content-Length that lies.
/// Nothing is copied and nothing is allocated.
package struct MessageParser: Sendable {
    /// The longest message, in bytes.
    package static let maximumMessage = 65_535
    /// The longest start line, and the longest value of a header field, in bytes, folds included.
    package static let maximumLine = 4096
    /// The longest name of a header field, in bytes.
    package static let maximumName = 128
    /// How many Vias a message may have, which is how many proxies Max-Forwards lets it pass.
    package static let maximumHops = 70
    /// How many header fields a message may have beside those that the edge writes anew.
    ///
    /// It leaves room for these, so that what is passed on can be read again.
    package static let maximumCarried = 94

    private let names = HeaderTable()

    /// A parser; it holds only its table of names.
    package init() {}

    /// Indexes the message that fills `message`, or begins it: bytes after Content-Length are not of it
    /// (RFC 3261 section 18.3).
    ///
    /// A malformed field is left out of the index, and the others are indexed all the same. So the
    /// refusal can be answered whatever their order. A Request-URI, From or To that cannot be read
    /// stays empty there; the fields From and To are repeated in the answer as they came.
    package func parse(
        _ message: Span<UInt8>, into index: inout MessageIndex
    ) throws(ParseError) {
        index.reset()
        guard message.count <= Self.maximumMessage else { throw .tooLong }
        var at = 0
        // RFC 3261 section 7.5: line ends before the start line are passed over.
        while at + 1 < message.count, message[at] == 0x0D, message[at + 1] == 0x0A { at += 2 }
        guard at < message.count else { throw .empty }
        let start = try Self.line(message, from: at, folds: false)
        var fault = try parseStartLine(Slice.from(at, to: start.end), message, &index)
        fault = start.fault ?? fault
        guard start.end - at <= Self.maximumLine else { throw .headerTooLong }
        at = start.end + 2
        while true {
            guard at + 1 < message.count else { throw .unterminated }
            if message[at] == 0x0D, message[at + 1] == 0x0A { break }
            let line = try Self.line(message, from: at, folds: true)
            if let error = line.fault {
                fault = fault ?? error
            } else {
                do {
                    try parseHeader(Slice.from(at, to: line.end), message, &index)
                } catch {
                    fault = fault ?? error
                }
            }
            at = line.end + 2
        }
        if let fault { throw fault }
        try finish(message, bodyStart: at + 2, &index)
    }

    /// The place of the CRLF that ends the line, folded lines taken as one.
    ///
    /// With it comes what is wrong with a control character before it, half a line end among them.
    private static func line(
        _ message: Span<UInt8>, from start: Int, folds: Bool
    ) throws(ParseError) -> (end: Int, fault: ParseError?) {
        var at = start
        var fault: ParseError?
        while true {
            at = message.firstControl(from: at)
            guard at < message.count else { throw fault ?? .unterminated }
            switch message[at] {
            case 0x09: break
            case 0x0D where at + 1 == message.count: throw fault ?? .unterminated
            case 0x0D where message[at + 1] == 0x0A:
                guard folds, at > start, at + 2 < message.count, isBlank(message[at + 2]) else {
                    return (at, fault)
                }
                at += 2
            case 0x0D, 0x0A: fault = fault ?? .lineEnd
            default: fault = fault ?? .control
            }
            at += 1
        }
    }

    /// Reads the start line; returns what is wrong with the Request-URI or the phrase, when that alone is.
    private func parseStartLine(
        _ line: Slice, _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) -> ParseError? {
        let bytes = message.bytes(line)
        guard let space = bytes.first(0x20), space > 0 else { throw .startLine }
        let word = bytes.extracting(0..<space)
        if word.isCaseless("sip/2.0") {
            index.isRequest = false
            guard bytes.count >= space + 4,
                let status = bytes.extracting(space + 1..<space + 4).decimal(limit: 699),
                status >= 100
            else { throw .startLine }
            index.status = UInt16(status)
            index.reason = .from(line.start + min(space + 5, bytes.count), to: line.end)
            // Some phones leave out an empty phrase's space too.
            return bytes.count == space + 4 || bytes[space + 4] == 0x20 ? nil : .startLine
        }
        index.isRequest = true
        guard word.isToken else { throw .startLine }
        index.method = Method(word)
        index.methodSlice = Slice(line.start, space)
        guard let second = bytes.first(0x20, from: space + 1) else { throw .startLine }
        let version = bytes.extracting(second + 1..<bytes.count)
        guard version.isCaseless("sip/2.0") else {
            throw version.count >= 4 && version.extracting(0..<4).isCaseless("sip/")
                ? .version : .startLine
        }
        let uri = Slice(line.start + space + 1, second - space - 1)
        do {
            index.requestURI = try URI(uri, in: message)
            return nil
        } catch {
            return error
        }
    }

    private func parseHeader(
        _ line: Slice, _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) {
        guard let length = message.bytes(line).first(UInt8(ascii: ":")), length > 0 else {
            throw .headerName
        }
        let colon = line.start + length
        let nameSlice = Slice(line.start, length).withoutBlanks(in: message)
        guard !nameSlice.isEmpty else { throw .headerName }
        let name = try Self.name(message.bytes(nameSlice), names)
        let value = Slice.from(colon + 1, to: line.end).trimmed(in: message)
        // These may grow by the brackets that they are written with.
        let isBracketed = name == .contact || name == .referTo
        let longest = isBracketed ? Self.maximumLine - 2 : Self.maximumLine
        guard value.length <= longest, nameSlice.length <= Self.maximumName else {
            throw .headerTooLong
        }
        if name.isSingle, index.has(name) || index.isLeftOut(name) {
            guard !index.isRequest, name.isIncidental else { throw .doubled }
            index.leaveOut(name)
            return
        }
        var fault: ParseError?
        if name == .via {
            try parseVias(value, message, &index)
        } else if !index.has(name) {
            do {
                try parseKnown(name, value, message, &index)
            } catch {
                guard name == .from || name == .to else { throw error }
                fault = error
            }
            if index.isLeftOut(name) { return }
        }
        guard index.carried < Self.maximumCarried || name.isWrittenAnew,
            index.add(HeaderField(name: name, nameSlice: nameSlice, value: value))
        else { throw .tooManyHeaders }
        if let fault { throw fault }
    }

    /// The header field of a name; one that is none of ours must be a token, as all of ours are.
    private static func name(
        _ name: Span<UInt8>, _ names: HeaderTable
    ) throws(ParseError) -> HeaderName {
        let found = names.find(name)
        guard found == .other else { return found }
        guard name.isToken else { throw .headerName }
        return found
    }

    /// Every Via is looked at, not the topmost alone.
    ///
    /// An answer repeats each in a line of its own. A line of commas would make it many times as
    /// long as the request.
    private func parseVias(
        _ value: Slice, _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) {
        var list = ValueList(value)
        var isTop = !index.has(.via)
        guard !value.isEmpty, message[value.end - 1] != UInt8(ascii: ",") else { throw .via }
        while let part = list.next(in: message) {
            let via = try Via(part, in: message)
            if isTop { index.via = via }
            isTop = false
            index.hops += 1
            guard index.hops <= Self.maximumHops else { throw .tooManyHeaders }
        }
    }

    private func parseKnown(
        _ name: HeaderName, _ value: Slice, _ message: Span<UInt8>, _ index: inout MessageIndex
    ) throws(ParseError) {
        let bytes = message.bytes(value)
        switch name {
        case .from: index.from = try NameAddress(value, in: message, mayHaveComma: true)
        case .to: index.to = try NameAddress(value, in: message, mayHaveComma: true)
        case .callID:
            guard !value.isEmpty else { throw .callID }
            for position in bytes.indices where bytes[position] <= 0x20 || bytes[position] >= 0x7F {
                throw .callID
            }
            index.callID = value
        case .cseq:
            guard let space = (0..<bytes.count).first(where: { bytes[$0] &- 0x30 > 9 }),
                let number = bytes.extracting(0..<space).decimal(limit: 2_147_483_647)
            else { throw .cseq }
            let word = Slice.from(value.start + space, to: value.end)
            let methodSlice = word.trimmed(in: message)
            guard methodSlice.start > word.start, message.bytes(methodSlice).isToken else {
                throw .cseq
            }
            index.sequence = UInt32(number)
            index.sequenceMethod = Method(message.bytes(methodSlice))
            guard
                !index.isRequest
                    || message.bytes(methodSlice).equals(message.bytes(index.methodSlice))
            else { throw .cseq }
        case .maxForwards:
            guard let number = bytes.decimal(limit: 255) else { throw .number }
            index.maxForwards = UInt8(number)
        case .maxBreadth:
            guard !bytes.isEmpty, bytes.indices.allSatisfy({ bytes[$0] &- 0x30 <= 9 }) else {
                throw .number
            }
            index.maxBreadth = UInt8(bytes.decimal(limit: 255) ?? 255)
        case .expires:
            // Old Asterisks read it into a signed number of 32 bits.
            index.expires = bytes.decimal(cutTo: UInt32(Int32.max))
            guard index.expires != nil else {
                // A registrar takes what is no number for an hour (RFC 3261 section 10.2.1.1); to others it says
                // nothing.
                if !index.isRequest || index.method != .register { index.leaveOut(name) }
                return
            }
        case .contentLength:
            guard let number = bytes.decimal(limit: UInt64(Self.maximumMessage)) else {
                throw .contentLength
            }
            index.contentLength = Int(number)
        default: break
        }
    }

    private func finish(
        _ message: Span<UInt8>, bodyStart: Int, _ index: inout MessageIndex
    ) throws(ParseError) {
        guard index.has(.via), index.has(.from), index.has(.to), index.has(.callID),
            index.has(.cseq)
        else { throw .missing }
        let available = message.count - bodyStart
        let length = index.contentLength ?? available
        guard length <= available else { throw .contentLength }
        index.body = Slice(bodyStart, length)
        try readFields(message, &index)
    }
}
