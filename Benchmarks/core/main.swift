// What a unit of work costs the core alone, without sockets; Benchmarks/core.sh counts its instructions.
//
//     core WORK COUNT      WORK is parse, options, challenge, register or call
internal import Messages
internal import Proxy
internal import ProxyBench
internal import RouterHarness
internal import SIP
internal import Sys

let work = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "options"
let count = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 0 : 100_000

/// A request as a phone writes it.
func message(_ method: String) -> [UInt8] {
    let lines = [
        "\(method) sip:example.com SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK17x40x1x3abc;rport",
        "Max-Forwards: 70", "From: <sip:u17@example.com>;tag=f17-40",
        "To: <sip:u17@example.com>", "Call-ID: 17-40-3abc@bench", "CSeq: 1 \(method)",
        "Contact: <sip:u17@198.51.100.7:5060>", "User-Agent: loadgen",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS", "Content-Length: 0", "", "",
    ]
    return Array(lines.joined(separator: "\r\n").utf8)
}

func parse() throws {
    let bytes = message("OPTIONS")
    let parser = MessageParser()
    for _ in 0..<count {
        var index = MessageIndex()
        try parser.parse(bytes.span, into: &index)
    }
}

/// One message after the other that is answered at once.
func answer(_ method: String, _ edge: SimulatedEdge) {
    let bytes = message(method)
    let flow = Flow(.udp, listener: 0, peer: address("198.51.100.7:5060"))
    for _ in 0..<count {
        edge.router.receive(bytes.span, flow, edge.now)
        precondition(edge.router.bench.effects.outbox.count == 1, "no answer")
        edge.router.bench.effects.outbox.removeAll()
    }
}

/// Whole calls of one phone; time passes, so that their transactions end.
func call(_ edge: SimulatedEdge) throws {
    let alice = Phone(edge, "alice")
    let asterisk = PBX(edge)
    let body = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
    for number in 0..<count {
        let sent = try alice.ask(
            "INVITE", "sip:100@example.com", callID: "call-\(number)",
            ["Content-Type: application/sdp"], body: body)
        let invite = try asterisk.expect("INVITE")
        asterisk.answer(invite, 100)
        asterisk.answer(invite, 180)
        asterisk.answer(invite, 200, ["Content-Type: application/sdp"], body: body)
        var dialog = Dialog(caller: sent, try alice.expect(200))
        alice.send(dialog.request("ACK", via: alice.via))
        alice.send(dialog.request("BYE", via: alice.via))
        asterisk.answer(try asterisk.expect("BYE"), 200)
        _ = try alice.expect(200)
        edge.inboxes = [:]
        if number % 100 == 99 { edge.leap(.seconds(40), steps: 10) }
    }
}

let edge = SimulatedEdge(
    // One phone makes all calls.
    [
        .allow(Network(IPAddress(v4: 0xC633_6400), prefix: 24)), .calls(.perMinute(100_000)),
    ], asterisks: ["10.0.0.10:5060"]
) { fatalError($0) }
switch work {
case "parse": try parse()
case "options": answer("OPTIONS", edge)
case "challenge": answer("REGISTER", edge)
case "register":
    let alice = Phone(edge, "alice")
    for _ in 0..<count { try alice.register() }
case "call": try call(edge)
default: fatalError("no work \(work)")
}
