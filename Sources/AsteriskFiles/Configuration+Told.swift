// Files as a running Asterisk tells them by its manager interface (AMI), in place of the files themselves.

extension Configuration {
    /// The sections of an answer to GetConfig, whose templates Asterisk has resolved and left out; nil when its fields
    /// are not in an order that Asterisk gives them.
    ///
    /// What is no section and no line of one is passed over. More than the limits of a folder is none either.
    package init?(
        told fields: [(name: [UInt8], value: [UInt8])], file: String,
        limits: ConfigurationLimits = ConfigurationLimits()
    ) {
        // Asterisk tells no lines.
        let place = Place(file: file, line: 0)
        var sections: [Section] = []
        var variables = 0
        for (name, value) in fields {
            if name.starts(with: "Category-".utf8) {
                sections.append(Section(name: value, place: place))
            } else if name.starts(with: "Line-".utf8) {
                guard !sections.isEmpty, let equals = value.firstIndex(of: UInt8(ascii: "="))
                else { return nil }
                variables += 1
                sections[sections.count - 1].variables.append(
                    Variable(
                        name: Array(value[..<equals]), value: Array(value[(equals + 1)...]),
                        place: place))
            }
            guard sections.count <= limits.sections, variables <= limits.variables else {
                return nil
            }
        }
        self.init(sections: sections)
    }
}

extension AsteriskConfiguration {
    /// The files that can say something about a driver's accounts, but for those that sorcery.conf names, and for the
    /// logins of databases.
    package static func told(of driver: Driver) -> [String] {
        ["extconfig.conf", "acl.conf"]
            + (driver == .pjsip
                ? ["sorcery.conf", "pjsip.conf", "pjsip_wizard.conf"] : ["sip.conf", "users.conf"])
    }

    /// What files say of a driver that an Asterisk has told, by their names; `place` is what it is called.
    package init(
        told files: [String: Configuration], place: String, driver: Driver
    ) throws(ConfigurationFault) {
        try self.init(AsteriskFolder(told: files, place: place), drivers: [driver])
    }
}
