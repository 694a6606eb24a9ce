/// A country by the two letters of ISO 3166-1.
package struct Country: BitwiseCopyable, Hashable, Sendable {
    private var letters: UInt16

    /// Not known, or not asked yet.
    package static let unknown = Country("")

    /// The country of a code of two letters; unknown for anything else.
    package init(_ code: String) {
        let bytes = Array(code.utf8)
        letters = bytes.count == 2 ? UInt16(bytes[0]) << 8 | UInt16(bytes[1]) : 0
    }

    /// The two letters, empty when not known.
    package var code: String {
        guard letters != 0 else { return "" }
        return String(decoding: [UInt8(letters >> 8), UInt8(letters & 0xFF)], as: UTF8.self)
    }
}
