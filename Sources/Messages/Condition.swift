internal import Wire

/// Something that is wrong now, with a component or with the edge as a whole, and lasts until it is mended.
///
/// A component tells all of its own by `ChildMessage.conditions`, whenever they change; the supervisor adds
/// what it sees itself. The worst of all is what systemd's status line and `rempart status` begin with.
package struct Condition: Equatable, Sendable {
    /// What kind of thing is wrong; a smaller number is worse.
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// No phone is served at all.
        case noSIP = 10
        /// Many accounts are gone or have changed at once: what they let in stays until they are read again.
        case heldBack = 15
        /// The accounts cannot be read, or there are none: who is not known already cannot register or call.
        case accounts = 20
        /// Something of the source of the accounts is not read: what was read before serves, or other accounts do.
        case source = 22
        /// The kernel has no route to an Asterisk: nothing that is sent there leaves this machine.
        case route = 25
        /// No Asterisk answers: no call goes through.
        case noAsterisk = 30
        /// An Asterisk does not answer, another one does.
        case asterisk = 35
        /// Bindings, bans or accounts are not kept over a restart.
        case state = 40
        /// A certificate cannot be used, has expired, or is about to.
        case certificate = 50
        /// An address of the settings is not on this machine.
        case address = 60
        /// A component does not serve.
        case component = 70
        /// The programs on disk are not those that run: what is started anew may not fit what runs.
        case programs = 75
        /// The settings file was refused at the last reload: the next start would refuse it too.
        case settings = 80
        /// Something has run out: descriptors, memory, room in a table.
        case resources = 90
        /// The kernel does not enforce bans or limits that it should.
        case firewall = 100

        /// The word for it, in JSON and for filters.
        package var name: String {
            switch self {
            case .noSIP: "no-sip"
            case .heldBack: "held-back"
            case .accounts: "accounts"
            case .source: "source"
            case .route: "route"
            case .noAsterisk: "no-asterisk"
            case .asterisk: "asterisk"
            case .state: "state"
            case .certificate: "certificate"
            case .address: "address"
            case .component: "component"
            case .programs: "programs"
            case .settings: "settings"
            case .resources: "resources"
            case .firewall: "firewall"
            }
        }

        /// What it means, in a sentence.
        package var meaning: String {
            switch self {
            case .noSIP: "No phone is served at all."
            case .heldBack:
                "Many accounts are gone or have changed at once: what they let in stays until they are "
                    + "read again."
            case .accounts:
                "The accounts cannot be read, or there are none: who is not known already cannot register or call."
            case .source:
                "Something of the source of the accounts is not read: what was read before serves, or other "
                    + "accounts do."
            case .route:
                "The kernel has no route to an Asterisk: nothing that is sent there leaves this machine."
            case .noAsterisk: "No Asterisk answers: no call goes through."
            case .asterisk: "An Asterisk does not answer, another one does."
            case .state: "Bindings, bans, accounts or keys are not kept over a restart."
            case .certificate: "A certificate cannot be used, has expired, or is about to."
            case .address: "An address of the settings is not on this machine."
            case .component: "A component does not serve."
            case .programs:
                "The programs on disk are not those that run: what is started anew may not fit."
            case .settings:
                "The settings file was refused at the last reload: the next start would refuse it too."
            case .resources: "Something has run out: descriptors, memory, room in a table."
            case .firewall: "The kernel does not enforce bans or limits that it should."
            }
        }
    }

    /// Which of a condition's two records, that it has begun and that it is over, the component writes that tells of
    /// it; the supervisor writes the others.
    package enum Recorded: UInt8, Sendable {
        /// None.
        case neither = 0
        /// That it has begun.
        case begin = 1
        /// Both.
        case both = 2
    }

    /// What kind of thing is wrong.
    package let kind: Kind
    /// What is wrong and what to do about it: one line, of which at most 400 bytes arrive.
    package let text: String
    /// Which of its records its component writes.
    package let recorded: Recorded

    /// A condition of a kind, in words that begin without a capital.
    package init(_ kind: Kind, _ text: String, recorded: Recorded = .neither) {
        self.kind = kind
        self.text = text
        self.recorded = recorded
    }

    /// How many a component may tell of at a time; those beyond are left out, the worst come first.
    package static let most = 8
    private static let textLimit = 400

    /// Conditions of these, the worst first, at most `most`.
    package static func worst(of conditions: [Condition]) -> [Condition] {
        Array(conditions.sorted { $0.kind.rawValue < $1.kind.rawValue }.prefix(most))
    }

    /// Writes it.
    func write(to writer: inout WireWriter) {
        writer.u8(kind.rawValue)
        writer.u8(recorded.rawValue)
        writer.string(text, cutTo: Self.textLimit)
    }

    /// Reads it.
    init(from reader: inout WireReader) throws(WireError) {
        kind = try reader.choice("condition")
        recorded = try reader.choice("condition's records")
        text = try reader.string("condition", limit: Self.textLimit)
    }
}
