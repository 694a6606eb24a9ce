internal import Messages
internal import Sys

/// The values of trunks.
extension Value {
    /// Whether a text can be a trunk's name, which stands in a SIP URI as it is.
    static func isTrunkName(_ text: String) -> Bool {
        (1...Bounds.longestGroupName).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                    || "-_.".utf8.contains(byte)
            }
    }

    /// The name of a trunk.
    static func trunkName(_ text: String) throws(ValueError) -> String {
        guard isTrunkName(text) else {
            throw ValueError("`\(text)` is not the name of a trunk: \(Schema.trunkNames.range)")
        }
        return text
    }

    /// A trunk's own socket, which is UDP.
    static func trunkInside(_ text: String) throws(ValueError) -> Endpoint {
        guard text.hasPrefix("udp://") else {
            let parts = text.split(separator: "://", maxSplits: 1)
            throw ValueError(
                "`\(text)` is not udp://, as a trunk's inside is: write `udp://\(parts.last ?? "")`"
            )
        }
        return try endpoint(text)
    }

    /// The address of a trunk's server; a name is answered with where it belongs.
    static func trunkServer(_ text: String) throws(ValueError) -> SocketAddress {
        let host = text.prefix { $0 != ":" }
        if let name = try? domain(String(host)), IPAddress(name) == nil {
            throw ValueError(
                "`\(text)` is a name, and names are not looked up: give the addresses that the provider"
                    + " says, and `domain: \(name)` beside them")
        }
        return try server(text)
    }

    /// A network of a trunk, which is not everybody.
    static func trunkNetwork(_ text: String) throws(ValueError) -> Network {
        let network = try network(text)
        guard network.prefix > 0 else {
            throw ValueError("`\(text)` is everybody, who would call without a password")
        }
        return network
    }
}
