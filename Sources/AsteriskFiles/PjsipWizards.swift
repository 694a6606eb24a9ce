// pjsip_wizard.conf: sections of type=wizard, each of which stands for several objects (res_pjsip_config_wizard).

/// What a wizard stands for: the sections that pjsip.conf would have in its place.
struct PjsipWizard {
    /// The endpoint, of the wizard's own name.
    let endpoint: Section
    /// The address of record, of the wizard's own name.
    let aor: Section
    /// The auth NAME-iauth, when phones need a password.
    private(set) var auth: Section?
    /// Whether Asterisk registers it elsewhere.
    let registers: Bool
    /// The rule NAME-identify, when the other side has addresses in place of registering.
    private(set) var identify: Section?

    /// Expands a section.
    init(_ wizard: Section, _ folder: inout AsteriskFolder) {
        let name = wizard.name
        let acceptsAuth = wizard.value("accepts_auth").isTrue
        var endpoint = Self.object("endpoint/", of: wizard, name: name)
        endpoint.add("aors", name)
        if acceptsAuth { endpoint.add("auth", name + [UInt8](of: "-iauth")) }
        self.endpoint = endpoint
        aor = Self.object("aor/", of: wizard, name: name)
        registers = wizard.value("sends_registrations").isTrue
        if acceptsAuth { auth = Self.auth(of: wizard, &folder) }
        if !wizard.value("accepts_registrations").isTrue { identify = Self.identify(of: wizard) }
    }

    /// Whether a section is one: the name is a part of the variable's name to Asterisk.
    static func isOne(_ section: Section) -> Bool {
        section.variables.contains {
            $0.value.elementsEqual("wizard".utf8)
                && String(decoding: $0.name, as: UTF8.self).contains("type")
        }
    }

    /// The variables whose names begin with a prefix, without it.
    private static func object(
        _ prefix: StaticString, of wizard: Section, name: [UInt8]
    ) -> Section {
        let prefix = [UInt8](of: prefix)
        var section = Section(name: name, place: wizard.place)
        section.variables = wizard.variables.compactMap { variable in
            guard variable.name.starts(with: prefix), variable.name.count > prefix.count else {
                return nil
            }
            return Variable(
                name: Array(variable.name.dropFirst(prefix.count)), value: variable.value,
                place: variable.place)
        }
        return section
    }

    /// The inbound auth; Asterisk makes none when the outbound one, which it makes first, has no user.
    private static func auth(of wizard: Section, _ folder: inout AsteriskFolder) -> Section? {
        var needed: [StaticString] = ["inbound_auth/"]
        if wizard.value("sends_auth").isTrue { needed.append("outbound_auth/") }
        for prefix in needed where object(prefix, of: wizard, name: []).last("username") == nil {
            folder.note(
                Finding(
                    .ignored, at: wizard.place,
                    "the wizard [\(wizard.name.shown)] has no \(prefix)username, and Asterisk makes no auth for its phones"
                ))
            return nil
        }
        return object("inbound_auth/", of: wizard, name: wizard.name + [UInt8](of: "-iauth"))
    }

    private static func identify(of wizard: Section) -> Section? {
        let hosts = wizard.value("remote_hosts").listItems
        guard !hosts.isEmpty else { return nil }
        var section = object(
            "identify/", of: wizard, name: wizard.name + [UInt8](of: "-identify"))
        section.add("endpoint", wizard.name)
        if section.last("match") == nil {
            for host in hosts {
                section.add("match", Array(host.prefix { $0 != UInt8(ascii: ":") }))
            }
        }
        return section
    }
}

extension Section {
    /// Adds a variable that stands in no file.
    fileprivate mutating func add(_ name: StaticString, _ value: [UInt8]) {
        variables.append(Variable(name: [UInt8](of: name), value: value, place: place))
    }
}
