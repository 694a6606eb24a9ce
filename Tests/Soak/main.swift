// Calls by the million over a network that loses a fifth of everything; see scripts/soak.sh.
internal import Messages
internal import RouterHarness
internal import Sys

/// How many calls one router sees, one after the other and overlapping, before it has to hold nothing.
let batch = 20_000
let calls = CommandLine.arguments.count > 1 ? Int(CommandLine.arguments[1]) ?? 0 : 1_000_000
var seed = CommandLine.arguments.count > 2 ? UInt64(CommandLine.arguments[2]) ?? 1 : 1

var made = 0
var messages = 0
var results: [Int: Int] = [:]
while made < calls {
    // One phone makes them all.
    let unlimited: [RouterSetting] = [.calls(.atOnce(0)), .calls(.perMinute(0))]
    let edge = SimulatedEdge(unlimited, asterisks: ["10.0.0.10:5060"]) { fatalError($0) }
    let alice = Phone(edge, "alice")
    try alice.register(expires: 3600)
    edge.advance(.seconds(9))
    let count = min(batch, calls - made)
    let outcome = edge.makeLossyCalls(count, from: alice, seed: seed)
    guard outcome.isFree, outcome.isAsMeant, edge.banOrders.isEmpty else {
        fatalError("seed \(seed): \(outcome)")
    }
    made += count
    messages += outcome.messages
    results.merge(outcome.results, uniquingKeysWith: +)
    seed += 1
    print("\(made) calls, \(messages) messages")
}
let ends = results.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
print("every transaction freed; final answers: " + ends.joined(separator: ", "))
