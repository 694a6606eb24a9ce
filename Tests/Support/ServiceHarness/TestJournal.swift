package import Journal
internal import Reactor
package import Sys

/// The end of a journal's socket that a test reads.
package struct TestJournal {
    private let reading: Link
    private let writing: Descriptor

    /// A reader of journals that write to it.
    package init() throws(SystemError) {
        let (reading, writing) = try Socket.seqpacketPair()
        self.reading = Link(reading)
        self.writing = writing
    }

    /// A reader, and a journal that writes to it.
    package static func make() throws(SystemError) -> (TestJournal, Journal) {
        let reader = try TestJournal()
        return (reader, Journal(process: "test", socket: reader.writing.raw))
    }

    /// Has a journal write to this reader.
    package func take(_ journal: Journal) { journal.use(writing.raw) }

    /// The next record's text, nil when there is none.
    package func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
        guard case .frame(let length, _)? = try? reading.receive(into: &buffer) else { return nil }
        return String(decoding: buffer[..<length], as: UTF8.self)
    }

    /// The records written since.
    package func records() -> [String] {
        var records: [String] = []
        while let record = next() { records.append(record) }
        return records
    }
}
