package import SIP
internal import Sys

/// Why a call ended, in the numbers of SIP or of ISDN (RFC 3326 section 2).
package struct EndCause: BitwiseCopyable, Sendable {
    /// The status code of SIP, or the cause of Q.850; 0 when nobody has given one.
    package private(set) var code: UInt16 = 0
    /// Whether it is of Q.850.
    package private(set) var isQ850 = false

    /// No cause.
    package init() {}

    /// The cause that a final answer is.
    package init(status: UInt16) { code = status }

    /// The first cause that a message's Reason gives in numbers of SIP or Q.850.
    package init(_ bytes: Span<UInt8>, _ index: borrowing MessageIndex) {
        var values = FieldValues(.reason)
        while code == 0, let value = values.next(bytes, index) { read(value, bytes) }
    }

    private mutating func read(_ value: Slice, _ bytes: Span<UInt8>) {
        let text = bytes.bytes(value)
        let end = text.first(UInt8(ascii: ";")) ?? text.count
        let name = bytes.bytes(Slice.from(value.start, to: value.start + end).trimmed(in: bytes))
        let rest = Slice.from(min(value.start + end + 1, value.end), to: value.end)
        isQ850 = name.isCaseless("q.850")
        guard isQ850 || name.isCaseless("sip"),
            let cause = Parameters(rest).value("cause", in: bytes),
            let number = bytes.bytes(cause).decimal(limit: 999)
        else { return }
        code = UInt16(number)
    }
}
