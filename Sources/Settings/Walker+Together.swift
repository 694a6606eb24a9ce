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
        checkUnusedNetworks()
        checkCertificates()
        checkOlderNames()
        checkSource()
        checkTrunks()
    }

    /// Two listeners cannot share a port: UDP is one space, TCP and TLS another.
    ///
    /// One at a wildcard address has its port at every address of the family.
    private mutating func checkEndpoints() {
        var earlier: [(endpoint: Endpoint, value: SettingsFile.Value)] = []
        for value in values {
            guard let endpoint = value.setting.told.router?.endpoint else { continue }
            let clash = earlier.first { other in
                (other.endpoint.isReached(at: endpoint.address)
                    || endpoint.isReached(at: other.endpoint.address))
                    && other.endpoint.transport.isStream == endpoint.transport.isStream
                    // The same endpoint twice in one list is told as an item given twice.
                    && !(other.value.path == value.path && other.value.setting == value.setting)
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

    /// The edge calls each Asterisk from an inside UDP endpoint of its family, trunks from an outside one, and
    /// must not call itself.
    private mutating func checkServers() {
        let own = values.flatMap { $0.setting.told.router?.faces ?? [] }.filter {
            $0.transport == .udp
        }
        for value in values {
            let server: SocketAddress
            let side: String
            switch value.setting.told.router {
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
                let endpoint = $0.setting.told.router?.endpoint
                return $0.path == side && endpoint?.transport == .udp
                    && endpoint?.address.ip.isV4 == server.ip.isV4
            }
            if isKnown(side), !isReached {
                let family = server.ip.family
                error(
                    value.position,
                    "`\(side)` has no udp:// endpoint of \(family) to reach `\(server)` from: add one with an"
                        + " \(family) address of this machine, as in `\(server.ip.exampleEndpoint)`"
                )
            }
        }
    }

    /// Whether a key was given and all its values are right.
    func isKnown(_ path: String) -> Bool { given[path] != nil && !faulty.contains(path) }

    /// The shortest registration is not longer than the longest one, defaults included.
    private mutating func checkLifetimes() {
        func span(
            _ path: String, _ standard: Milliseconds
        ) -> (span: Milliseconds, position: Position?)? {
            guard let value = values.first(where: { $0.path == path }) else {
                return given[path] == nil ? (standard, nil) : nil
            }
            switch value.setting.told.router {
            case .minimumExpires(let span), .maximumExpires(let span):
                return (span, value.position)
            default: return nil
            }
        }
        let rows = Setting.registration
        guard let shortest = span("registration.minimum", rows.minimum.standard),
            let longest = span("registration.maximum", rows.maximum.standard),
            shortest.span > longest.span,
            let position = longest.position ?? shortest.position
        else { return }
        error(
            position,
            "`registration.minimum` (\(shortest.span.duration)) is longer than"
                + " `registration.maximum` (\(longest.span.duration))")
    }

    /// There is one way to name certificates in a file, and each is named once.
    private mutating func checkCertificates() {
        let list = Schema.certificates.path
        if given[list] != nil {
            for path in ["tls.certificate", "tls.key"] {
                guard let position = given[path] else { continue }
                error(
                    position,
                    "`\(path)` stands beside `\(list)`: take it out, and give its file in an item of"
                        + " `\(list)`, the first if it is the default")
            }
        }
        var lines: [String: Int] = [:]
        for value in values where value.path.hasPrefix(list) {
            guard case .certificate(let path) = value.setting.told.terminator else { continue }
            if let line = lines[path] {
                error(
                    value.position,
                    "`\(path)` is given twice, first in line \(line): leave one out")
            } else {
                lines[path] = value.position.line
            }
        }
    }

    /// A key stands in a file by one of its names.
    private mutating func checkOlderNames() {
        for key in Schema.keys {
            guard case .alwaysUnless(let older) = key.need, given[key.path] != nil,
                let position = given[older]
            else { continue }
            error(
                position,
                "`\(older)` is the older name of `\(key.path)`, and both are there: leave `\(older)` out"
            )
        }
    }

    /// A certificate without a tls endpoint serves nobody.
    private mutating func checkUnusedTLS() {
        let hasTLS = values.contains {
            $0.setting.told.router?.outside?.endpoint.transport == .tls
        }
        if let position = given["tls"], !hasTLS, isKnown("outside") {
            warn(position, "`tls` is not used: `outside` has no tls:// endpoint")
        }
    }
}

extension Walker {
    /// Where no peer is shown another address than the bound one, networks make no difference.
    private mutating func checkUnusedNetworks() {
        let isTranslated = values.contains { $0.setting.told.router?.outside?.advertised != nil }
        guard let first = values.first(where: { $0.path == "local-networks" }), !isTranslated,
            isKnown("outside")
        else { return }
        warn(
            first.position,
            "`local-networks` is not used: no endpoint of `outside` has an `as`")
    }
}

extension RouterSetting {
    /// The endpoint of the edge that it names, as it is bound and as a NAT before it has it.
    fileprivate var faces: [Endpoint] {
        guard let endpoint else { return [] }
        guard let advertised = outside?.advertised else { return [endpoint] }
        return [endpoint, Endpoint(endpoint.transport, advertised)]
    }
}

extension IPAddress {
    /// The name of its family.
    var family: String { isV4 ? "IPv4" : "IPv6" }

    /// An endpoint of its family, as documents have it.
    fileprivate var exampleEndpoint: String { isV4 ? "udp://10.0.0.1" : "udp://[2001:db8::1]" }
}
