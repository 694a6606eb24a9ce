// PJSIP's objects, from the sections of pjsip.conf or from the wizards of pjsip_wizard.conf.

/// An endpoint: an account of PJSIP's.
package struct PjsipEndpoint: Equatable, Sendable {
    /// The id.
    package let id: [UInt8]
    /// The ids of its auths, in order.
    package let auths: [[UInt8]]
    /// The ids of its addresses of record, in order.
    package let aors: [[UInt8]]
    /// Whether Asterisk proves itself to it (outbound_auth), as to a provider.
    package let hasOutboundAuth: Bool
    /// How Asterisk finds it, such as `username` and `auth_username`; empty when it does not say.
    package let identifiers: [[UInt8]]
    /// Its access list.
    package let access: [AccessLine]
    /// Where its section stands.
    package let place: Place

    init(_ section: Section) {
        id = section.name
        auths = section.value("auth").listItems
        aors = section.value("aors").listItems
        hasOutboundAuth = !section.value("outbound_auth").listItems.isEmpty
        identifiers = section.value("identify_by").listItems
        access = section.accessLines(contact: "contact_")
        place = section.place
    }
}

/// An auth: a user and what proves him.
package struct PjsipAuth: Equatable, Sendable {
    /// The id.
    package let id: [UInt8]
    /// The kind, `userpass` when the section does not say.
    package let kind: [UInt8]
    /// The digest user.
    package let username: [UInt8]
    /// The clear secret, or empty.
    package let password: [UInt8]
    /// The HA1 by MD5 in hexadecimal, or empty.
    package let md5Credential: [UInt8]
    /// Hashes as ALGORITHM:HEX, in order (Asterisk 22).
    package let digests: [[UInt8]]
    /// The realm of the hashes; empty for the default_realm of `global`.
    package let realm: [UInt8]
    /// Where its section stands.
    package let place: Place

    init(_ section: Section) {
        id = section.name
        kind = section.last("auth_type")?.value ?? [UInt8](of: "userpass")
        username = section.value("username")
        password = section.value("password")
        md5Credential = section.value("md5_cred")
        digests = section.values("password_digest")
        realm = section.value("realm")
        place = section.place
    }
}

/// An address of record.
package struct PjsipAor: Equatable, Sendable {
    /// The id.
    package let id: [UInt8]
    /// How many phones may register; 0 when the section does not say or says no number.
    package let maximumContacts: Int
    /// Where its section stands.
    package let place: Place

    init(_ section: Section) {
        id = section.name
        let text = String(decoding: section.value("max_contacts"), as: UTF8.self)
        maximumContacts = UInt32(text).map(Int.init) ?? 0
        place = section.place
    }
}

/// A rule by which requests of an address are an endpoint's, without a password.
package struct PjsipIdentify: Equatable, Sendable {
    /// The endpoint's id.
    package let endpoint: [UInt8]
    /// Addresses, networks and host names, in order.
    package let matches: [[UInt8]]
    /// Where its section stands.
    package let place: Place

    init(_ section: Section) {
        endpoint = section.value("endpoint")
        matches = section.values("match").flatMap(\.listItems)
        place = section.place
    }
}
