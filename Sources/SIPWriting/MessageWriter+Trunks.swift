internal import Messages
package import SIP
package import Sys

/// What goes to and comes from trunks as it does between any two proxies.
extension MessageWriter {
    /// Writes the Routes of an Asterisk's request to a trunk, but for the topmost, which leads to us.
    package mutating func routes(_ message: Span<UInt8>, _ index: borrowing MessageIndex) {
        guard isTrunk else { return }
        var isFirst = true
        var values = FieldValues(.route)
        while let value = values.next(message, index) {
            if !isFirst { header("Route", message.bytes(value), .outward) }
            isFirst = false
        }
    }

    /// Writes the Record-Routes of a trunk's proxies, in their order, without ours.
    package mutating func recordRoutes(_ message: Span<UInt8>, _ index: borrowing MessageIndex) {
        guard isTrunk else { return }
        var values = FieldValues(.recordRoute)
        while let value = values.next(message, index) {
            if isOurs(value, message) { continue }
            header("Record-Route", message.bytes(value), .inward)
        }
    }

    private mutating func isOurs(_ route: Slice, _ message: Span<UInt8>) -> Bool {
        guard let address = try? NameAddress(route, in: message) else { return false }
        return tokens.isPhone(message.bytes(address.uri.user), of: dialog)
    }

    /// Writes those Contacts of a trunk's answer to a REGISTER that are this Asterisk's, as it knows them.
    package mutating func registeredContacts(
        _ message: Span<UInt8>, _ index: borrowing MessageIndex, of asterisk: SocketAddress
    ) {
        var values = FieldValues(.contact)
        while let value = values.next(message, index) {
            guard let contact = try? NameAddress(value, in: message),
                let token = tokens.registration(message.bytes(contact.uri.user)),
                token.asterisk == asterisk
            else { continue }
            append("Contact: <")
            append(uriOf: token.asterisk, user: token.user.span)
            append(">")
            parameters(contact, message)
            endLine()
        }
    }

    /// Writes From of a trunk's request, with who stands for the caller.
    mutating func caller(
        _ from: NameAddress, _ message: Span<UInt8>, _ caller: WrittenCaller, _ trunk: Span<UInt8>
    ) {
        guard caller != .asWritten else {
            party("From", from, message)
            return
        }
        append("From: ")
        displayName(from, message)
        append("<sip:")
        if caller == .anonymous {
            append("anonymous")
        } else {
            // The colon ends what stands before the name in that of the row.
            let start = trunk.first(UInt8(ascii: ":")).map { $0 + 1 } ?? 0
            append(trunk.extracting(start..<trunk.count))
        }
        append("@")
        if from.uri.host.isEmpty { appendDomain() } else { append(message.bytes(from.uri.host)) }
        append(">")
        partyParameters(from, message)
        endLine()
    }
}
