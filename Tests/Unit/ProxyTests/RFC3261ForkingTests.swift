import Messages
import Proxy
import SIP
import Sys
import Testing

@Suite("RFC 3261 section 16.7: the responses of several phones") struct RFC3261ForkingTests {
    @Test(
        "a phone's challenge ends at the edge: Asterisk could not answer it",
        arguments: [([401, 407], 403), ([401, 486], 403), ([407, 600], 600), ([401, 503], 403)])
    func challenges(_ statuses: [Int], _ expected: Int) throws {
        let (desk, cell, asterisk) = try twoPhones()
        asterisk.call("alice")
        for (phone, status) in zip([desk, cell], statuses) {
            let challenge = ["WWW-Authenticate: Digest realm=\"phone\", nonce=\"x\""]
            phone.send(response(to: try phone.expect("INVITE"), status, tag: "t", challenge))
        }
        let answer = try asterisk.expect(expected)
        #expect(!answer.has("WWW-Authenticate"))
    }

    @Test(
        "of failures of one class the one that says more is passed on",
        arguments: [
            ([486, 484], 484), ([404, 415], 415), ([480, 420], 420), ([487, 486], 486),
            ([481, 480], 480), ([302, 404], 302), ([500, 486], 486), ([603, 302], 603),
        ])
    func best(_ statuses: [Int], _ expected: Int) throws {
        let (desk, cell, asterisk) = try twoPhones()
        asterisk.call("alice")
        for (phone, status) in zip([desk, cell], statuses) {
            phone.send(response(to: try phone.expect("INVITE"), status, tag: "t"))
        }
        #expect(try asterisk.expect(expected).status == expected)
    }

    @Test("a phone that was silent does not hide the failure of another one")
    func silent() throws {
        let (desk, cell, asterisk) = try twoPhones()
        asterisk.call("alice")
        let ringing = try desk.expect("INVITE")
        desk.send(response(to: ringing, 180, tag: "t"))
        desk.edge.advance(.seconds(33))
        _ = cell.all()
        desk.send(response(to: ringing, 486, tag: "t"))
        #expect(asterisk.all().map(\.status) == [100, 180, 486])
    }

    @Test("every 2xx is passed on, also the second one of a fork")
    func twoAnswers() throws {
        let (desk, cell, asterisk) = try twoPhones()
        asterisk.call("alice")
        let first = try desk.expect("INVITE")
        let second = try cell.expect("INVITE")
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        cell.send(response(to: second, 200, tag: "c", ["Contact: <sip:alice@10.9.9.9:6000>"]))
        #expect(asterisk.all().compactMap { $0.status == 200 ? $0.toTag : nil } == ["d", "c"])
        // Sent again by the phone, it is sent again to Asterisk; after its time it is nobody's.
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        #expect(asterisk.all().map(\.toTag) == ["d"])
        desk.edge.advance(.seconds(40))
        desk.send(response(to: first, 200, tag: "d", ["Contact: <\(desk.contact)>"]))
        #expect(asterisk.next() == nil)
    }
}
