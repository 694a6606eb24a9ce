internal import Messages
internal import Registrar
internal import SIP
internal import SIPWriting
internal import Sys

/// What the 200 to a REGISTER lists (RFC 3261 section 10.3 item 8).
extension MessageWriter {
    /// How long a 200 by UDP becomes by the Contacts that it lists, in bytes: as long as leaves in one piece
    /// everywhere (RFC 3261 section 18.1.1).
    private static let longestList = 1300 - "Content-Length: 0\r\n\r\n".utf8.count

    /// Writes the bindings, the phone's own first; of those of others by UDP as many as fit.
    mutating func contacts(
        _ bindings: borrowing Bindings, _ request: borrowing RegisterRequest, first: Int32,
        _ now: Milliseconds
    ) {
        let most = request.flow.transport.isStream ? Int.max : Self.longestList
        var hasOwn = false
        for round in 0..<2 {
            let isOwn = round == 0
            var at = first
            while let binding = bindings[at] {
                at = binding.next
                let isNamed = request.names(binding.key) || binding.flow == request.flow
                guard isNamed == isOwn else { continue }
                // A phone that does not find itself takes itself for not registered.
                let isNeeded = isOwn && !hasOwn
                guard isNeeded || buffer.count + Self.length(binding, bindings) <= most
                else { continue }
                hasOwn = hasOwn || isOwn
                contact(binding, bindings, now)
            }
        }
    }

    /// At most how long the line of a binding is.
    private static func length(_ binding: Binding, _ bindings: borrowing Bindings) -> Int {
        let frame = "Contact: <>;expires=604800;+sip.instance=;reg-id=\r\n".utf8.count
        return frame + bindings.contact(binding).count + bindings.instance(binding).count
    }

    private mutating func contact(
        _ binding: Binding, _ bindings: borrowing Bindings, _ now: Milliseconds
    ) {
        append("Contact: <")
        append(bindings.contact(binding))
        append(">;expires=")
        let left = (binding.expires - now).count
        append(decimal: UInt64(max((left + 999) / 1000, 0)))
        let instance = bindings.instance(binding)
        if let end = instance.lastIndex(of: UInt8(ascii: ";")) {
            append(";+sip.instance=")
            append(instance.extracting(0..<end))
            append(";reg-id=")
            append(instance.extracting(end + 1..<instance.count))
        }
        endLine()
    }
}
