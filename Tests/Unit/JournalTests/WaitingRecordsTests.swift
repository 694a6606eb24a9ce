import Journal
import Sys
import Testing

/// A log that nobody reads: journald's socket, whose other end stands still.
@Suite struct WaitingRecordsTests {
    private struct Log {
        let journal: Journal
        let writing: Descriptor
        let reading: Descriptor

        init() throws {
            (writing, reading) = try Socket.seqpacketPair()
            journal = Journal(process: "test", socket: writing.raw)
        }

        /// The records that wait, read until there are none.
        func read() throws -> [String] {
            var buffer = [UInt8](repeating: 0, count: Frame.maximumLength)
            var records: [String] = []
            while case .frame(let length, _) = try Frame.receive(into: &buffer, on: reading.raw) {
                records.append(String(decoding: buffer[..<length], as: UTF8.self))
            }
            return records
        }
    }

    /// Reads and flushes until nothing waits.
    private func drain(_ log: Log) throws -> [String] {
        var records = try log.read()
        while log.journal.isWaiting {
            log.journal.flush()
            records += try log.read()
        }
        return records
    }

    private func messages(_ records: [String]) -> [String] {
        records.map { String($0.prefix { $0 != "\n" }.dropFirst("MESSAGE=".count)) }
    }

    /// Writes a record with the fields that its kind requires.
    private func write(_ log: Log, _ record: Record, _ message: String) {
        log.journal.write(record, .info, message, record.required.map { ($0, "1") })
    }

    private func fill(_ log: Log, _ record: Record, _ name: String, _ count: Int) {
        for number in 0..<count { write(log, record, "\(name) \(number)") }
    }

    @Test("what the log has no room for waits, and comes in order when it is read")
    func order() throws {
        let log = try Log()
        var written = 0
        while !log.journal.isWaiting {
            write(log, .refused, "record \(written)")
            written += 1
        }
        for _ in 0..<50 {
            write(log, .refused, "record \(written)")
            written += 1
        }
        #expect(messages(try drain(log)) == (0..<written).map { "record \($0)" })
    }

    @Test("refusals are lost first, then registrations, then bans and calls; starts stay")
    func weights() throws {
        let log = try Log()
        while !log.journal.isWaiting { write(log, .refused, "in the socket") }
        fill(log, .childStarted, "start", 10)
        fill(log, .registered, "registered", 60)
        fill(log, .refused, "refused", 5000)
        fill(log, .banned, "banned", 100)
        let some = messages(try drain(log))
        let kept = { (name: String, all: [String]) in all.filter { $0.hasPrefix(name) }.count }
        #expect(kept("start", some) == 10)
        #expect(kept("registered", some) == 60)
        #expect(kept("banned", some) == 100)
        #expect(kept("refused", some) < 5000)

        while !log.journal.isWaiting { write(log, .refused, "in the socket") }
        fill(log, .registered, "registered", 100)
        fill(log, .banned, "banned", 5000)
        fill(log, .childStarted, "start", 50)
        let others = messages(try drain(log))
        #expect(kept("start", others) == 50)
        #expect(kept("registered", others) == 0)
        #expect(kept("banned", others) > 50)
    }

    @Test("what waits is bounded, and one record tells how many were lost")
    func loss() throws {
        let log = try Log()
        var written = 0
        while !log.journal.isWaiting {
            write(log, .refused, "record \(written)")
            written += 1
        }
        let inSocket = try log.read().count
        // The one that waited is in the socket now.
        fill(log, .banned, "record", 5000)
        written += 5000
        let records = try drain(log)
        let told = records.filter { $0.contains("MESSAGE_ID=\(Record.degraded.rawValue)") }
        #expect(told.count == 1)
        let count = told.first?.split(separator: "\n").last.flatMap {
            Int($0.dropFirst("REMPART_COUNT=".count))
        }
        #expect(count == written - inSocket - (records.count - 1))
    }

    @Test("a socket whose other end is gone makes nobody wait")
    func gone() throws {
        let log = try Log()
        log.reading.close()
        fill(log, .refused, "to nobody", 10)
        #expect(!log.journal.isWaiting)
    }
}
