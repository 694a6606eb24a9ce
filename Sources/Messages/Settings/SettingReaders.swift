package import Sys

/// What sip-router is told of the settings, a value at a time.
///
/// The values of a key, their range and their default stand in the key's row, `Setting.GROUP.KEY`.
package enum RouterSetting: Equatable, Sendable {
    /// A served domain, lower case (`domains`).
    case domain(String)
    /// Where the Internet reaches us, and the address that a NAT has for it (`outside`).
    case outside(Endpoint, advertised: SocketAddress? = nil)
    /// A network that reaches us at what we are bound to, with no NAT between (`local-networks`).
    case localNetwork(Network)
    /// Where the Asterisks reach us, by UDP or TCP (`inside`).
    case inside(Endpoint)
    /// An Asterisk, by its UDP address (`asterisk.servers`).
    case asterisk(SocketAddress)
    /// The digest realm, as Asterisk's own (`accounts.realm`).
    case realm(String)
    /// A digest algorithm that phones are offered, in the order of preference (`accounts.algorithms`).
    case algorithm(OfferedAlgorithm)
    /// How many requests a second an account may make (`accounts.requests`).
    case requests(UInt32)
    /// How long a row serves that its source does not confirm (`accounts.stale`).
    case stale(Milliseconds)
    /// Which callers of its own the account of this name may show (`accounts.callers`).
    case callers(String, ShownCallers)
    /// One line of a trunk of this name (`trunks.NAME`).
    case trunk(String, TrunkRule)
    /// What an account may call, and how much (`calls`).
    case calls(CallRule)
    /// Whether the defence acts, or records alone (`defence.mode`).
    case mode(DefenceMode)
    /// How many proven wrong digests within the window ban a source (`defence.failures`).
    case failures(UInt32)
    /// The window they are counted in (`defence.window`).
    case window(Milliseconds)
    /// How long the first ban lasts (`defence.ban`).
    case ban(Milliseconds)
    /// A network that is never banned (`defence.allow`).
    case allow(Network)
    /// How many datagrams a second a stranger may send; 0: any (`defence.packets`).
    case packets(UInt32)
    /// How many answers a second go to an address that has proven nothing (`defence.replies`).
    case replies(UInt32)
    /// A name that only an attacker tries (`defence.traps`).
    case trap(String)
    /// A detector's limit (`limits.NAME`).
    case limit(Detector, Limit)
    /// One line of a profile of this name (`profiles.NAME`).
    case profile(String, ProfileRule)
    /// The shortest binding that a phone may ask for (`registration.minimum`).
    case minimumExpires(Milliseconds)
    /// The longest binding that a phone gets (`registration.maximum`).
    case maximumExpires(Milliseconds)
    /// How many bindings an account may have (`registration.contacts`).
    case contacts(UInt32)
}

/// What accounts-reader is told of the settings, a value at a time.
package enum AccountsReaderSetting: Equatable, Sendable {
    /// A served domain, lower case (`domains`).
    case domain(String)
    /// Where the Asterisks reach us (`inside`).
    case inside(Endpoint)
    /// The URL of what has the accounts (`accounts.source`).
    case source(String)
    /// As whom the source is asked (`accounts.user`).
    case user(String)
    /// The path of the file with the password, which is handed over opened (`accounts.secret-file`).
    case secretFile(String)
    /// Where Asterisk's manager interface is (`accounts.ami`).
    case manager(ServerName)
    /// The statement that finds an account (`accounts.query`).
    case query(String)
    /// The name of a table (`accounts.tables.FAMILY`).
    case table(AccountFamily, String)
    /// The tables' layout (`accounts.schema`).
    case schema(AccountSchema)
    /// In which order the rules of a row's access lists apply (`accounts.acl-order`).
    case accessOrder(AccessOrder)
    /// The digest realm (`accounts.realm`).
    case realm(String)
}

/// What directory is told of the settings, a value at a time.
package enum DirectorySetting: Equatable, Sendable {
    /// The digest realm (`accounts.realm`).
    case realm(String)
    /// How long a row serves that its source does not confirm (`accounts.stale`).
    case stale(Milliseconds)
}

/// What banner is told of the settings, a value at a time.
package enum BannerSetting: Equatable, Sendable {
    /// Where the Internet reaches us, and the address that a NAT has for it (`outside`).
    case outside(Endpoint, advertised: SocketAddress? = nil)
    /// Where the Asterisks reach us (`inside`).
    case inside(Endpoint)
    /// An Asterisk, by its UDP address (`asterisk.servers`).
    case asterisk(SocketAddress)
    /// One line of a trunk of this name (`trunks.NAME`).
    case trunk(String, TrunkRule)
    /// Whether the defence acts, or records alone (`defence.mode`).
    case mode(DefenceMode)
    /// A country that strangers may come from (`defence.countries`).
    case country(String)
    /// The path of the country database (`defence.geoip`).
    case geoip(String)
    /// The path of a file of networks that are shut out (`defence.blocklists`).
    case blockList(String)
    /// How long the first ban lasts (`defence.ban`).
    case ban(Milliseconds)
    /// How long the next ban of a source lasts, one for each after the first (`defence.growth`).
    case growth(Milliseconds)
    /// A network that is never banned (`defence.allow`).
    case allow(Network)
    /// How many datagrams a second a stranger may send; 0: any (`defence.packets`).
    case packets(UInt32)
    /// How many connections a second a stranger may open; 0: any (`defence.connections`).
    case connections(UInt32)
    /// Whether the firewall's table goes when the daemon stops (`defence.cleanup`).
    case cleanup(Bool)
}

/// What tls-terminator is told of the settings, a value at a time.
package enum TerminatorSetting: Equatable, Sendable {
    /// The path of a certificate with its chain, PEM; the first is the default (`tls.certificate`,
    /// `tls.certificates`).
    case certificate(String)
    /// The path of a private key, PEM: the n-th belongs to the n-th certificate (`tls.key`,
    /// `tls.certificates`).
    case key(String)
}

/// What the processes are told of one setting; nil: nothing.
package struct Told: Equatable, Sendable {
    /// What sip-router is told.
    package var router: RouterSetting?
    /// What accounts-reader is told.
    package var accountsReader: AccountsReaderSetting?
    /// What directory is told.
    package var directory: DirectorySetting?
    /// What banner is told.
    package var banner: BannerSetting?
    /// What tls-terminator is told.
    package var terminator: TerminatorSetting?

    /// The processes that are told something.
    var readers: [Role] {
        [
            router.map { _ in .router }, accountsReader.map { _ in .accountsReader },
            directory.map { _ in .directory }, banner.map { _ in .banner },
            terminator.map { _ in .terminator },
        ].compactMap(\.self)
    }
}

/// A process that is told the values of a row, and as what.
struct Reader<Value>: Sendable {
    /// Tells a value under a name that the file chose, empty where there is none.
    let tell: @Sendable (_ value: Value, _ name: String, _ told: inout Told) -> Void

    /// sip-router is told.
    static func router(_ make: @escaping @Sendable (Value) -> RouterSetting) -> Reader {
        Reader { value, _, told in told.router = make(value) }
    }

    /// accounts-reader is told.
    static func accountsReader(
        _ make: @escaping @Sendable (Value) -> AccountsReaderSetting
    ) -> Reader {
        Reader { value, _, told in told.accountsReader = make(value) }
    }

    /// directory is told.
    static func directory(_ make: @escaping @Sendable (Value) -> DirectorySetting) -> Reader {
        Reader { value, _, told in told.directory = make(value) }
    }

    /// banner is told.
    static func banner(_ make: @escaping @Sendable (Value) -> BannerSetting) -> Reader {
        Reader { value, _, told in told.banner = make(value) }
    }

    /// tls-terminator is told.
    static func terminator(_ make: @escaping @Sendable (Value) -> TerminatorSetting) -> Reader {
        Reader { value, _, told in told.terminator = make(value) }
    }

    /// sip-router is told what accounts may call.
    static func calls(_ make: @escaping @Sendable (Value) -> CallRule) -> Reader {
        Reader { value, _, told in told.router = .calls(make(value)) }
    }

    /// sip-router is told whom the account of a name may show.
    static func callers(_ make: @escaping @Sendable (Value) -> ShownCallers) -> Reader {
        Reader { value, name, told in told.router = .callers(name, make(value)) }
    }

    /// sip-router is told a line of a profile.
    static func profile(_ make: @escaping @Sendable (Value) -> ProfileRule) -> Reader {
        Reader { value, name, told in told.router = .profile(name, make(value)) }
    }

    /// sip-router and banner are told a line of a trunk.
    static func trunk(_ make: @escaping @Sendable (Value) -> TrunkRule) -> Reader {
        Reader { value, name, told in
            told.router = .trunk(name, make(value))
            told.banner = .trunk(name, make(value))
        }
    }
}
