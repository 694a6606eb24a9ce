// The NAME=VALUE arguments.

/// How a run differs from the usual one.
struct Options {
    var transport = CarrierKind.udp
    /// How many phones' addresses there are; over a stream, each has one connection.
    var sources = 32
    /// How many units are in flight at most.
    var window = 64
    var units = 1000
    var accounts = 1000
    /// The number of the first account.
    var first = 0
    /// How long a crowd has at most.
    var seconds = 60
    /// For how long it answers then what it is asked.
    var listens = 0
    /// How many messages an echo is sent.
    var rounds = 1
    /// Units begun a second, whether or not the others are done; 0 for a closed loop.
    var rate = 0
    /// What each phone says of itself; strangers get no answer to a REGISTER shorter than its challenge.
    var agent = "loadgen"

    init(_ words: ArraySlice<String>) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { fail("\(word) is not NAME=VALUE") }
            let value = String(parts[1])
            switch parts[0] {
            case "transport":
                guard let kind = CarrierKind(rawValue: value) else { fail("no transport \(value)") }
                transport = kind
            case "sources": sources = number(value)
            case "window": window = number(value)
            case "units": units = number(value)
            case "accounts": accounts = number(value)
            case "first": first = number(value)
            case "seconds": seconds = number(value)
            case "listens": listens = number(value)
            case "rounds": rounds = number(value)
            case "rate": rate = number(value)
            case "agent": agent = value
            default: fail("no option \(parts[0])")
            }
        }
    }
}
