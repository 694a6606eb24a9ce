package import Sys

/// Records that wait to be written, in memory that is allocated once.
///
/// A record is begun, its sentence is appended in pieces, then each of its fields, and it is ended.
/// Text from the network goes in as it came: it is escaped and cut when the record is written.
package struct RecordBatch: ~Copyable {
    /// How many records found no room since the last `removeAll`.
    package private(set) var lost = 0
    private var heads: [Head] = []
    private var parts: [Part] = []
    private var bytes: ByteBuffer
    private let limit: Int

    private struct Head {
        var record: Record
        var priority: Priority
        /// The number of its first part, which is the sentence; its fields follow.
        var first: Int
    }

    private struct Part {
        /// Nil for the sentence.
        var field: Field?
        var start: Int
        var length = 0
    }

    /// An empty batch for so many bytes of text and so many records.
    package init(capacity: Int, records: Int) {
        bytes = ByteBuffer(capacity: capacity)
        limit = records
        heads.reserveCapacity(records)
        parts.reserveCapacity(16 * records)
    }

    /// How many records there are.
    package var count: Int { heads.count }

    // MARK: One record

    /// Begins a record; its sentence is what is appended next.
    package mutating func begin(_ record: Record, _ priority: Priority) {
        heads.append(Head(record: record, priority: priority, first: parts.count))
        parts.append(Part(field: nil, start: bytes.count))
    }

    /// Begins a field; its value is what is appended next.
    package mutating func field(_ field: Field) {
        closePart()
        parts.append(Part(field: field, start: bytes.count))
    }

    /// Ends the record, which must have the fields that its kind requires; one that found no room is left out, and
    /// counted.
    package mutating func end() {
        closePart()
        #if DEBUG
            let lacking = missing
            assert(lacking.isEmpty, "a record lacks \(lacking)")
        #endif
        guard bytes.overflowed || heads.count > limit else { return }
        lost += 1
        let first = heads.removeLast().first
        bytes.truncate(to: parts[first].start)
        parts.removeLast(parts.count - first)
    }

    #if DEBUG
        /// The fields that the record at hand lacks.
        private var missing: [Field] {
            let head = heads[heads.count - 1]
            let there = parts[head.first...].compactMap(\.field)
            return head.record.required.filter { !there.contains($0) }
        }
    #endif

    private mutating func closePart() {
        parts[parts.count - 1].length = bytes.count - parts[parts.count - 1].start
    }

    /// Appends a literal to the sentence or value.
    package mutating func append(_ text: StaticString) { bytes.append(text) }

    /// Appends bytes.
    package mutating func append(_ text: Span<UInt8>) { bytes.append(text) }

    /// Appends a text; not for the hot path unless it is a literal's.
    package mutating func append(text: String) { bytes.append(text: text) }

    /// Appends a number.
    package mutating func append(decimal value: UInt64) { bytes.append(decimal: value) }

    /// Appends an IP address as in its description.
    package mutating func append(_ ip: IPAddress) {
        if ip.isV4 { bytes.append(host: ip) } else { bytes.append(text: ip.description) }
    }

    /// Appends an address and port as in its description.
    package mutating func append(_ address: SocketAddress) {
        guard address.ip.isV4 else {
            bytes.append(text: address.description)
            return
        }
        bytes.append(host: address.ip)
        bytes.append(":")
        bytes.append(decimal: UInt64(address.port))
    }

    /// Adds a whole record whose texts are at hand.
    package mutating func add(
        _ record: Record, _ priority: Priority, _ message: String, _ fields: [(Field, String)]
    ) {
        begin(record, priority)
        append(text: message)
        for (field, value) in fields {
            self.field(field)
            append(text: value)
        }
        end()
    }

    /// Forgets the records.
    package mutating func removeAll() {
        heads.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        bytes.removeAll()
        lost = 0
    }

    // MARK: Writing

    /// The kind of record `index`.
    package func record(_ index: Int) -> Record { heads[index].record }

    private func parts(of index: Int) -> Range<Int> {
        heads[index].first..<(index + 1 < heads.count ? heads[index + 1].first : parts.count)
    }

    @_lifetime(borrow self)
    private func text(_ part: Part) -> Span<UInt8> {
        bytes.span(part.start, part.length)
    }

    /// Writes record `index` as journald takes it: NAME=value lines.
    package func writeNative(_ index: Int, process: String, into output: inout ByteBuffer) {
        let head = heads[index]
        output.append("MESSAGE=")
        Journal.clean(text(parts[head.first]), into: &output)
        output.append("\nMESSAGE_ID=")
        output.append(text: head.record.rawValue)
        output.append("\nPRIORITY=")
        output.append(decimal: UInt64(head.priority.rawValue))
        output.append("\nSYSLOG_IDENTIFIER=rempart\nREMPART_PROCESS=")
        output.append(text: process)
        for number in parts(of: index).dropFirst() {
            output.append("\n")
            output.append(text: parts[number].field?.rawValue ?? "")
            output.append("=")
            Journal.clean(text(parts[number]), into: &output)
        }
        output.append("\n")
    }

    /// Writes record `index` as one line for a person: process, sentence, then the fields it does not show
    /// yet.
    package func writeReadable(_ index: Int, process: String, into output: inout ByteBuffer) {
        let head = heads[index]
        let sentence = text(parts[head.first])
        output.append("rempart[")
        output.append(text: process)
        output.append("]: ")
        if head.priority.rawValue <= Priority.error.rawValue { output.append("error: ") }
        Journal.clean(sentence, into: &output)
        for number in parts(of: index).dropFirst() where !sentence.contains(text(parts[number])) {
            output.append(" ")
            Self.writeShortName(of: parts[number].field, into: &output)
            output.append("=")
            Journal.clean(text(parts[number]), into: &output)
        }
        output.append("\n")
    }

    /// Writes record `index` as a line of JSON, one object of at most 4,096 bytes.
    ///
    /// Its members are `time` (RFC 3339, of `moment`), `priority` (a number, as syslog's),
    /// `message_id`, `process` and `message`. The fields follow under their names in small letters,
    /// without REMPART_, as texts of at most 256 bytes. Those for which there is no room are left
    /// out.
    package func writeJSON(
        _ index: Int, process: String, at moment: Milliseconds, into output: inout ByteBuffer
    ) {
        let head = heads[index]
        let end = output.count + Journal.longestLine
        output.append("{\"time\":\"")
        output.append(timestamp: moment)
        output.append("\",\"priority\":")
        output.append(decimal: UInt64(head.priority.rawValue))
        output.append(",\"message_id\":\"")
        output.append(text: head.record.rawValue)
        output.append("\",\"process\":\"")
        output.append(text: process)
        output.append("\",\"message\":\"")
        Journal.clean(text(parts[head.first]), into: &output, quoted: true)
        // The longest name with its marks, what is cut beyond the longest value, and the end of the line.
        let most = 64 + Journal.longestValue
        for number in parts(of: index).dropFirst() where end - output.count > most {
            output.append("\",\"")
            Self.writeShortName(of: parts[number].field, into: &output)
            output.append("\":\"")
            Journal.clean(
                text(parts[number]), into: &output, quoted: true, atMost: Journal.longestValue)
        }
        output.append("\"}\n")
    }

    /// Writes a field's name in small letters, without REMPART_.
    private static func writeShortName(of field: Field?, into output: inout ByteBuffer) {
        for byte in (field?.rawValue ?? "").utf8.dropFirst("REMPART_".utf8.count) {
            output.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
        }
    }
}

extension Span<UInt8> {
    /// Whether other bytes stand somewhere in these, which none always do.
    fileprivate func contains(_ other: Span<UInt8>) -> Bool {
        guard !other.isEmpty else { return true }
        var start = 0
        while start + other.count <= count {
            var length = 0
            while length < other.count, self[start + length] == other[length] { length += 1 }
            if length == other.count { return true }
            start += 1
        }
        return false
    }
}
