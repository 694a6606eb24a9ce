package import SIP

/// What the body of a message is, as far as the edge reads it.
package struct Body {
    /// The kinds of bodies that the edge tells apart, by Content-Type.
    enum Kind: BitwiseCopyable {
        /// A session description.
        case session
        /// A text about parties, whose URIs phones dial: of states (XML of any kind), messages that wait, or a
        /// part of a message.
        case state
        /// Several bodies.
        case multipart
        /// Anything else, which is carried and not read.
        case other
    }

    /// How deep one multipart body may lie in another to be looked into.
    static let deepest = 2

    /// What it is.
    private(set) var kind = Kind.other
    /// Where it lies.
    private(set) var place: Slice
    /// Its Content-Type.
    private(set) var type = Slice.empty
    /// How many session descriptions it is, or has.
    private var sessions = 0
    /// It as a session description, if it is one.
    private(set) var session: SessionDescription?
    /// Whether it is, or every session description in it is, one that an Asterisk and a phone read alike.
    package private(set) var isReadable = true

    /// The body of a message.
    package init(_ message: Span<UInt8>, _ index: borrowing MessageIndex) {
        place = index.body
        guard !place.isEmpty, let type = index.value(.contentType) else { return }
        judge(type, message, depth: 0)
    }

    /// A body of a Content-Type within a message, in so many others.
    init(_ part: Slice, _ type: Slice, _ message: Span<UInt8>, depth: Int) {
        place = part
        judge(type, message, depth: depth)
    }

    private mutating func judge(_ type: Slice, _ message: Span<UInt8>, depth: Int) {
        self.type = type
        kind = Self.kind(message.bytes(type))
        switch kind {
        case .session:
            let session = SessionDescription(place, message)
            self.session = session
            isReadable = session.isReadable
            sessions = 1
        case .multipart:
            guard depth < Self.deepest, var parts = BodyParts(self, message),
                parts.areClear(message)
            else {
                // One reader guesses the boundary, another looks for session descriptions without it.
                kind = .other
                isReadable = false
                return
            }
            while let part = parts.next(message) {
                let inner = Body(part.body, part.type, message, depth: depth + 1)
                if !part.isReadable || !inner.isReadable { isReadable = false }
                sessions += inner.sessions
            }
            // One reader looks for the type of a session description in every line.
            if !parts.isClosed || depth == 0 && parts.sessionLines(message) != sessions {
                isReadable = false
            }
        case .state, .other: break
        }
    }

    /// The kind of a Content-Type, which may have blanks and folds around its slash, and parameters.
    private static func kind(_ type: Span<UInt8>) -> Kind {
        let end = type.first(UInt8(ascii: ";")) ?? type.count
        let name = type.extracting(0..<end)
        // chan_sip reads no further than that.
        if spells("application/sdp", name, isWhole: false) { return .session }
        if spells("multipart/", name, isWhole: false) { return .multipart }
        if spells("application/simple-message-summary", name, isWhole: true)
            || spells("message/sipfrag", name, isWhole: true)
            || spells("message/sip", name, isWhole: true) || isXML(name)
        {
            return .state
        }
        return .other
    }

    /// Whether a line of a part says that a session description follows.
    fileprivate static func announcesSession(_ line: Slice, _ message: Span<UInt8>) -> Bool {
        guard
            BodyParts.isField("content-type", line, message)
                || BodyParts.isField("c", line, message),
            let colon = message.bytes(line).first(UInt8(ascii: ":"))
        else { return false }
        return kind(message.extracting(line.start + colon + 1..<line.end)) == .session
    }

    private static func spells(
        _ literal: StaticString, _ name: Span<UInt8>, isWhole: Bool
    ) -> Bool {
        var count = 0
        for place in name.indices where name[place] > 0x20 {
            guard count < literal.utf8CodeUnitCount else { return !isWhole }
            // In bounds by the guard.
            let letter = unsafe literal.utf8Start[count]
            guard Characters.lower(name[place]) == letter else { return false }
            count += 1
        }
        return count == literal.utf8CodeUnitCount
    }

    private static func isXML(_ name: Span<UInt8>) -> Bool {
        var end = name.count
        while end > 0, name[end - 1] <= 0x20 { end -= 1 }
        return end > 4 && name.extracting(end - 3..<end).isCaseless("xml")
    }
}

/// Goes through the parts of a multipart body (RFC 2046 section 5.1).
struct BodyParts {
    /// One part.
    struct Part {
        /// Its header, with the end of its last line.
        var header: Slice
        /// Its Content-Type, empty when it names none.
        var type: Slice
        /// The body.
        var body: Slice
        /// Whether everybody finds the same Content-Type in the header.
        var isReadable = true
    }

    /// The longest boundary, in bytes (RFC 2046 section 5.1.1).
    private static let longestBoundary = 70

    /// Whether the last delimiter so far is the one that ends the last part.
    private(set) var isClosed = false

    private let boundary: Slice
    private let start: Int
    private let end: Int
    private var at: Int

    /// The parts of a body; nil when its Content-Type has no boundary that everybody reads alike.
    init?(_ body: Body, _ message: Span<UInt8>) {
        var parameters = Parameters(body.type)
        var found = Slice.empty
        while let parameter = parameters.next(in: message) {
            guard message.bytes(parameter.name).isCaseless("boundary") else {
                // chan_sip takes what follows the first such word, in quotes too.
                guard !message.bytes(parameter.value).namesBoundary else { return nil }
                continue
            }
            // One reader takes the first of two, another the last.
            guard found.isEmpty else { return nil }
            found = parameter.value
        }
        if found.length > 2, message[found.start] == UInt8(ascii: "\"") {
            found = .from(found.start + 1, to: found.end - 1)
        }
        guard !found.isEmpty, found.length <= Self.longestBoundary else { return nil }
        for place in found.start..<found.end
        where message[place] < 0x20 || message[place] >= 0x7F
            || message[place] == UInt8(ascii: "\\")
        {
            return nil
        }
        boundary = found
        start = body.place.start
        end = body.place.end
        at = start
        guard let (_, next) = delimiter(message) else { return nil }
        at = next
    }

    /// The next part; nil behind the last one.
    mutating func next(_ message: Span<UInt8>) -> Part? {
        guard let (stop, next) = delimiter(message) else { return nil }
        defer { at = next }
        let name = (message.first(UInt8(ascii: "-"), from: stop) ?? stop) + 2
        let stopOfName = name + Int(boundary.length)
        isClosed = message.extracting(stopOfName..<max(next, stopOfName)).startsWithDashes
        return Self.part(.from(min(at, stop), to: stop), message)
    }

    /// Whether the boundary stands nowhere but on lines of its own: one reader looks for it within lines, another
    /// takes a line that only begins with it, or has it in another case.
    func areClear(_ message: Span<UInt8>) -> Bool {
        let length = Int(boundary.length)
        var place = start
        while let hyphen = message.first(UInt8(ascii: "-"), from: place), hyphen < end {
            place = hyphen + 1
            let name = hyphen + 2
            guard name + length <= end, message[hyphen + 1] == UInt8(ascii: "-"),
                Characters.lower(message[name + length - 1])
                    == Characters.lower(message[boundary.end - 1]),
                message.extracting(name..<name + length).equalsCaseless(message.bytes(boundary))
            else { continue }
            var stop = name + length
            if message.extracting(stop..<end).startsWithDashes { stop += 2 }
            while stop < end, isBlank(message[stop]) || message[stop] == 0x0D { stop += 1 }
            guard isDelimiter(hyphen, message), hyphen == start || message[hyphen - 1] == 0x0A,
                stop == end || message[stop] == 0x0A
            else { return false }
            place = stop
        }
        return true
    }

    /// Where the next delimiter begins, the line end before it included, and where its own line has ended; nil
    /// when there is none.
    private func delimiter(_ message: Span<UInt8>) -> (start: Int, next: Int)? {
        var line = at
        while line < end {
            let stop = message.first(0x0A, from: line) ?? end
            if isDelimiter(line, message) {
                var start = line
                if start > at, message[start - 1] == 0x0A { start -= 1 }
                if start > at, message[start - 1] == 0x0D { start -= 1 }
                return (start, min(stop + 1, end))
            }
            line = stop + 1
        }
        return nil
    }

    /// In how many lines of the body the type of a session description stands, in whatever part.
    func sessionLines(_ message: Span<UInt8>) -> Int {
        var count = 0
        var line = start
        while line < end {
            let stop = min(message.first(0x0A, from: line) ?? end, end)
            if Body.announcesSession(.from(line, to: stop), message) { count += 1 }
            line = stop + 1
        }
        return count
    }

    private func isDelimiter(_ line: Int, _ message: Span<UInt8>) -> Bool {
        let name = line + 2
        guard name + Int(boundary.length) <= end, message[line] == UInt8(ascii: "-"),
            message[line + 1] == UInt8(ascii: "-")
        else { return false }
        return message.extracting(name..<name + Int(boundary.length))
            .equals(message.bytes(boundary))
    }

    private static func part(_ whole: Slice, _ message: Span<UInt8>) -> Part {
        var type = Slice.empty
        var isReadable = true
        var line = whole.start
        while line < whole.end {
            let stop = min(message.first(0x0A, from: line) ?? whole.end, whole.end)
            let next = min(stop + 1, whole.end)
            let text = Slice.from(line, to: stop).trimmed(in: message)
            // Where one reader sees an empty line, or no field begins, another goes on.
            if isBlank(message[line]), text.isEmpty || line == whole.start { isReadable = false }
            if text.isEmpty {
                return Part(
                    header: .from(whole.start, to: next), type: type,
                    body: .from(next, to: whole.end), isReadable: isReadable
                )
            }
            // A line that begins with a blank goes on with the one before (RFC 5322 section 2.2.3).
            var last = stop
            while last + 1 < whole.end, isBlank(message[last + 1]) {
                last = min(message.first(0x0A, from: last + 1) ?? whole.end, whole.end)
            }
            var ends = BodyLines(.from(text.start, to: min(last + 1, whole.end)))
            while ends.next(message) != nil {}
            if ends.isBroken { isReadable = false }
            if isField("content-type", text, message) || isField("c", text, message) {
                if !type.isEmpty { isReadable = false }
                let colon = message.bytes(text).first(UInt8(ascii: ":")) ?? 0
                type = Slice.from(text.start + colon + 1, to: last).trimmed(in: message)
            }
            line = min(last + 1, whole.end)
        }
        return Part(
            header: whole, type: type, body: .from(whole.end, to: whole.end),
            isReadable: isReadable)
    }

    /// Whether a line of a part's header is that of a field.
    static func isField(
        _ name: StaticString, _ line: Slice, _ message: Span<UInt8>
    ) -> Bool {
        guard let colon = message.bytes(line).first(UInt8(ascii: ":")) else { return false }
        let place = Slice.from(line.start, to: line.start + colon).trimmed(in: message)
        return message.bytes(place).isCaseless(name)
    }
}

extension Span where Element == UInt8 {
    /// Whether `boundary=` stands in the bytes, in any case.
    fileprivate var namesBoundary: Bool {
        var sign = first(UInt8(ascii: "="))
        while let place = sign {
            if place >= 8, extracting(place - 8..<place).isCaseless("boundary") { return true }
            sign = first(UInt8(ascii: "="), from: place + 1)
        }
        return false
    }

    /// Whether the bytes begin with two hyphens.
    fileprivate var startsWithDashes: Bool {
        count >= 2 && self[0] == UInt8(ascii: "-") && self[1] == UInt8(ascii: "-")
    }
}
