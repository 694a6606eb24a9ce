package import Sys
internal import Wire

/// A live binding as `rempart phones` shows it.
package struct PhoneRow: Equatable, Sendable {
    /// The account's name.
    package var account: String
    /// The transport the phone is reached by.
    package var transport: Transport
    /// The phone's address as seen from here.
    package var address: SocketAddress
    /// The Contact URI it registered.
    package var contact: String
    /// What is left of the binding.
    package var expires: Milliseconds
    /// Its User-Agent, empty when it sent none.
    package var userAgent: String
    /// Whether it can be called.
    package var presence: PhonePresence
    /// How long ago it was last heard; nil for one by a connection, which says so itself when it ends.
    package var silence: Milliseconds?

    /// A row of its columns.
    package init(
        account: String, transport: Transport, address: SocketAddress, contact: String,
        expires: Milliseconds, userAgent: String, presence: PhonePresence = .there,
        silence: Milliseconds? = nil
    ) {
        self.account = account
        self.transport = transport
        self.address = address
        self.contact = contact
        self.expires = expires
        self.userAgent = userAgent
        self.presence = presence
        self.silence = silence
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.string(account, cutTo: 255)
        writer.u8(transport.rawValue)
        writer.address(address)
        writer.string(contact, cutTo: Bounds.longestContact)
        writer.span(expires, upTo: Bounds.longestBinding)
        writer.string(userAgent, cutTo: 512)
        writer.u8(presence.rawValue)
        writer.bool(silence != nil)
        writer.span(silence ?? Milliseconds(0), upTo: Bounds.longestBinding)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            account: try reader.string("account", limit: 255),
            transport: try reader.choice("transport"),
            address: try reader.reachable("address"),
            contact: try reader.string("contact", limit: Bounds.longestContact),
            expires: try reader.span("expires", upTo: Bounds.longestBinding),
            userAgent: try reader.string("userAgent", limit: 512),
            presence: try reader.choice("presence"))
        let isKnown = try reader.bool()
        let silence = try reader.span("silence", upTo: Bounds.longestBinding)
        if isKnown { self.silence = silence }
    }
}

/// Whether a phone can be called.
package enum PhonePresence: UInt8, CaseIterable, Sendable {
    /// It can.
    case there = 1
    /// It is called, though it answers no OPTIONS, so that nobody knows whether it is there.
    case mute = 2
    /// It cannot: it has left three OPTIONS unanswered, or its connection is over.
    case gone = 3
}
