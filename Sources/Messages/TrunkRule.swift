package import Sys
internal import Wire

/// One line of a trunk: a provider, or another exchange, that calls without an account.
package enum TrunkRule: Equatable, Sendable {
    /// The edge's own socket toward the Asterisks for this trunk alone; UDP.
    case inside(Endpoint)
    /// Where calls to it go, by UDP, in this order; calls come from there too.
    case server(SocketAddress)
    /// Another network that its calls come from.
    case network(Network)
    /// What stands for it in a Request-URI, lower case, at most 255 bytes; its first server when there is none.
    case domain(String)
    /// How many requests of it may begin something in a second, 0 to 10,000; 0: any.
    case perSecond(UInt32)
}

extension TrunkRule {
    /// Writes the rule.
    func write(to writer: inout WireWriter) {
        switch self {
        case .inside(let endpoint):
            writer.u8(1)
            writer.endpoint(endpoint)
        case .server(let address):
            writer.u8(2)
            writer.address(address)
        case .network(let network):
            writer.u8(3)
            writer.network(network)
        case .domain(let name):
            writer.u8(4)
            writer.string(name)
        case .perSecond(let count):
            writer.u8(5)
            writer.u32(count)
        }
    }

    /// Reads a rule.
    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.u8() {
        case 1:
            let endpoint = try reader.endpoint()
            guard endpoint.transport == .udp else { throw .badValue("trunk inside") }
            self = .inside(endpoint)
        case 2: self = .server(try reader.reachable("server"))
        case 3: self = .network(try reader.network())
        case 4: self = .domain(try reader.string("domain", limit: 255))
        case 5: self = .perSecond(try reader.count("per-second", in: 0...10_000))
        default: throw .badValue("trunk rule")
        }
    }

    /// The addresses that calls from the trunk come from, as far as this line names them.
    package var sources: Network? {
        switch self {
        case .server(let address): Network(address.ip)
        case .network(let network): network
        case .inside, .domain, .perSecond: nil
        }
    }
}
