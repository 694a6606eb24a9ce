package import SIP
package import Sys

/// The dialog that the Replaces in a Refer-To names (RFC 3891 section 4), as it is written without escapes.
package struct ReferredDialog {
    /// Its Call-ID.
    package private(set) var callID = Slice.empty
    /// The tag of whom the Replaces is for.
    package private(set) var toTag = Slice.empty
    /// The other one.
    package private(set) var fromTag = Slice.empty

    /// The value of Replaces among a URI's headers, escaped as it came; nil when there is none.
    package static func replaces(_ uri: URI, in message: Span<UInt8>) -> Slice? {
        var list = Parameters(uri.headers, separator: UInt8(ascii: "&"))
        while let field = list.next(in: message) {
            if message.bytes(field.name).isCaseless("replaces") { return field.value }
        }
        return nil
    }

    /// Reads a value of Replaces, which is written without escapes into the empty buffer that the parts lie in.
    package init(_ value: Slice, in message: Span<UInt8>, _ buffer: inout ByteBuffer) {
        let bytes = message.bytes(value)
        var place = 0
        while place < bytes.count {
            let meant = bytes.unescaped(at: place)
            buffer.append(meant.byte)
            place = meant.next
        }
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
}
