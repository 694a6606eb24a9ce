internal import Journal
package import Messages
package import ProxyBench
internal import SIP
package import Sys

/// The address of a text, with its port.
package func address(_ text: String) -> SocketAddress {
    guard let result = SocketAddress(text) else { preconditionFailure("not an address: \(text)") }
    return result
}

/// So many bytes that serve as a key or a seed.
package func key(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
}

/// A message that left.
package struct Sent {
    /// The way that it took.
    package let flow: Flow
    /// The message.
    package let bytes: [UInt8]
}

extension Audit {
    /// The sentences of the records that wait, which are taken.
    package mutating func takeSentences() -> [String] {
        defer { removeAll() }
        return (0..<records.count).compactMap { index in
            var line = ByteBuffer(capacity: 4096)
            records.writeNative(index, process: "sip-router", into: &line)
            let fields = line.span.text.split(separator: "\n")
            return fields.first { $0.hasPrefix("MESSAGE=") }.map { String($0.dropFirst(8)) }
        }
    }
}

extension Outbox {
    /// The messages that wait, which are taken.
    package mutating func takeAll() -> [Sent] {
        var sent: [Sent] = []
        for index in 0..<count {
            sent.append(Sent(flow: flow(index), bytes: [UInt8](copying: message(index))))
        }
        removeAll()
        return sent
    }
}

extension DirectoryQueue {
    /// What directory is asked, as it reads that, which is taken.
    package mutating func takeAll() -> [RouterToDirectory] {
        var questions: [RouterToDirectory] = []
        for index in 0..<count {
            guard let question = try? RouterToDirectory(decoding: message(index)) else {
                preconditionFailure("directory cannot read what it is asked")
            }
            questions.append(question)
        }
        removeAll()
        return questions
    }
}

extension Bench {
    /// Tools with nothing in them, at some moment; `settings` come after one domain and one Asterisk.
    package init(
        _ settings: [RouterSetting], _ listeners: [Listener], timers capacity: Int = 10_000
    ) {
        let always: [RouterSetting] = [
            .domain("example.com"), .asterisk(address("10.0.0.10:5060")),
        ]
        self.init(
            RouterSettings(always + settings), listeners, key: key(32), seed: key(32),
            timers: capacity,
            now: Now(monotonic: .seconds(1000), sinceEpoch: .seconds(1_700_000_000)))
    }

    /// Lets time pass; what is due then, the timers say.
    package mutating func pass(_ span: Milliseconds) {
        now = Now(monotonic: now.monotonic + span, sinceEpoch: now.sinceEpoch + span)
    }

    /// A message that has come now, parsed.
    @_lifetime(copy bytes)
    package func incoming(
        _ bytes: Span<UInt8>, _ flow: Flow, number: UInt64 = 1, isResumed: Bool = false
    ) -> Incoming {
        var message = Incoming(
            bytes, flow, moment: now.monotonic, number: number, isResumed: isResumed)
        do {
            try parser.parse(message.bytes, into: &message.index)
        } catch {
            preconditionFailure("\(error): \(bytes.text)")
        }
        return message
    }
}
