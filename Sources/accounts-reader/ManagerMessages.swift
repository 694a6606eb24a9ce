// The messages of Asterisk's manager interface (AMI), found in a stream of bytes.

/// A message of AMI's: its fields in their order.
struct ManagerMessage {
    /// The fields; names are compared in any mixture of capitals.
    var fields: [(name: [UInt8], value: [UInt8])] = []

    /// The first value of a name; empty without one.
    func value(_ name: String) -> String {
        fields.first { $0.name.text.lowercased() == name.lowercased() }?.value.text ?? ""
    }

    /// Its bytes, about.
    var size: Int { fields.reduce(0) { $0 + $1.name.count + $1.value.count + 4 } }

    /// Whether it is a good answer.
    var isSuccess: Bool { value("Response") == "Success" }
}

/// Why AMI is of no use: what is wrong, and what to do.
struct ManagerFailure: Error, Equatable {
    /// The sentence, without what it is called.
    let words: String
}

/// Finds the messages in what has come: lines of `Name: value`, up to an empty one.
struct ManagerMessages {
    private var received: [UInt8] = []
    /// Where in it the line begins that was not taken yet.
    private var start = 0
    private var message = ManagerMessage()
    private var size = 0

    /// The longest line, and the longest message, in bytes.
    static let longestLine = 1 << 16
    static let longestMessage = 64 << 20

    /// Adds bytes that came.
    mutating func append(_ bytes: ArraySlice<UInt8>) { received += bytes }

    /// A message whose end has come; nil when there is none yet.
    ///
    /// Empty ones are passed over.
    mutating func next() throws(ManagerFailure) -> ManagerMessage? {
        while let line = try nextLine() {
            guard !line.isEmpty else {
                guard !message.fields.isEmpty else { continue }
                defer { (message, size) = (ManagerMessage(), 0) }
                return message
            }
            size += line.count
            guard size <= Self.longestMessage else {
                throw ManagerFailure(
                    words: "answers with more than can be read: see what listens there")
            }
            let name = line.prefix { $0 != UInt8(ascii: ":") }
            let value = line.dropFirst(name.count + 1).drop { $0 == 0x20 }
            message.fields.append((Array(name), Array(value)))
        }
        return nil
    }

    /// The next line without its end; nil when that has not come yet.
    mutating func nextLine() throws(ManagerFailure) -> [UInt8]? {
        guard let end = received[start...].firstIndex(of: 0x0A) else {
            received.removeFirst(start)
            start = 0
            guard received.count <= Self.longestLine else {
                throw ManagerFailure(words: "sends a line that is too long: see what listens there")
            }
            return nil
        }
        guard end - start <= Self.longestLine else {
            throw ManagerFailure(words: "sends a line that is too long: see what listens there")
        }
        var line = Array(received[start..<end])
        if line.last == 0x0D { line.removeLast() }
        start = end + 1
        return line
    }
}
