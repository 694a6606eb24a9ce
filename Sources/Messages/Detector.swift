package import Sys

/// What counts an offence of a source; the number in the frames.
///
/// Every detector has a limit, so many in such a time, that the settings may change. It has a least
/// time that a ban founded on it lasts. Only what a source did after it had proven its address is
/// counted.
package enum Detector: UInt8, CaseIterable, Sendable {
    /// Wrong answers to our own nonces, in a short time.
    case wrongPassword = 1
    /// The same, slower.
    case wrongPasswordSlow
    /// The same, slower still.
    case wrongPasswordSlower
    /// Names that failed, each counted once.
    case namesSwept
    /// Names that only an attacker tries.
    case honeyAccount
    /// Messages as only a scanner writes them.
    case scanner
    /// Calls to numbers that nobody then authenticated.
    case strangerCalls
    /// Numbers that were called so, each counted once.
    case numbersSwept
    /// Messages that two parsers could read in two ways, or nobody can read.
    case malformed
    /// TLS handshakes that came to nothing.
    case tlsFailures
    /// Connections on which nothing was ever said.
    case idleConnections
    /// Requests that had to be challenged.
    case flood
    /// Nonces that came again.
    case nonceReplay
    /// Tokens that we never sealed.
    case forgedToken
    /// Contacts that lead to the edge or an Asterisk instead of their phone.
    case contactInjection

    /// The detector's key in the settings.
    package var key: String {
        switch self {
        case .wrongPassword: "wrong-password"
        case .wrongPasswordSlow: "wrong-password-slow"
        case .wrongPasswordSlower: "wrong-password-slower"
        case .namesSwept: "names-swept"
        case .honeyAccount: "honey-account"
        case .scanner: "scanner"
        case .strangerCalls: "stranger-calls"
        case .numbersSwept: "numbers-swept"
        case .malformed: "malformed"
        case .tlsFailures: "tls-failures"
        case .idleConnections: "idle-connections"
        case .flood: "flood"
        case .nonceReplay: "nonce-replay"
        case .forgedToken: "forged-token"
        case .contactInjection: "contact-injection"
        }
    }

    /// The reason code of a ban.
    package var code: String {
        switch self {
        case .wrongPasswordSlow, .wrongPasswordSlower: Detector.wrongPassword.key
        default: key
        }
    }

    /// What is counted, for the evidence: "5 wrong passwords".
    package var counted: String {
        switch self {
        case .wrongPassword, .wrongPasswordSlow, .wrongPasswordSlower: "wrong passwords"
        case .namesSwept: "names that failed"
        case .honeyAccount: "tries of a name that is a trap"
        case .scanner: "messages of a scanner"
        case .strangerCalls: "calls without a password"
        case .numbersSwept: "numbers called without a password"
        case .malformed: "malformed messages"
        case .tlsFailures: "TLS handshakes that came to nothing"
        case .idleConnections: "connections without a word"
        case .flood: "requests without a password"
        case .nonceReplay: "nonces used again"
        case .forgedToken: "forged tokens"
        case .contactInjection: "contacts that lead to the edge or an Asterisk"
        }
    }

    /// The limit when the settings name none.
    package var standard: Limit {
        switch self {
        case .wrongPassword: Limit(5, in: .seconds(30))
        case .wrongPasswordSlow: Limit(20, in: .seconds(300))
        case .wrongPasswordSlower: Limit(30, in: .seconds(600))
        case .namesSwept: Limit(5, in: .seconds(3600))
        case .honeyAccount: Limit(1, in: .seconds(3600))
        case .scanner: Limit(2, in: .seconds(3600))
        case .strangerCalls: Limit(10, in: .seconds(60))
        case .numbersSwept: Limit(10, in: .seconds(600))
        case .malformed: Limit(15, in: .seconds(30))
        case .tlsFailures: Limit(20, in: .seconds(60))
        case .idleConnections: Limit(20, in: .seconds(600))
        case .flood: Limit(400, in: .seconds(10))
        case .nonceReplay: Limit(50, in: .seconds(600))
        case .forgedToken: Limit(10, in: .seconds(60))
        case .contactInjection: Limit(10, in: .seconds(600))
        }
    }

    /// How long a ban lasts at least; 0 where its growth alone decides.
    package var leastBan: Milliseconds {
        switch self {
        case .honeyAccount, .strangerCalls, .numbersSwept: .seconds(86_400)
        case .scanner, .namesSwept: .seconds(3600)
        default: Milliseconds(0)
        }
    }
}

/// So many in such a time.
package struct Limit: Equatable, Sendable {
    /// How many, 1 to 100,000.
    package var count: UInt32
    /// In which time, 1 s to 7 d.
    package var window: Milliseconds

    /// A limit.
    package init(_ count: UInt32, in window: Milliseconds) {
        self.count = count
        self.window = window
    }
}
