internal import Messages
internal import Sys

/// Rules that hold between trunks, and between them and everything else.
extension Walker {
    /// Checks that what comes is of one trunk, that what goes has one way, and that profiles name trunks.
    mutating func checkTrunks() {
        checkTrunkEndpoints()
        checkTrunkSources()
        checkTrunkDomains()
        checkTrunkProfiles()
    }

    /// A trunk's calls go from its inside socket to any Asterisk of the socket's family, of which there is one.
    private mutating func checkTrunkEndpoints() {
        let asterisks = values.compactMap { value -> (server: SocketAddress, line: Int)? in
            guard case .asterisk(let server) = value.setting.told.router else { return nil }
            return (server, value.position.line)
        }
        guard let first = asterisks.first else { return }
        for value in values {
            guard case .trunk(_, .inside(let endpoint)) = value.setting.told.router,
                asterisks.allSatisfy({ $0.server.ip.isV4 != endpoint.address.ip.isV4 })
            else { continue }
            error(
                value.position,
                "`\(endpoint)` does not reach the Asterisk `\(first.server)` (line \(first.line)): take an"
                    + " \(first.server.ip.family) address")
        }
    }

    /// Addresses of a trunk, or of an Asterisk when the name is nil.
    private struct Source {
        let network: Network
        let trunk: String?
        let position: Position

        /// The order in which a network comes after all that hold it.
        var order: (Int, UInt64, UInt64, UInt8) {
            let first = network.address
            return (first.isV4 ? 0 : 1, first.high, first.low, network.prefix)
        }
    }

    /// An address belongs to one trunk or to an Asterisk.
    private mutating func checkTrunkSources() {
        let sources = values.compactMap { value -> Source? in
            switch value.setting.told.router {
            case .asterisk(let server):
                Source(network: Network(server.ip), trunk: nil, position: value.position)
            case .trunk(let name, let rule):
                rule.sources.map { Source(network: $0, trunk: name, position: value.position) }
            default: nil
            }
        }
        // Networks hold one another or are apart: those around one are a stack, if it comes after them.
        var around: [Source] = []
        var told: Set<Position> = []
        for source in sources.sorted(by: { $0.order < $1.order }) {
            while let last = around.last, !last.network.overlaps(source.network) {
                around.removeLast()
            }
            if let other = around.last(where: { $0.trunk != source.trunk }) {
                let (first, second) = Self.inOrder(source, other)
                // A network may hold many of another's addresses: once is enough.
                if told.insert(second.position).inserted { tell(second, sharesWith: first) }
            }
            around.append(source)
        }
    }

    /// The two in the order of the text, an Asterisk first.
    private static func inOrder(_ one: Source, _ other: Source) -> (Source, Source) {
        let isFirst = one.trunk == nil || other.trunk != nil && one.position < other.position
        return isFirst ? (one, other) : (other, one)
    }

    /// Tells that addresses of a trunk are another's, or an Asterisk's.
    private mutating func tell(_ second: Source, sharesWith first: Source) {
        let isOne = second.network.isOneAddress
        let text = isOne ? "\(second.network.address)" : "\(second.network)"
        let line = first.position.line
        guard let trunk = first.trunk else {
            error(
                second.position,
                "`\(text)` \(isOne ? "is" : "holds") the address of an Asterisk (line \(line)): give the"
                    + " trunk's own")
            return
        }
        error(
            second.position,
            "`\(text)` shares addresses with the trunk `\(trunk)` (line \(line)), so that nobody knows"
                + " whose a call is: make one trunk of both")
    }

    /// A name in a call leads to this edge's phones, or to one trunk.
    private mutating func checkTrunkDomains() {
        var owners: [String: (trunk: String, line: Int)] = [:]
        for value in values {
            guard case .trunk(let name, .server(let address)) = value.setting.told.router else {
                continue
            }
            let host = address.ip.isV4 ? "\(address.ip)" : "[\(address.ip)]"
            if owners[host] == nil { owners[host] = (name, value.position.line) }
        }
        var served: [String: Int] = [:]
        for value in values {
            guard case .domain(let domain) = value.setting.told.router else { continue }
            if served[domain] == nil { served[domain] = value.position.line }
        }
        for value in values {
            guard case .trunk(let name, .domain(let domain)) = value.setting.told.router else {
                continue
            }
            if let line = served[domain] {
                error(
                    value.position,
                    "`\(domain)` is in `domains` (line \(line)), which are this edge's: give the"
                        + " provider's own")
            } else if let owner = owners[domain], owner.trunk != name {
                error(
                    value.position,
                    "`\(domain)` leads to the trunk `\(owner.trunk)` (line \(owner.line)) already: one"
                        + " domain is of one trunk")
            } else {
                owners[domain] = (name, value.position.line)
            }
        }
    }

    /// A profile's trunks are there, and each is in one profile.
    private mutating func checkTrunkProfiles() {
        let trunks = members.filter { $0.group.name == Schema.trunkNames.name }.map(\.name)
        var profiles: [String: (name: String, line: Int)] = [:]
        for value in values {
            guard case .profile(let profile, .trunk(let trunk)) = value.setting.told.router else {
                continue
            }
            if let other = profiles[trunk], other.name != profile {
                error(
                    value.position,
                    "the trunk `\(trunk)` is in the profile `\(other.name)` (line \(other.line))"
                        + " already: it is in one")
            } else if !trunks.contains(trunk), !meant.contains(Schema.trunkNames.name) {
                let near = Spelling.nearest(to: trunk, among: trunks)
                let hint =
                    near.map { "; did you mean `\($0)`?" }
                    ?? (trunks.isEmpty
                        ? ": `trunks` has none" : ": they are \(trunks.joined(separator: ", "))")
                error(value.position, "there is no trunk `\(trunk)`\(hint)")
            }
            profiles[trunk] = (profile, value.position.line)
        }
    }
}
