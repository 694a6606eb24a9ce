internal import Messages
internal import Sys

/// Rules that hold between several keys.
extension Walker {
    /// Checks what no single value shows; only values that are right by themselves take part.
    mutating func checkTogether() {
        checkEndpoints()
        checkServers()
        checkLifetimes()
        checkUnusedTLS()
    }

    /// Two listeners cannot share a port: UDP is one space, TCP and TLS another.
    private mutating func checkEndpoints() {
        var earlier: [(endpoint: Endpoint, value: SettingsFile.Value)] = []
        for value in values {
            let endpoint: Endpoint
            switch value.setting {
            case .outside(let given), .inside(let given): endpoint = given
            default: continue
            }
            let clash = earlier.first { other in
                other.endpoint.address == endpoint.address
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

    /// The edge calls the Asterisks from its inside UDP endpoint, and must not call itself.
    private mutating func checkServers() {
        let inside = values.compactMap { value -> Endpoint? in
            if case .inside(let endpoint) = value.setting { endpoint } else { nil }
        }
        let own = values.compactMap { value -> Endpoint? in
            switch value.setting {
            case .inside(let endpoint), .outside(let endpoint): endpoint
            default: nil
            }
        }
        let isInsideKnown = given["inside"] != nil && !faulty.contains("inside")
        for value in values {
            guard case .asterisk(let server) = value.setting else { continue }
            if own.contains(where: { $0.transport == .udp && $0.address == server }) {
                error(value.position, "`\(server)` is an endpoint of the edge itself")
            }
            let reaching = inside.contains {
                $0.transport == .udp && $0.address.ip.isV4 == server.ip.isV4
            }
            if isInsideKnown, !reaching {
                let family = server.ip.isV4 ? "IPv4" : "IPv6"
                let message =
                    "`inside` has no udp:// endpoint of \(family) to reach `\(server)` from"
                error(value.position, message)
            }
        }
    }

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
        let isOutsideKnown = given["outside"] != nil && !faulty.contains("outside")
        if let position = given["tls"], !hasTLS, isOutsideKnown {
            warn(position, "`tls` is not used: `outside` has no tls:// endpoint")
        }
    }
}
