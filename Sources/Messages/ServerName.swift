// A server that is reached by TCP, as the settings name it.
package import Sys

/// A host by its name or its address, and a port.
package struct ServerName: Hashable, Sendable, CustomStringConvertible {
    /// A name in lower case, or an address without brackets.
    package let host: String
    /// The port, from 1 on.
    package let port: UInt16

    /// The server of "HOST", "HOST:PORT" or "[IPV6]:PORT"; nil for what is none.
    ///
    /// A name is one of RFC 1123, at most 253 bytes; an address is that of one host, and of no link.
    package init?(_ text: some StringProtocol, defaultPort: UInt16) {
        // Without brackets nobody can tell the port from the address.
        guard text.hasPrefix("[") || text.count(where: { $0 == ":" }) < 2 else { return nil }
        if let address = SocketAddress(text, defaultPort: defaultPort) {
            let ip = address.ip
            guard address.port > 0, !ip.isUnspecified, !ip.isMulticast, ip.isV4 || !ip.isLinkLocal
            else { return nil }
            (host, port) = ("\(ip)", address.port)
            return
        }
        let parts = text.lowercased().split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let name = parts.first, Self.isName(name) else { return nil }
        guard let port = parts.count == 2 ? Self.port(parts[1]) : defaultPort else { return nil }
        (host, self.port) = (String(name), port)
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(text),
            port > 0
        else { return nil }
        return port
    }

    private static func isName(_ text: Substring) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, let last = labels.last else { return false }
        // A name whose last label is a number is an address that is mistyped.
        return !last.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && labels.allSatisfy { label in
                let bytes = label.utf8
                return (1...63).contains(bytes.count) && bytes.first != UInt8(ascii: "-")
                    && bytes.last != UInt8(ascii: "-")
                    && bytes.allSatisfy { byte in
                        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
                            || byte == UInt8(ascii: "-")
                    }
            }
    }

    /// Its address; nil for a name.
    package var address: IPAddress? { IPAddress(host) }

    /// "HOST:PORT", with brackets around an IPv6 address.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Asterisks that are asked for accounts through their REST interface, ARI.
package struct ARIServers: Equatable, Sendable {
    /// Whether they are asked by TLS.
    package let isSecure: Bool
    /// Who is asked, in that order.
    package let names: [ServerName]

    /// How many a URL names at most.
    package static let most = 8

    /// Those of "ari://HOST:PORT,HOST:PORT" or "ari+https://...", without a user, a path and anything else; nil for what
    /// is none.
    package init?(_ url: String) {
        guard let scheme = [Self.scheme, Self.secureScheme].first(where: url.hasPrefix) else {
            return nil
        }
        isSecure = scheme == Self.secureScheme
        let port: UInt16 = isSecure ? 8089 : 8088
        let hosts = url.dropFirst(scheme.count)
            .split(separator: ",", omittingEmptySubsequences: false)
        names = hosts.compactMap { ServerName($0, defaultPort: port) }
        guard names.count == hosts.count, names.count <= Self.most,
            Set(names).count == names.count
        else { return nil }
    }

    /// What the URLs begin with.
    package static let scheme = "ari://", secureScheme = "ari+https://"

    /// The root of a server's requests, as `https://pbx.example.com:8089`.
    package func root(_ name: ServerName) -> String { "http\(isSecure ? "s" : "")://\(name)" }

    /// What a person calls a server: the URL that names it alone.
    package func url(_ name: ServerName) -> String {
        "\(isSecure ? Self.secureScheme : Self.scheme)\(name)"
    }
}
