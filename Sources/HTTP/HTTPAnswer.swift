// What comes of a request by HTTP.

/// An answer that is whole.
package struct HTTPAnswer: Equatable, Sendable {
    /// The status, such as 200.
    package let status: Int
    /// What came after the header.
    package let body: [UInt8]
    /// How long it took from its beginning.
    package let microseconds: UInt32
}

/// Why there is no answer, in words without a password.
package enum HTTPFailure: Error, Equatable, Sendable {
    /// Nobody could be reached there.
    case unreachable(String)
    /// The server's certificate, or its way of TLS, is refused.
    case untrusted(String)
    /// It did not come whole in time.
    case late
    /// It is longer than so many bytes.
    case tooLong(Int)
    /// It is no whole answer by HTTP.
    case broken(String)

    /// Whether the next request would fare no better.
    package var isOfServer: Bool {
        switch self {
        case .unreachable, .untrusted: true
        case .late, .tooLong, .broken: false
        }
    }
}

/// Who is asked, and as whom.
package struct HTTPServer: Sendable {
    /// What requests begin with, such as `https://pbx.example.com:8089`.
    package var root: String
    /// The addresses of its name, as curl wants them: NAME:PORT:ADDRESS,ADDRESS; nil when it has an address itself.
    package var resolved: String?
    /// The user, without a colon.
    package var user: String
    /// The password, without a zero byte.
    package var password: [UInt8]
    /// A file of the certificates that are trusted; nil: those of the system.
    package var trusted: String?

    /// A server of its parts.
    package init(
        root: String, resolved: String? = nil, user: String, password: [UInt8],
        trusted: String? = nil
    ) {
        self.root = root
        self.resolved = resolved
        self.user = user
        self.password = password
        self.trusted = trusted
    }
}

/// How long requests may take, and how long an answer may be.
package struct HTTPLimits: Sendable {
    /// Until a connection stands, in milliseconds.
    package var connecting = 1000
    /// The bytes of an answer's body.
    package var body = 1 << 20

    /// The limits that hold when nothing else is said.
    package init() {}
}
