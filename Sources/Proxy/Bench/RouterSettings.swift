package import Dialling
package import Digest
package import Messages
internal import SIP
internal import SIPWriting
package import Sys

/// The settings that the router core reads, gathered from what the supervisor tells.
package struct RouterSettings: Sendable {
    /// The served domains, lower case.
    package var domains: [[UInt8]] = []
    /// The networks whose peers are shown what we are bound to.
    package var localNetworks: [Network] = []
    /// The Asterisks.
    package var asterisks: [SocketAddress] = []
    /// The digest realm.
    package var realm: [UInt8] = Array(Setting.accounts.realm.standard.utf8)
    /// The digest algorithms that phones are offered, in this order.
    package var algorithms: [DigestAlgorithm] = []
    /// How many proven wrong digests within `window` ban a source.
    package var failures = Setting.defence.failures.standard
    /// The window they are counted in.
    package var window = Setting.defence.window.standard
    /// How long the first ban lasts.
    package var ban = Setting.defence.ban.standard
    /// Networks that are never banned.
    package var allow: [Network] = []
    /// The shortest binding a phone may ask for.
    package var minimumExpires = Setting.registration.minimum.standard
    /// The longest binding a phone gets.
    package var maximumExpires = Setting.registration.maximum.standard
    /// How many bindings an account may have.
    package var contacts = Int(Setting.registration.contacts.standard)
    /// How many requests a second an account may make.
    package var requests = Setting.accounts.requests.standard
    /// The accounts that may show callers of their own.
    private var callers: [[UInt8]] = []

    /// The classes of sources.
    package var profiles = Profiles()
    /// The detectors' limits.
    package var limits: [Detector: Limit] = [:]
    /// Names that only an attacker tries.
    package var traps: Set<[UInt8]> = []
    /// Whether nothing is refused that only the defence would refuse: it says what it would have done.
    package var isObserving = Setting.defence.mode.standard == .observe
    /// How many answers a second go to an address that has proven nothing.
    package var replies = Setting.defence.replies.standard
    /// How many datagrams a second an address may send, and how many answers it gets at most; 0 for any.
    package var packets = Setting.defence.packets.standard

    /// What accounts may call, and how much.
    package var calls = CallRules([])
    /// Who calls without an account.
    package var trunks: [TrunkSettings] = []

    /// The limit of a detector.
    package func limit(_ detector: Detector) -> Limit {
        detector == .wrongPassword
            ? Limit(failures, in: window) : limits[detector] ?? detector.standard
    }

    /// The settings of a start set; what it leaves out keeps its default.
    package init(_ settings: [RouterSetting]) {
        var offered: [OfferedAlgorithm] = []
        var callRules: [CallRule] = []
        for setting in settings {
            switch setting {
            case .domain(let text): domains.append(Array(text.utf8))
            case .localNetwork(let network): localNetworks.append(network)
            case .asterisk(let address): asterisks.append(address)
            case .realm(let text): realm = Array(text.utf8)
            case .failures(let count): failures = count
            case .window(let span): window = span
            case .ban(let span): ban = span
            case .allow(let network): allow.append(network)
            case .minimumExpires(let span): minimumExpires = span
            case .maximumExpires(let span): maximumExpires = span
            case .contacts(let count): contacts = Int(count)
            case .requests(let count): requests = count
            case .callers(let account, .any): callers.append(Array(account.utf8))
            case .algorithm(let algorithm): offered.append(algorithm)
            case .limit(let detector, let limit): limits[detector] = limit
            case .trap(let name): traps.insert(Array(name.utf8))
            case .replies(let count): replies = count
            case .packets(let count): packets = count
            case .profile(let name, let rule): profiles.adopt(name, rule)
            case .mode(let mode): isObserving = mode == .observe
            case .calls(let rule): callRules.append(rule)
            case .trunk(let name, let rule): adopt(name, rule)
            // The listeners are made of them (`Listener.numbered`).
            case .outside, .inside: break
            }
        }
        if offered.isEmpty { offered = Setting.accounts.algorithms.standard }
        algorithms = offered.map { $0 == .md5 ? .md5 : .sha256 }
        calls = CallRules(callRules)
    }

    /// Whether the account of a name may show callers of its own.
    package func mayShowCallers(_ name: Span<UInt8>) -> Bool {
        for known in callers where known.span.equals(name) { return true }
        return false
    }

    private mutating func adopt(_ trunk: String, _ rule: TrunkRule) {
        let place =
            trunks.firstIndex { $0.name == trunk }
            ?? {
                trunks.append(TrunkSettings(trunk))
                return trunks.count - 1
            }()
        trunks[place].adopt(rule)
    }
}
