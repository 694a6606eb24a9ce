// loadgen: drives SIP through an edge and plays the PBX behind it, for Benchmarks/bench.sh.
//
//     loadgen client WORK EDGE FIRST-SOURCE [NAME=VALUE...]
//     loadgen crowd EDGE FIRST-SOURCE [NAME=VALUE...]
//     loadgen handshakes EDGE FIRST-SOURCE [NAME=VALUE...]
//     loadgen hold EDGE FIRST-SOURCE [NAME=VALUE...]
//     loadgen flood KIND EDGE SOURCE [NAME=VALUE...]
//     loadgen pbx ADDRESS [challenge]
//     loadgen echo ADDRESS
//
// WORK is options, register, wrong, stranger, call, ring or echo; KIND options, garbage, smuggled or forged;
// addresses are IPv4:PORT. The names are those of Options.swift.
//
// DIAGNOSTICS: `client` and `handshakes` print one line, "units seconds p50 p99 failures", then a
// line for each kind of failure on standard error. `crowd` prints the same line of its phones and the
// times that they took, then lines "COUNT EVENT", then each second of `listens` a line "asked COUNT". `hold`
// prints "held N" when all stand. An argument that is wrong or a socket that cannot be had ends with 1.
// `hold`, `pbx` and `echo` run until they are killed.
//
// `pbx` forgets who is registered when it gets a request FORGET. It prints "forgotten COUNT" then, and
// "first MICROSECONDS" and "all MICROSECONDS" once those are known again.

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
    case ("client", 4...):
        guard let work = Work(rawValue: arguments[1]) else { fail("unknown work \(arguments[1])") }
        let plan = Plan(
            work: work, edge: address(arguments[2]), source: address(arguments[3]),
            Options(arguments[4...]))
        try Client(plan).run().print()
    case ("crowd", 3...):
        try Crowd(address(arguments[1]), address(arguments[2]), Options(arguments[3...])).run()
    case ("handshakes", 3...):
        handshakes(address(arguments[1]), address(arguments[2]), Options(arguments[3...])).print()
    case ("hold", 3...):
        try hold(address(arguments[1]), address(arguments[2]), Options(arguments[3...]))
    case ("flood", 4...):
        guard let kind = Flood(rawValue: arguments[1]) else { fail("no flood \(arguments[1])") }
        try kind.send(
            to: address(arguments[2]), from: address(arguments[3]), Options(arguments[4...]))
    case ("pbx", 2), ("pbx", 3):
        try AnsweringSide(address(arguments[1]), challenges: arguments.count == 3).run()
    case ("echo", 2): try echo(at: address(arguments[1]))
    default: fail("see the head of Benchmarks/loadgen/main.swift for the arguments")
    }
} catch {
    fail("\(error)")
}
