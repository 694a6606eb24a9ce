// TLS connections for their own sake: made and ended one by one, or made and held.

internal import Glibc
internal import Sys

/// A SIP message that a connection proves itself with.
private func options(_ carrier: any Carrier, _ number: Int) -> [UInt8] {
    var unit = Unit(slot: 0, agent: "loadgen")
    unit.begin(
        number: number, account: 0, socket: 0, at: carrier.local, carrier.kind, work: .options,
        now: 0)
    return Array(unit.first().utf8)
}

/// Makes connections one after the other: full handshake, good-bye, the edge's good-bye.
func handshakes(_ edge: SocketAddress, _ source: SocketAddress, _ options: Options) -> Outcome {
    let context = ClientContext()
    var outcome = Outcome()
    let start = microseconds()
    for number in 0..<options.units {
        let begun = microseconds()
        do {
            let carrier = try StreamCarrier(
                from: sourceAddress(source, number % options.sources), to: edge, secured: context)
            if !carrier.close() { outcome.failures["the edge does not close", default: 0] += 1 }
        } catch {
            outcome.failures["\(error)", default: 0] += 1
        }
        outcome.done += 1
        outcome.latencies.append(UInt32(clamping: microseconds() - begun))
    }
    outcome.seconds = Double(microseconds() - start) / 1_000_000
    return outcome
}

/// Makes connections, has an OPTIONS answered on each, says so, and holds them until it is killed.
func hold(_ edge: SocketAddress, _ source: SocketAddress, _ plan: Options) throws(SystemError) {
    let context = ClientContext()
    var held: [StreamCarrier] = []
    for number in 0..<plan.units {
        let carrier = try StreamCarrier(
            from: sourceAddress(source, number % plan.sources), to: edge, secured: context)
        carrier.send(options(carrier, number))
        carrier.flush()
        var count = 0
        for _ in 0..<50 where count == 0 {
            waitFor(carrier.raw, POLLIN)
            count = carrier.receive()
        }
        guard count == 1, Message(carrier.message(0)).status == 200 else {
            fail("connection \(number) has no answer to its OPTIONS")
        }
        held.append(carrier)
    }
    print("held \(held.count)")
    fflush(nil)
    while true { pause() }
}
