// loadgen: drives SIP through an edge and plays the PBX behind it, for scripts/bench.sh.
//
//     loadgen client WORK EDGE FIRST-SOURCE SOURCES WINDOW UNITS ACCOUNTS ROUNDS
//     loadgen pbx ADDRESS [challenge]
//     loadgen echo ADDRESS
//
// WORK is options, register, wrong, call or echo; addresses are IPv4:PORT.
//
// DIAGNOSTICS: `client` prints one line, "units seconds p50 p99 failures", then a line for each kind
// of failure on standard error; it exits with 1 when an argument is wrong or a socket cannot be had.
// The other two print nothing and run until they are killed.

internal import Glibc
internal import Sys

/// Says what is wrong and ends.
func fail(_ text: String) -> Never {
    complain(text)
    exit(1)
}

/// The address of "IPv4:PORT".
func address(_ text: String) -> SocketAddress {
    let parts = text.split(separator: ":")
    guard parts.count == 2, let ip = IPAddress(parts[0]), let port = UInt16(parts[1]) else {
        fail("\(text) is not IPv4:PORT")
    }
    return SocketAddress(ip, port: port)
}

func number(_ text: String) -> Int {
    guard let value = Int(text), value > 0 else { fail("\(text) is not a positive number") }
    return value
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch (arguments.first, arguments.count) {
    case ("client", 9):
        guard let work = Work(rawValue: arguments[1]) else { fail("unknown work \(arguments[1])") }
        let plan = Plan(
            work: work, edge: address(arguments[2]), source: address(arguments[3]),
            sources: number(arguments[4]), window: number(arguments[5]),
            units: number(arguments[6]), accounts: number(arguments[7]),
            rounds: number(arguments[8]))
        try Client(plan).run().print()
    case ("pbx", 2), ("pbx", 3):
        try AnsweringSide(address(arguments[1]), challenges: arguments.count == 3).run()
    case ("echo", 2): try echo(at: address(arguments[1]))
    default: fail("see the head of Benchmarks/loadgen/main.swift for the arguments")
    }
} catch {
    fail("\(error)")
}
