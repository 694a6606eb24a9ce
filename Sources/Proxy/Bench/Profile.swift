package import Messages
package import SIP
package import Sys

/// A class of sources, what they may do, and how they are answered.
package struct Profile: Equatable, Sendable {
    /// Its name in the settings: `phones`, `trunks` and `world` are there without being written.
    package var name: String
    /// The networks whose sources belong to it.
    package var networks: [Network] = []
    /// The countries whose sources belong to it.
    package var countries: [Country] = []
    /// The trunks that belong to it.
    package var trunks: [String] = []
    /// One bit for each method that may be used.
    package var methods: UInt32 = .max
    /// The transports that may be used; all when empty.
    package var transports: [Transport] = []
    /// What is answered to a source that has not authenticated.
    package var answer = Setting.profiles.answer.standard
    /// How many answers a second go to an address that has proven nothing; nil for `defence.replies`.
    package var replies: UInt32?
    /// How many calls an account may make at a time, nil for `calls.at-once`; or a trunk may have, nil for any.
    package var calls: UInt32?
    /// How many wrong passwords within the window ban a source; nil for `defence.failures`.
    package var failures: UInt32?

    /// A profile that allows everything.
    package init(_ name: String) { self.name = name }

    /// Whether a method and a transport may be used.
    package func allows(_ method: Method, _ transport: Transport) -> Bool {
        // ACK and CANCEL belong to the INVITE that was allowed.
        let isAllowed =
            method == .ack || method == .cancel || methods >> UInt32(method.rawValue) & 1 == 1
        return isAllowed && (transports.isEmpty || transports.contains(transport))
    }

    /// Takes one line of the settings.
    package mutating func adopt(_ rule: ProfileRule) {
        switch rule {
        case .network(let network): networks.append(network)
        case .country(let code): countries.append(Country(code))
        case .trunk(let name): trunks.append(name)
        case .method(let name):
            if methods == .max { methods = 0 }
            for method in Method.allCases where "\(method.name)" == name {
                methods |= 1 << UInt32(method.rawValue)
            }
        case .transport(let transport): transports.append(transport)
        case .answer(let answer): self.answer = answer
        case .replies(let count): replies = count
        case .calls(let count): calls = count
        case .failures(let count): failures = count
        }
    }
}

/// The profiles, and which one a source falls into.
package struct Profiles: Equatable, Sendable {
    /// Those of the settings, in their order; the three that are always there come last.
    package private(set) var all = [Profile("phones"), Profile("trunks"), Profile("world")]

    /// The three that are always there.
    package init() {}

    /// Whether the settings have any: without, every source may do everything.
    package private(set) var areWritten = false

    /// Takes one line of a profile.
    package mutating func adopt(_ name: String, _ rule: ProfileRule) {
        areWritten = true
        let place =
            all.firstIndex { $0.name == name }
            ?? {
                all.insert(Profile(name), at: all.count - 3)
                return all.count - 4
            }()
        all[place].adopt(rule)
    }

    /// Why a source falls into a profile.
    package enum Cause: Equatable, Sendable {
        /// The trunk that it is of.
        case trunk(String)
        /// The narrowest network that holds it.
        case network(Network)
        /// A phone is registered from it.
        case resident
        /// Its country.
        case country(Country)
        /// Nothing else applies.
        case none
    }

    /// The profile of a trunk: the one that lists it, else the one of all others.
    package func profile(ofTrunk name: String) -> Profile { all[number(ofTrunk: name)] }

    private func number(ofTrunk name: String) -> Int {
        all.firstIndex { $0.trunks.contains(name) } ?? all.count - 2
    }

    /// The profile of a source: by its trunk, by the narrowest network, then as a resident, then by its country.
    package func classify(
        _ ip: IPAddress, trunk: String?, isResident: Bool, country: Country
    ) -> (profile: Int, cause: Cause) {
        if let trunk { return (number(ofTrunk: trunk), .trunk(trunk)) }
        var best: (profile: Int, network: Network)?
        for (number, profile) in all.enumerated() {
            for network in profile.networks where network.contains(ip) {
                if best.map({ network.prefix > $0.network.prefix }) ?? true {
                    best = (number, network)
                }
            }
        }
        if let best { return (best.profile, .network(best.network)) }
        if isResident { return (all.count - 3, .resident) }
        if country != .unknown,
            let number = all.firstIndex(where: { $0.countries.contains(country) })
        {
            return (number, .country(country))
        }
        return (all.count - 1, .none)
    }
}
