import Settings

/// The shortest settings text that is right.
let shortest = """
    domains: [sip.example.com]
    outside: [udp://203.0.113.5:5060]
    inside: [udp://10.0.0.1:5060]
    asterisk:
      servers: [10.0.0.10:5060]
    accounts:
      source: sqlite:///var/lib/asterisk/realtime.sqlite3

    """

/// What is said about a text: "LINE:COLUMN: message", in order, errors only unless told otherwise.
func faults(_ text: String, warnings: Bool = false) -> [String] {
    SettingsFile(Array(text.utf8)).diagnostics
        .filter { warnings || $0.severity == .error }
        .map { "\($0.position.line):\($0.position.column): \($0.message)" }
}
