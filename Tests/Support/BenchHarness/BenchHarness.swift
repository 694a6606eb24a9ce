internal import Journal
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
