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
package struct AccessLists: Sendable {
    private var lists: [[UInt8]: [AccessLine]] = [:]

    /// The lines of the list of that very name, permit and deny; nil when there is none, and when there are two, of
    /// which nobody knows which one Asterisk means.
    package func lines(_ name: [UInt8]) -> [AccessLine]? { lists[name] }

    /// No list.
    init() {}

    /// Every section of acl.conf.
    init(_ file: Configuration, _ folder: inout AsteriskFolder) {
        var seen: Set<[UInt8]> = []
        for section in file.objects {
            if seen.insert(section.name).inserted {
                lists[section.name] = section.accessLines(contact: "contact").filter {
                    $0.kind != .list && !$0.isOfContact
                }
            } else {
                lists[section.name] = nil
                folder.note(
                    Finding(
                        .missing, at: section.place,
                        "there are two lists [\(section.name.shown)], and nobody is let in by either: write one"
                    ))
            }
        }
    }
}
