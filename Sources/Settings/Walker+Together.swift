package import Messages
internal import Sys

/// Rules that hold between several keys.
extension Walker {
    /// Checks what no single value shows; only values that are right by themselves take part.
    mutating func checkTogether() {
        checkEndpoints()
        checkServers()
        checkLifetimes()
        checkUnusedTLS()
        checkTrunks()
    }

    /// Two listeners cannot share a port: UDP is one space, TCP and TLS another.
    ///
    /// One at a wildcard address has its port at every address of the family.
    private mutating func checkEndpoints() {
        var earlier: [(endpoint: Endpoint, value: SettingsFile.Value)] = []
        for value in values {
            guard let endpoint = value.setting?.endpoint else { continue }
            let clash = earlier.first { other in
                (other.endpoint.isReached(at: endpoint.address)
                    || endpoint.isReached(at: other.endpoint.address))
                    && other.endpoint.transport.isStream == endpoint.transport.isStream
                    // The same endpoint twice in one list is told as an item given twice.
                    && !(other.value.path == value.path && other.endpoint == endpoint)
            }
            if let clash {
                let line = clash.value.position.line
                error(
                    value.position,
                    "`\(endpoint)` and `\(clash.endpoint)` (line \(line), \(clash.value.path)) are the"
                        + " same port: take another port or address for one of them")
            }
            earlier.append((endpoint, value))
        }
    }

    /// The edge calls the Asterisks from its inside UDP endpoint, trunks from its outside one, and must
    /// not call itself.
    private mutating func checkServers() {
        let own = values.compactMap { $0.setting?.endpoint }.filter { $0.transport == .udp }
        for value in values {
            let server: SocketAddress
            let side: String
            switch value.setting {
            case .asterisk(let address): (server, side) = (address, "inside")
            case .trunk(_, .server(let address)): (server, side) = (address, "outside")
            default: continue
            }
            let isOwn = own.contains {
                $0.address == server || server.ip.isLoopback && $0.isReached(at: server)
            }
            if isOwn {
                error(value.position, "`\(server)` is an endpoint of the edge itself")
            }
            let isReached = values.contains {
                $0.path == side && $0.setting?.endpoint?.transport == .udp
                    && $0.setting?.endpoint?.address.ip.isV4 == server.ip.isV4
            }
            if isKnown(side), !isReached {
                let message =
                    "`\(side)` has no udp:// endpoint of \(server.ip.family) to reach `\(server)` from"
                error(value.position, message)
            }
        }
    }

    /// Whether a key was given and all its values are right.
    func isKnown(_ path: String) -> Bool { given[path] != nil && !faulty.contains(path) }

    /// The shortest registration is not longer than the longest one, defaults included.
    private mutating func checkLifetimes() {
        func span(_ path: String) -> (span: Milliseconds, position: Position?)? {
            let value = values.first { $0.path == path }
            if value == nil, given[path] != nil { return nil }
            let standard = Schema.key(path)?.byDefault.flatMap { Milliseconds(duration: $0) }
            switch value?.setting {
            case .minimumExpires(let span), .maximumExpires(let span):
                return (span, value?.position)
            default: return standard.map { ($0, nil) }
            }
        }
        guard let shortest = span("registration.minimum"),
            let longest = span("registration.maximum"), shortest.span > longest.span,
            let position = longest.position ?? shortest.position
        else { return }
        error(
            position,
            "`registration.minimum` (\(shortest.span.duration)) is longer than"
                + " `registration.maximum` (\(longest.span.duration))")
    }

    /// A certificate without a tls endpoint serves nobody.
    private mutating func checkUnusedTLS() {
        let hasTLS = values.contains { value in
            if case .outside(let endpoint) = value.setting {
                endpoint.transport == .tls
            } else {
                false
            }
        }
        if let position = given["tls"], !hasTLS, isKnown("outside") {
            warn(position, "`tls` is not used: `outside` has no tls:// endpoint")
        }
    }
}

extension Setting {
    /// The endpoint of the edge that it names, if it names one.
    package var endpoint: Endpoint? {
        switch self {
        case .outside(let endpoint), .inside(let endpoint), .trunk(_, .inside(let endpoint)):
            endpoint
        default: nil
        }
    }
}

extension IPAddress {
    /// The name of its family.
    var family: String { isV4 ? "IPv4" : "IPv6" }
}
