// permit, deny and acl lines, in the order in which they stand, which is the order in which they apply.

/// A line of an access list.
package struct AccessLine: Equatable, Sendable {
    /// What the line does.
    package enum Kind: Sendable {
        /// It lets networks in.
        case permit
        /// It keeps networks out.
        case deny
        /// It names lists of acl.conf.
        case list
    }

    /// What the line does.
    package let kind: Kind
    /// Whether it is about the host of a Contact rather than about where a request comes from.
    package let isOfContact: Bool
    /// The networks, or the names of lists, as they stand; never empty.
    package let value: [UInt8]
    /// Where it stands.
    package let place: Place
}

extension Section {
    /// The lines of its access list in order, those for Contacts beginning with a prefix; lines without a value are
    /// left out, as Asterisk does.
    func accessLines(contact prefix: StaticString) -> [AccessLine] {
        let prefix = [UInt8](of: prefix)
        return variables.compactMap { variable in
            guard !variable.value.isEmpty else { return nil }
            let isOfContact = variable.name.prefix(prefix.count).isSpelled(prefix)
            let word = isOfContact ? variable.name.dropFirst(prefix.count) : variable.name[...]
            let kind: AccessLine.Kind? =
                if word.isSpelled("permit") {
                    .permit
                } else if word.isSpelled("deny") {
                    .deny
                } else { word.isSpelled("acl") ? .list : nil }
            return kind.map {
                AccessLine(
                    kind: $0, isOfContact: isOfContact, value: variable.value, place: variable.place
                )
            }
        }
    }
}

/// The lists of acl.conf.
package struct AccessLists: Equatable, Sendable {
    private var lists: [[UInt8]: [AccessLine]] = [:]

    /// The names of all lists.
    package var names: some Collection<[UInt8]> { lists.keys }

    /// The permit and deny lines of the list of that very name, in order; nil when there is none.
    ///
    /// Asterisk lets nobody in by a list that is not there.
    package func lines(_ name: [UInt8]) -> [AccessLine]? { lists[name] }

    /// No list.
    package init() {}

    /// Every section of acl.conf, those of one name together; none at all, as in Asterisk, while something is
    /// neither a permit nor a deny of a list.
    ///
    /// Asterisk has no list either while a network in one cannot be read, which is not looked at here.
    init(_ file: Configuration, _ folder: inout AsteriskFolder) {
        for section in file.objects {
            if let place = Self.stranger(in: section) {
                lists = [:]
                folder.note(
                    Finding(
                        .ignored, at: place,
                        "Asterisk has no list of acl.conf at all while this is neither a permit nor a deny of a list: take it out"
                    ))
                return
            }
            lists[section.name, default: []] += section.accessLines(contact: "contact")
        }
    }

    /// Where something stands that is no line of a list.
    private static func stranger(in section: Section) -> Place? {
        if section.name.elementsEqual("general".utf8) { return section.place }
        return section.variables.first { variable in
            let isKnown = variable.name.isSpelled("permit") || variable.name.isSpelled("deny")
            return !isKnown || variable.value.isEmpty
        }?.place
    }
}
