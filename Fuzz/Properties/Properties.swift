/// What must hold for any bytes whatever: each function returns what does not, or nil.
///
/// The fuzzers look for bytes that break one; the tests hold every one against the kept corpus.
package enum Properties {
    /// The name of each property, which is that of its fuzzer and of its folder in Fuzz/corpus.
    package static let all: [(name: String, check: @Sendable (Span<UInt8>) -> String?)] = [
        ("message", message), ("framing", framing), ("uri", uri), ("digest", digest),
        ("token", token), ("frame", frame), ("settings", settings), ("nonce", nonce),
        ("stun", stun), ("body", body), ("transaction", transaction), ("router", router),
        ("asterisk", asterisk),
    ]

    /// Runs a property on what libFuzzer hands over, and traps when it does not hold.
    @safe
    package static func run(
        _ data: UnsafePointer<UInt8>?, _ size: Int, _ check: (Span<UInt8>) -> String?
    ) -> Int32 {
        // In bounds: libFuzzer's own pointer and length, which live until the return.
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
        if let fault = check(bytes.span) { fatalError(fault) }
        return 0
    }
}

extension Array where Element == UInt8 {
    /// A copy of the bytes.
    init(copying bytes: Span<UInt8>) {
        self = []
        reserveCapacity(bytes.count)
        for index in bytes.indices { append(bytes[index]) }
    }

    /// The first `count` bytes as a number, those that are missing being zero.
    func number(_ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 << 8 | ($1 < self.count ? UInt64(self[$1]) : 0) }
    }
}
