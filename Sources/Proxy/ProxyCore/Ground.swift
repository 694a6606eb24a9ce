package import AccountCache
package import Admission
package import AsteriskPool
package import Authentication
package import Connections
package import LocationService
package import Messages
package import ProxyBench
package import SIP
package import SIPWriting
package import Sys
package import Transactions
package import Trunks

/// The owners that the proxy core stands on, lent together; each keeps what it owns to itself.
package struct Ground: ~Copyable {
    /// Who is looked at, who is counted, who is shut out.
    package var admission: Admission
    /// The accounts that the core has heard of.
    package var accounts: AccountCache
    /// Who a request comes from.
    package var authentication: Authentication
    /// The connections that stand.
    package var connections: Connections
    /// Where the phones of accounts are.
    package var location: LocationService
    /// Who calls, and is called, without an account.
    package var trunks: Trunks
    /// What we have sent and is not over.
    package var transactions: ClientTransactions
    /// The Asterisks, and who is registered there.
    package var asterisks: AsteriskPool

    /// The owners, with nothing in them yet.
    package init(_ authentication: consuming Authentication) {
        self.authentication = authentication
        admission = Admission()
        accounts = AccountCache()
        connections = Connections()
        location = LocationService()
        trunks = Trunks()
        transactions = ClientTransactions()
        asterisks = AsteriskPool()
    }

    /// The name by which tokens and records know a party; empty for nobody.
    package func name(of party: Party) -> TokenText {
        switch party {
        case .nobody: TokenText(Span())
        case .account(let account): TokenText(accounts.name(account))
        case .trunk(let trunk): TokenText(trunks.tokenName(trunk))
        }
    }

    /// Whether a token's account is a party.
    package func isNamed(_ account: TokenAccount, _ party: Party, _ bench: inout Bench) -> Bool {
        switch party {
        case .nobody: false
        case .account(let known): bench.writer.tokens.account(accounts.name(known)) == account
        case .trunk(let trunk): trunks.isNamed(account, trunk, &bench)
        }
    }

    /// The party of a name out of a token, which was an account's or a trunk's when the token was made.
    package mutating func party(named name: Span<UInt8>, _ bench: inout Bench) -> Party {
        if let trunk = trunks.find(named: name) { return .trunk(trunk) }
        return account(named: name, &bench).map { .account($0) } ?? .nobody
    }

    /// The account of a name out of a token, which nobody forgets from then on; nil when it can be none.
    package mutating func account(named name: Span<UInt8>, _ bench: inout Bench) -> AccountID? {
        if let known = accounts.find(name) { return known }
        guard !name.isEmpty, !Trunks.isTokenName(name),
            let account = accounts.account(of: name, &bench)
        else { return nil }
        accounts.pin(account)
        return account
    }

    /// The way itself while it is open, else another one to the same party: that of an account's latest binding that
    /// can be reached, or to a trunk's first server.
    package func openWay(_ way: Flow, _ party: Party, _ bench: borrowing Bench) -> Flow? {
        if !way.transport.isStream || connections.isLive(way) { return way }
        switch party {
        case .nobody: return nil
        case .account(let account): return location.latestFlow(account)
        case .trunk(let trunk): return trunks.openWay(to: trunk, bench)
        }
    }

    /// The flow by which requests of a party go to an Asterisk.
    package func way(
        of party: Party, toAsterisk address: SocketAddress, _ bench: borrowing Bench
    ) -> Flow {
        party.trunk.map { trunks.way(of: $0, toAsterisk: address, bench) }
            ?? bench.way(toAsterisk: address)
    }

    /// The Asterisks that a party's calls do not go to, a bit for the number of each: a trunk's own endpoint reaches one
    /// family alone.
    func unreachable(_ party: Party) -> UInt64 {
        guard let trunk = party.trunk else { return 0 }
        return asterisks.numbers { !trunks.reaches(trunk, $0.ip) }
    }

    /// Sends what is in the writer as a request whose response nobody waits for.
    package mutating func sendAlone(_ handle: Handle, _ bench: inout Bench) {
        transactions.sendAlone(handle, &accounts, &connections, &bench)
    }

    /// Takes a place for a request of our own, whose response nobody waits for.
    package mutating func beginAlone(
        _ method: Method, _ flow: Flow, _ bench: inout Bench
    ) -> Handle? {
        transactions.begin(.nobody, method, flow, &accounts, &bench)
    }

    /// Frees everything that a transaction holds.
    mutating func end(_ handle: Handle, _ bench: inout Bench) {
        transactions.end(handle, &accounts, &connections, &bench)
    }
}
