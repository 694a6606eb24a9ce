internal import SIP
internal import Sys

/// The dialog that the Replaces in a Refer-To names (RFC 3891 section 4), as it is written without escapes.
struct ReferredDialog {
    /// Its Call-ID.
    private(set) var callID = Slice.empty
    /// Its tags.
    private(set) var toTag = Slice.empty
    private(set) var fromTag = Slice.empty

    /// The value of Replaces among a URI's headers, escaped as it came; nil when there is none.
    static func replaces(_ uri: URI, in message: Span<UInt8>) -> Slice? {
        var list = Parameters(uri.headers, separator: UInt8(ascii: "&"))
        while let field = list.next(in: message) {
            if message.bytes(field.name).isCaseless("replaces") { return field.value }
        }
        return nil
    }

    /// Reads a value of Replaces, which is written without escapes into the empty buffer that the parts lie in.
    init(_ value: Slice, in message: Span<UInt8>, _ buffer: inout ByteBuffer) {
        Self.unescape(message.bytes(value), into: &buffer)
        let text = buffer.span
        let end = text.first(UInt8(ascii: ";")) ?? text.count
        callID = .from(0, to: end)
        var list = Parameters(.from(end, to: text.count))
        while let parameter = list.next(in: text) {
            let name = text.bytes(parameter.name)
            if name.isCaseless("to-tag") { toTag = parameter.value }
            if name.isCaseless("from-tag") { fromTag = parameter.value }
        }
    }

    /// Writes bytes with what is escaped in them as it is meant; a broken escape stays as it is.
    private static func unescape(_ bytes: Span<UInt8>, into buffer: inout ByteBuffer) {
        var at = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count,
                let high = Characters.hex(bytes[at + 1]), let low = Characters.hex(bytes[at + 2])
            {
                buffer.append(high << 4 | low)
                at += 3
            } else {
                buffer.append(bytes[at])
                at += 1
            }
        }
    }
}
