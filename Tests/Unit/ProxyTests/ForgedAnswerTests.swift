import Messages
import Proxy
import Sys
import Testing

/// Answers from somebody who has not got the request.
@Suite("Forged answers") struct ForgedAnswerTests {
    private func hand(_ edge: Edge, _ bytes: [UInt8], _ flow: Flow) { edge.receive(bytes, flow) }

    @Test("an Asterisk's answer counts by the socket alone that its request left by")
    func otherListener() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        try phone.ask("INVITE", "sip:100@example.com")
        let asterisk = Asterisk(edge)
        let invite = try asterisk.expect("INVITE")
        let answer = response(to: invite, 200, tag: "as1", ["Contact: <sip:100@10.0.0.10>"])
        hand(edge, answer, Flow(.udp, listener: 4, peer: asterisk.flow.peer))
        #expect(!phone.all().contains { $0.status == 200 })
        // Old Asterisks answer from a port of their own.
        hand(edge, answer, Flow(.udp, listener: 3, peer: address("10.0.0.10:9")))
        #expect(try phone.expect(200).has("Contact"))
    }

    @Test(
        "an answer counts with the method of its request alone",
        arguments: ["BYE", "CANCEL", "UPDATE"])
    func otherMethod(_ method: String) throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        try phone.register()
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try phone.expect("INVITE")
        let answer = String(
            decoding: response(to: invite, 200, tag: "p1", ["Contact: <\(phone.contact)>"]),
            as: UTF8.self)
        hand(
            edge, Array(answer.replacing("CSeq: 102 INVITE", with: "CSeq: 102 \(method)").utf8),
            phone.flow)
        #expect(!asterisk.all().contains { $0.status == 200 })
        hand(edge, Array(answer.utf8), phone.flow)
        #expect(try asterisk.expect(200).has("Contact"))
    }

    @Test("an answer by another connection of the phone's address does not count")
    func otherConnection() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice", .tcp, connection: 7)
        try phone.register()
        let other = Phone(edge, "mallory", at: "198.51.100.7:40000", .tcp, connection: 8)
        let asterisk = Asterisk(edge)
        asterisk.call("alice")
        let invite = try phone.expect("INVITE")
        let answer = response(to: invite, 200, tag: "m", ["Contact: <\(other.contact)>"])
        hand(edge, answer, other.flow)
        #expect(!asterisk.all().contains { $0.status == 200 })
    }

    @Test("whoever has seen some branches cannot tell the next one")
    func branches() throws {
        let edge = Edge()
        let phone = Phone(edge, "alice")
        try phone.register()
        let asterisk = Asterisk(edge)
        var seen: [UInt64] = []
        for number in 0..<40 {
            asterisk.call("alice", callID: "c\(number)@10.0.0.10:5060")
            let via = try phone.expect("INVITE")["Via"]
            seen.append(
                try #require(UInt64(between(via, "branch=z9hG4bK", ";").suffix(16), radix: 16)))
        }
        #expect(Set(seen).count == 40)
        // What the generator splitmix64, whose state follows from one number, would have given.
        for (place, number) in seen.enumerated() {
            var state = Self.unmixed(number)
            let next = (0..<100).map { _ in Self.mixed(&state) }
            #expect(Set(next).isDisjoint(with: seen[(place + 1)...]))
        }
    }

    private static func mixed(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    /// The state after which splitmix64 gives a number.
    private static func unmixed(_ number: UInt64) -> UInt64 {
        var word = number ^ number >> 31 ^ number >> 62
        word = word &* 0x3196_42B2_D24D_8EC3
        word = word ^ word >> 27 ^ word >> 54
        word = word &* 0x96DE_1B17_3F11_9089
        return word ^ word >> 30 ^ word >> 60
    }

    @Test("splitmix64 is turned back as its forecast needs")
    func unmixing() {
        var state: UInt64 = 42
        let number = Self.mixed(&state)
        #expect(Self.unmixed(number) == state)
    }
}
