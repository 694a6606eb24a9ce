// What chan_sip, of Asterisk up to 20, has of sip.conf and users.conf.

/// A peer: an account of chan_sip's.
package struct ChanSipPeer: Equatable, Sendable {
    /// The name, which is the digest user too; of sections that differ by capitals that of the last one.
    package fileprivate(set) var name: [UInt8]
    /// The clear secret, or empty.
    package fileprivate(set) var secret: [UInt8] = []
    /// The HA1 by MD5 in hexadecimal, or empty; it wins over the secret.
    package fileprivate(set) var md5Secret: [UInt8] = []
    /// Whether it may call in (type user or friend).
    package fileprivate(set) var mayCall = false
    /// Whether it may be registered and called (type peer or friend).
    package fileprivate(set) var isCalled = false
    /// Whether it registers where it is (host=dynamic), rather than having an address.
    package fileprivate(set) var isDynamic = false
    /// Its access list.
    package fileprivate(set) var access: [AccessLine] = []
    /// Where its first section stands.
    package let place: Place

    /// Takes a section's variables after those that it has.
    fileprivate mutating func read(_ section: Section) {
        for variable in section.variables {
            if variable.name.isSpelled("secret") {
                secret = variable.value
            } else if variable.name.isSpelled("md5secret") {
                md5Secret = variable.value
            } else if variable.name.isSpelled("type") {
                let isFriend = variable.value.isSpelled("friend")
                mayCall = mayCall || isFriend || variable.value.isSpelled("user")
                isCalled = isCalled || isFriend || variable.value.isSpelled("peer")
            } else if variable.name.isSpelled("host") {
                isDynamic = variable.value.isSpelled("dynamic")
            }
        }
        access += section.accessLines(contact: "contact")
    }
}

/// chan_sip's peers from files; those of a database are not in it.
package struct ChanSipConfiguration: Sendable {
    /// The section `general` of sip.conf: realm, domainsasrealm, alwaysauthreject, allowguest and others.
    package private(set) var general: Section?
    /// The peers in the order of the files, users.conf first.
    package private(set) var peers: [ChanSipPeer] = []
    private var places: [[UInt8]: Int] = [:]

    /// The peer of that name, byte by byte: the digest user has to be spelled so.
    package func peer(_ name: [UInt8]) -> ChanSipPeer? {
        places[name.folded].map { peers[$0] }.flatMap { $0.name == name ? $0 : nil }
    }

    /// No peer.
    init() {}

    /// Reads users.conf and sip.conf.
    init(
        _ folder: inout AsteriskFolder, _ realtime: RealtimeMap
    ) throws(ConfigurationFault) {
        if let users = try folder.file("users.conf", realtime) { addUsers(users) }
        guard let file = try folder.file("sip.conf", realtime) else { return }
        general = file.section("general")
        for name: StaticString in ["contactdeny", "contactpermit", "contactacl"] {
            guard let line = general?.first(name) else { continue }
            folder.note(
                Finding(
                    .missing, at: line.place,
                    "\(name) of [general] is not applied: write it into the phones' own sections"))
        }
        for section in file.objects
        where !section.name.isSpelled("general") && !section.name.isSpelled("authentication") {
            let type = section.first("type")?.value ?? []
            guard type.isSpelled("peer") || type.isSpelled("user") || type.isSpelled("friend")
            else {
                folder.note(
                    Finding(
                        .ignored, at: section.place,
                        "[\(section.name.shown)] has no type, or one that chan_sip does not know, and is no peer"
                    ))
                continue
            }
            add(section)
        }
    }

    /// Adds the users of users.conf that have SIP, each with the variables of `general` before its own.
    private mutating func addUsers(_ file: Configuration) {
        let general = file.section("general")
        let isCommon = general?.first("hassip")?.value.isTrue ?? false
        for section in file.objects where !section.name.isSpelled("general") {
            guard section.first("hassip")?.value.isTrue ?? isCommon else { continue }
            let index = general.map { add($0, as: section) }
            add(section)
            peers[index ?? peers.count - 1].mayCall = true
            peers[index ?? peers.count - 1].isCalled = true
        }
    }

    /// Reads a section into the peer of its name, or of another section's: chan_sip takes two of one name together,
    /// whatever their capitals.
    @discardableResult
    private mutating func add(_ section: Section, as named: Section? = nil) -> Int {
        let named = named ?? section
        let key = named.name.folded
        let index = places[key] ?? peers.count
        if index == peers.count {
            peers.append(ChanSipPeer(name: named.name, place: named.place))
            places[key] = index
        }
        peers[index].name = named.name
        peers[index].read(section)
        return index
    }
}
