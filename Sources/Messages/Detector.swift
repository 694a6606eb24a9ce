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

    /// What is to be known of a detector.
    private struct Row {
        /// Its key in the settings, and the reason code of a ban unless it has another one.
        let key: String
        let code: String?
        /// What is counted.
        let counted: String
        /// The limit when the settings name none.
        let standard: Limit
        /// How long a ban lasts at least.
        let leastBan: Milliseconds

        @inline(__always)
        init(
            _ key: String, _ counted: String, _ count: UInt32, inSeconds window: Int64,
            code: String? = nil, leastBan: Int64 = 0
        ) {
            self.key = key
            self.code = code
            self.counted = counted
            standard = Limit(count, in: .seconds(window))
            self.leastBan = .seconds(leastBan)
        }
    }

    private static let hour: Int64 = 3600, day: Int64 = 86_400

    /// Inlined, so that a question for a limit makes no texts.
    @inline(__always)
    private var row: Row {
        switch self {
        case .wrongPassword: Row("wrong-password", "wrong passwords", 5, inSeconds: 30)
        case .wrongPasswordSlow:
            Row(
                "wrong-password-slow", "wrong passwords", 20, inSeconds: 300,
                code: "wrong-password")
        case .wrongPasswordSlower:
            Row(
                "wrong-password-slower", "wrong passwords", 30, inSeconds: 600,
                code: "wrong-password")
        case .namesSwept:
            Row("names-swept", "names that failed", 5, inSeconds: Self.hour, leastBan: Self.hour)
        case .honeyAccount:
            Row(
                "honey-account", "tries of a name that is a trap", 1, inSeconds: Self.hour,
                leastBan: Self.day)
        case .scanner:
            Row("scanner", "messages of a scanner", 2, inSeconds: Self.hour, leastBan: Self.hour)
        case .strangerCalls:
            Row(
                "stranger-calls", "calls without a password", 10, inSeconds: 60,
                leastBan: Self.day)
        case .numbersSwept:
            Row(
                "numbers-swept", "numbers called without a password", 10, inSeconds: 600,
                leastBan: Self.day)
        case .malformed: Row("malformed", "malformed messages", 15, inSeconds: 30)
        case .tlsFailures:
            Row("tls-failures", "TLS handshakes that came to nothing", 20, inSeconds: 60)
        case .idleConnections:
            Row("idle-connections", "connections without a word", 20, inSeconds: 600)
        case .flood: Row("flood", "requests without a password", 400, inSeconds: 10)
        case .nonceReplay: Row("nonce-replay", "nonces used again", 50, inSeconds: 600)
        case .forgedToken: Row("forged-token", "forged tokens", 10, inSeconds: 60)
        case .contactInjection:
            Row(
                "contact-injection", "contacts that lead to the edge or an Asterisk", 10,
                inSeconds: 600)
        }
    }

    /// The detector's key in the settings.
    package var key: String { row.key }

    /// The reason code of a ban.
    package var code: String { row.code ?? row.key }

    /// What is counted, for the evidence: "5 wrong passwords".
    package var counted: String { row.counted }

    /// The limit when the settings name none.
    package var standard: Limit { row.standard }

    /// How long a ban lasts at least; 0 where its growth alone decides.
    package var leastBan: Milliseconds { row.leastBan }
}

/// So many in such a time.
package struct Limit: Equatable, Sendable {
    /// How many; the bounds stand in the row of the limit.
    package var count: UInt32
    /// In which time.
    package var window: Milliseconds

    /// How long a window of the settings may be.
    static let windows: ClosedRange<Milliseconds> = .seconds(1) ... .seconds(604_800)

    /// A limit.
    package init(_ count: UInt32, in window: Milliseconds) {
        self.count = count
        self.window = window
    }
}
